"""Two detectors on the same flows: model by model at their own thresholds, and by their verdicts."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from detection.detector import Detector
from detection.engines.math import Baselines
from detection.engines.rules import default_rules, parse_rules
from detection.ensemble import Ensemble, default_ensemble
from flows.catalogue import INDEX, NAMES
from model_registry.artifact import Artifact
from tests.support.models import make_artifact
from training.champion_trial import VERDICT, abroad, side_by_side
from training.datasets import Dataset, Origin, Part

MODELS = ("ddos_lgbm", "malware_lgbm", "anomaly_iforest")
N = 600


def flows(seed: int, part: Part = Part.TEST) -> Dataset:
    """Flows of every kind, whose features say nothing."""
    truth = (np.arange(N) // 10 % 4).astype(np.int8)
    features = np.random.default_rng(seed).integers(0, 5, (N, len(NAMES))).astype(np.float32)
    features[:, INDEX["host_flows"]] = 5000.0  # of hosts with a past
    return Dataset(
        features=features,
        truth=truth,
        attack=np.array(["", "flood", "bot", "scan"])[truth],
        capture=np.zeros(N, np.int16),
        part=np.full(N, part, np.int8),
        weight=np.ones(N, np.float32),
        origin=Origin(("made up",), "made up"),
    )


TEST = flows(1)
NO_SITE = TEST.take(np.arange(0))
BASELINES = Baselines(1, 0.995, {})  # that say nothing


def models(threshold: float = 0.5) -> dict[str, Artifact]:
    return {name: make_artifact(place, name=name, threshold=threshold) for place, name in enumerate(MODELS)}


def detector(found: dict[str, Artifact], ensemble: Ensemble | None = None) -> Detector:
    ensemble = default_ensemble(site_flows=0) if ensemble is None else ensemble
    return Detector(parse_rules(default_rules()), BASELINES, found, ensemble)


def test_a_detector_is_not_different_from_itself() -> None:
    found = side_by_side(detector(models()), detector(models()), TEST, NO_SITE)

    assert list(found) == [*MODELS, VERDICT]
    assert found["ddos_lgbm"].keys() == {"recall", "false-positive rate"}
    assert found["anomaly_iforest"].keys() == {"false-positive rate", "ROC area"}
    assert found[VERDICT].keys() == {"recall", "mean recall of attacks", "false-positive rate"}
    for figures in found.values():
        assert all((one.low, one.high, one.candidate) == (0.0, 0.0, one.champion) for one in figures.values())


def test_each_is_judged_at_its_own_threshold() -> None:
    shy = {**models(), "ddos_lgbm": replace(models()["ddos_lgbm"], threshold=0.999999)}

    found = side_by_side(detector(shy), detector(models()), TEST, NO_SITE)

    recall, others = found["ddos_lgbm"]["recall"], found["malware_lgbm"]["recall"]
    assert recall.candidate < recall.champion
    assert recall.high < 0.0
    assert (others.low, others.high) == (0.0, 0.0)


def test_a_model_that_only_one_of_them_has_is_not_compared_by_itself() -> None:
    lacking = {name: model for name, model in models().items() if name != "malware_lgbm"}

    found = side_by_side(detector(models()), detector(lacking), TEST, NO_SITE)

    assert "malware_lgbm" not in found
    assert VERDICT in found


@pytest.mark.parametrize("side", ["candidate", "champion"])
def test_verdicts_are_those_of_each_one_s_own_ensemble(side: str) -> None:
    ensemble = default_ensemble(site_flows=0)
    bias = msgspec.structs.replace(ensemble.bias, ddos=100.0)
    alarmed = detector(models(), msgspec.structs.replace(ensemble, bias=bias))
    calm = detector(models())

    pair = (alarmed, calm) if side == "candidate" else (calm, alarmed)
    found = side_by_side(*pair, TEST, NO_SITE)

    rate = found[VERDICT]["false-positive rate"]
    assert (rate.candidate > rate.champion) is (side == "candidate")
    assert (found["ddos_lgbm"]["recall"].low, found["ddos_lgbm"]["recall"].high) == (0.0, 0.0)


def test_with_a_site_anomaly_models_are_judged_by_the_site_s_latest_flows() -> None:
    site = flows(3)
    site.part[: N // 2] = Part.TRAIN
    latest = models()["anomaly_iforest"]
    flagged = detector({"anomaly_iforest": latest}).decide(site.features[N // 2 :]).probabilities["anomaly_iforest"]

    found = side_by_side(detector(models()), detector(models()), TEST, site)

    assert found["anomaly_iforest"]["false-positive rate"].candidate == pytest.approx((flagged >= 0.5).mean())


def test_a_site_s_anomaly_model_has_no_say_elsewhere() -> None:
    known = default_ensemble(site_flows=10_000)

    assert known.knows_site
    assert not abroad(known).knows_site
    assert msgspec.structs.replace(abroad(known), site_flows=known.site_flows) == known
