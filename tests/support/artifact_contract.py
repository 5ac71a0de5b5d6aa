"""What holds of whatever bytes are read as an artifact: they are refused, or a model that serving can use."""

from __future__ import annotations

from typing import Final

import numpy as np

from model_registry.artifact import artifact_from_bytes, artifact_to_bytes, check_golden
from model_registry.errors import ArtifactError, Reason
from model_registry.forest import FEATURES
from model_registry.scoring import contributions, probabilities, raw_scores
from tests.support.models import AWKWARD, random_rows

_LONGEST: Final = 600  # characters of a message
_ROWS: Final = np.concatenate([random_rows(0, 11), np.tile(AWKWARD[:, np.newaxis], FEATURES)])


def read_and_use(data: bytes) -> bool:
    """True if the bytes were accepted, and then everything that serving does with a model was done with it."""
    try:
        artifact = artifact_from_bytes(data)
    except ArtifactError as error:
        _check(error, Reason.ARTIFACT)
        return False
    scores = raw_scores(artifact.forest, _ROWS)
    assert np.isfinite(scores).all()
    assert scores.tobytes() == np.concatenate([raw_scores(artifact.forest, row[np.newaxis]) for row in _ROWS]).tobytes()
    probability = probabilities(artifact, _ROWS)
    assert ((probability >= 0) & (probability <= 1)).all()
    for row in _ROWS[::5]:
        added, base = contributions(artifact.forest, row)
        assert np.isfinite(added).all()
        assert np.isfinite(base)
    again = artifact_to_bytes(artifact)
    assert artifact_to_bytes(artifact_from_bytes(again)) == again
    assert _golden(data) == _golden(again)
    return True


def _golden(data: bytes) -> str:
    try:
        check_golden(artifact_from_bytes(data))
    except ArtifactError as error:
        _check(error, Reason.GOLDEN_VECTORS)
        return str(error)
    return "as promised"


def _check(error: ArtifactError, reason: Reason) -> None:
    assert error.reason is reason
    assert " refused: " in error.message
    assert str(error).isprintable()
    assert len(str(error)) < _LONGEST
