"""The detector: one set of parts, from a registry or from hand, deciding, naming and explaining."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from detection.detector import Detector
from detection.document import vote_word
from detection.engines.math import Baselines, BaselinesError
from detection.engines.ml import MODELS
from detection.engines.rules import RulesError, RuleSet, default_rules, parse_rules
from detection.ensemble import MIN_SITE_FLOWS, EnsembleError, default_ensemble
from detection.evidence import explain_score
from detection.verdict import ENGINES, THREATS, Decisions, Kind, Reason
from flows.catalogue import INDEX
from model_registry.artifact import Forest
from model_registry.registry import Loaded
from tests.support.features import Rows, calm_row
from tests.support.models import forest_arrays, make_artifact, random_rows
from tests.support.registries import tiny_artifact
from tests.support.serving import serving_registry

NONE = Baselines(1, 0.995, {})
SEES = {"ddos_lgbm": "is_icmp", "malware_lgbm": "state_rejected", "anomaly_iforest": "state_reset"}


def detector(*models: str, rules: RuleSet | None = None) -> Detector:
    artifacts = {name: tiny_artifact(name, feature=INDEX[SEES[name]]) for name in models}
    shipped = parse_rules(default_rules()) if rules is None else rules
    return Detector(shipped, NONE, artifacts, default_ensemble(MIN_SITE_FLOWS))


def said(decisions: Decisions, row: int) -> dict[str, str]:
    return {engine: vote_word(decisions.votes[engine][row].tolist()) for engine in ENGINES}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    folder: Path = tmp_path_factory.mktemp("registry")
    return serving_registry(folder).load(now=datetime.now(UTC))


def test_what_a_registry_describes_decides(loaded: Loaded) -> None:
    built = Detector.from_registry(loaded)
    assert built.degraded == ()
    assert built.can_decide
    assert built.manifest_version == loaded.version == 1
    assert set(built.fingerprints) == set(MODELS)
    assert all(len(fingerprint) == 64 for fingerprint in built.fingerprints.values())
    rows = np.concatenate([calm_row(), *(calm_row(**{feature: 1}) for feature in SEES.values())])
    decisions = built.decide(rows)
    assert decisions.kind.tolist() == [Kind.BENIGN, Kind.DDOS, Kind.MALWARE, Kind.ANOMALY]
    assert set(decisions.probabilities) == set(MODELS)
    assert set(decisions.votes) == set(ENGINES)


def test_a_refused_model_degrades_to_the_others(loaded: Loaded) -> None:
    models = {name: model for name, model in loaded.models.items() if name != "ddos_lgbm"}
    built = Detector.from_registry(replace(loaded, models=models, refused={"ddos_lgbm": "changed"}))
    assert built.degraded == ("ddos_lgbm",)
    assert "ddos_lgbm" not in built.fingerprints
    assert built.can_decide
    decisions = built.decide(np.concatenate([calm_row(is_icmp=1), calm_row(state_rejected=1)]))
    assert decisions.kind.tolist() == [Kind.BENIGN, Kind.MALWARE]


def test_a_signed_blob_that_is_none_is_refused(loaded: Loaded) -> None:
    with pytest.raises(RulesError):
        Detector.from_registry(replace(loaded, rules=b"{"))
    with pytest.raises(BaselinesError):
        Detector.from_registry(replace(loaded, math=b"{"))
    with pytest.raises(EnsembleError):
        Detector.from_registry(replace(loaded, ensemble=b"{"))


def test_a_model_of_another_name_does_not_vote() -> None:
    stranger = {"luck_lgbm": tiny_artifact("luck_lgbm")}
    built = Detector(RuleSet(()), NONE, stranger, default_ensemble(MIN_SITE_FLOWS), fingerprints={"luck_lgbm": "ab"})
    assert built.degraded == tuple(MODELS)
    assert built.fingerprints == {}
    assert not built.can_decide


def test_with_nothing_to_decide_by_every_flow_is_an_abstention_that_says_so() -> None:
    built = detector(rules=RuleSet(()))
    assert not built.can_decide
    decisions = built.decide(calm_row())
    assert decisions.kind.tolist() == [Kind.ABSTAIN]
    assert decisions.reason.tolist() == [Reason.NOTHING_TO_DECIDE_BY]
    assert said(decisions, 0) == dict.fromkeys(ENGINES, "silent")
    assert detector(*MODELS, rules=RuleSet(())).can_decide
    assert detector().can_decide, "rules alone decide"


def scanner() -> Rows:
    return calm_row(failed=1, out_peers_60s=150, out_ports_60s=1, out_failed_share_60s=0.9, state_reset=1)


def test_engines_vote_in_words() -> None:
    built = detector(*MODELS)
    decisions = built.decide(np.concatenate([calm_row(), scanner()]))
    assert said(decisions, 0) == {"rules": "silent", "math": "silent", "ml": "benign"}
    assert said(decisions, 1) == {"rules": "anomaly", "math": "silent", "ml": "anomaly"}


def test_the_technique_is_the_rule_s_or_the_threat_s() -> None:
    built = detector(*MODELS)
    rows = [calm_row(), scanner(), calm_row(is_icmp=1), calm_row(state_rejected=1), calm_row(state_reset=1)]
    decisions = built.decide(np.concatenate(rows))
    techniques = [built.technique(decisions, row) for row in range(len(decisions))]
    assert techniques == [None, "T1046", "T1498", "T1071", None]


def test_a_rule_of_another_threat_lends_no_technique() -> None:
    built = detector(*MODELS)
    decisions = built.decide(scanner())
    decisions.kind[0] = Kind.DDOS
    assert built.technique(decisions, 0) == "T1498"


@pytest.mark.parametrize("threat", THREATS)
def test_contributions_rest_and_base_are_the_raw_score(threat: Kind) -> None:
    built = detector(*MODELS)
    model = built.explain(scanner()[0], threat).model
    assert model is not None
    assert MODELS[model.model] is threat
    assert len(model.contributions) == 5
    sizes = [abs(one.contribution) for one in model.contributions]
    assert sizes == sorted(sizes, reverse=True)
    assert model.contributions[0].feature == SEES[model.model]
    total = model.base + sum(one.contribution for one in model.contributions) + model.rest
    assert total == pytest.approx(model.raw_score, abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_the_rest_of_many_contributions_is_not_lost(seed: int) -> None:
    model = make_artifact(seed, forest=Forest(**forest_arrays(seed, trees=40)), name="ddos_lgbm")
    for row in random_rows(seed, 20):
        evidence = explain_score(model, row)
        assert evidence.rest != 0.0
        total = evidence.base + sum(one.contribution for one in evidence.contributions) + evidence.rest
        assert total == pytest.approx(evidence.raw_score, abs=1e-9)


def test_evidence_names_the_rules_and_does_without_a_model() -> None:
    evidence = detector().explain(scanner()[0], Kind.ANOMALY)
    assert evidence.model is None
    assert [rule.id for rule in evidence.rules] == ["horizontal_scan_out"]
    assert evidence.statistics == ()
    assert detector(*MODELS).explain(calm_row()[0], Kind.BENIGN).model is None


def test_features_of_another_shape_or_type_are_refused() -> None:
    built = detector()
    for features in (np.zeros((1, 119), np.float32), np.zeros(120, np.float32), np.zeros((1, 120))):
        with pytest.raises(ValueError, match="must be float32"):
            built.decide(features)  # type: ignore[arg-type]  # on purpose


def test_decisions_are_the_same_whatever_the_batch() -> None:
    built = detector(*MODELS)
    rows = np.concatenate([calm_row(), scanner(), calm_row(is_icmp=1), np.full((1, 120), np.nan, np.float32)])
    whole = built.decide(rows)
    for row in range(len(rows)):
        alone = built.decide(rows[row : row + 1])
        assert alone.kind[0] == whole.kind[row]
        assert alone.confidence[0] == whole.confidence[row]
        assert alone.rules_fired[0] == whole.rules_fired[row]
    assert len(built.decide(rows[:0])) == 0


def test_warming_up_changes_nothing() -> None:
    built = detector(*MODELS)
    before = built.decide(scanner()).support
    built.warm_up()
    detector().warm_up()
    np.testing.assert_array_equal(built.decide(scanner()).support, before)
