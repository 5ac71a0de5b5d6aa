"""Whether newly trained models are worse than the champions, on the same flows: a paired bootstrap.

Both decide the same rows, and both are computed again on the same resamples of stretches (:mod:`training.intervals`),
so that what is hard for both does not hide a difference (Efron and Tibshirani, "An Introduction to the Bootstrap",
1993, section 8.3 on paired data; the stretches are its blocks, section 8.6).

A figure is worse if the whole 95 % interval of its difference lies on the bad side, beyond a trifle that nobody would
notice. That alone would let anything pass where flows are few, so it is also worse if the difference itself, however
unsure, is beyond a margin. Why not ask that the whole interval be within the margin? A test part holds a few attacks,
and then no retraining would ever be allowed (docs/decisions/0021-not-worse-than-the-champion.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from training.gates import GateResult
from training.intervals import areas_of, resamples

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_TAILS: Final = (0.025, 0.975)


@dataclass(frozen=True, slots=True)
class Allowance:
    """By how much a figure may be worse: surely (``trifle``), and at all (``margin``). ``sign``: 1, more is better."""

    sign: int
    trifle: float
    margin: float


# Forests of the same recipe and data, fitted with another seed, differ by as much as the trifles, and surely so: the
# interval knows how few flows there are, and nothing of how much a fit is luck.
ALLOWED: Final[Mapping[str, Allowance]] = {
    "recall": Allowance(1, 0.01, 0.03),
    "mean recall of attacks": Allowance(1, 0.01, 0.05),
    "false-positive rate": Allowance(-1, 0.0005, 0.002),
    "ROC area": Allowance(1, 0.01, 0.03),
}


@dataclass(frozen=True, slots=True)
class Rows:
    """What one scorer said of ``n`` rows: ``score`` float64[n], by which it ranks, and ``flagged`` bool[n]."""

    score: Floats
    flagged: Bools


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure of a candidate and of the champion, and the 95 % interval of candidate less champion."""

    candidate: float
    champion: float
    low: float
    high: float


def differences(
    candidate: Rows,
    champion: Rows,
    positive: Bools,
    capture: npt.NDArray[np.integer],
    *,
    attack: npt.NDArray[np.integer] | None = None,
    ranks: bool = False,
) -> dict[str, Difference]:
    """Compare two scorers on the same ``n`` rows, in arrival order.

    Args:
        positive: bool[n], which rows are there to be found.
        capture: int[n], which capture each row is from.
        attack: of the positives, in their order, which attack each is of; compare the mean over attacks of the recall,
            too, so that the loss of a short attack does not drown in a long flood.
        ranks: compare the areas under the ROC curve, too.

    Returns:
        By the names of :data:`ALLOWED`, what the rows can tell: recall needs positives, the rate negatives, the area
        both.
    """
    stretch, draws = resamples(capture, positive)

    def rate(trials: Bools, weight: Floats | None = None) -> Callable[[Rows], tuple[float, Floats]]:
        counts = np.ones(len(trials)) if weight is None else weight

        def drawn(events: Bools) -> Floats:
            return np.asarray(draws @ np.bincount(stretch[events], counts[events], draws.shape[1]))

        total, every = counts[trials].sum(), drawn(trials)

        def of(rows: Rows) -> tuple[float, Floats]:
            events = rows.flagged & trials
            return float(counts[events].sum() / total), drawn(events) / every

        return of

    def area(rows: Rows) -> tuple[float, Floats]:
        once = np.ones((1, draws.shape[1]))
        whole = areas_of(rows.score, positive, stretch, once)[0, 0]
        return float(whole), areas_of(rows.score, positive, stretch, draws)[:, 0]

    figures: dict[str, Callable[[Rows], tuple[float, Floats]]] = {}
    if positive.any():
        figures["recall"] = rate(positive)
        if attack is not None:
            weight = np.zeros(len(positive))
            weight[positive] = 1.0 / np.bincount(attack)[attack]
            figures["mean recall of attacks"] = rate(positive, weight)
    if not positive.all():
        figures["false-positive rate"] = rate(~positive)
    if ranks and 0 < positive.sum() < len(positive):
        figures["ROC area"] = area
    found = {}
    for name, figure in figures.items():
        (ours, of_ours), (theirs, of_theirs) = figure(candidate), figure(champion)
        low, high = np.quantile(of_ours - of_theirs, _TAILS)
        found[name] = Difference(ours, theirs, float(low), float(high))
    return found


def not_worse(found: Mapping[str, Mapping[str, Difference]]) -> GateResult:
    """Judge the differences of each scorer, by its name and the figure's. Nothing compared is not passed."""
    worse: list[str] = []
    told: list[str] = []
    for scorer, figures in found.items():
        for figure, difference in figures.items():
            text = (
                f"{scorer} {figure} {difference.candidate:.5f} ({difference.champion:.5f}, "
                f"{difference.low:+.5f} to {difference.high:+.5f})"
            )
            (worse if _is_worse(difference, ALLOWED[figure]) else told).append(text)
    if not worse and not told:
        return GateResult(False, "not measured: no figure could be compared with the champion's")
    legend = "than the champion on the same flows (its figure, 95 % interval of the difference)"
    if worse:
        return GateResult(False, f"worse {legend}: {'; '.join(worse)}")
    return GateResult(True, f"not worse {legend}: {'; '.join(told)}")


def _is_worse(difference: Difference, allowed: Allowance) -> bool:
    best = allowed.sign * (difference.high if allowed.sign > 0 else difference.low)
    return best < -allowed.trifle or allowed.sign * (difference.candidate - difference.champion) < -allowed.margin
