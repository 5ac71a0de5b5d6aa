"""Exported forests against the libraries that fitted them, on the rows where a branch could go another way."""

from __future__ import annotations

import re
from typing import Any

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import IsolationForest

from flows.catalogue import catalogue_digest
from model_registry.artifact import (
    Calibration,
    Forest,
    artifact_from_bytes,
    artifact_to_bytes,
    check_golden,
)
from model_registry.errors import ArtifactError
from model_registry.forest import MAX_NODES
from model_registry.scoring import contributions, raw_scores
from tests.support.models import AWKWARD, Rows, forest_arrays, probes, random_rows
from training.export import (
    ExportError,
    export,
    fitted_scores,
    forest_from_isolation_forest,
    forest_from_lightgbm,
    forest_of,
    golden_rows,
    profile_of,
    prove_equal,
)

QUIET = {"verbose": -1, "num_threads": 1, "deterministic": True, "min_data_in_leaf": 3, "num_leaves": 15}


def training_rows(seed: int = 0, count: int = 400) -> Rows:
    """Columns of several kinds: normal, small integers with many zeros, constant, missing, tiny and heavy-tailed."""
    dice = np.random.default_rng(seed)
    rows = dice.normal(size=(count, 120)).astype(np.float32)
    rows[:, 20:60] = dice.integers(-2, 4, (count, 40))
    rows[:, 60:70] = 3.0
    rows[:, 70:80] *= np.float32(1e-38)
    rows[:, 80:90] = np.exp(rows[:, 80:90] * 12)
    rows[dice.random(rows.shape) < 0.15] = np.nan
    rows[:, 0] = np.nan
    rows[:, 1] = np.nan_to_num(rows[:, 1])
    return rows


def labels_of(rows: Rows, seed: int = 0) -> Any:
    told = np.isnan(rows[:, 25]) | (rows[:, 30] == 0) | (rows[:, 80] > 1e3) | (rows[:, 1] > 1)
    return (told ^ (np.random.default_rng(seed).random(len(rows)) < 0.1)).astype(int)


def fit_booster(rounds: int = 12, rows: Rows | None = None, labels: Any = None, **params: Any) -> lightgbm.Booster:
    rows = training_rows() if rows is None else rows
    labels = labels_of(rows) if labels is None else labels
    settings_ = {"objective": "binary", **QUIET, **params}
    return lightgbm.train(settings_, lightgbm.Dataset(rows, labels), num_boost_round=rounds)


def assert_bit_equal(booster: lightgbm.Booster, rows: Rows) -> Forest:
    forest = forest_from_lightgbm(booster)
    tried = probes(forest, rows)
    assert raw_scores(forest, tried).tobytes() == fitted_scores(booster, tried).tobytes()
    return forest


def assert_isolation_equal(model: IsolationForest, rows: Rows) -> Forest:
    forest = forest_from_isolation_forest(model)
    tried = probes(forest, rows)
    assert np.exp2(raw_scores(forest, tried)) == pytest.approx(-model.score_samples(tried), abs=1e-12)
    return forest


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"use_missing": False},
        {"zero_as_missing": True, "num_leaves": 6},
        {"boosting": "dart"},
        {"data_sample_strategy": "goss"},
        {"bagging_fraction": 0.5, "bagging_freq": 1, "feature_fraction": 0.5},
        {"boost_from_average": False},
        {"objective": "regression_l1"},
        {"max_bin": 4, "extra_trees": True},
        {"max_depth": 2},
        {"is_unbalance": True, "lambda_l1": 1.0, "monotone_constraints": [1] * 120},
    ],
    ids=str,
)
def test_a_booster_and_its_forest_give_the_same_bits(params: dict[str, Any]) -> None:
    assert_bit_equal(fit_booster(**params), training_rows(1))


@settings(max_examples=20)
@given(
    seed=st.integers(0, 1000),
    count=st.integers(20, 120),
    leaves=st.integers(2, 12),
    missing=st.sampled_from([{}, {"use_missing": False}, {"zero_as_missing": True, "num_leaves": 5}]),
    awkward=st.floats(0, 0.5),
)
def test_any_small_booster_and_its_forest_give_the_same_bits(
    seed: int, count: int, leaves: int, missing: dict[str, Any], awkward: float
) -> None:
    dice = np.random.default_rng(seed)
    rows = training_rows(seed, count)
    odd = dice.random(rows.shape) < awkward
    rows[odd] = dice.choice(AWKWARD, int(odd.sum()))
    labels = dice.integers(0, 2, count)
    params = {"num_leaves": leaves, "min_data_in_bin": 1, "min_sum_hessian_in_leaf": 0, **missing}
    assert_bit_equal(fit_booster(3, rows, labels, **params), rows)


