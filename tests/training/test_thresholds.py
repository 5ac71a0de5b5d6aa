"""The operating point keeps its false-positive rate."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.errors import TrainingError
from training.thresholds import raised, threshold_at


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.sampled_from([0.001, 0.01, 0.1]), st.booleans())
def test_the_stated_rate_holds_on_validation(seed: int, fpr: float, ties: bool) -> None:
    benign = np.random.default_rng(seed).beta(1, 8, 2000)
    if ties:
        benign = benign.round(1)

    threshold = threshold_at(fpr, benign)

    assert 0 < threshold < 1
    # Scores of exactly 1 cannot be kept out by a threshold below 1; these draws have none.
    assert (benign >= threshold).mean() <= fpr


def test_the_lowest_threshold_that_keeps_the_rate_is_taken() -> None:
    assert threshold_at(0.01, np.arange(1000) / 1000) == np.nextafter(0.989, 1)


def test_too_few_benign_rows_are_refused() -> None:
    with pytest.raises(TrainingError, match="needs 1000 benign rows, got 999"):
        threshold_at(0.001, np.zeros(999))


def test_a_threshold_is_raised_into_the_gap_as_far_as_recall_lets_it() -> None:
    attacks, kinds = np.repeat([0.9, 0.99], 50), np.repeat([0, 1], 50)
    assert 0.89 < raised(0.1, attacks, kinds, room=0.0) <= 0.9
    assert 0.98 < raised(0.1, attacks, kinds, room=0.5) <= 0.99


def test_room_is_a_mean_over_kinds_of_attack_so_that_a_large_one_is_not_all() -> None:
    attacks, kinds = np.concatenate([[0.5] * 10, [0.99] * 990]), np.repeat([0, 1], [10, 990])
    assert raised(0.1, attacks, kinds, room=0.02) <= 0.5


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.floats(1e-6, 0.9), st.floats(0.0, 0.5))
def test_raising_never_lowers_and_costs_no_more_than_its_room(seed: int, threshold: float, room: float) -> None:
    dice = np.random.default_rng(seed)
    attacks, kinds = dice.beta(4, 1, 60), dice.integers(0, 3, 60)

    higher = raised(threshold, attacks, kinds, room)

    def recall(at: float) -> float:
        return float(np.mean([(attacks[kinds == kind] >= at).mean() for kind in np.unique(kinds)]))

    assert threshold <= higher < 1
    assert recall(higher) >= recall(threshold) - room - 1e-9


def test_without_attacks_a_threshold_stays() -> None:
    assert raised(0.25, np.empty(0), np.empty(0, dtype=np.int64), room=0.1) == 0.25
