"""Trees that are none, and trees of the strangest numbers: refused, or walked exactly as the numbers say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from model_registry.artifact import artifact_from_bytes, artifact_to_bytes, check_golden
from model_registry.errors import ArtifactError
from model_registry.forest import FEATURES, Forest
from model_registry.scoring import raw_scores
from tests.support.artifact_contract import read_and_use
from tests.support.models import AWKWARD, forest_arrays, make_artifact, repacked

# A tree of seven nodes (0 -> 1, 2; 1 -> 3, 4; 2 -> 5, 6), a leaf that is a tree (7), and what must not become of them.
LEFT, RIGHT, ROOTS = [1, 3, 5, -1, -1, -1, -1, -1], [2, 4, 6, -1, -1, -1, -1, -1], [0, 7]


def forest_of(left: list[int], right: list[int], roots: list[int], **changes: Any) -> bytes:
    nodes = len(left)
    arrays: dict[str, Any] = {
        "forest__left": np.array(left, np.int32),
        "forest__right": np.array(right, np.int32),
        "forest__roots": np.array(roots, np.int32),
        "forest__feature": np.zeros(nodes, np.int16),
        "forest__threshold": np.zeros(nodes, np.float32),
        "forest__missing_left": np.zeros(nodes, np.bool_),
        "forest__value": np.zeros(nodes),
    }
    return repacked(make_artifact(), **(arrays | {f"forest__{name}": array for name, array in changes.items()}))


def test_the_small_forest_itself_is_accepted() -> None:
    assert read_and_use(forest_of(LEFT, RIGHT, ROOTS))


@pytest.mark.parametrize(
    ("left", "right", "roots"),
    [
        ([1, 3, 5, 3, -1, -1, -1, -1], [2, 4, 6, 3, -1, -1, -1, -1], [0, 7]),  # a node that leads to itself
        ([1, 0, 5, -1, -1, -1, -1, -1], [2, 4, 6, -1, -1, -1, -1, -1], [0, 7]),  # back to the root
        ([1, 3, 5, 1, -1, -1, -1, -1], [2, 4, 6, 1, -1, -1, -1, -1], [0, 7]),  # a circle of two
        ([3, -1, 1, 2, -1], [4, -1, -1, -1, -1], [0]),  # children before their parents
        ([1, 3, 3, -1, -1, -1, -1, -1], [2, 4, 6, -1, -1, -1, -1, -1], [0, 7]),  # a child of two parents
        ([1, 3, 5, -1, -1, -1, -1, -1], [1, 4, 6, -1, -1, -1, -1, -1], [0, 7]),  # twins that are one
        ([1, 3, 5, -1, -1, -1, -1, -1], [2, 4, 7, -1, -1, -1, -1, -1], [0, 7]),  # a child that is a tree
        ([1, 3, 5, -1, -1, -1, -1, -1], [2, 4, 6, -1, -1, -1, -1, -1], [0, 0]),  # a tree twice
        ([1, 3, 5, -1, -1, -1, -1, -1], [2, 4, 6, -1, -1, -1, -1, -1], [0, 7, 2]),  # a branch that is a tree too
        ([1, 3, 5, -1, -1, -1, -1, -1], [2, 4, 6, -1, -1, -1, -1, -1], [0]),  # a tree that nobody reaches
        ([1, 3, 5, -1, -1, -1, -1, -1], [2, 4, 2**31 - 1, -1, -1, -1, -1, -1], [0, 7]),
        ([1, 3, 5, -1, -1, -1, -1, -1], [2, 4, -(2**31), -1, -1, -1, -1, -1], [0, 7]),
        ([1, 3, 5, -1, -1, -1, -1, -1], [2, 4, 6, -1, -1, -1, -1, -1], [0, 2**31 - 1]),
        ([1, 3, 5, -1, -1, -1, -1, -1], [2, 4, 6, -1, -1, -1, -1, -1], [-1, 7]),
    ],
)
def test_trees_that_are_none(left: list[int], right: list[int], roots: list[int]) -> None:
    assert not read_and_use(forest_of(left, right, roots))


@pytest.mark.parametrize(
    "changes",
    [
        {"value": np.full(8, np.nan)},
        {"value": np.full(8, -np.inf)},
        {"value": np.full(8, 1.7e308)},
        {"threshold": np.full(8, np.nan, np.float32)},
        {"feature": np.full(8, 120, np.int16)},
        {"feature": np.full(8, -1, np.int16)},
    ],
)
def test_numbers_that_no_forest_has(changes: dict[str, Any]) -> None:
    assert not read_and_use(forest_of(LEFT, RIGHT, ROOTS, **changes))


DENORMAL = float(np.float32(1e-45))
EDGES = [0.0, -0.0, DENORMAL, -DENORMAL, 2 * DENORMAL, float(np.finfo(np.float32).tiny), np.inf, -np.inf, 1.0]
LEAVES = [5e-324, -5e-324, 1.5e-323, 2.2250738585072014e-308, -2.2250738585072009e-308, -0.0, 0.0, 1e9, -1e9]


@pytest.mark.parametrize("leaf", LEAVES)
def test_zeros_denormals_and_infinities_are_compared_and_summed_exactly(leaf: float) -> None:
    # A tree for each edge: left, where x <= edge, lies the leaf, right a third of it. Python's own floats say what is
    # right; nothing may be flushed to zero, and no zero may differ from the other.
    trees = len(EDGES)
    data = forest_of(
        [child for tree in range(trees) for child in (3 * tree + 1, -1, -1)],
        [child for tree in range(trees) for child in (3 * tree + 2, -1, -1)],
        list(range(0, 3 * trees, 3)),
        threshold=np.repeat(np.array(EDGES, np.float32), 3),
        value=np.tile([0.0, leaf, leaf / 3], trees),
    )
    forest = artifact_from_bytes(data).forest
    inputs = [*EDGES, *AWKWARD.tolist()]
    rows = np.zeros((len(inputs), FEATURES), np.float32)
    rows[:, 0] = inputs
    scores = raw_scores(forest, rows)
    for x, row, score in zip(inputs, rows, scores, strict=True):
        expected = 0.0
        for edge in EDGES:
            expected += leaf if x <= edge else leaf / 3
        assert score == expected
        assert raw_scores(forest, row[np.newaxis]).tobytes() == score.tobytes()
    assert read_and_use(data)


def test_a_golden_score_of_the_other_zero_is_another_score() -> None:
    nothing = Forest(**(forest_arrays() | {"value": np.zeros(len(forest_arrays()["value"]))}))
    rows = np.zeros((1, FEATURES), np.float32)
    check_golden(make_artifact(forest=nothing, golden_rows=rows, golden_scores=np.array([0.0])))
    with pytest.raises(ArtifactError, match=r"no\. 0 0, not -0"):
        check_golden(make_artifact(forest=nothing, golden_rows=rows, golden_scores=np.array([-0.0])))


@pytest.mark.parametrize("value", [DENORMAL, -DENORMAL, np.nan, np.inf, -np.inf, -0.0, 3e38])
def test_golden_rows_may_hold_whatever_rows_may_hold(value: float) -> None:
    rows = np.full((3, FEATURES), value, np.float32)
    artifact = make_artifact(golden_rows=rows, golden_scores=raw_scores(make_artifact().forest, rows))
    again = artifact_from_bytes(artifact_to_bytes(artifact))
    check_golden(again)
    assert again.golden_rows.tobytes() == rows.tobytes()
