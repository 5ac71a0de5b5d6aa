"""The definitions that ship, on small traffic: what Dagster's own processes load in tests.

A file ``without-malware`` beside the asset store takes the malware out of the first capture, which is learned from: the
data are broken then, and no model of it can be fitted. Without its scans, ``without-scans``, all models still can.
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
    first, *others = scenario.captures
    broken = replace(first, attacks=tuple(attack for attack in first.attacks if not isinstance(attack, missing)))
    return replace(scenario, captures=(broken, *others))


setattr(assets, "training_scenario", _scenario)  # noqa: B010  (mypy knows it as imported there, not as its own)
