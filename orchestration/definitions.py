"""Everything that Dagster shows and runs, from all modules below ``defs``; ``workspace.yaml`` points here."""

import os
from importlib import import_module
from pkgutil import walk_packages
from types import ModuleType
from typing import Any, TypeVar

import dagster as dg

from orchestration import defs as domains
from orchestration.automation import Thresholds
from orchestration.execution import executor_from
from orchestration.kafka import kafka_from
from orchestration.notifying import Notifier
from orchestration.resources import (
    AssetStore,
    ModelRegistry,
    SigningKey,
    default_keys,
    default_registry,
    default_store,
)
from orchestration.storage import FileStore

Kind = TypeVar("Kind")
AssetJob = type(dg.define_asset_job("any"))  # its class has no public name


def definitions(registry: str, keys: str, store: str) -> dg.Definitions:
    """Put together what is defined, for a registry and folders of keys and of assets' data."""
    modules = [import_module(found.name) for found in walk_packages(domains.__path__, f"{domains.__name__}.")]
    return dg.Definitions(
        assets=dg.load_assets_from_modules(modules),
        asset_checks=dg.load_asset_checks_from_modules(modules),
        jobs=[*_defined(modules, AssetJob), *_defined(modules, dg.JobDefinition)],
        schedules=_defined(modules, dg.ScheduleDefinition),
        sensors=_defined(modules, dg.SensorDefinition),
        resources={
            "io_manager": FileStore(folder=store),
            "store": AssetStore(folder=store, drop=os.environ.get("TIDEGATE_DROP", "var/drop")),
            "kafka": kafka_from(os.environ),
            "registry": ModelRegistry(
                location=registry,
                root_file=os.environ.get("TIDEGATE_ROOT"),
                keys_folder=keys,
                state_folder=os.environ.get("TIDEGATE_STATE"),
            ),
            "signing": SigningKey(folder=keys),
            "thresholds": Thresholds(
                **_given(
                    labels="TIDEGATE_ENOUGH_LABELS",
                    precision="TIDEGATE_PRECISION_FLOOR",
                    fewest="TIDEGATE_PRECISION_LABELS",
                )
            ),
            "notifier": Notifier(webhook=dg.EnvVar("TIDEGATE_WEBHOOK") if "TIDEGATE_WEBHOOK" in os.environ else None),
        },
        executor=executor_from(os.environ),
    )


def _given(**variables: str) -> dict[str, Any]:
    """The fields whose variable is in the environment."""
    return {field: os.environ[variable] for field, variable in variables.items() if variable in os.environ}


def _defined(modules: list[ModuleType], kind: type[Kind]) -> list[Kind]:
    """The module-level values of a kind, each once however many modules import it."""
    found = [value for module in modules for value in vars(module).values() if isinstance(value, kind)]
    return list({id(value): value for value in found}.values())


defs = definitions(default_registry(), default_keys(), default_store())
