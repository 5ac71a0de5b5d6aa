"""The model of the vectors: few trees, but every way in which scoring them could go wrong."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from flows.catalogue import catalogue_digest
from model_registry.artifact import Artifact, Calibration, Forest, Profile
from model_registry.forest import FEATURES
from model_registry.scoring import raw_scores

NAME: Final = "ddos_lgbm"
TENTH: Final = np.float32(0.1)  # as a float64 it is a little more than 0.1
SMALLEST: Final = np.float32(1e-45)  # the smallest there is above 0, denormal


def demanding_forest() -> Forest:
    """Four trees, the last of a single leaf; the sum of their leaves depends on the order of summing."""
    return Forest(
        roots=np.array([0, 5, 8, 11], np.int32),
        feature=np.array([0, 0, 1, 0, 0, 2, 0, 0, 1, 0, 0, 0], np.int16),
        threshold=np.array([TENTH, 0, 0, 0, 0, SMALLEST, 0, 0, np.inf, 0, 0, 0], np.float32),
        left=np.array([1, -1, 3, -1, -1, 6, -1, -1, 9, -1, -1, -1], np.int32),
        right=np.array([2, -1, 4, -1, -1, 7, -1, -1, 10, -1, -1, -1], np.int32),
        missing_left=np.array([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], np.bool_),
        value=np.array([0, 0.1, 0, -0.2, 0.3, 0, 0.2, 1e9, 0, 0.3, -1e9, -0.05]),
    )


def demanding_rows() -> npt.NDArray[np.float32]:
    """Rows whose first three features tie with thresholds, are next to them, missing or infinite."""
    rows = np.zeros((7, FEATURES), np.float32)
    rows[1] = np.nan
    rows[2, 0] = TENTH
    rows[3, :2] = np.nextafter(TENTH, np.float32(1)), -0.0
    rows[4, :3] = np.inf, SMALLEST, SMALLEST
    rows[5, :3] = -np.inf, -np.inf, 2 * SMALLEST
    rows[6, :3] = 1, np.nan, np.nan
    return rows


def demanding_model(*, name: str = NAME, catalogue: str | None = None, threshold: float = 0.75) -> Artifact:
    """Return the model, with the scores that our own kernel gives."""
    forest, rows = demanding_forest(), demanding_rows()
    return Artifact(
        name=name,
        algorithm="lightgbm",
        forest=forest,
        calibration=Calibration(slope=1.5, intercept=-0.25),
        threshold=threshold,
        catalogue=catalogue or catalogue_digest(),
        profile=Profile(
            feature_edges=np.zeros((FEATURES, 1), np.float32),
            feature_counts=np.tile(np.array([[4, 2, 1]], np.int64), (FEATURES, 1)),
            score_edges=np.zeros(1),
            score_counts=np.array([3, 4], np.int64),
        ),
        golden_rows=rows,
        golden_scores=raw_scores(forest, rows),
    )
