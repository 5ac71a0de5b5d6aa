"""Scorers, measured alike, over the flows of one trial or of several."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detection.verdict import Kind
from tests.support.outcomes import outcomes as decided
from training.baselines import BaselineModel
from training.evaluation import Outcomes, judge
from training.report.scored import FINAL, Family, Scored, beside, joined, scored

THREATS = {"flood": Kind.DDOS}


def outcomes(**changes: object) -> Outcomes:
    """The handful of flows, in two captures and with what one engine said."""
    columns: dict[str, object] = {
        "capture": np.array([0, 0, 0, 0, 1, 1, 1], np.int32),
        "engines": {"rules": np.array([0.0, 2.0, -1.0, 1e-6, 0.0, 0.0, 3.0])},
    }
    return decided(**(columns | changes))


def found(threshold: float = 0.5, **changes: object) -> Scored:
    return scored(outcomes(**changes), ("one", "two"), THREATS, {"flood": threshold})


def scorer(of: Scored, name: str) -> int:
    return [one.name for one in of.scorers].index(name)


def test_models_and_verdict_are_measured_as_the_evaluation_measures_them() -> None:
    judged = judge(replace(outcomes(), capture=None), THREATS, {"flood": 0.5})
    verdict, flood, _ = found().scorers

    assert found().measures(flood) == judged.models["flood"]
    assert found().measures(verdict) == judged.final
    assert [(name, kind, int(rows.sum())) for name, kind, rows in found().by_label()] == [
        ("flood", Kind.DDOS, 2),
        ("other", Kind.ANOMALY, 2),
        ("crowd", Kind.BENIGN, 2),
    ]
    for name, _, rows in found().by_label():
        assert found().right(verdict)[rows].mean() == judged.labels[name].recall


def test_an_engine_alone_flags_what_it_votes_for_and_claims_no_probability() -> None:
    engine = found().scorers[scorer(found(), "rules alone")]

    assert engine.family is Family.ENGINE
    assert engine.flagged.tolist() == [False, True, False, True, False, False, True]
    assert found().measures(engine).calibration_error is None
    assert found().measures(engine).recall == 0.5


def test_of_one_capture_only_its_rows_count() -> None:
    measures = found().measures(found().scorers[0], 1)

    assert (measures.rows, measures.positives, measures.abstained) == (3, 3, 1)


def test_a_baseline_stands_beside_and_flags_from_its_threshold_on() -> None:
    model = BaselineModel("rate", Kind.DDOS, lambda rows: rows[:, 0].astype(np.float64), 0.5)
    features = np.array([[0.0], [0.5], [0.49], [0.9], [0.1], [1.0], [0.0]], np.float32)

    rate = beside(found(), [model], features).scorers[-1]

    assert (rate.name, rate.family, rate.finds, rate.threshold) == ("rate", Family.BASELINE, (Kind.DDOS,), 0.5)
    assert rate.flagged.tolist() == [False, True, False, True, False, True, False]


def test_trials_are_joined_with_labels_and_captures_numbered_anew() -> None:
    other = found(threshold=0.95, labels=("crowd", "", "scan", "flood", "x"), label=np.array([1, 0, 0, 3, 3, 2, 2]))
    both = joined([found(), other])

    assert both.captures == ("one", "two", "one", "two")
    assert both.capture.tolist() == [0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3]
    assert [both.labels[place] for place in both.label] == [
        *("", "crowd", "crowd", "flood", "flood", "other", "other"),
        *("", "crowd", "crowd", "flood", "flood", "scan", "scan"),
    ]
    flood = both.scorers[scorer(both, "flood")]
    assert flood.threshold is None  # each trial had its own
    assert [both.measures(flood, place).threshold for place in range(4)] == [0.5, 0.5, 0.95, 0.95]
    assert flood.flagged.sum() == 3  # of the second trial none
    assert both.measures(both.scorers[scorer(both, FINAL)]).abstained == 4


def test_one_threshold_stays_one_and_what_did_not_score_everywhere_is_left_out() -> None:
    model = BaselineModel("rate", Kind.DDOS, lambda rows: np.zeros(len(rows)), 0.5)
    both = joined([found(), beside(found(), [model], np.zeros((7, 1), np.float32))])

    assert [one.name for one in both.scorers] == [FINAL, "flood", "rules alone"]
    assert both.scorers[1].threshold == 0.5


def test_without_captures_there_is_no_page() -> None:
    with pytest.raises(ValueError, match="do not tell which capture"):
        scored(outcomes(capture=None), ("one",), THREATS, {"flood": 0.5})
