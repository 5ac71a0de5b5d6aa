"""The definitions that ship, on small traffic: what Dagster's own processes load in tests.

A file ``without-malware`` beside the asset store takes the malware out of the traffic: the data are broken then.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from flows.simulator import Beacon, Scenario
from orchestration.definitions import defs
from orchestration.defs.data import assets
from orchestration.resources import default_store
from tests.support.pipeline import small_scenario

__all__ = ["defs"]


def _scenario(seed: int = 1) -> Scenario:
    scenario = small_scenario(seed)
    if not Path(default_store()).with_name("without-malware").exists():
        return scenario
    captures = tuple(
        replace(one, attacks=tuple(attack for attack in one.attacks if not isinstance(attack, Beacon)))
        for one in scenario.captures
    )
    return replace(scenario, captures=captures)


setattr(assets, "training_scenario", _scenario)  # noqa: B010  (mypy knows it as imported there, not as its own)
