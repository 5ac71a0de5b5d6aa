"""Models vote for their own threat, by how far their probability lies from their threshold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detection.engines.ml import MODELS, MlEngine
from detection.verdict import Kind, column
from model_registry.artifact import Calibration
from tests.support.features import flow_row
from tests.support.registries import tiny_artifact

QUIET, ALARM = flow_row(), flow_row(duration=1.0)  # the tiny models look at the first feature


@pytest.mark.parametrize(("name", "threat"), MODELS.items())
def test_a_vote_is_the_distance_from_the_threshold_in_log_odds(name: str, threat: Kind) -> None:
    engine = MlEngine({name: tiny_artifact(name)})  # raw score +-1.5, threshold 0.75
    votes, probabilities = engine.votes(np.concatenate([ALARM, QUIET]))
    np.testing.assert_allclose(votes[:, column(threat)], [1.5 - np.log(3.0), -1.5 - np.log(3.0)])
    assert np.count_nonzero(votes) == 2
    np.testing.assert_allclose(probabilities[name], 1 / (1 + np.exp([-1.5, 1.5])))
    assert engine.threats.tolist() == [other is threat for other in MODELS.values()]
    assert engine.model_for(threat) is engine.models[name]
    assert engine.model_for(Kind.BENIGN) is None


def test_a_probability_at_the_threshold_is_an_alarm() -> None:
    artifact = tiny_artifact("ddos_lgbm")
    _, probabilities = MlEngine({"ddos_lgbm": artifact}).votes(ALARM)
    at = float(probabilities["ddos_lgbm"][0])
    for threshold, alarm in ((at, True), (np.nextafter(at, 1.0), False), (np.nextafter(at, 0.0), True)):
        votes, _ = MlEngine({"ddos_lgbm": replace(artifact, threshold=float(threshold))}).votes(ALARM)
        assert bool(votes[0, 0] > 0.0) is alarm


def test_votes_are_bounded() -> None:
    artifact = replace(tiny_artifact("ddos_lgbm"), calibration=Calibration(1e6, 0.0))
    votes, _ = MlEngine({"ddos_lgbm": artifact}).votes(np.concatenate([ALARM, QUIET]))
    assert votes[:, 0].tolist() == [4.0, -4.0]


def test_without_models_it_says_nothing() -> None:
    engine = MlEngine({})
    votes, probabilities = engine.votes(ALARM)
    assert not votes.any()
    assert probabilities == {}
    assert not engine.threats.any()
