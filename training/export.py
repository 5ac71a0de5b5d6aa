"""From a fitted model to its artifact: plain data, proven equal to the model it came from."""

from __future__ import annotations

from typing import Any, Final

import lightgbm
import numpy as np
import numpy.typing as npt
from sklearn.ensemble import IsolationForest

from flows.catalogue import catalogue_digest
from model_registry.artifact import Algorithm, Artifact, Calibration, Forest, Profile
from model_registry.scoring import raw_scores
from training.forests import (
    ExportError,
    forest_from_histograms,
    forest_from_isolation_forest,
    forest_from_lightgbm,
    forest_of,
)
from training.histograms import Histograms

__all__ = [
    "ExportError",
    "export",
    "fitted_scores",
    "forest_from_histograms",
    "forest_from_isolation_forest",
    "forest_from_lightgbm",
    "forest_of",
    "golden_rows",
    "profile_of",
    "prove_equal",
]

Rows = npt.NDArray[np.float32]
Scores = npt.NDArray[np.float64]

TOLERANCE: Final = 1e-9  # between a fitted model's raw score and its artifact's
FEATURE_BINS: Final = 10
SCORE_BINS: Final = 20
PROVEN_ROWS: Final = 8192


def fitted_scores(model: lightgbm.Booster | Histograms | IsolationForest, rows: Rows) -> Scores:
    """What the library itself gives for the raw score, float32[n, 120] -> float64[n]."""
    if isinstance(model, Histograms):
        return model.scores(rows)
    if isinstance(model, IsolationForest):
        return np.asarray(np.log2(-model.score_samples(rows)), np.float64)
    return np.asarray(model.predict(rows, raw_score=True), np.float64)


def golden_rows(rows: Rows, forest: Forest, k: int = 64) -> Rows:
    """Choose k >= 8 rows that would show a change of the forest or the kernel, float32[n, 120] -> float32[k, 120].

    Half are real rows; a quarter real rows with a third of their values missing; a quarter hold, in every feature, a
    value equal to one of the forest's thresholds or just above it; the last three are all NaN, +inf and -inf. The
    choice is the same for the same rows and forest. Raises ExportError without rows.
    """
    if not len(rows):
        raise ExportError("golden vectors need at least one real row")
    dice = np.random.default_rng(0)
    golden = rows[dice.choice(len(rows), k, replace=len(rows) < k)].copy()
    missing, ties = golden[k // 2 : k * 3 // 4], golden[k * 3 // 4 : k - 3]
    missing[dice.random(missing.shape) < 1 / 3] = np.nan
    inner = forest.left != -1
    for feature in np.unique(forest.feature[inner]):
        thresholds = forest.threshold[inner & (forest.feature == feature)]
        ties[:, feature] = dice.choice(thresholds, len(ties))
    with np.errstate(over="ignore"):
        ties[1::2] = np.nextafter(ties[1::2], np.float32(np.inf))
    golden[-3:] = np.array([[np.nan], [np.inf], [-np.inf]])
    return golden


def _counted(values: npt.NDArray[Any], bins: int) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """Edges at the quantiles (real values, so that infinities do no harm) and how many values fall into each bin."""
    if not len(values):
        return np.zeros(bins - 1, values.dtype), np.zeros(bins, np.int64)
    ranks = -(-np.arange(1, bins) * len(values) // bins) - 1
    edges = np.sort(values)[ranks]
    return edges, np.bincount(np.searchsorted(edges, values, side="left"), minlength=bins).astype(np.int64)


def profile_of(rows: Rows, scores: Scores) -> Profile:
    """Summarise the training rows, float32[n, 120], and their raw scores, float64[n]; bins hold equal shares."""
    features = [_counted(column[~np.isnan(column)], FEATURE_BINS) for column in rows.T]
    missing = np.isnan(rows).sum(axis=0, dtype=np.int64)
    score_edges, score_counts = _counted(scores, SCORE_BINS)
    return Profile(
        feature_edges=np.stack([edges for edges, _ in features]),
        feature_counts=np.column_stack([np.stack([counts for _, counts in features]), missing]),
        score_edges=score_edges,
        score_counts=score_counts,
    )


def prove_equal(model: lightgbm.Booster | Histograms | IsolationForest, forest: Forest, rows: Rows) -> None:
    """Raise ExportError if, on any of the rows float32[n, 120], the forest's raw score is over 1e-9 off the model's."""
    off = np.abs(fitted_scores(model, rows) - raw_scores(forest, rows))
    if not np.all(off <= TOLERANCE):
        worst = int(np.argmax(off))
        raise ExportError(
            f"the exported forest scores row {worst} {off[worst]:g} off the fitted model (allowed {TOLERANCE:g}); "
            f"this is a fault of the exporter or a change in the library: report it with both versions"
        )


def _algorithm(model: lightgbm.Booster | Histograms | IsolationForest) -> Algorithm:
    if isinstance(model, Histograms):
        return "histograms"
    return "isolation_forest" if isinstance(model, IsolationForest) else "lightgbm"


def export(
    model: lightgbm.Booster | Histograms | IsolationForest,
    *,
    name: str,
    calibration: Calibration,
    threshold: float,
    rows: Rows,
) -> Artifact:
    """Make the artifact of a fitted model, proven equal to it on its golden rows and on training rows.

    `rows`, float32[n, 120], are the rows it was trained on (for the profile and the golden vectors); `threshold` is
    on the calibrated probability. Raises ExportError if the model cannot be exported or the proof fails, and
    ArtifactError for a name, calibration or threshold that no artifact may have.
    """
    forest = forest_of(model)
    golden = golden_rows(rows, forest)
    prove_equal(model, forest, np.concatenate([golden, rows[:: -(-len(rows) // PROVEN_ROWS)]]))
    return Artifact(
        name=name,
        algorithm=_algorithm(model),
        forest=forest,
        calibration=calibration,
        threshold=threshold,
        catalogue=catalogue_digest(),
        profile=profile_of(rows, raw_scores(forest, rows)),
        golden_rows=golden,
        golden_scores=raw_scores(forest, golden),
    )
