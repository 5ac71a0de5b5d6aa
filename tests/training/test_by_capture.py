"""Bootstrap intervals by capture, on made-up data whose truth is known."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from training.by_capture import capture_intervals
from training.intervals import Intervals, exact_interval

FLOWS = 100  # of each capture
FOUND = 0.7  # of the captures, whole


def attacks(dice: np.random.Generator, captures: int) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int32]]:
    """Attacks that are found whole or not at all, one in each capture."""
    return np.repeat(dice.random(captures) < FOUND, FLOWS), np.repeat(np.arange(captures, dtype=np.int32), FLOWS)


def recall_interval(flagged: npt.NDArray[np.bool_], capture: npt.NDArray[np.int32]) -> tuple[float, float] | None:
    return capture_intervals(flagged.astype(np.float64), flagged, np.ones(len(flagged), np.bool_), capture).recall


def test_the_interval_holds_the_truth_where_flows_are_alike_and_the_exact_one_does_not() -> None:
    dice, held, exactly = np.random.default_rng(7), 0, 0
    for _ in range(100):
        flagged, capture = attacks(dice, 25)
        interval = recall_interval(flagged, capture)
        assert interval is not None
        low, high = exact_interval(int(flagged.sum()), len(flagged))
        held += interval[0] <= FOUND <= interval[1]
        exactly += low <= FOUND <= high

    assert held >= 88
    assert exactly <= 50


@pytest.mark.parametrize(("captures", "told"), [(2, False), (3, True)])
def test_under_three_captures_it_cannot_be_told(captures: int, told: bool) -> None:
    flagged = np.repeat(np.arange(captures) % 2 == 0, FLOWS)
    capture = np.repeat(np.arange(captures), FLOWS).astype(np.int32)

    assert (recall_interval(flagged, capture) is not None) is told


def test_captures_without_attacks_do_not_count_for_recall_but_for_the_rate() -> None:
    capture = np.repeat(np.arange(4, dtype=np.int16), 10)
    positive = (capture < 2) & (np.arange(40) % 2 == 0)
    flagged = np.arange(40) < 13

    found = capture_intervals(flagged.astype(np.float64), flagged, positive, capture)

    assert (found.recall, found.roc_auc, found.pr_auc) == (None, None, None)
    assert found.fpr is not None
    assert found.fpr[0] <= (flagged & ~positive).sum() / (~positive).sum() <= found.fpr[1]


def test_captures_that_agree_say_nothing_of_a_further_one() -> None:
    capture = np.repeat(np.arange(5, dtype=np.int16), 10)
    assert recall_interval(np.ones(50, np.bool_), capture.astype(np.int32)) is None


def test_areas_lie_within_their_intervals_and_the_numbering_does_not_matter() -> None:
    dice = np.random.default_rng(3)
    capture = np.repeat(np.arange(6, dtype=np.int32), 50)
    positive = dice.random(300) < 0.3
    score = np.clip(positive * dice.uniform(0, 0.6, 6)[capture] + dice.random(300) * 0.5, 0, 1)
    flagged = score > 0.5

    found = capture_intervals(score, flagged, positive, capture)

    assert found.roc_auc is not None
    assert found.pr_auc is not None
    assert 0.5 < found.roc_auc[0] < found.roc_auc[1] <= 1.0
    assert found == capture_intervals(score, flagged, positive, capture * 7 + 100)


def test_no_rows_tell_nothing() -> None:
    nothing = np.empty(0, np.bool_)
    assert capture_intervals(np.empty(0), nothing, nothing, np.empty(0, np.int32)) == Intervals(*[None] * 5)
