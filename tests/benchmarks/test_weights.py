"""Weights are compared by what each capture's attacks say, however many flows an attack has."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.weights import WAYS, Way, told
from detection.ensemble import default_ensemble
from detection.verdict import Kind
from tests.support.datasets import capture_of
from training.datasets import Dataset


def test_attacks_count_the_same_however_many_flows_they_have() -> None:
    first = capture_of("a", [Kind.BENIGN] * 4 + [Kind.DDOS] * 4)
    second = replace(capture_of("b", [Kind.MALWARE, Kind.ANOMALY]), attack=np.array(["beacon", "scan"]))
    verdicts = [Kind.BENIGN, Kind.DDOS, Kind.ABSTAIN, Kind.BENIGN] + [Kind.DDOS] * 3 + [Kind.BENIGN]
    found = told(Dataset.concatenate([first, second]), np.array([*verdicts, Kind.ANOMALY, Kind.ABSTAIN], dtype=np.int8))

    assert found.learned == pytest.approx((0.75 + 1.0) / 2)
    assert found.strange == 0.0
    assert found.fpr == 0.25
    assert found.abstained == 0.2


def test_a_way_changes_what_it_names_and_the_shipped_weights_are_among_them() -> None:
    shipped = default_ensemble()
    assert [way for way in WAYS if way.of(shipped) == shipped] == [Way(1.0, 0.5, 1.0)]
    other = Way(2.0, 0.0, 0.0).of(shipped)
    assert (other.weights.rules.ddos, other.weights.math.malware, other.limits.near_zero) == (2.0, 0.0, 0.0)
    assert other.weights.ml == shipped.weights.ml
