"""Measures against counts by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detection.verdict import Decisions, Kind
from tests.support.outcomes import outcomes
from training.evaluation import LabelRecall, judge, measure, ranking
from training.intervals import Intervals


def test_measures_are_the_counts_by_hand() -> None:
    positive = np.array([True] * 4 + [False] * 6)
    flagged = np.array([True, True, True, False, True, False, False, False, False, False])
    score = np.where(flagged, 0.9, 0.1)

    measured = measure(score, flagged, positive, 0.5, abstained=2)

    assert (measured.rows, measured.positives, measured.threshold, measured.abstained) == (10, 4, 0.5, 2)
    assert (measured.recall, measured.precision) == (0.75, 0.75)
    assert measured.fpr == pytest.approx(1 / 6)
    assert measured.roc_auc == pytest.approx((3 * 5 + 0.5 * (3 * 1 + 1 * 5)) / 24)
    assert measured.fpr_upper95 is None


def test_what_the_rows_cannot_tell_is_none() -> None:
    nothing = np.zeros(5, np.bool_)

    benign = measure(np.zeros(5), nothing, nothing, None)
    attacks = measure(np.zeros(5), nothing, ~nothing, None)

    assert (benign.recall, benign.fpr, benign.precision, benign.roc_auc) == (None, 0.0, None, None)
    assert (attacks.recall, attacks.fpr) == (0.0, None)


@pytest.mark.parametrize(("negatives", "told"), [(2999, False), (3000, True)])
def test_the_upper_bound_needs_3000_benign_rows(negatives: int, told: bool) -> None:
    nothing = np.zeros(negatives, np.bool_)

    assert (measure(np.zeros(negatives), nothing, nothing, None).fpr_upper95 is not None) is told


def test_a_model_is_measured_on_benign_rows_and_its_own() -> None:
    threats = {"flood": Kind.DDOS, "absent": Kind.MALWARE}
    evaluation = judge(outcomes(), threats, {"flood": 0.5, "absent": 0.5})

    assert set(evaluation.models) == {"flood"}
    flood = evaluation.models["flood"]
    assert (flood.rows, flood.positives, flood.threshold) == (5, 2, 0.5)
    assert (flood.recall, flood.precision) == (0.5, 0.5)
    assert flood.fpr == pytest.approx(1 / 3)


def test_the_final_verdict_is_measured_on_all_rows_whatever_threat_it_names() -> None:
    final = judge(outcomes(), {}, {}).final

    assert (final.rows, final.positives, final.threshold, final.abstained) == (7, 4, None, 2)
    assert final.recall == 0.5
    assert final.fpr == pytest.approx(1 / 3)


def test_labels_tell_attacks_that_were_flagged_and_benign_flows_that_were_not() -> None:
    assert judge(outcomes(), {}, {}).labels == {
        "crowd": LabelRecall(rows=2, recall=0.5, kind=Kind.BENIGN),
        "flood": LabelRecall(rows=2, recall=1.0, kind=Kind.DDOS),
        "other": LabelRecall(rows=2, recall=0.0, kind=Kind.ANOMALY),
    }


def test_labels_of_a_model_alone_are_of_its_own_rows_and_its_own_flags() -> None:
    evaluation = judge(outcomes(), {"flood": Kind.DDOS}, {"flood": 0.5})

    assert evaluation.alone["flood"] == {
        "crowd": LabelRecall(rows=2, recall=0.5, kind=Kind.BENIGN),
        "flood": LabelRecall(rows=2, recall=0.5, kind=Kind.DDOS),
    }


def test_models_get_intervals_where_captures_are_told() -> None:
    without = judge(outcomes(), {"flood": Kind.DDOS}, {"flood": 0.5}).models["flood"]
    told = judge(outcomes(capture=np.zeros(7, np.int16)), {"flood": Kind.DDOS}, {"flood": 0.5}).models["flood"]

    assert without.intervals is None
    assert told.intervals is not None
    assert told.intervals.recall == (0.0, 1.0)  # one flow of two
    assert told.intervals.fpr is not None
    assert replace(told, intervals=None) == without


def test_figures_are_what_could_be_measured_and_the_ends_of_intervals() -> None:
    positive = np.array([True, True, False, False])
    measured = measure(np.array([0.9, 0.2, 0.6, 0.1]), positive, positive, 0.5)
    known = replace(measured, intervals=Intervals((0.25, 1.0), (0.0, 0.75), None, None, None))

    assert known.figures() == {
        "recall": 1.0,
        "fpr": 0.0,
        "precision": 1.0,
        "roc_auc": measured.roc_auc,
        "pr_auc": measured.pr_auc,
        "calibration_error": measured.calibration_error,
        "recall_low95": 0.25,
        "recall_high95": 1.0,
        "fpr_low95": 0.0,
        "fpr_high95": 0.75,
    }
    assert "recall_low95" not in measured.figures()


def test_no_rows_tell_nothing() -> None:
    none = np.empty(0)
    empty = outcomes(
        truth=none.astype(np.int8),
        capture=none.astype(np.int16),
        label=none.astype(np.int32),
        kind=none.astype(np.int8),
        score=none,
        probabilities={"flood": none},
    )
    evaluation = judge(empty, {"flood": Kind.DDOS}, {"flood": 0.5})

    assert evaluation.labels == {}
    for measures in (evaluation.final, evaluation.models["flood"]):
        assert (measures.rows, measures.recall, measures.fpr, measures.roc_auc) == (0, None, None, None)


def test_verdicts_rank_by_what_they_give_the_likeliest_threat() -> None:
    kinds = np.array([Kind.BENIGN, Kind.DDOS, Kind.ABSTAIN], np.int8)
    none = np.zeros((3, 3))
    decisions = Decisions(
        kinds, np.array([0.75, 0.9, 0.4]), np.zeros(3, np.int8), none, {}, np.zeros(3, np.uint64), {}
    )  # fmt: skip

    assert ranking(decisions).tolist() == [0.25, 0.9, 0.4]
