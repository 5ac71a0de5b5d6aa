"""Simulated traffic as a data set, for the demo and for tests: it proves the machinery, not the models."""

from __future__ import annotations

from typing import Final

import numpy as np

from detection.verdict import Kind
from flows.simulator import Scenario, simulate
from training.datasets.base import LabelledFlows, Origin
from training.datasets.parts import parts_by_capture

_TRUTH: Final = {kind.label: kind for kind in Kind}

ABOUT: Final = (
    "Trained and tested on simulated traffic: the earliest networks to train, the next for calibration and threshold,\n"
    "the last for the figures; no network is in two parts. That shows that the pipeline works; it says nothing about\n"
    "how good the model is on a real network."
)


def simulated(scenario: Scenario) -> LabelledFlows:
    """Draw a scenario's traffic. Raises TrainingError when it has fewer than three captures."""
    traffic = simulate(scenario)
    capture = traffic.capture.astype(np.int16)
    return LabelledFlows(
        batch=traffic.batch,
        truth=np.array([_TRUTH[label] for label in traffic.labels], dtype=np.int8),
        attack=traffic.attack.astype(np.str_),
        capture=capture,
        part=parts_by_capture(capture),
        origin=Origin(tuple(f"simulated network {capture.subnet}" for capture in scenario.captures), ABOUT),
    )
