"""95 % bootstrap intervals by capture: how far a figure would move with other captures, which is what a reader asks.

Whole captures are drawn with replacement (Efron 1979; the cluster bootstrap of Davison and Hinkley 1997, section 3.8),
as many as there are, and the figure is computed anew from all rows of those drawn; the middle 95 % of 1,000 such values
is the interval. What is never drawn apart cannot make it narrow: a thousand flows of one scan count as one scan.

An interval of a rate needs three captures that hold such rows, and an area's needs three of either class. With fewer it
cannot be told, and with fewer than a dozen it is too narrow still: see docs/evaluation.md.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from training.intervals import Interval, Intervals, area_intervals, spread

FEWEST_CAPTURES: Final = 3
RESAMPLES: Final = 1000
AREA_RESAMPLES: Final = 200  # each sorts nothing, but sums every row
_SEED: Final = 20260101

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def capture_intervals(
    score: Floats, flagged: Bools, positive: Bools, capture: npt.NDArray[np.integer[Any]]
) -> Intervals:
    """Return the intervals of what :func:`training.evaluation.measure` makes of the same ``n`` rows.

    Args:
        score, flagged, positive: as there.
        capture: int[n], which capture each row is from.
    """
    captures, place = np.unique(capture, return_inverse=True)
    k = len(captures)
    if k < FEWEST_CAPTURES:
        return Intervals(None, None, None, None, None)
    draws = np.random.default_rng(_SEED).multinomial(k, np.full(k, 1 / k), RESAMPLES)

    def counted(rows: Bools) -> npt.NDArray[np.int64]:
        return np.bincount(place[rows], minlength=k)

    def rate(events: Bools, trials: Bools) -> Interval | None:
        held = counted(trials)
        if (held > 0).sum() < FEWEST_CAPTURES:
            return None
        drawn = draws @ held
        return spread((draws @ counted(events & trials))[drawn > 0] / drawn[drawn > 0])

    roc_auc, pr_auc = None, None
    positives, negatives = counted(positive), counted(~positive)
    if min((positives > 0).sum(), (negatives > 0).sum()) >= FEWEST_CAPTURES:
        both = draws[(draws @ positives > 0) & (draws @ negatives > 0)][:AREA_RESAMPLES]
        roc_auc, pr_auc = area_intervals(score, positive, place, both.astype(np.float64))
    return Intervals(
        recall=rate(flagged, positive),
        fpr=rate(flagged, ~positive),
        precision=rate(positive, flagged),
        roc_auc=roc_auc,
        pr_auc=pr_auc,
    )
