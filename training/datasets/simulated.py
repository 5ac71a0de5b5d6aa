"""Simulated traffic as a data set, for the demo and for tests: it proves the machinery, not the models."""

from __future__ import annotations

from typing import Final

import numpy as np

from detection.verdict import Kind
from flows.simulator import Scenario, simulate
from training.datasets.base import LabelledFlows

_TRUTH: Final = {kind.label: kind for kind in Kind}


def simulated(scenario: Scenario) -> LabelledFlows:
    """Draw a scenario's traffic."""
    traffic = simulate(scenario)
    return LabelledFlows(
        batch=traffic.batch,
        truth=np.array([_TRUTH[label] for label in traffic.labels], dtype=np.int8),
        attack=traffic.attack.astype(np.str_),
        capture=traffic.capture.astype(np.int16),
    )
