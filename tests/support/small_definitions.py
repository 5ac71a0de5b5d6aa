"""The definitions that ship, on small traffic: what Dagster's own processes load in tests.

A file ``without-malware`` beside the asset store takes the malware out of the traffic: the data are broken then, and no
model of it can be fitted. Without what is strange, ``without-scans``, the data are broken, and all models can.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from flows.simulator import Beacon, PortScan, Scenario
from orchestration.definitions import defs
from orchestration.defs.data import assets
from orchestration.resources import default_store
from tests.support.pipeline import small_scenario

__all__ = ["defs"]

BREAKS: dict[str, type] = {"without-malware": Beacon, "without-scans": PortScan}


def _scenario(seed: int = 1) -> Scenario:
    scenario = small_scenario(seed)
    missing = tuple(kind for name, kind in BREAKS.items() if Path(default_store()).with_name(name).exists())
    captures = tuple(
        replace(one, attacks=tuple(attack for attack in one.attacks if not isinstance(attack, missing)))
        for one in scenario.captures
    )
    return replace(scenario, captures=captures)


setattr(assets, "training_scenario", _scenario)  # noqa: B010  (mypy knows it as imported there, not as its own)
