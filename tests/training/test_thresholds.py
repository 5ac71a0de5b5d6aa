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


def test_a_clear_gap_is_cut_in_its_middle() -> None:
    assert raised(0.1, np.full(50, 0.9), np.zeros(50, dtype=np.int64), room=0.0) == pytest.approx(0.5)


def test_a_large_attack_decides_no_more_than_a_small_one() -> None:
    attacks, kinds = np.repeat([0.5, 0.9], [10, 990]), np.repeat([0, 1], [10, 990])
    # The far side is at the mean of the log-odds of 0.5 and 0.9, however many flows each has.
    assert raised(0.5, attacks, kinds, room=0.5) == pytest.approx(1 / (1 + (1 / 9) ** (1 / 4)))
    assert raised(0.5, attacks, kinds, room=0.4) == pytest.approx(0.5)


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.floats(1e-6, 0.99))
def test_raising_never_lowers_nor_leaves_the_attacks_found(seed: int, threshold: float) -> None:
    dice = np.random.default_rng(seed)
    attacks, kinds = dice.beta(4, 1, 60), dice.integers(0, 3, 60)

    higher = raised(threshold, attacks, kinds, 0.1)

    def recall(at: float) -> float:
        return float(np.mean([(attacks[kinds == kind] >= at).mean() for kind in np.unique(kinds)]))

    assert threshold <= higher
    assert recall(higher) >= recall(threshold) - 0.1 - 1e-9
    assert higher <= max([threshold, *attacks[attacks >= threshold]]) + 1e-12


def test_without_an_attack_that_is_found_a_threshold_stays() -> None:
    assert raised(0.25, np.full(9, 0.2), np.zeros(9, dtype=np.int64), room=1.0) == 0.25
