"""The operating point keeps its false-positive rate."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.errors import TrainingError
from training.thresholds import threshold_at


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.sampled_from([0.001, 0.01, 0.1]), st.booleans())
def test_the_stated_rate_holds_on_validation(seed: int, fpr: float, ties: bool) -> None:
    dice = np.random.default_rng(seed)
    benign, attacks = dice.beta(1, 8, 2000), dice.beta(8, 1, 300)
    if ties:
        benign, attacks = benign.round(1), attacks.round(1)

    threshold = threshold_at(fpr, benign, attacks)

    assert 0 < threshold < 1
    # Scores of exactly 1 cannot be kept out by a threshold below 1; these draws have none among the benign.
    assert (benign >= threshold).mean() <= fpr or benign.max() == 1.0


def test_a_clear_gap_is_cut_in_its_middle() -> None:
    threshold = threshold_at(0.001, np.full(2000, 0.1), np.full(50, 0.9))

    assert threshold == pytest.approx(0.5)


def test_without_attacks_the_lowest_threshold_that_keeps_the_rate_is_taken() -> None:
    benign = np.arange(1000) / 1000

    assert threshold_at(0.01, benign, np.array([])) == np.nextafter(0.989, 1)


def test_too_few_benign_rows_are_refused() -> None:
    with pytest.raises(TrainingError, match="needs 1000 benign rows, got 999"):
        threshold_at(0.001, np.zeros(999), np.ones(10))
