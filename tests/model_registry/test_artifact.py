"""An artifact survives its file bit for bit, and nothing that breaks an invariant becomes one."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from model_registry.artifact import (
    Artifact,
    Calibration,
    Forest,
    Profile,
    artifact_from_bytes,
    artifact_to_bytes,
    check_golden,
)
from model_registry.errors import ArtifactError
from model_registry.forest import MAX_DEPTH, MAX_TREES
from tests.support.models import forest_arrays, make_artifact, make_profile

ROUND_TRIP = (
    "import sys; from model_registry.artifact import *;"
    "sys.stdout.buffer.write(artifact_to_bytes(artifact_from_bytes(sys.stdin.buffer.read())))"
)


def arrays_of(artifact: Artifact) -> dict[str, bytes]:
    """Every array of an artifact, as bytes."""
    arrays = {}
    for room in (artifact.forest, artifact.profile, artifact):
        for field in fields(room):
            if isinstance(value := getattr(room, field.name), np.ndarray):
                arrays[f"{type(room).__name__}.{field.name}"] = value.tobytes()
    return arrays


def test_an_artifact_survives_its_bytes() -> None:
    artifact = make_artifact(seed=4)
    again = artifact_from_bytes(artifact_to_bytes(artifact))
    assert arrays_of(again) == arrays_of(artifact)
    assert len(arrays_of(again)) == 13
    for name in ("name", "algorithm", "calibration", "threshold", "catalogue"):
        assert getattr(again, name) == getattr(artifact, name)
    check_golden(again)


def test_the_same_artifact_gives_the_same_bytes_in_any_process() -> None:
    data = artifact_to_bytes(make_artifact())
    assert artifact_to_bytes(make_artifact()) == data
    done = subprocess.run([sys.executable, "-c", ROUND_TRIP], input=data, capture_output=True, check=True)
    assert done.stdout == data


def test_a_forest_keeps_its_own_read_only_arrays() -> None:
    arrays = forest_arrays()
    forest = Forest(**arrays)
    arrays["left"][:] = 10**6
    assert forest.left.max() < len(forest.left)
    with pytest.raises(ValueError, match="read-only"):
        forest.value[0] = 1.0


def test_golden_scores_are_compared_to_the_bit() -> None:
    artifact = make_artifact()
    check_golden(artifact)
    scores = artifact.golden_scores.copy()
    scores[2] = np.nextafter(scores[2], np.inf)
    with pytest.raises(ArtifactError, match=r"ddos_lgbm refused: 1 of its 9 golden vectors .*no\. 2"):
        check_golden(make_artifact(golden_scores=scores))


def test_a_changed_leaf_is_noticed_by_the_golden_vectors() -> None:
    artifact = make_artifact()
    arrays = forest_arrays()
    arrays["value"] = arrays["value"] + 1e-12
    with pytest.raises(ArtifactError, match="golden"):
        check_golden(make_artifact(forest=Forest(**arrays), golden_scores=artifact.golden_scores))


# A tree of seven nodes: 0 -> 1, 2; 1 -> 3, 4; 2 -> 5, 6; and a second tree of one leaf, 7.
LEFT, RIGHT = [1, 3, 5, -1, -1, -1, -1, -1], [2, 4, 6, -1, -1, -1, -1, -1]


def small(**changes: Any) -> dict[str, Any]:
    arrays: dict[str, Any] = {
        "roots": np.array([0, 7], np.int32),
        "feature": np.zeros(8, np.int16),
        "threshold": np.zeros(8, np.float32),
        "left": np.array(LEFT, np.int32),
        "right": np.array(RIGHT, np.int32),
        "missing_left": np.zeros(8, np.bool_),
        "value": np.zeros(8),
    }
    for name, change in changes.items():
        if isinstance(change, dict):
            for node, value in change.items():
                arrays[name][node] = value
        else:
            arrays[name] = change
    return arrays


def chain(depth: int) -> dict[str, Any]:
    """One tree in which every right child splits again."""
    inner = np.arange(depth, dtype=np.int32)
    left = np.full(2 * depth + 1, -1, np.int32)
    right = left.copy()
    left[2 * inner], right[2 * inner] = 2 * inner + 1, 2 * inner + 2
    nodes = len(left)
    return {
        "roots": np.array([0], np.int32),
        "feature": np.zeros(nodes, np.int16),
        "threshold": np.zeros(nodes, np.float32),
        "left": left,
        "right": right,
        "missing_left": np.zeros(nodes, np.bool_),
        "value": np.zeros(nodes),
    }


def test_the_small_forest_itself_is_valid_and_so_is_a_deep_one() -> None:
    assert len(Forest(**small()).roots) == 2
    assert len(Forest(**chain(MAX_DEPTH)).left) == 2 * MAX_DEPTH + 1


@pytest.mark.parametrize(
    ("arrays", "wrong"),
    [
        (small(left={1: 0}), "after its parent"),
        (small(left={1: 1}), "after its parent"),
        (small(right={2: 8}), "after its parent"),
        (small(right={2: -2}), "after its parent"),
        (small(left={2: -3}), "after its parent"),
        (small(right={2: -1}), "after its parent"),
        (small(left={2: -1}), "no left one"),
        (small(right={2: 5}), "exactly one way"),
        (small(right={2: 7}), "exactly one way"),
        (small(left={2: -1}, right={2: -1}), "exactly one way"),
        (small(roots=np.array([0], np.int32)), "exactly one way"),
        (small(roots=np.array([7, 7], np.int32)), "same root"),
        (small(roots=np.array([0, 8], np.int32)), "outside"),
        (small(roots=np.array([-1, 7], np.int32)), "outside"),
        (small(roots=np.array([], np.int32)), "trees"),
        (small(roots=np.zeros(MAX_TREES + 1, np.int32)), "trees"),
        (small(feature={0: 120}), "features"),
        (small(feature={0: -1}), "features"),
        (small(threshold={0: np.nan}), "not a number"),
        (small(value={3: np.nan}), "value"),
        (small(value={3: np.inf}), "value"),
        (small(value={0: -1e300}), "value"),
        (small(value=np.zeros(9)), "length"),
        (small(value=np.zeros((8, 1))), "1-dimensional"),
        (small(value=np.zeros(8, np.float32)), "float64"),
        (small(threshold=np.zeros(8, ">f4")), "float32"),
        (small(value=[0.0] * 8), "float64"),
        (small(missing_left=np.full(8, 2, np.uint8).view(np.bool_)), "neither 0 nor 1"),
        (chain(MAX_DEPTH + 1), "deeper"),
        ({name: array[:0] for name, array in small().items()}, "trees"),
    ],
)
def test_what_is_not_a_forest_is_refused(arrays: dict[str, Any], wrong: str) -> None:
    with pytest.raises(ArtifactError, match=wrong):
        Forest(**arrays)


@pytest.mark.parametrize(
    ("slope", "intercept"), [(0.0, 0), (-1, 0), (np.nan, 0), (np.inf, 0), (1, np.nan), (1, -np.inf)]
)
def test_a_calibration_that_does_not_rise_is_refused(slope: float, intercept: float) -> None:
    with pytest.raises(ArtifactError, match="calibration"):
        Calibration(slope, intercept)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""},
        {"name": "../x"},
        {"name": "Ddos"},
        {"name": "x" * 65},
        {"name": "x\n"},
        {"algorithm": "pickle"},
        {"threshold": 0.0},
        {"threshold": 1.0},
        {"threshold": float("nan")},
        {"catalogue": "0" * 63},
        {"catalogue": "A" * 64},
        {"golden_rows": np.zeros((9, 119), np.float32)},
        {"golden_rows": np.zeros((8, 120), np.float32)},
        {"golden_rows": np.zeros((9, 120))},
        {"golden_scores": np.full(9, np.nan)},
        {"golden_rows": np.zeros((0, 120), np.float32), "golden_scores": np.zeros(0)},
        {"golden_rows": np.zeros((1025, 120), np.float32), "golden_scores": np.zeros(1025)},
    ],
)
def test_a_malformed_artifact_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ArtifactError, match=r"refused: .*; export"):
        make_artifact(**changes)


def bad_profiles() -> list[tuple[dict[str, Any], str]]:
    """Changes of a good profile, and what is said of them."""
    good = vars(make_profile())
    falling, unknown = good["feature_edges"].copy(), good["score_edges"].copy()
    falling[5] = falling[5, ::-1]
    unknown[0] = np.nan
    negative, huge = good["feature_counts"].copy(), good["score_counts"].copy()
    negative[0, 0], negative[0, 1] = -1, 9
    huge[0] = 2**62
    return [
        ({"feature_edges": falling}, "ascend"),
        ({"score_edges": unknown}, "ascend"),
        ({"feature_counts": negative}, "out of range"),
        ({"score_counts": huge}, "out of range"),
        ({"score_counts": good["score_counts"] + 1}, "sums"),
        ({"score_counts": good["score_counts"][:-1]}, "fit"),
        ({"feature_counts": good["feature_counts"][:-1]}, "fit"),
        ({"score_edges": np.zeros(257), "score_counts": np.zeros(258, np.int64)}, "at most"),
    ]


@pytest.mark.parametrize(("changes", "wrong"), bad_profiles())
def test_a_malformed_profile_is_refused(changes: dict[str, Any], wrong: str) -> None:
    with pytest.raises(ArtifactError, match=wrong):
        Profile(**(vars(make_profile()) | changes))