@pytest.mark.parametrize("missing", [0, 1, 2])
@pytest.mark.parametrize("default_left", [False, True])
@pytest.mark.parametrize(
    "threshold",
    [
        *("inf", "-inf", "1e300", "-1e300", "3.4028235e38", "1e-35", "-1e-35", "1.0000000180025095e-35"),
        *("-1.0000000180025095e-35", "0", "-0.0", "5e-324", "-5e-324", "1e-40", "-1e-40", "1.5", "-1.5", "0.1"),
        *("-0.1", "16777217"),
    ],
)
def test_every_kind_of_node_at_every_kind_of_threshold(missing: int, default_left: bool, threshold: str) -> None:
    text = fit_booster(1, num_leaves=2).model_to_string()
    text = re.sub(r"tree_sizes=.*\n", "", text)
    text = re.sub(r"\nthreshold=.*", f"\nthreshold={threshold}", text)
    text = re.sub(r"\ndecision_type=.*", f"\ndecision_type={missing << 2 | default_left << 1}", text)
    assert_bit_equal(lightgbm.Booster(model_str=text), training_rows(1, 30))


def test_trees_after_the_best_iteration_are_left_out() -> None:
    booster = fit_booster()
    everything = len(forest_from_lightgbm(booster).roots)
    booster.best_iteration = 5
    assert (everything, len(assert_bit_equal(booster, training_rows(1)).roots)) == (12, 5)


def test_constant_trees_are_exported() -> None:
    rows = training_rows()
    forest = assert_bit_equal(fit_booster(3, rows, np.ones(len(rows), int)), rows)
    assert (forest.left == -1).all()
    assert_bit_equal(fit_booster(3, rows, min_data_in_leaf=10_000), rows)


def test_the_base_of_a_boosters_contributions_is_its_mean_training_score() -> None:
    rows = training_rows()
    forest = forest_from_lightgbm(fit_booster(rows=rows))
    _, base = contributions(forest, rows[0])
    assert base == pytest.approx(raw_scores(forest, rows).mean(), abs=1e-9)


def test_contributions_sum_to_the_score_where_zero_needs_nodes_of_its_own() -> None:
    rows = training_rows()
    forest = forest_from_lightgbm(fit_booster(zero_as_missing=True, num_leaves=6))
    for row in probes(forest, rows)[::97]:
        added, base = contributions(forest, row)
        assert added.sum() + base == pytest.approx(raw_scores(forest, row[np.newaxis])[0], abs=1e-9)


def unexportable() -> dict[str, lightgbm.Booster]:
    """What the refusal says, and a booster that deserves it."""
    rows = training_rows()
    labels = labels_of(rows)
    categories = lightgbm.Dataset(np.abs(rows), np.abs(rows[:, 25]) == 1, categorical_feature=[25])
    return {
        "multi-class": fit_booster(2, rows, np.arange(len(rows)) % 3, objective="multiclass", num_class=3),
        "random-forest": fit_booster(2, boosting="rf", bagging_fraction=0.5, bagging_freq=1),
        "linear": fit_booster(2, np.nan_to_num(rows), labels, linear_tree=True),
        "categorical": lightgbm.train({"objective": "binary", **QUIET}, categories, 2),
        "119 features": fit_booster(2, rows[:, :119], labels),
        "no trees": lightgbm.Booster({"objective": "binary", **QUIET}, lightgbm.Dataset(rows, labels)),
    }


def test_what_a_forest_cannot_express_is_refused_and_named() -> None:
    for wrong, booster in unexportable().items():
        with pytest.raises(ExportError, match=wrong):
            forest_of(booster)


def test_a_forest_that_outgrows_the_format_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.forests.MAX_NODES", 100)
    with pytest.raises(ExportError, match="more than 100 nodes"):
        forest_from_lightgbm(fit_booster())
    assert MAX_NODES > 100_000


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"max_features": 0.3},
        {"max_features": 1, "n_estimators": 50},
        {"max_samples": 2},
        {"max_samples": 3, "n_estimators": 1},
        {"max_samples": 0.9, "bootstrap": True},
        {"contamination": 0.05},
    ],
    ids=str,
)
def test_an_isolation_forest_and_its_export_agree(params: dict[str, Any]) -> None:
    model = IsolationForest(**{"n_estimators": 20, "random_state": 0} | params).fit(training_rows())
    assert_isolation_equal(model, training_rows(1))


