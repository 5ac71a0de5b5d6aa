"""How good the models and the final verdicts are, at their operating points, decided as serving decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.stats import beta
from sklearn.metrics import average_precision_score, roc_auc_score

from detection.detector import Detector
from detection.verdict import THREATS, Decisions, Kind
from training.calibration import calibration_error
from training.datasets import Dataset

LEARNED: Final = (Kind.DDOS, Kind.MALWARE)  # what is anomalous is found without having been shown
FEWEST_BENIGN: Final = 3000  # rows: with fewer, the upper bound of a rate around 0.1 % cannot be told

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Measures:
    """Counts and rates at the operating point; None where the rows cannot tell."""

    rows: int
    positives: int
    threshold: float | None
    recall: float | None
    fpr: float | None
    fpr_upper95: float | None
    precision: float | None
    roc_auc: float | None
    pr_auc: float | None
    calibration_error: float | None
    abstained: int = 0


@dataclass(frozen=True, slots=True)
class LabelRecall:
    """Flows of one attack or original label, and the share decided rightly: an attack flagged as any threat, or not
    flagged if the label is a benign one."""

    rows: int
    recall: float
    kind: Kind


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Measures per model, of the final verdict, and per attack or original label.

    ``learned`` is of the final verdict, too, on benign flows and the kinds of which models are shown examples.
    """

    models: dict[str, Measures]
    final: Measures
    learned: Measures
    labels: dict[str, LabelRecall]


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What ``n`` flows are, and what was decided about them, as columns.

    Attributes:
        truth: int8[n], a :class:`~detection.verdict.Kind`: benign or a threat.
        label: int[n], the place in ``labels`` of the flow's attack or original label.
        kind: int8[n], the verdict.
        score: float64[n], what verdicts rank by, see :func:`ranking`.
        probabilities: per model float64[n], its calibrated probability.
        labels: the labels; the flows of "" have none.
    """

    truth: npt.NDArray[np.int8]
    label: npt.NDArray[Any]
    kind: npt.NDArray[np.int8]
    score: Floats
    probabilities: Mapping[str, Floats]
    labels: tuple[str, ...]


def evaluate(detector: Detector, threats: dict[str, Kind], thresholds: dict[str, float], data: Dataset) -> Evaluation:
    """Decide every flow of a data set and compare with its truth.

    Args:
        threats: what each model finds, by its name; its rows are benign flows and flows of that kind.
        thresholds: each model's operating point, a calibrated probability.
    """
    data = data.of(Kind.BENIGN, *THREATS)
    decisions = detector.decide(data.features)
    labels, label = np.unique(data.attack, return_inverse=True)
    return judge(
        Outcomes(
            truth=data.truth,
            label=label,
            kind=decisions.kind,
            score=ranking(decisions),
            probabilities=decisions.probabilities,
            labels=tuple(labels.tolist()),
        ),
        threats,
        thresholds,
    )


def ranking(decisions: Decisions) -> Floats:
    """The likeliest threat's probability, float64[n]: what a verdict claims when it is one, leaves when benign."""
    return np.where(decisions.kind == Kind.BENIGN, 1.0 - decisions.confidence, decisions.confidence)


def judge(outcomes: Outcomes, threats: Mapping[str, Kind], thresholds: Mapping[str, float]) -> Evaluation:
    """Compare what was decided with what is true; arguments as in :func:`evaluate`."""
    models = {}
    for name, threat in threats.items():
        if name in outcomes.probabilities:
            rows = np.isin(outcomes.truth, [Kind.BENIGN, threat])
            score = outcomes.probabilities[name][rows]
            threshold = thresholds[name]
            models[name] = measure(score, score >= threshold, outcomes.truth[rows] == threat, threshold)
    final = _final(outcomes, np.ones(len(outcomes.truth), dtype=np.bool_))
    learned = _final(outcomes, np.isin(outcomes.truth, [Kind.BENIGN, *LEARNED]))
    return Evaluation(models, final, learned, _labels(outcomes))


def _final(outcomes: Outcomes, rows: Bools) -> Measures:
    verdict, truth = outcomes.kind[rows], outcomes.truth[rows]
    abstained = int((verdict == Kind.ABSTAIN).sum())
    return measure(outcomes.score[rows], np.isin(verdict, THREATS), truth != Kind.BENIGN, None, abstained)


def measure(score: Floats, flagged: Bools, positive: Bools, threshold: float | None, abstained: int = 0) -> Measures:
    """Compare what was flagged with what is positive, ``bool[n]`` each; ``score`` ranks, a probability."""
    positives = int(positive.sum())
    negatives = len(positive) - positives
    hits = int((flagged & positive).sum())
    alarms = int((flagged & ~positive).sum())
    both = positives > 0 and negatives > 0
    return Measures(
        rows=len(positive),
        positives=positives,
        threshold=threshold,
        recall=hits / positives if positives else None,
        fpr=alarms / negatives if negatives else None,
        fpr_upper95=upper_bound(alarms, negatives) if negatives >= FEWEST_BENIGN else None,
        precision=hits / (hits + alarms) if hits + alarms else None,
        roc_auc=float(roc_auc_score(positive, score)) if both else None,
        pr_auc=float(average_precision_score(positive, score)) if both else None,
        calibration_error=calibration_error(score, positive) if len(score) else None,
        abstained=abstained,
    )


def upper_bound(events: int, trials: int, level: float = 0.95) -> float:
    """One-sided upper confidence bound of a rate (Clopper and Pearson 1934)."""
    return 1.0 if events >= trials else float(beta.ppf(level, events + 1, trials - events))


def _labels(outcomes: Outcomes) -> dict[str, LabelRecall]:
    right = np.isin(outcomes.kind, THREATS) == (outcomes.truth != Kind.BENIGN)
    rows = np.bincount(outcomes.label, minlength=len(outcomes.labels)).tolist()
    hits = np.bincount(outcomes.label[right], minlength=len(outcomes.labels)).tolist()
    kinds = np.zeros(len(outcomes.labels), dtype=np.int8)
    np.maximum.at(kinds, outcomes.label, outcomes.truth)
    return {
        name: LabelRecall(rows[place], hits[place] / rows[place], Kind(kinds[place]))
        for place, name in enumerate(outcomes.labels)
        if name and rows[place]
    }
