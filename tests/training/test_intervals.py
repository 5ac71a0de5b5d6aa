"""Intervals against counts by hand, against scipy's, and against truths that are known because they were drawn."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from training.intervals import Bools, Floats, exact_interval, intervals_of, upper_bound

ONE_CAPTURE = np.zeros(10_000, np.int16)


def test_upper_bounds_of_clopper_and_pearson() -> None:
    assert upper_bound(0, 3000) == pytest.approx(1 - 0.05 ** (1 / 3000))  # in closed form, about 3 / n
    assert upper_bound(0, 3000) == pytest.approx(0.000998, abs=1e-6)
    assert upper_bound(1, 10) == pytest.approx(0.3942, abs=1e-4)  # their table
    assert upper_bound(5, 5) == 1.0


@pytest.mark.parametrize(("events", "trials"), [(0, 1), (1, 1), (0, 4479), (1, 10), (7, 9), (31, 37_618), (5000, 5000)])
def test_the_exact_interval_is_that_of_scipy(events: int, trials: int) -> None:
    theirs = binomtest(events, trials).proportion_ci(0.95, method="exact")

    assert exact_interval(events, trials) == pytest.approx((theirs.low, theirs.high), rel=1e-9, abs=1e-12)


def test_the_exact_interval_in_closed_form() -> None:
    assert exact_interval(0, 100) == pytest.approx((0.0, 1 - 0.025 ** (1 / 100)))
    assert exact_interval(100, 100) == pytest.approx((0.025 ** (1 / 100), 1.0))
    assert exact_interval(0, 0) == (0.0, 1.0)


def test_areas_move_as_far_as_the_draws_do() -> None:
    # One positive, always drawn; of two negatives both are drawn half of the time, else the one or the other twice.
    positive = np.array([True, False, False])
    capture = np.zeros(3, np.int16)

    apart = intervals_of(np.array([0.5, 0.9, 0.1]), positive, positive, capture)
    tied = intervals_of(np.array([0.5, 0.5, 0.1]), positive, positive, capture)

    assert apart.roc_auc == pytest.approx((0.0, 1.0))
    assert apart.pr_auc == pytest.approx((1 / 3, 1.0))
    assert tied.roc_auc == pytest.approx((0.5, 1.0))
    assert tied.pr_auc == pytest.approx((1 / 3, 1.0))


def test_a_perfect_ranking_does_not_tell_how_sure_it_is() -> None:
    positive = np.arange(100) < 30
    found = intervals_of(positive.astype(float), positive, positive, ONE_CAPTURE[:100])

    assert (found.roc_auc, found.pr_auc) == (None, None)
    assert found.recall == pytest.approx(exact_interval(30, 30))
    assert found.fpr == pytest.approx(exact_interval(0, 70))
    assert found.precision == pytest.approx(exact_interval(30, 30))


def test_what_the_rows_cannot_tell_is_none() -> None:
    none, nothing = np.empty(0), np.empty(0, np.bool_)
    empty = intervals_of(none, nothing, nothing, np.empty(0, np.int16))
    benign = intervals_of(np.zeros(50), np.zeros(50, np.bool_), np.zeros(50, np.bool_), ONE_CAPTURE[:50])

    assert (empty.recall, empty.fpr, empty.precision, empty.roc_auc, empty.pr_auc) == (None,) * 5
    assert (benign.recall, benign.precision, benign.roc_auc, benign.pr_auc) == (None,) * 4
    assert benign.fpr == pytest.approx(exact_interval(0, 50))


def test_captures_are_not_drawn() -> None:
    """One found whole and one missed whole: each draw has both, so only the exact interval says anything."""
    positive = np.ones(2000, np.bool_)
    flagged = np.arange(2000) < 1000
    found = intervals_of(flagged.astype(float), flagged, positive, (~flagged).astype(np.int16))

    assert found.recall == pytest.approx(exact_interval(1000, 2000))


def test_the_same_rows_give_the_same_intervals() -> None:
    score, flagged, positive = attacks(np.random.default_rng(3), 1)

    assert intervals_of(score, flagged, positive, ONE_CAPTURE) == intervals_of(score, flagged, positive, ONE_CAPTURE)


def attacks(dice: np.random.Generator, flows: int) -> tuple[Floats, Bools, Bools]:
    """10,000 rows of one capture: attacks of so many flows each, found whole four times in five, one after another."""
    positive = dice.random(10_000 // flows).repeat(flows) < 0.5
    found = dice.random(10_000 // flows).repeat(flows) < 0.8
    score = np.where(positive, 0.5 * found + 0.5 * dice.random(10_000), 0.7 * dice.random(10_000))
    return score, found & positive, positive


@pytest.mark.parametrize("flows", [1, 100])
def test_intervals_hold_the_truth_whether_flows_come_alone_or_in_hundreds(flows: int) -> None:
    held, held_by_exact = 0, 0
    for seed in range(20):
        score, flagged, positive = attacks(np.random.default_rng(seed), flows)
        interval = intervals_of(score, flagged, positive, ONE_CAPTURE).recall
        assert interval is not None
        exact = exact_interval(int(flagged.sum()), int(positive.sum()))
        assert interval[0] <= exact[0] < exact[1] <= interval[1]
        held += interval[0] <= 0.8 <= interval[1]
        held_by_exact += exact[0] <= 0.8 <= exact[1]

    assert held >= 17  # 19 on average is what 95 % means
    assert (held_by_exact >= 17) is (flows == 1)


def test_areas_of_flows_that_come_in_hundreds_are_less_sure() -> None:
    alone, together = (intervals_of(*attacks(np.random.default_rng(1), flows), ONE_CAPTURE) for flows in (1, 100))

    for one, other in ((alone.roc_auc, together.roc_auc), (alone.pr_auc, together.pr_auc)):
        assert one is not None
        assert other is not None
        assert other[1] - other[0] > 3 * (one[1] - one[0])
