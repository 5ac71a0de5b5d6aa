"""Simulated traffic as a data set, for the demo and for tests: it proves the machinery, not the models."""

from __future__ import annotations

from typing import Final

import numpy as np

from detection.verdict import Kind
from flows.features import FeatureExtractor
from flows.keying import HomeNetworks
from flows.simulator import Scenario, simulate
from training.datasets.base import Dataset

_TRUTH: Final = {kind.label: kind for kind in Kind}


def simulated(scenario: Scenario, home: HomeNetworks | None = None) -> Dataset:
    """Draw a scenario's traffic and measure it."""
    traffic = simulate(scenario)
    return Dataset(
        features=FeatureExtractor(home).extract(traffic.batch),
        truth=np.array([_TRUTH[label] for label in traffic.labels], dtype=np.int8),
        attack=traffic.attack.astype(np.str_),
        capture=traffic.capture.astype(np.int16),
        time=traffic.batch.start + traffic.batch.duration,
    )
