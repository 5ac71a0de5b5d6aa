"""From a raw score to a probability, by two numbers (Platt 1999), and how well that holds."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from model_registry.artifact import Calibration
from training.errors import TrainingError

_STEEPEST = 1e3  # per standard deviation of the score; separable classes would ask for an infinite slope


def fit_platt(
    raw: npt.NDArray[np.float64], positive: npt.NDArray[np.bool_], weight: npt.NDArray[np.float32] | None = None
) -> Calibration:
    """Fit ``probability = sigmoid(slope * raw + intercept)`` on validation rows, ``float64[n]`` and ``bool[n]``.

    ``weight``, float32[n], is how many rows each stands for; one each without it.

    Targets are smoothed as Platt proposes, so that a perfect separation does not claim certainty. Raises
    TrainingError when one class is missing, or when the score ranks positives below negatives.
    """
    counts = np.ones(len(raw)) if weight is None else weight.astype(np.float64)
    positives = float(counts[positive].sum())
    negatives = float(counts.sum()) - positives
    if positives == 0 or negatives == 0:
        raise TrainingError(f"calibration needs both classes, got {positives:g} positives and {negatives:g} negatives")
    scale = float(raw.std()) or 1.0
    center = float(raw.mean())
    high = (positives + 1.0) / (positives + 2.0)
    low = 1.0 / (negatives + 2.0)
    target = np.where(positive, high, low)
    # Soft targets as weighted pairs: each row counts as a positive with its target and as a negative with the rest.
    scores = np.tile((raw - center) / scale, 2)[:, None]
    fitted = LogisticRegression(C=1e6, max_iter=1000).fit(
        scores, np.repeat([1, 0], len(raw)), sample_weight=np.concatenate([target * counts, (1.0 - target) * counts])
    )
    slope = min(float(fitted.coef_[0, 0]), _STEEPEST) / scale
    if slope <= 0:
        raise TrainingError("the score ranks attacks below benign flows: the model has learned nothing")
    return Calibration(slope=slope, intercept=float(fitted.intercept_[0]) - slope * center)


def calibration_error(probability: npt.NDArray[np.float64], positive: npt.NDArray[np.bool_], bins: int = 15) -> float:
    """Expected calibration error over bins of equal width (Naeini, Cooper and Hauskrecht 2015)."""
    which = np.minimum((probability * bins).astype(np.int64), bins - 1)
    counts = np.bincount(which, minlength=bins)
    claimed = np.bincount(which, weights=probability, minlength=bins)
    found = np.bincount(which, weights=positive, minlength=bins)
    return float(np.abs(claimed - found).sum() / counts.sum())
