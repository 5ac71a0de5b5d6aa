"""Histogram-based outlier scores: how surprising a flow's features are, one by one, in a site's own past.

The score is that of HBOS (Goldstein and Dengel, "Histogram-based Outlier Score (HBOS)", KI 2012): the sum over features
of -ln of the share of the past that fell into the same bin. Bins are of equal width in sign(x) ln(1 + |x|), because
counts and volumes span many orders of magnitude. Each feature is a tree of thresholds whose leaves are its bins, so a
fitted model is a forest like the others.

A flow of the past counts with one over the square root of its host's flows in 60 s: a flood or a scan in an unlabelled
past would otherwise be most of it, and so be what is ordinary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from flows.catalogue import INDEX

Rows = npt.NDArray[np.float32]
Scores = npt.NDArray[np.float64]

BINS: Final = 20
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
class Histograms:
    """A fitted model; a higher score is stranger."""

    features: tuple[Histogram, ...]

    def scores(self, rows: Rows) -> Scores:
        """Raw scores, float32[n, 120] -> float64[n], nats."""
        return sum((one.scores(rows[:, one.column]) for one in self.features), np.zeros(len(rows)))


def fit_histograms(rows: Rows, columns: Sequence[int], bins: int = BINS) -> Histograms:
    """Fit on a past, float32[n, 120], without labels, to the features at ``columns``."""
    weights = _weights(rows)
    return Histograms(tuple(_histogram(rows[:, column], weights, column, bins) for column in columns))


def _weights(rows: Rows) -> Scores:
    """What each flow counts, float64[n] with mean 1."""
    busy = np.nan_to_num(rows[:, [INDEX["in_flows_60s"], INDEX["out_flows_60s"]]].astype(np.float64)).sum(axis=1)
    weights = 1.0 / np.sqrt(np.maximum(busy, 1.0))
    return np.asarray(weights / weights.mean())


def _histogram(values: Rows, weights: Scores, column: int, bins: int) -> Histogram:
    known = values <= LARGEST
    seen = values[known].astype(np.float64)
    low, high = (float(seen.min()), float(seen.max())) if len(seen) else (0.0, 0.0)
    ends = [np.copysign(np.log1p(abs(end)), end) for end in (low, high)]
    inner = np.linspace(*ends, bins + 1)[1:-1]
    between = np.copysign(np.expm1(np.abs(inner)), inner).astype(np.float32)
    below = np.nextafter(np.float32(low), np.float32(-np.inf))
    thresholds = np.unique(np.clip(np.concatenate([[below], between, [np.float32(high)]]), below, np.float32(high)))
    bin_of = np.where(known, np.searchsorted(thresholds, values, side="left"), len(thresholds) + 1)
    # Every bin, those outside the past and the unknown among them, is taken to have been seen once.
    weight = np.bincount(bin_of, weights=weights, minlength=len(thresholds) + 2) + 1.0
    return Histogram(column, thresholds.astype(np.float32), -np.log(weight / weight.sum()), weight)
