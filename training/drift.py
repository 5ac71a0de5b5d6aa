"""Drift: how far a stream's features are distributed from those of the rows that a model was trained on.

The measure is the population stability index, sum over bins of (a - e) * ln(a / e), with ``e`` the expected share of a
bin and ``a`` the actual one (Siddiqi, "Credit Risk Scorecards", 2006; it is Jeffreys' divergence of the two binned
distributions). By the same book's rule of thumb under 0.1 nothing has moved and above 0.25 much has. Bins are those of
the artifact's profile, ten of equal shares of the training rows, and one more for what is missing.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from model_registry.artifact import Profile

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

MODERATE: Final = 0.1
LARGE: Final = 0.25
# An empty bin would make the index infinite: every bin gets half a row more (Krichevsky and Trofimov 1981).
_HALF_ROW: Final = 0.5


def binned(profile: Profile, features: npt.NDArray[np.float32]) -> Counts:
    """Count rows, float32[n, 120], by the profile's bins: int64[120, e + 2], as its ``feature_counts``."""
    bins = profile.feature_counts.shape[1]
    counts = np.empty_like(profile.feature_counts)
    for feature, (edges, column) in enumerate(zip(profile.feature_edges, features.T, strict=True)):
        known = column[~np.isnan(column)]
        counts[feature] = np.bincount(np.searchsorted(edges, known, side="left"), minlength=bins)
        counts[feature, -1] = len(column) - len(known)
    return counts


def stability_index(expected: Counts, actual: Counts) -> Floats:
    """The population stability index of each row of counts, int64[..., b] twice -> float64[...]; at least 0."""
    e, a = (_shares(counts) for counts in (expected, actual))
    return np.asarray(((a - e) * np.log(a / e)).sum(axis=-1), dtype=np.float64)


def _shares(counts: Counts) -> Floats:
    smoothed = counts + _HALF_ROW
    return np.asarray(smoothed / smoothed.sum(axis=-1, keepdims=True), dtype=np.float64)
