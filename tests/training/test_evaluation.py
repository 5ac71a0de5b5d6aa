"""Measures against counts by hand."""

from __future__ import annotations

import numpy as np
import pytest

from training.evaluation import measure, upper_bound


def test_measures_are_the_counts_by_hand() -> None:
    positive = np.array([True] * 4 + [False] * 6)
    flagged = np.array([True, True, True, False, True, False, False, False, False, False])
    score = np.where(flagged, 0.9, 0.1)

    measured = measure(score, flagged, positive, 0.5, abstained=2)

    assert (measured.rows, measured.positives, measured.threshold, measured.abstained) == (10, 4, 0.5, 2)
    assert (measured.recall, measured.precision) == (0.75, 0.75)
    assert measured.fpr == pytest.approx(1 / 6)
    assert measured.roc_auc == pytest.approx((3 * 5 + 0.5 * (3 * 1 + 1 * 5)) / 24)
    assert measured.fpr_upper95 is None


def test_what_the_rows_cannot_tell_is_none() -> None:
    nothing = np.zeros(5, np.bool_)

    benign = measure(np.zeros(5), nothing, nothing, None)
    attacks = measure(np.zeros(5), nothing, ~nothing, None)

    assert (benign.recall, benign.fpr, benign.precision, benign.roc_auc) == (None, 0.0, None, None)
    assert (attacks.recall, attacks.fpr) == (0.0, None)


@pytest.mark.parametrize(("negatives", "told"), [(2999, False), (3000, True)])
def test_the_upper_bound_needs_3000_benign_rows(negatives: int, told: bool) -> None:
    nothing = np.zeros(negatives, np.bool_)

    assert (measure(np.zeros(negatives), nothing, nothing, None).fpr_upper95 is not None) is told


def test_upper_bounds_of_clopper_and_pearson() -> None:
    assert upper_bound(0, 3000) == pytest.approx(1 - 0.05 ** (1 / 3000))  # in closed form, about 3 / n
    assert upper_bound(0, 3000) == pytest.approx(0.000998, abs=1e-6)
    assert upper_bound(1, 10) == pytest.approx(0.3942, abs=1e-4)  # their table
    assert upper_bound(5, 5) == 1.0
