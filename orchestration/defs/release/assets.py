"""The signed manifest and what it holds: each model's version, and the slots. One step, and the only one with a key."""

from collections.abc import Iterator
from datetime import timedelta
from enum import Enum

import dagster as dg

from detection.engines.math import Baselines, baselines_to_json
from detection.engines.rules import default_rules
from detection.ensemble import Ensemble, ensemble_to_json
from flows.catalogue import catalogue_json
from model_registry.artifact import Artifact
from model_registry.content import EMPTY, Content, ModelVersion
from model_registry.errors import GateError
from model_registry.writing.publishing import publish
from orchestration.champions import champions_of
from orchestration.comparison import Comparison
from orchestration.defs.release.tables import slots_table, version_metadata
from orchestration.defs.release.versions import evidence_of, model_version
from orchestration.evidence import Overriding
from orchestration.execution import SIGNING_POD
from orchestration.house import OWNERS
from orchestration.resources import AssetStore, ModelRegistry, SigningKey
from orchestration.retrying import trying_again
from orchestration.trial import Trial
from training import anomaly
from training.datasets import Dataset
from training.recipes import RECIPES

# What is served and older than this was not trained again when it should have been.
FRESH = dg.FreshnessPolicy.time_window(fail_window=timedelta(days=8), warn_window=timedelta(days=2))


class Destination(Enum):
    """The slots that newly trained models can go to."""

    CHAMPION = "champion"
    CHALLENGER = "challenger"
    SHADOW = "shadow"


class Release(dg.Config):
    """What becomes of the models once they have passed their gates."""

    slot: Destination = Destination.CHAMPION
    reason: str = ""


def _spec(name: str, description: str, part: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        name,
        group_name="release",
        kinds={"python", "ed25519"},
        owners=OWNERS,
        tags={"part": part},
        description=description,
        code_version="2",
        freshness_policy=FRESH,
        skippable=False,
        deps=INPUTS,
    )


INPUTS = [
    *("training_features", "site_features", "math_baselines", "ensemble", "trial", "champion_comparison"),
    *(recipe.name for recipe in RECIPES),
]
SPECS = [
    *(
        _spec(
            f"{recipe.name}_version", f"{recipe.name}, signed: its figures, gates and card in the registry.", "version"
        )
        for recipe in RECIPES
    ),
    _spec("slots", "Which version of each model decides, and which ones wait or watch beside it.", "slot"),
    _spec(
        "signed_manifest",
        "The manifest that serving verifies: three models and all that decides with them.",
        "manifest",
    ),
]


@dg.multi_asset(
    name="release",
    specs=SPECS,
    ins={name: dg.AssetIn(name) for name in INPUTS},
    pool="registry",
    op_tags=SIGNING_POD,
)
def release(
    context: dg.AssetExecutionContext,
    config: Release,
    registry: ModelRegistry,
    signing: SigningKey,
    store: AssetStore,
    training_features: Dataset,
    site_features: Dataset,
    math_baselines: Baselines,
    ensemble: Ensemble,
    trial: Trial,
    champion_comparison: Comparison,
    ddos_lgbm: Artifact,
    malware_lgbm: Artifact,
    anomaly_iforest: Artifact,
) -> Iterator[dg.MaterializeResult]:  # type: ignore[type-arg]  # nothing is stored here: the registry is the store
    """Ask every gate again, sign, and publish the three models with everything that decides beside them."""
    artifacts = (ddos_lgbm, malware_lgbm, anomaly_iforest)
    parts = {
        **{artifact.name: artifact for artifact in artifacts},
        "training_features": training_features,
        "site_features": site_features,
        "math_baselines": math_baselines,
        "ensemble": ensemble,
    }
    target = registry.open()
    root = registry.trusted_root()
    evidence = evidence_of(context, parts, trial, champion_comparison, Overriding(store.path, root))
    versions: dict[str, ModelVersion] = {}
    cards: dict[str, str] = {}
    for artifact in artifacts:
        name = artifact.name
        learned = "site_features" if name == anomaly.NAME and len(site_features) else "training_features"
        versions[name], cards[name] = model_version(context, target, artifact, evidence, training_features, learned)
    blobs = {
        "catalogue": target.put_blob(catalogue_json()).path,
        "rules": target.put_blob(default_rules()).path,
        "math": target.put_blob(baselines_to_json(math_baselines)).path,
        "ensemble": target.put_blob(ensemble_to_json(ensemble)).path,
    }
    contents = [EMPTY, EMPTY]

    def edit(content: Content) -> Content:
        if champions_of(content) != champion_comparison.champions:
            raise GateError(
                "nothing is published: the champions have changed since the new models were compared with them; "
                "materialize champion_comparison again"
            )
        contents[0] = content
        for name, model in versions.items():
            content = content.with_model(name, model, config.slot.value)
        # What waits or watches must not change how the present champions are weighed: nobody tried those together.
        decides = config.slot is Destination.CHAMPION or not champion_comparison.champions
        contents[1] = content.with_blobs(**blobs) if decides else content
        return contents[1]

    with trying_again(context):
        published = publish(
            target,
            edit,
            signing.signer(root),
            run_id=context.run.run_id,
            action="train",
            reason=config.reason,
            root=registry.root(),
            state_dir=registry.state(),
        )
    before, after = contents
    for name, model in versions.items():
        metadata = version_metadata(model, cards[name], before.champion(name), published, config.slot.value)
        yield dg.MaterializeResult(asset_key=f"{name}_version", metadata=metadata)
    yield dg.MaterializeResult(
        asset_key="slots", metadata={"slots": slots_table(before, after), "manifest_version": published.version}
    )
    yield dg.MaterializeResult(
        asset_key="signed_manifest",
        metadata={
            "manifest_version": published.version,
            "in_force": published.in_force,
            "signatures_lacking": published.lacking,
            "proposal": published.proposal,
            "registry": target.location,
            "overridden": sorted(
                {gate for name in versions for gate, result in evidence.of_model(name).items() if not result.passed}
            ),
            **{f"{name}_fingerprint": model.fingerprint for name, model in versions.items()},
            **{f"{name}_card": dg.MetadataValue.md(card) for name, card in cards.items()},
        },
    )
