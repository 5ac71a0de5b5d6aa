"""How good the models and the final verdicts are, at their operating points, decided as serving decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sklearn.metrics import average_precision_score, roc_auc_score

from detection.detector import Detector
from detection.verdict import THREATS, Decisions, Kind
from training.calibration import calibration_error
from training.datasets import Dataset
from training.intervals import Intervals, intervals_of, upper_bound

LEARNED: Final = (Kind.DDOS, Kind.MALWARE)  # what is anomalous is found without having been shown
FEWEST_BENIGN: Final = 3000  # rows: with fewer, the upper bound of a rate around 0.1 % cannot be told

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Measures:
    """Counts and rates at the operating point; None where the rows cannot tell.

    ``intervals`` are there where it was told which capture each row is from.
    """

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
    intervals: Intervals | None = None

    def figures(self) -> dict[str, float]:
        """What could be measured, by name; of an interval the ends, as ``<name>_low95`` and ``<name>_high95``."""
        found: dict[str, float | None] = {name: getattr(self, name) for name in _FIGURES}
        for name, interval in asdict(self.intervals).items() if self.intervals else ():
            if interval is not None:
                found[f"{name}_low95"], found[f"{name}_high95"] = interval
        return {name: value for name, value in found.items() if value is not None}


_FIGURES: Final = ("recall", "fpr", "fpr_upper95", "precision", "roc_auc", "pr_auc", "calibration_error")


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
    ``labels`` are of the final verdict, ``alone`` of each model by itself, on its own rows.
    """

    models: dict[str, Measures]
    final: Measures
    learned: Measures
    labels: dict[str, LabelRecall]
    alone: dict[str, dict[str, LabelRecall]] = field(default_factory=dict)


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
        capture: int[n], which capture the flow is from, in arrival order; without it models get no intervals.
        engines: per engine float[n], its strongest vote for any threat, in log-odds.
    """

    truth: npt.NDArray[np.int8]
    label: npt.NDArray[Any]
    kind: npt.NDArray[np.int8]
    score: Floats
    probabilities: Mapping[str, Floats]
    labels: tuple[str, ...]
    capture: npt.NDArray[np.integer[Any]] | None = None
    engines: Mapping[str, npt.NDArray[np.floating[Any]]] = field(default_factory=dict)


def evaluate(detector: Detector, threats: dict[str, Kind], thresholds: dict[str, float], data: Dataset) -> Evaluation:
    """Decide every flow of a data set and compare with its truth.

    Args:
        threats: what each model finds, by its name; its rows are benign flows and flows of that kind.
        thresholds: each model's operating point, a calibrated probability.
    """
    return judge(outcomes_of(detector, data.of(Kind.BENIGN, *THREATS)), threats, thresholds)


def outcomes_of(detector: Detector, data: Dataset) -> Outcomes:
    """Decide every flow of a data set; each must have a truth."""
    decisions = detector.decide(data.features)
    labels, label = np.unique(data.attack, return_inverse=True)
    return Outcomes(
        truth=data.truth,
        label=label,
        kind=decisions.kind,
        score=ranking(decisions),
        probabilities=decisions.probabilities,
        labels=tuple(labels.tolist()),
        capture=data.capture,
        engines=strongest_votes(decisions),
    )


def ranking(decisions: Decisions) -> Floats:
    """The likeliest threat's probability, float64[n]: what a verdict claims when it is one, leaves when benign."""
    return np.where(decisions.kind == Kind.BENIGN, 1.0 - decisions.confidence, decisions.confidence)


def strongest_votes(decisions: Decisions) -> dict[str, Floats]:
    """Each engine's strongest vote for any threat, float64[n] of log-odds; above 0 it alone would raise an alarm."""
    return {engine: votes.max(axis=1) for engine, votes in decisions.votes.items()}


def judge(outcomes: Outcomes, threats: Mapping[str, Kind], thresholds: Mapping[str, float]) -> Evaluation:
    """Compare what was decided with what is true; arguments as in :func:`evaluate`."""
    models, alone = {}, {}
    for name, threat in threats.items():
        if name in outcomes.probabilities:
            rows = np.isin(outcomes.truth, [Kind.BENIGN, threat])
            score = outcomes.probabilities[name][rows]
            flagged, positive = score >= thresholds[name], outcomes.truth[rows] == threat
            measures = measure(score, flagged, positive, thresholds[name])
            if outcomes.capture is not None:
                measures = replace(measures, intervals=intervals_of(score, flagged, positive, outcomes.capture[rows]))
            models[name] = measures
            alone[name] = _labels(outcomes, rows, flagged)
    every = np.ones(len(outcomes.truth), dtype=np.bool_)
    final = _final(outcomes, every)
    learned = _final(outcomes, np.isin(outcomes.truth, [Kind.BENIGN, *LEARNED]))
    return Evaluation(models, final, learned, _labels(outcomes, every, np.isin(outcomes.kind, THREATS)), alone)


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


def _labels(outcomes: Outcomes, rows: Bools, flagged: Bools) -> dict[str, LabelRecall]:
    """Each label among ``rows``, bool[n], and the share decided rightly by ``flagged`` (of the rows)."""
    truth, label = outcomes.truth[rows], outcomes.label[rows]
    right = flagged == (truth != Kind.BENIGN)
    counts = np.bincount(label, minlength=len(outcomes.labels)).tolist()
    hits = np.bincount(label[right], minlength=len(outcomes.labels)).tolist()
    kinds = np.zeros(len(outcomes.labels), dtype=np.int8)
    np.maximum.at(kinds, label, truth)
    return {
        name: LabelRecall(counts[place], hits[place] / counts[place], Kind(kinds[place]))
        for place, name in enumerate(outcomes.labels)
        if name and counts[place]
    }
