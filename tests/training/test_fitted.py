"""Fitted models that wait to be exported: read back, they give the same artifact to the byte."""

from __future__ import annotations

import numpy as np
import pytest

from detection.verdict import Kind
from model_registry.artifact import artifact_to_bytes
from tests.support.datasets import toy_flood
from training import anomaly, boosting
from training.boosting import BoostedRecipe, fit_boosted, learned_rows, make_boosted
from training.datasets import Dataset, Part
from training.export import ExportError
from training.fitted import Fitted, exported, fitted_from_json, fitted_to_json
from training.splits import split

RECIPE = BoostedRecipe("ddos_lgbm", Kind.DDOS, fpr=0.1, features=("in_flows_10s", "packets"))


@pytest.fixture(scope="module")
def data() -> Dataset:
    parts = [toy_flood("a", seed, ordinary=600, flood=150, part=part) for seed, part in enumerate(Part)]
    return Dataset.concatenate(parts)


@pytest.fixture(scope="module")
def nothing(data: Dataset) -> Dataset:
    return data.take(np.arange(0))


@pytest.fixture(scope="module")
def fitted(data: Dataset, nothing: Dataset) -> Fitted:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(boosting, "TREES", (20,))
        patch.setattr(boosting, "MOST_TREES", 20)
        return fit_boosted(RECIPE, split(data), nothing, {"training_features": data.digest()})


def test_a_forest_read_back_gives_the_same_artifact(
    fitted: Fitted, data: Dataset, nothing: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boosting, "TREES", (20,))
    monkeypatch.setattr(boosting, "MOST_TREES", 20)
    rows = learned_rows(RECIPE, split(data), nothing)

    again = exported(fitted_from_json(fitted_to_json(fitted)), rows)

    assert artifact_to_bytes(again) == artifact_to_bytes(make_boosted(RECIPE, split(data), nothing))


def test_histograms_read_back_give_the_same_artifact(data: Dataset) -> None:
    fitted = anomaly.fit_site(data)
    past = data.features[data.part == Part.TRAIN]

    again = exported(fitted_from_json(fitted_to_json(fitted)), past)

    assert artifact_to_bytes(again) == artifact_to_bytes(anomaly.of_site(data))


def test_what_is_known_of_a_fit_is_kept_and_written_the_same_again(fitted: Fitted, data: Dataset) -> None:
    again = fitted_from_json(fitted_to_json(fitted))

    assert (again.name, again.calibration, again.threshold) == ("ddos_lgbm", fitted.calibration, fitted.threshold)
    assert (again.data, again.rows) == ({"training_features": data.digest()}, 750)
    assert fitted_to_json(again) == fitted_to_json(fitted)


def test_without_the_rows_that_it_was_fitted_on_nothing_is_exported(fitted: Fitted, nothing: Dataset) -> None:
    with pytest.raises(ExportError, match="at least one real row"):
        exported(fitted, nothing.features)
