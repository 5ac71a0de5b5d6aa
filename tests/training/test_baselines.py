"""Baseline models learn a toy, and are given their thresholds as the models are."""

from __future__ import annotations

import numpy as np
import pytest

from detection.verdict import Kind
from flows.catalogue import INDEX, NAMES
from training.baselines import FLOW_FIELDS, RATE, BaselineModel, fit_baselines
from training.datasets import Dataset, Origin
from training.errors import TrainingError
from training.splits import Split

BENIGN, ATTACKS = 2000, 60


def toy(seed: int, benign: int = BENIGN, attacks: int = ATTACKS) -> Dataset:
    """Floods are many in 10 s and small, malware sends much, what is strange lasts long; ordinary life does neither."""
    dice = np.random.default_rng(seed)
    truth = np.repeat([Kind.BENIGN, Kind.DDOS, Kind.MALWARE, Kind.ANOMALY], [benign, attacks, attacks, attacks])
    features = np.zeros((len(truth), len(NAMES)), np.float32)
    features[:, FLOW_FIELDS] = dice.normal(0, 1, (len(truth), len(FLOW_FIELDS)))
    features[:, INDEX[RATE]] = dice.integers(0, 20, len(truth))
    features[truth == Kind.DDOS, INDEX[RATE]] += 500
    features[truth == Kind.DDOS, INDEX["bytes"]] -= 30
    features[truth == Kind.MALWARE, INDEX["sent_bytes"]] += 30
    features[truth == Kind.ANOMALY] += 40
    features[::7, INDEX["duration"]] = np.nan
    n = len(truth)
    capture, part = np.zeros(n, np.int16), np.zeros(n, np.int8)
    return Dataset(
        features, truth.astype(np.int8), np.full(n, ""), capture, part, np.ones(n, np.float32), Origin(("toy",), "")
    )


@pytest.fixture(scope="module")
def models() -> dict[str, BaselineModel]:
    return {model.name: model for model in fit_baselines(Split(toy(1, benign=800), toy(2), toy(3)))}


def test_there_is_one_for_each_threat_at_least(models: dict[str, BaselineModel]) -> None:
    assert {model.threat for model in models.values()} == {Kind.DDOS, Kind.MALWARE, Kind.ANOMALY}


@pytest.mark.parametrize(
    "name", ["rate of flows in", "random forest, ddos", "random forest, malware", "isolation forest"]
)
def test_each_finds_what_it_has_learned_in_rows_it_has_not_seen(models: dict[str, BaselineModel], name: str) -> None:
    model, unseen = models[name], toy(4)
    score = model.score(unseen.features)
    flagged = score >= model.threshold

    assert score.dtype == np.float64
    assert score.shape == (len(unseen),)
    assert ((score >= 0) & (score <= 1)).all()
    assert flagged[unseen.truth == model.threat].mean() > 0.9
    assert flagged[unseen.truth == Kind.BENIGN].mean() < 0.005
    assert 0 < model.threshold < 1


def test_the_threshold_keeps_the_stated_rate_on_validation(models: dict[str, BaselineModel]) -> None:
    benign = toy(2).of(Kind.BENIGN).features
    for model in models.values():
        assert (model.score(benign) >= model.threshold).mean() <= 0.001


def test_forests_look_at_the_fields_of_the_flow_alone(models: dict[str, BaselineModel]) -> None:
    rows = toy(4).features
    others = rows.copy()
    others[:, [place for place in range(len(NAMES)) if place not in FLOW_FIELDS]] = 12_345.0
    for name in ("random forest, ddos", "random forest, malware", "isolation forest"):
        np.testing.assert_array_equal(models[name].score(rows), models[name].score(others))


def test_no_rows_and_an_unknown_rate_are_scored(models: dict[str, BaselineModel]) -> None:
    nothing = np.full((1, len(NAMES)), np.nan, np.float32)
    for model in models.values():
        assert model.score(nothing[:0]).shape == (0,)
        assert 0 <= model.score(nothing)[0] <= 1


def test_without_attacks_or_enough_benign_flows_the_error_says_so() -> None:
    with pytest.raises(TrainingError, match=r"random forest of ddos: 0 of 2000 rows are ddos"):
        fit_baselines(Split(toy(1, attacks=0), toy(2), toy(3)))
    with pytest.raises(TrainingError, match="needs 1000 benign rows, got 900"):
        fit_baselines(Split(toy(1), toy(2, benign=900), toy(3)))
