"""How good the models and the final verdicts are, at their operating points, decided as serving decides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import beta
from sklearn.metrics import average_precision_score, roc_auc_score

from detection.detector import Detector
from detection.verdict import THREATS, Decisions, Kind
from training.calibration import calibration_error
from training.datasets import Dataset

FEWEST_BENIGN = 3000  # rows: with fewer, the upper bound of a rate around 0.1 % cannot be told


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
    """Flows of one attack or original label, and the share that was flagged as any threat."""

    rows: int
    recall: float
    is_attack: bool


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Measures per model, of the final verdict, and per attack."""

    models: dict[str, Measures]
    final: Measures
    labels: dict[str, LabelRecall]


def evaluate(detector: Detector, threats: dict[str, Kind], thresholds: dict[str, float], data: Dataset) -> Evaluation:
    """Decide every flow of a data set and compare with its truth.

    Args:
        threats: what each model finds, by its name; its rows are benign flows and flows of that kind.
        thresholds: each model's operating point, a calibrated probability.
    """
    data = data.of(Kind.BENIGN, *THREATS)
    decisions = detector.decide(data.features)
    models = {}
    for name, threat in threats.items():
        if name in decisions.probabilities:
            rows = np.isin(data.truth, [Kind.BENIGN, threat])
            score = decisions.probabilities[name][rows]
            threshold = thresholds[name]
            models[name] = measure(score, score >= threshold, data.truth[rows] == threat, threshold)
    return Evaluation(models=models, final=_final(decisions, data), labels=_labels(decisions, data))


def measure(
    score: npt.NDArray[np.float64],
    flagged: npt.NDArray[np.bool_],
    positive: npt.NDArray[np.bool_],
    threshold: float | None,
    abstained: int = 0,
) -> Measures:
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


def _final(decisions: Decisions, data: Dataset) -> Measures:
    flagged = np.isin(decisions.kind, THREATS)
    # The likeliest threat's probability: what the verdict claims when it is one, what it leaves when benign.
    score = np.where(decisions.kind == Kind.BENIGN, 1.0 - decisions.confidence, decisions.confidence)
    abstained = int((decisions.kind == Kind.ABSTAIN).sum())
    return measure(score, flagged, data.truth != Kind.BENIGN, None, abstained)


def _labels(decisions: Decisions, data: Dataset) -> dict[str, LabelRecall]:
    flagged = np.isin(decisions.kind, THREATS)
    return {
        str(name): LabelRecall(
            rows=int(rows.sum()),
            recall=float(flagged[rows].mean()),
            is_attack=bool((data.truth[rows] != Kind.BENIGN).any()),
        )
        for name in np.unique(data.attack)
        if name and (rows := data.attack == name).any()
    }
