"""The kernel against a walk in plain Python, and the same bits in whatever company a row is scored."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_registry.artifact import Forest
from model_registry.scoring import contributions, probabilities, raw_scores
from tests.support.models import Rows, forest_arrays, make_artifact, random_rows


def walked(forest: Forest, row: Rows) -> float:
    """The definition of a raw score, one node at a time."""
    total = 0.0
    for root in forest.roots:
        node = root
        while forest.left[node] != -1:
            x = row[forest.feature[node]]
            goes_left = forest.missing_left[node] if np.isnan(x) else x <= forest.threshold[node]
            node = forest.left[node] if goes_left else forest.right[node]
        total += float(forest.value[node])
    return total


def stump(threshold: float, *, missing_left: bool = False) -> Forest:
    """One test on feature 7: 1.0 to the left, 2.0 to the right."""
    return Forest(
        roots=np.array([0], np.int32),
        feature=np.array([7, 0, 0], np.int16),
        threshold=np.array([threshold, 0, 0], np.float32),
        left=np.array([1, -1, -1], np.int32),
        right=np.array([2, -1, -1], np.int32),
        missing_left=np.array([missing_left, False, False]),
        value=np.array([1.25, 1.0, 2.0]),
    )


def at_seven(*values: float) -> Rows:
    rows = np.zeros((len(values), 120), np.float32)
    rows[:, 7] = values
    return rows


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), trees=st.integers(1, 20), splits=st.integers(0, 40), count=st.integers(0, 21))
def test_every_row_scores_as_the_definition_says(seed: int, trees: int, splits: int, count: int) -> None:
    forest = Forest(**forest_arrays(seed, trees, splits))
    rows = random_rows(seed, count)
    assert raw_scores(forest, rows).tolist() == [walked(forest, row) for row in rows]


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), cut=st.integers(1, 150))
def test_a_score_does_not_depend_on_batch_size_or_neighbours(seed: int, cut: int) -> None:
    artifact = make_artifact(forest=Forest(**forest_arrays(seed, trees=19, splits=30)))
    rows = random_rows(seed, 150)
    order = np.random.default_rng(seed).permutation(len(rows))
    scorers: list[Callable[[Rows], npt.NDArray[np.float64]]] = [partial(raw_scores, artifact.forest)]
    scorers.append(partial(probabilities, artifact))
    for score in scorers:
        whole = score(rows)
        pieces = [score(rows[start : start + cut]) for start in range(0, len(rows), cut)]
        assert np.concatenate(pieces).tobytes() == whole.tobytes()
        assert score(rows[order]).tobytes() == whole[order].tobytes()


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.5, 1.0), (np.nextafter(np.float32(0.5), np.float32(1)), 2.0), (np.inf, 2.0), (-np.inf, 1.0), (-0.0, 1.0)],
)
def test_at_or_below_the_threshold_is_left(value: float, expected: float) -> None:
    assert raw_scores(stump(0.5), at_seven(value)).tolist() == [expected]


def test_a_missing_value_goes_the_missing_way() -> None:
    assert raw_scores(stump(np.inf), at_seven(np.nan)).tolist() == [2.0]
    assert raw_scores(stump(-np.inf, missing_left=True), at_seven(np.nan)).tolist() == [1.0]


def test_infinite_thresholds_and_denormals_compare_as_numbers() -> None:
    assert raw_scores(stump(np.inf), at_seven(np.inf, 1)).tolist() == [1.0, 1.0]
    assert raw_scores(stump(-np.inf), at_seven(-np.inf, -3e38)).tolist() == [1.0, 2.0]
    assert raw_scores(stump(0.0), at_seven(1e-45, -1e-45, 0)).tolist() == [2.0, 1.0, 1.0]
    assert raw_scores(stump(1e-45), at_seven(1e-45, 3e-45)).tolist() == [1.0, 2.0]


def test_any_memory_layout_of_the_rows_gives_the_same_scores() -> None:
    forest, rows = Forest(**forest_arrays(3)), random_rows(3, 40)
    expected = raw_scores(forest, rows).tolist()
    read_only = rows.copy()
    read_only.flags.writeable = False
    wider = np.concatenate([rows, rows], axis=1)
    for same in (np.asfortranarray(rows), read_only, wider[:, :120], rows[::-1][::-1]):
        assert raw_scores(forest, same).tolist() == expected
    assert rows.flags.writeable


@pytest.mark.parametrize("rows", [np.zeros((2, 119), np.float32), np.zeros(120, np.float32), np.zeros((2, 120))])
def test_rows_of_another_shape_or_type_are_refused(rows: Rows) -> None:
    with pytest.raises(ValueError, match="float32"):
        raw_scores(Forest(**forest_arrays()), rows)


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), trees=st.integers(1, 20))
def test_contributions_and_base_are_the_raw_score(seed: int, trees: int) -> None:
    forest = Forest(**forest_arrays(seed, trees, splits=30))
    for row in random_rows(seed, 5):
        added, base = contributions(forest, row)
        assert added.shape == (120,)
        assert added.sum() + base == pytest.approx(raw_scores(forest, row[np.newaxis])[0], abs=1e-9)
        assert base == pytest.approx(forest.value[forest.roots].sum(), abs=1e-9)


def test_a_contribution_is_credited_to_the_feature_that_was_tested() -> None:
    added, base = contributions(stump(0.5), at_seven(1.0)[0])
    assert (added[7], base) == (0.75, 1.25)
    assert np.flatnonzero(added).tolist() == [7]


def test_probability_is_the_sigmoid_of_the_calibrated_score_without_overflow() -> None:
    artifact = make_artifact()
    rows = random_rows(1, 30)
    z = 1.5 * raw_scores(artifact.forest, rows) - 0.25
    assert probabilities(artifact, rows) == pytest.approx(1 / (1 + np.exp(-z)), rel=1e-12)
    ends = artifact.calibration.probability(np.array([-1e9, 1e9]))
    assert ends.tolist() == [0.0, 1.0]
