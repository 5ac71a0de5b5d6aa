"""Gates on a model's artifact alone: its budget, and that it is the model that was fitted."""

from __future__ import annotations

from dataclasses import replace

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_registry.artifact import Artifact, Calibration
from model_registry.forest import Forest
from tests.support.models import AWKWARD, forest_arrays, make_artifact, random_rows
from training import gates
from training.fitted import NAMELESS, Fitted, exported
from training.gates import budget, deepest_path, parity, reference_forest

ROWS = random_rows(5, 64)


def chain(steps: int) -> Forest:
    """One tree that goes down on one side: a leaf at every step, as boosting leaf by leaf may grow it."""
    nodes = 2 * steps + 1
    inner = np.arange(nodes) % 2 == 0
    inner[-1] = False
    left = np.where(inner, np.arange(nodes) + 1, -1)
    right = np.where(inner, np.arange(nodes) + 2, -1)
    return Forest(
        roots=np.zeros(1, np.int32),
        feature=np.zeros(nodes, np.int16),
        threshold=np.arange(nodes, dtype=np.float32),
        left=left.astype(np.int32),
        right=right.astype(np.int32),
        missing_left=np.zeros(nodes, np.bool_),
        value=np.where(inner, 0.0, 1.0),
    )


@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_the_deepest_path_is_the_longest_that_rows_can_walk(seed: int, trees: int) -> None:
    forest = Forest(**forest_arrays(seed, trees))

    def steps(node: int) -> int:
        below = (int(forest.left[node]), int(forest.right[node]))
        return 0 if below[0] == -1 else 1 + max(map(steps, below))

    assert deepest_path(forest) == max(steps(int(root)) for root in forest.roots)


def test_the_reference_is_as_deep_as_it_says() -> None:
    assert deepest_path(reference_forest()) == gates.REFERENCE_DEPTH


def test_a_small_forest_is_within_its_budget_and_all_of_it_is_told() -> None:
    artifact = make_artifact(3)
    forest = artifact.forest

    result = budget(artifact, ROWS)

    assert result.passed, result.detail
    assert f" {len(forest.roots)} trees (512), {len(forest.value)} nodes (40000)," in result.detail


def over(artifact: Artifact, forest: Forest) -> bool:
    return not budget(replace(artifact, forest=forest), ROWS).passed


@pytest.mark.parametrize("limit", ["MOST_TREES", "MOST_NODES", "DEEPEST_PATH", "LARGEST_ARTIFACT"])
def test_each_limit_is_one(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    artifact = make_artifact(3)
    forest = artifact.forest
    reached = {
        "MOST_TREES": len(forest.roots),
        "MOST_NODES": len(forest.value),
        "DEEPEST_PATH": deepest_path(forest),
    }
    monkeypatch.setattr(gates, "SLOWEST", np.inf)
    assert budget(artifact, ROWS).passed

    monkeypatch.setattr(gates, limit, reached.get(limit, 1000) - 1)

    assert not budget(artifact, ROWS).passed


def test_a_forest_of_few_nodes_that_are_one_long_path_is_refused() -> None:
    assert not over(make_artifact(3), chain(gates.DEEPEST_PATH))
    assert over(make_artifact(3), chain(gates.DEEPEST_PATH + 1))


def test_a_forest_of_many_times_the_reference_s_work_is_slower_than_it() -> None:
    """Held by a factor of three, so that whatever else the machine does cannot turn it round."""
    result = budget(replace(make_artifact(3), forest=reference_forest(3 * gates.REFERENCE_TREES)), ROWS)

    assert not result.passed
    assert float(result.detail.split("; ")[1].split(" times")[0]) > gates.SLOWEST


def fitted(seed: int) -> Fitted:
    """A little booster on awkward rows."""
    dice = np.random.default_rng(seed)
    rows = random_rows(seed, 200)
    label = (np.nan_to_num(rows[:, 3]) + dice.normal(size=200) > 0).astype(int)
    parameters = {"objective": "binary", "verbosity": -1, "num_threads": 1, "min_data_in_leaf": 3, "seed": seed}
    booster = lightgbm.train(parameters, lightgbm.Dataset(rows, label), num_boost_round=4)
    return Fitted("ddos_lgbm", booster, Calibration(1.5, -0.25), 0.9, NAMELESS, 200)


@settings(max_examples=10)
@given(st.integers(0, 10_000))
def test_an_artifact_gives_the_scores_of_the_model_it_was_made_of(seed: int) -> None:
    model = fitted(seed)
    artifact = exported(model, random_rows(seed, 200))

    result = parity(model, artifact, np.concatenate([random_rows(seed + 1, 200), np.tile(AWKWARD[:, None], 120)]))

    assert result.passed, result.detail


@settings(max_examples=10)
@given(st.integers(0, 10_000))
def test_a_threshold_one_float_off_is_noticed_by_the_golden_rows_alone(seed: int) -> None:
    """No row of the data need lie on it: golden rows hold values equal to thresholds."""
    model = fitted(seed)
    artifact = exported(model, random_rows(seed, 200))
    forest = artifact.forest
    threshold = forest.threshold.copy()
    inner = forest.left != -1
    threshold[inner] = np.nextafter(threshold[inner], np.float32(-np.inf))
    moved = replace(artifact, forest=replace(forest, threshold=threshold))

    assert not parity(model, moved, artifact.golden_rows[:0]).passed


def test_an_artifact_of_another_fit_is_refused() -> None:
    model = fitted(1)
    other = exported(fitted(2), random_rows(2, 200))

    assert not parity(model, other, ROWS).passed
