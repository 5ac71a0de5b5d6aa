"""The manifest signed again before it expires, with nothing changed."""

from datetime import UTC, datetime, timedelta

import dagster as dg
from pydantic import Field

from model_registry.content import Content
from model_registry.shapes import parse_time
from model_registry.writing.publishing import MANIFEST_VALIDITY, publish
from orchestration.execution import SIGNING_POD
from orchestration.house import OWNERS
from orchestration.resources import ModelRegistry, SigningKey
from orchestration.retrying import trying_again


class Refreshing(dg.Config):
    """When it is time."""

    days_left: int = Field(default=30, ge=1, description="Sign again when the manifest is valid for fewer days.")


@dg.asset(
    group_name="refresh",
    kinds={"python", "ed25519"},
    owners=OWNERS,
    tags={"part": "manifest"},
    code_version="1",
    pool="registry",
    op_tags=SIGNING_POD,
    description="The manifest in force, signed again as the next version when its time runs out. It reads nothing but "
    "the registry, so nothing gets into force by it that was not in force before.",
)
def refreshed_manifest(
    context: dg.AssetExecutionContext, config: Refreshing, registry: ModelRegistry, signing: SigningKey
) -> dg.MaterializeResult:  # type: ignore[type-arg]  # nothing is stored here: the registry is the store
    """Publish the same content again, or do nothing while there is time."""
    source = registry.open()
    with trying_again(context):
        manifest = source.manifest(root=registry.root())
        left = parse_time(manifest.expires, "the manifest") - datetime.now(UTC)
        if left > timedelta(days=config.days_left):
            return dg.MaterializeResult(
                metadata={"manifest_version": manifest.version, "refreshed": False, "days_left": left.days}
            )

        def same(content: Content) -> Content:
            return content

        published = publish(
            source,
            same,
            signing.signer(registry.trusted_root()),
            run_id=context.run.run_id,
            action="refresh",
            reason=f"{max(left.days, 0)} days were left",
            root=registry.root(),
            state_dir=registry.state(),
        )
    return dg.MaterializeResult(
        metadata={
            "manifest_version": published.version,
            "refreshed": True,
            "in_force": published.in_force,
            "signatures_lacking": published.lacking,
            "days_left": MANIFEST_VALIDITY.days,
        }
    )
