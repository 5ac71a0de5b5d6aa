"""Everything that Dagster shows and runs; ``workspace.yaml`` points here."""

import os

import dagster as dg

from orchestration.defs.data import assets as data_assets
from orchestration.defs.data import checks as data_checks
from orchestration.defs.models import assets as model_assets
from orchestration.defs.models import checks as model_checks
from orchestration.defs.release import assets as release_assets
from orchestration.defs.release.schedules import nightly_retraining
from orchestration.jobs import report, train
from orchestration.resources import SigningRegistry, default_keys, default_registry, default_store
from orchestration.storage import FileStore


def definitions(registry: str, keys: str, store: str) -> dg.Definitions:
    """Put the definitions together for a registry, a folder of keys and a folder for assets' data."""
    return dg.Definitions(
        assets=dg.load_assets_from_modules([data_assets, model_assets, release_assets]),
        asset_checks=dg.load_asset_checks_from_modules([data_checks, model_checks]),
        jobs=[train, report],
        schedules=[nightly_retraining],
        resources={
            "io_manager": FileStore(folder=store),
            "signing": SigningRegistry(
                registry_folder=registry, keys_folder=keys, state_folder=os.environ.get("TIDEGATE_STATE")
            ),
        },
    )


defs = definitions(default_registry(), default_keys(), default_store())
