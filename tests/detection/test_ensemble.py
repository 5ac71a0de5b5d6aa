"""From votes to a decision or an abstention with its reason; the ensemble's numbers as JSON; the final confidence."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detection.ensemble import (
    MAX_BYTES,
    MIN_SITE_FLOWS,
    Ensemble,
    EnsembleError,
    PerThreat,
    combine,
    decide,
    default_ensemble,
    ensemble_from_json,
    ensemble_to_json,
    fit_confidence,
)
from detection.verdict import ENGINES, MATH, ML, RULES, Kind, Reason, logit, sigmoid
from tests.support.features import Rows, calm_row

DEFAULT = default_ensemble(MIN_SITE_FLOWS)
EVERYBODY = {engine: np.ones(3, dtype=np.bool_) for engine in ENGINES}
RULE_90 = float(logit(0.9))

Votes = tuple[float, float, float]
SILENT: Votes = (0.0, 0.0, 0.0)


def judge(
    rules: Votes = SILENT,
    math: Votes = SILENT,
    ml: Votes = SILENT,
    *,
    row: Rows | None = None,
    ensemble: Ensemble = DEFAULT,
    speaks: dict[str, npt.NDArray[np.bool_]] | None = None,
) -> tuple[Kind, Reason, float]:
    votes = {RULES: np.array([rules]), MATH: np.array([math]), ML: np.array([ml])}
    combined = combine(ensemble, votes, speaks or EVERYBODY)
    kind, confidence, reason = decide(ensemble, combined, votes[RULES], calm_row() if row is None else row)
    return Kind(kind[0]), Reason(reason[0]), float(confidence[0])


class TestDecisions:
    @pytest.mark.parametrize("column", range(3))
    @pytest.mark.parametrize("vote", [1e-6, 0.5, 4.0])
    def test_a_models_alarm_stands_where_the_others_are_silent(self, column: int, vote: float) -> None:
        ml = [-3.0, -3.0, -3.0]
        ml[column] = vote
        kind, reason, confidence = judge(ml=(ml[0], ml[1], ml[2]))
        assert (kind, reason) == (Kind(column + 1), Reason.NONE)
        assert confidence == pytest.approx(sigmoid(vote))

    def test_a_sure_rule_outvotes_a_mildly_negative_model(self) -> None:
        assert judge(rules=(RULE_90, 0, 0), ml=(-1.5, -4, -4))[:2] == (Kind.DDOS, Reason.NONE)

    def test_a_sure_model_outvotes_a_weak_rule(self) -> None:
        assert judge(rules=(0, float(logit(0.7)), 0), ml=(-4, -4, -4))[:2] == (Kind.BENIGN, Reason.NONE)

    def test_a_sure_model_outvotes_any_statistic(self) -> None:
        assert judge(math=(4, 4, 4), ml=(-4, -4, -4))[0] is Kind.BENIGN

    def test_the_best_supported_threat_wins(self) -> None:
        assert judge(rules=(1, 0, 0), ml=(0.5, 2, -4))[0] is Kind.MALWARE

    def test_benign_confidence_is_what_the_likeliest_threat_leaves(self) -> None:
        kind, _, confidence = judge(ml=(-4, -2, -3))
        assert kind is Kind.BENIGN
        assert confidence == pytest.approx(1 - sigmoid(-2.0))

    def test_bias_and_calibration_count_per_threat(self) -> None:
        biased = msgspec.structs.replace(DEFAULT, bias=PerThreat(-1, 0, 0))
        assert judge(ml=(0.9, -1, -1), ensemble=biased)[0] is Kind.BENIGN
        steep = msgspec.structs.replace(DEFAULT, slope=PerThreat(3, 1, 1), intercept=PerThreat(-1, 0, 0))
        assert judge(ml=(0.9, -1, -1), ensemble=steep)[2] == pytest.approx(sigmoid(3 * 0.9 - 1))

    def test_no_flows_are_fine(self) -> None:
        none = np.zeros((0, 3))
        kind, confidence, reason = decide(
            DEFAULT,
            combine(DEFAULT, dict.fromkeys(ENGINES, none), EVERYBODY),
            none,
            np.zeros((0, 120), dtype=np.float32),
        )
        assert (len(kind), len(confidence), len(reason)) == (0, 0, 0)


class TestSiteUnknown:
    ABROAD = default_ensemble(MIN_SITE_FLOWS - 1)

    def test_an_anomaly_that_only_the_model_claims_is_no_decision(self) -> None:
        assert judge(ml=(-4, -4, 3), ensemble=self.ABROAD)[:2] == (Kind.ABSTAIN, Reason.TOO_LITTLE_HISTORY)
        assert judge(ml=(-4, -4, 3))[:2] == (Kind.ANOMALY, Reason.NONE)

    def test_rules_find_an_anomaly_without_it_and_against_it(self) -> None:
        for model in (3, -4):
            found = judge(rules=(0, 0, RULE_90), ml=(-4, -4, model), ensemble=self.ABROAD)
            assert found[:2] == (Kind.ANOMALY, Reason.NONE)

    def test_another_threat_stands(self) -> None:
        assert judge(ml=(2, -4, 3), ensemble=self.ABROAD)[:2] == (Kind.DDOS, Reason.NONE)

    def test_what_it_finds_ordinary_is_benign(self) -> None:
        assert judge(ml=(-4, -4, -1), ensemble=self.ABROAD)[:2] == (Kind.BENIGN, Reason.NONE)

    @pytest.mark.parametrize("flows", [-1, 0.5, "many"])
    def test_a_number_of_site_flows_that_is_none_is_refused(self, flows: Any) -> None:
        document = json.loads(ensemble_to_json(DEFAULT)) | {"site_flows": flows}
        with pytest.raises(EnsembleError, match="site_flows"):
            ensemble_from_json(json.dumps(document).encode())


class TestMissingEngines:
    NO_MODEL = EVERYBODY | {ML: np.array([False, True, True])}

    def test_the_others_weights_take_the_place_of_a_missing_one(self) -> None:
        votes = {RULES: np.array([[2.0, 2.0, 2.0]]), MATH: np.array([[1.0, 1.0, 1.0]]), ML: np.zeros((1, 3))}
        support = combine(DEFAULT, votes, self.NO_MODEL).support[0]
        assert support[1] == pytest.approx(2.0 + 0.5)
        assert support[0] == pytest.approx((2.0 + 0.5) * 2.5 / 1.5)

    def test_what_a_missing_engine_says_is_not_counted(self) -> None:
        assert judge(rules=(1, 0, 0), ml=(-4, -4, -4), speaks=self.NO_MODEL)[0] is Kind.DDOS

    def test_with_nobody_to_speak_there_is_nothing_to_decide_by(self) -> None:
        nobody = {engine: np.zeros(3, dtype=np.bool_) for engine in ENGINES}
        assert judge(ml=(4, 4, 4), speaks=nobody) == (Kind.ABSTAIN, Reason.NOTHING_TO_DECIDE_BY, 0.0)

    def test_a_threat_that_nobody_speaks_to_is_never_decided(self) -> None:
        only_malware = {engine: np.array([False, True, False]) for engine in ENGINES}
        biased = msgspec.structs.replace(DEFAULT, bias=PerThreat(5, 0, 5))
        kind, _, confidence = judge(ml=(4, -2, 4), speaks=only_malware, ensemble=biased)
        assert kind is Kind.BENIGN
        assert confidence == pytest.approx(1 - sigmoid(-2.0))


class TestAbstention:
    def test_strong_engines_that_disagree(self) -> None:
        assert judge(rules=(3.5, 0, 0), ml=(-4, -4, -4))[:2] == (Kind.ABSTAIN, Reason.ENGINES_DISAGREE)
        assert judge(rules=(4, 0, 0), math=(1, 0, 0), ml=(-4, -4, -4))[:2] == (Kind.ABSTAIN, Reason.ENGINES_DISAGREE)

    def test_no_abstention_when_the_sum_is_clear_or_a_side_is_weak(self) -> None:
        assert judge(rules=(2.2, 0, 0), ml=(-4, -4, -4))[0] is Kind.BENIGN
        assert judge(rules=(1.9, 0, 0), ml=(-2.1, -4, -4))[0] is Kind.BENIGN
        assert judge(rules=(4, 0, 0), ml=(-2.5, -4, -4))[0] is Kind.DDOS

    def test_another_threat_that_is_clear_is_decided(self) -> None:
        assert judge(rules=(4, 0, 0), ml=(-3.5, 0.1, -4))[:2] == (Kind.MALWARE, Reason.NONE)

    def test_an_anomaly_of_a_host_hardly_seen_needs_a_rule(self) -> None:
        fresh, known = calm_row(host_flows=7), calm_row(host_flows=8)
        assert judge(ml=(-4, -4, 2), row=fresh)[:2] == (Kind.ABSTAIN, Reason.TOO_LITTLE_HISTORY)
        assert judge(ml=(-4, -4, 2), row=known)[0] is Kind.ANOMALY
        assert judge(rules=(0, 0, 2), ml=(-4, -4, 2), row=fresh)[0] is Kind.ANOMALY
        assert judge(ml=(2, -4, -4), row=fresh)[0] is Kind.DDOS, "only anomalies need a past"
        assert judge(ml=(-4, -4, -2), row=fresh)[0] is Kind.BENIGN

    def test_an_anomaly_of_a_host_of_unknown_past_needs_a_rule(self) -> None:
        unknown = calm_row(host_flows=np.nan)
        assert judge(ml=(-4, -4, 2), row=unknown)[:2] == (Kind.ABSTAIN, Reason.TOO_LITTLE_HISTORY)

    @pytest.mark.parametrize("ml", [(4, -4, -4), (-4, -4, -4)])
    def test_too_few_features(self, ml: Votes) -> None:
        row = calm_row()
        row[0, :90] = np.nan
        assert judge(ml=ml, row=row)[1] is Reason.NONE
        row[0, 90] = np.nan
        kind, reason, confidence = judge(ml=ml, row=row)
        assert (kind, reason) == (Kind.ABSTAIN, Reason.TOO_FEW_FEATURES)
        assert confidence == pytest.approx(sigmoid(max(ml)))

    def test_reasons_have_names(self) -> None:
        assert [reason.label for reason in Reason] == [
            "",
            "engines disagree",
            "too little history",
            "too few features",
            "nothing to decide by",
        ]


@settings(max_examples=60)
@given(st.data())
def test_a_row_is_decided_alike_in_any_company(data: st.DataObject) -> None:
    seed = data.draw(st.integers(0, 2**32 - 1))
    dice = np.random.default_rng(seed)
    votes = {engine: dice.uniform(-4, 4, (9, 3)) * (dice.random((9, 1)) < 0.7) for engine in ENGINES}
    features = np.repeat(calm_row(), 9, axis=0)
    features[dice.random(features.shape) < 0.5] = np.nan
    whole = decide(DEFAULT, combine(DEFAULT, votes, EVERYBODY), votes[RULES], features)
    for row in range(9):
        one = {engine: votes[engine][row : row + 1] for engine in ENGINES}
        alone = decide(DEFAULT, combine(DEFAULT, one, EVERYBODY), one[RULES], features[row : row + 1])
        assert [column[0] for column in alone] == [column[row] for column in whole]
    kind, confidence, reason = whole
    assert ((kind == Kind.ABSTAIN) == (reason != Reason.NONE)).all()
    assert ((confidence >= 0) & (confidence <= 1)).all()


class TestJson:
    def test_an_ensemble_survives_to_the_bit(self) -> None:
        odd = msgspec.structs.replace(DEFAULT, slope=PerThreat(1 / 3, 0.1, 2e-7))
        assert ensemble_from_json(ensemble_to_json(odd)) == odd

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            ("version", 2),
            ("weights.rules.ddos", -0.1),
            ("weights.rules.ddos", float("nan")),
            ("weights.ml.anomaly", "1"),
            ("weights.ml.luck", 1.0),
            ("weights.luck", {}),
            ("bias.ddos", float("inf")),
            ("bias", 0.0),
            ("slope.malware", 0.0),
            ("slope.malware", -1.0),
            ("intercept.malware", None),
            ("limits.strong", 0.0),
            ("limits.near_zero", -1.0),
            ("limits.max_missing_share", 1.1),
            ("limits.patience", 1.0),
            ("mood", "good"),
        ],
    )
    def test_a_changed_one_is_refused(self, path: str, value: Any) -> None:
        document = json.loads(ensemble_to_json(DEFAULT))
        *parents, last = path.split(".")
        place = document
        for parent in parents:
            place = place[parent]
        place[last] = value
        with pytest.raises(EnsembleError):
            ensemble_from_json(json.dumps(document).encode())

    @pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"null", b"\xff", b"[" * 20_000, b" " * (MAX_BYTES + 1)])
    def test_what_is_none_is_refused(self, data: bytes) -> None:
        with pytest.raises(EnsembleError):
            ensemble_from_json(data)

    def test_numbers_beyond_float64_are_refused(self) -> None:
        with pytest.raises(EnsembleError):
            ensemble_from_json(ensemble_to_json(DEFAULT).replace(b'"ddos": 0.5', b'"ddos": 1e999'))

    @settings(max_examples=100)
    @given(st.integers(0, 500), st.integers(0, 8), st.binary(max_size=4))
    def test_a_damaged_one_is_read_or_refused(self, at: int, cut: int, put: bytes) -> None:
        text = ensemble_to_json(DEFAULT)
        try:
            ensemble = ensemble_from_json(text[:at] + put + text[at + cut :])
        except EnsembleError:
            return
        assert 0.0 <= judge(ml=(1, -1, 0), ensemble=ensemble)[2] <= 1.0


class TestConfidence:
    def test_the_fit_finds_the_numbers_behind_the_truth(self) -> None:
        dice = np.random.default_rng(3)
        support = dice.uniform(-6, 6, 40_000)
        truth = dice.random(40_000) < sigmoid(0.7 * support - 1.2)
        slope, intercept = fit_confidence(support, truth)
        assert slope == pytest.approx(0.7, abs=0.03)
        assert intercept == pytest.approx(-1.2, abs=0.05)

    def test_perfect_separation_and_lopsided_classes_stay_finite(self) -> None:
        support = np.concatenate([np.full(10_000, -4.0), [4.0, 5.0]])
        slope, intercept = fit_confidence(support, support > 0)
        assert np.isfinite([slope, intercept]).all()
        assert sigmoid(slope * 4.5 + intercept) > 0.5 > sigmoid(slope * -4.0 + intercept)

    @pytest.mark.parametrize(("truth", "says"), [([True, True], "2 and 0"), ([False, False], "0 and 2")])
    def test_one_class_is_not_enough(self, truth: list[bool], says: str) -> None:
        with pytest.raises(EnsembleError, match=says):
            fit_confidence(np.array([1.0, 2.0]), np.array(truth))

    def test_support_that_misleads_is_refused(self) -> None:
        support = np.linspace(-4, 4, 100)
        with pytest.raises(EnsembleError, match="does not rise"):
            fit_confidence(support, support < 0)