@settings(max_examples=20)
@given(
    seed=st.integers(0, 1000),
    count=st.integers(2, 80),
    trees=st.integers(1, 8),
    share=st.floats(0.01, 1),
    missing=st.floats(0, 1),
    same=st.booleans(),
)
def test_any_small_isolation_forest_and_its_export_agree(
    seed: int, count: int, trees: int, share: float, missing: float, same: bool
) -> None:
    dice = np.random.default_rng(seed)
    rows = dice.integers(-2, 3, (count, 120)).astype(np.float32)
    rows[:, :60] = dice.normal(size=(count, 60))
    rows[dice.random(rows.shape) < missing] = np.nan
    if same:
        rows[1:] = rows[0]
    model = IsolationForest(n_estimators=trees, max_features=share, random_state=seed).fit(rows)
    assert_isolation_equal(model, random_rows(seed, 20))


def test_an_isolation_forest_that_cannot_be_exported_is_refused() -> None:
    rows = training_rows()
    with pytest.raises(ExportError, match="max_samples"):
        forest_of(IsolationForest(n_estimators=2, max_samples=1).fit(rows))
    with pytest.raises(ExportError, match="119 features"):
        forest_of(IsolationForest(n_estimators=2).fit(rows[:, :119]))


def test_golden_rows_hold_real_missing_tied_and_infinite_values_and_are_always_the_same() -> None:
    rows = training_rows()
    forest = forest_from_lightgbm(fit_booster())
    golden = golden_rows(rows, forest)
    assert golden.shape == (64, 120)
    assert golden.dtype == np.float32
    assert golden.tobytes() == golden_rows(rows, forest).tobytes()
    real = {row.tobytes() for row in rows}
    assert sum(row.tobytes() in real for row in golden) == 32
    tested = forest.feature[forest.left != -1]
    assert np.isin(golden[48:61:2][:, tested], forest.threshold).all()
    assert not np.isnan(golden[49:61:2][:, tested]).any()
    assert np.isnan(golden[61]).all()
    assert (golden[62:] == [[np.inf], [-np.inf]]).all()
    assert golden_rows(rows[:1], forest, k=8).shape == (8, 120)
    with pytest.raises(ExportError, match="at least one"):
        golden_rows(rows[:0], forest)


def test_golden_rows_notice_a_threshold_moved_by_one_float32_at_a_root() -> None:
    arrays = forest_arrays(trees=1, splits=10)
    forest = Forest(**arrays)
    assert forest.left[0] != -1
    moved = Forest(**arrays | {"threshold": np.nextafter(arrays["threshold"], np.float32(-np.inf))})
    golden = golden_rows(training_rows(), forest)
    assert (raw_scores(forest, golden) != raw_scores(moved, golden)).any()


def test_the_profile_counts_every_row_in_its_bin() -> None:
    rows = training_rows(count=205)
    rows[3, 5], rows[4, 5] = np.inf, -np.inf
    scores = np.linspace(-1, 1, 205)
    profile = profile_of(rows, scores)
    assert profile.feature_counts[0].tolist() == [0] * 10 + [205]
    assert (profile.feature_counts.sum(axis=1) == 205).all()
    for feature in (5, 25, 65):
        column, edges = rows[:, feature], profile.feature_edges[feature]
        expected = [sum(np.searchsorted(edges, x) == bin_ for x in column if not np.isnan(x)) for bin_ in range(10)]
        assert profile.feature_counts[feature].tolist() == [*expected, np.isnan(column).sum()]
    assert profile.score_counts.max() - profile.score_counts.min() <= 1


def test_a_forest_that_scores_otherwise_is_not_proven() -> None:
    rows = training_rows()
    booster, other = fit_booster(), fit_booster(learning_rate=0.2)
    prove_equal(booster, forest_of(booster), rows)
    with pytest.raises(ExportError, match=r"scores row \d+ .* off the fitted model"):
        prove_equal(booster, forest_of(other), rows)


@pytest.mark.parametrize("algorithm", ["lightgbm", "isolation_forest"])
def test_an_exported_model_is_a_complete_artifact(algorithm: str) -> None:
    rows = training_rows()
    model = fit_booster() if algorithm == "lightgbm" else IsolationForest(n_estimators=10, random_state=0).fit(rows)
    artifact = export(model, name="some_model", calibration=Calibration(2.0, -1.0), threshold=0.8, rows=rows)
    again = artifact_from_bytes(artifact_to_bytes(artifact))
    check_golden(again)
    assert (again.name, again.algorithm, again.catalogue) == ("some_model", algorithm, catalogue_digest())
    assert (again.calibration, again.threshold) == (Calibration(2.0, -1.0), 0.8)
    assert again.profile.score_counts.sum() == len(rows)
    assert raw_scores(again.forest, rows) == pytest.approx(fitted_scores(model, rows), abs=1e-9)


def test_a_threshold_no_artifact_may_have_is_refused() -> None:
    with pytest.raises(ArtifactError, match="between 0 and 1"):
        export(fit_booster(), name="m", calibration=Calibration(1.0, 0.0), threshold=1.0, rows=training_rows())
