"""The sections of a model card that are figures: tables of what the trial measured, with 95 % confidence intervals."""

from __future__ import annotations

from typing import Final

from detection.verdict import Kind
from model_registry.artifact import Artifact
from training.card_texts import INTERVALS
from training.evaluation import LabelRecall, Measures
from training.intervals import Interval, Intervals, exact_interval
from training.markdown import code, paragraph, table

MOST_LABELS: Final = 25
SHARES: Final = (0.01, 0.001, 0.0001)  # of attacks, where they are rarer than in a test part
_NO_INTERVALS: Final = Intervals(None, None, None, None, None)


def operating_point(label: str, measures: Measures) -> list[str]:
    """The figures at the threshold, and what their intervals mean."""
    ends = measures.intervals or _NO_INTERVALS
    rows = [
        [f"recall: {label} flows that are found", _number(measures.recall), _interval(ends.recall)],
        ["false-positive rate: benign flows that are flagged", _number(measures.fpr), _interval(ends.fpr)],
        ["the same, one-sided upper bound, flows as independent", _number(measures.fpr_upper95), ""],
        [f"precision: {label} among what is flagged", _number(measures.precision), _interval(ends.precision)],
        ["area under the ROC curve", _number(measures.roc_auc), _interval(ends.roc_auc)],
        ["area under precision and recall", _number(measures.pr_auc), _interval(ends.pr_auc)],
    ]
    return [
        *paragraph(
            f"A probability of {_number(measures.threshold)} or more counts as {label}. Of the test part's flows "
            f"{measures.positives:,} are {label} and {measures.rows - measures.positives:,} benign."
        ),
        "",
        *table(["measure", "value", "95 % interval"], rows),
        "",
        *paragraph(INTERVALS),
    ]


def rarer(measures: Measures) -> list[str]:
    """What precision would be at other shares of attacks; the ends put the worst recall and rate together."""
    ends = measures.intervals or _NO_INTERVALS
    rows = []
    for share in SHARES:
        worst = best = None
        if ends.recall and ends.fpr:
            worst = precision_at(share, ends.recall[0], ends.fpr[1])
            best = precision_at(share, ends.recall[1], ends.fpr[0])
        value = precision_at(share, measures.recall, measures.fpr)
        rows.append([f"1 in {round(1 / share):,}", _number(value), f"{_number(worst)} to {_number(best)}"])
    return [
        *paragraph("Precision depends on the share of attacks. With the recall and false-positive rate above it is:"),
        "",
        *table(["attacks among all flows", "precision", "at the intervals' worst and best ends"], rows),
    ]


def precision_at(share: float, recall: float | None, fpr: float | None) -> float | None:
    """Precision where that share of all flows are attacks, by Bayes' rule; None where it cannot be told."""
    if recall is None or fpr is None:
        return None
    found, alarms = share * recall, (1 - share) * fpr
    return found / (found + alarms) if found + alarms else None


def attacks(alone: dict[str, LabelRecall], together: dict[str, LabelRecall]) -> list[str]:
    """What was decided rightly of each label: by the model ``alone``, and by all ``together``."""
    if not alone:
        return ["The test part names no attack of this kind."]
    order = sorted(alone.items(), key=lambda item: (item[1].kind is Kind.BENIGN, -item[1].rows, item[0]))
    rows = [
        [
            code(name),
            one.kind.label,
            f"{one.rows:,}",
            _number(one.recall),
            _interval(exact_interval(round(one.rows * one.recall), one.rows)),
            _number(together[name].recall) if name in together else "",
        ]
        for name, one in order[:MOST_LABELS]
    ]
    return [
        *paragraph(
            "The share decided rightly: of an attack what was flagged, of benign flows what was not. The verdict is "
            "that of rules, statistics and all models. This interval takes flows for independent: it is too narrow."
        ),
        "",
        *table(["label", "is", "flows", "by this model", "95 % interval", "by the verdict"], rows),
        *(["", f"The first {MOST_LABELS} of {len(alone)} labels."] if len(alone) > MOST_LABELS else []),
    ]


def calibration(artifact: Artifact, measures: Measures) -> list[str]:
    """How a raw score becomes a probability, and how well that holds."""
    slope, intercept = artifact.calibration.slope, artifact.calibration.intercept
    return [
        f"`probability = 1 / (1 + exp(-({slope:.6g} * raw {'-' if intercept < 0 else '+'} {abs(intercept):.6g})))`",
        "",
        *paragraph(
            "Expected calibration error on the test part, the average gap between claimed and found shares over "
            f"15 bins of equal width: {_number(measures.calibration_error)}."
        ),
    ]


def _number(value: float | None) -> str:
    return "cannot be told" if value is None else f"{value:.5f}"


def _interval(interval: Interval | None) -> str:
    return "cannot be told" if interval is None else f"{interval[0]:.5f} to {interval[1]:.5f}"
