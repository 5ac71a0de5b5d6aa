"""A registry and keys to try things out with, for who has none."""

from pathlib import Path

import dagster as dg

from model_registry.writing.creation import create_registry
from orchestration.resources import ModelRegistry, SigningKey


@dg.op(
    pool="registry",
    description="Makes new keys and an empty registry that trusts them. Refuses where there are any. The keys are not "
    "encrypted: it is for trying out; for a registry that matters use `tidegate keys init` on a machine of its own.",
)
def make_registry_and_keys(context: dg.OpExecutionContext, registry: ModelRegistry, signing: SigningKey) -> None:
    """Make a registry. Raises TidegateError, having written nothing, if there are keys or a registry already."""
    create_registry(registry.location, Path(signing.folder), holder="made in Dagster, to try out")
    context.log.info(f"made {registry.location} and unencrypted keys in {signing.folder}; now launch `train`")


@dg.job(name="new_registry", description="Make a registry and throw-away keys, before the first training.")
def new_registry() -> None:
    """One step."""
    make_registry_and_keys()
