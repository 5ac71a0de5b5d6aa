"""Histogram-based outlier scores: how surprising a flow's features are, one by one, in a site's own past.

The score is that of HBOS (Goldstein and Dengel, "Histogram-based Outlier Score (HBOS)", KI 2012): the sum over features
of -ln of the share of the past that fell into the same bin. Bins are of equal width in sign(x) ln(1 + |x|), because
counts and volumes span many orders of magnitude. Each feature is a tree of thresholds whose leaves are its bins, so a
fitted model is a forest like the others.

Flows that a host began and flows that came to it have histograms of their own: a busy server is not strange, and its
bursts must not hide what a client does. Of a flow that a host began only what the host does is looked at.

A flow of the past counts with one over the square root of its host's flows in 60 s: a flood or a scan in an unlabelled
past would otherwise be most of it, and so be what is ordinary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from flows.catalogue import INDEX

Rows = npt.NDArray[np.float32]
Scores = npt.NDArray[np.float64]

BINS: Final = 20
POWER: Final = 0.5
FEWEST: Final = 30  # flows of a direction
INITIATED: Final = INDEX["initiated"]
LARGEST: Final = np.finfo(np.float32).max  # above it a value is as good as unknown


@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """One feature's past: ``thresholds`` float32[t], ascending, cut ``t + 1`` bins, each closed at its upper end.

    ``surprise`` and ``weight`` are float64[t + 2], of the bins and, last, of an unknown value.
    """

    column: int
    thresholds: Rows
    surprise: Scores
    weight: Scores

    def scores(self, values: Rows) -> Scores:
        """The surprise of each value, float32[n] -> float64[n]."""
        unknown = ~(values <= LARGEST)
        return self.surprise[np.where(unknown, -1, np.searchsorted(self.thresholds, values, side="left"))]


@dataclass(frozen=True, slots=True)
class Direction:
    """The histograms of the flows that hosts began, or of those that came to them; their surprise is scaled.

    ``offset`` and the scale put the 95 % quantile of this past's scores at 0, and their mean excess over it at 1, so
    that a busy server's flows and a client's are strange on one scale.
    """

    features: tuple[Histogram, ...]
    offset: float

    def scores(self, rows: Rows) -> Scores:
        """Raw scores, float32[n, 120] -> float64[n]."""
        return sum((one.scores(rows[:, one.column]) for one in self.features), np.full(len(rows), self.offset))


@dataclass(frozen=True, slots=True)
class Histograms:
    """A fitted model; a higher score is stranger, above 0 as strange as one in twenty flows of its direction."""

    came: Direction
    began: Direction

    def scores(self, rows: Rows) -> Scores:
        """Raw scores, float32[n, 120] -> float64[n], mean excesses above the 95 % quantile."""
        return np.where(began(rows), self.began.scores(rows), self.came.scores(rows))


def began(rows: Rows) -> npt.NDArray[np.bool_]:
    """Whether the key host is known to have begun each flow, float32[n, 120] -> bool[n]."""
    return np.asarray(rows[:, INITIATED] > 0.5)


def fit_histograms(
    rows: Rows, came: Sequence[int], began_: Sequence[int], bins: int = BINS, power: float = POWER
) -> Histograms:
    """Fit on a past, float32[n, 120], without labels.

    Flows that came are measured by the features at the columns ``came``, flows that a host began by ``began_``. A
    direction of under 30 flows is fitted on all. A flow counts with one over ``power`` of its host's flows in 60 s.
    """
    out = began(rows)
    return Histograms(_direction(rows, ~out, came, bins, power), _direction(rows, out, began_, bins, power))


def _direction(rows: Rows, which: npt.NDArray[np.bool_], columns: Sequence[int], bins: int, power: float) -> Direction:
    past = rows[which] if which.sum() >= FEWEST else rows
    weights = _weights(past, power)
    plain = Direction(tuple(_histogram(past[:, column], weights, column, bins) for column in columns), 0.0)
    scores = plain.scores(past)
    high = float(np.quantile(scores, 0.95))
    # Where the highest scores are all alike, as those of one beacon are, the spread below them has to do.
    scale = max(float(scores[scores >= high].mean()) - high, (high - float(np.median(scores))) / 5.0, 0.1)
    return Direction(tuple(replace(one, surprise=one.surprise / scale) for one in plain.features), offset=-high / scale)


def _weights(rows: Rows, power: float) -> Scores:
    """What each flow counts, float64[n] with mean 1."""
    busy = np.nan_to_num(rows[:, [INDEX["in_flows_60s"], INDEX["out_flows_60s"]]].astype(np.float64)).sum(axis=1)
    weights = np.maximum(busy, 1.0) ** -power
    return np.asarray(weights / weights.mean())


def _histogram(values: Rows, weights: Scores, column: int, bins: int) -> Histogram:
    known = values <= LARGEST
    seen = values[known].astype(np.float64)
    low, high = (float(seen.min()), float(seen.max())) if len(seen) else (0.0, 0.0)
    ends = [np.copysign(np.log1p(abs(end)), end) for end in (low, high)]
    inner = np.linspace(ends[0], ends[1], bins + 1)[1:-1]
    between = np.copysign(np.expm1(np.abs(inner)), inner).astype(np.float32)
    below = np.nextafter(np.float32(low), np.float32(-np.inf))
    thresholds = np.unique(np.clip(np.concatenate([[below], between, [np.float32(high)]]), below, np.float32(high)))
    bin_of = np.where(known, np.searchsorted(thresholds, values, side="left"), len(thresholds) + 1)
    # Every bin, those outside the past and the unknown among them, is taken to have been seen once.
    weight = np.asarray(np.bincount(bin_of, weights=weights, minlength=len(thresholds) + 2), np.float64) + 1.0
    return Histogram(
        column, thresholds.astype(np.float32), np.asarray(-np.log(weight / weight.sum()), np.float64), weight
    )
