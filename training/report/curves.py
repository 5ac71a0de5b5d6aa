"""Plots of scores: ROC, precision and recall, reliability, and how scores spread by class."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from sklearn.metrics import precision_recall_curve, roc_curve

from detection.verdict import THREATS, Kind, logit
from training.report.canvas import (
    BLACK,
    BLUE,
    COLOURS,
    MARKERS,
    ORANGE,
    Picture,
    finished,
    legend,
    log_ticks,
    panels,
    style,
)
from training.report.scored import Family, Scored, Scorer

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

BINS: Final = 15  # as the calibration error has them
_POINTS: Final = 2000  # of a curve: more than there are pixels
_LEAST_RATE: Final = 1e-4  # the left end of the logarithmic axis
_TICKS: Final = (0.0001, 0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999)
_FARTHEST: Final = 10.0  # log-odds


def curves(found: Scored) -> Iterator[Picture]:
    """For each threat, and for the verdict, ROC and precision against recall, all captures pooled."""
    verdicts = [one for one in found.scorers if one.family in (Family.VERDICT, Family.ENGINE)]
    groups = [("Any threat", verdicts)]
    groups += [(threat.label, [one for one in found.scorers if one.finds == (threat,)]) for threat in THREATS]
    for title, scorers in groups:
        told = [one for one in scorers if _classes(found, one) == 2]
        if told:
            yield _curve(found, title, told)


def _classes(found: Scored, scorer: Scorer) -> int:
    return len(np.unique(found.truth[found.rows_of(scorer)] != Kind.BENIGN))


def _curve(found: Scored, title: str, scorers: list[Scorer]) -> Picture:
    figure, (linear, logarithmic, precise) = panels(3, 4.2)
    for place, scorer in enumerate(scorers):
        rows = found.rows_of(scorer)
        positive, score = found.truth[rows] != Kind.BENIGN, scorer.score[rows]
        measures = found.measures(scorer)
        colour = COLOURS[place % len(COLOURS)]
        dash = "--" if scorer.family is Family.BASELINE else "-"
        line: dict[str, Any] = {"color": colour, "linestyle": dash, "linewidth": 1.5}
        mark: dict[str, Any] = {"color": colour, "marker": MARKERS[place % len(MARKERS)], "markersize": 8}
        mark |= {"linestyle": "none", "markeredgecolor": "white", "clip_on": False, "zorder": 4}
        alarms, hits, _ = roc_curve(positive, score)
        precision, recall, _ = precision_recall_curve(positive, score)
        alarms, hits, precision, recall = (_thinned(values) for values in (alarms, hits, precision, recall))
        fpr, found_share = measures.fpr or 0.0, measures.recall or 0.0
        for axes, least in ((linear, 0.0), (logarithmic, _LEAST_RATE)):
            axes.plot(np.maximum(alarms, least), hits, label=f"{scorer.name} ({measures.roc_auc:.3f})", **line)
            axes.plot([max(fpr, least)], [found_share], **mark)
        precise.plot(recall, precision, label=f"{scorer.name} ({measures.pr_auc:.3f})", **line)
        if measures.precision is not None:
            precise.plot([found_share], [measures.precision], **mark)
    style(linear, f"{title}: ROC", "false-positive rate (share of benign flows)", "recall (share of attack flows)")
    style(logarithmic, f"{title}: ROC, small rates", "false-positive rate (log; left edge: fewer)", "recall")
    logarithmic.set_xscale("log")
    logarithmic.set_xlim(_LEAST_RATE, 1.0)
    log_ticks(logarithmic.xaxis, -4, 0)
    style(precise, f"{title}: precision and recall", "recall (share of attack flows)", "precision")
    for axes in (linear, logarithmic, precise):
        axes.set_ylim(-0.02, 1.02)
    legend(linear, loc="lower right", title="ROC area", title_fontsize=8)
    legend(precise, loc="lower left", title="PR area", title_fontsize=8)
    about = (
        f"ROC and precision-recall curves of {', '.join(one.name for one in scorers)}, all captures pooled. The marks "
        "are the operating points; one that does not come from one threshold lies beside its curve."
    )
    return finished(figure, f"{title}: ROC, precision and recall", about)


def _thinned(values: Floats) -> Floats:
    """At most a few thousand points of a curve, both ends among them."""
    if len(values) <= _POINTS:
        return values
    return values[np.linspace(0, len(values) - 1, _POINTS).astype(np.int64)]


def reliability(found: Scored) -> Picture | None:
    """Claimed against found shares, for every scorer whose score is a probability."""
    told = [one for one in found.scorers if one.calibrated and found.rows_of(one).any()]
    if not told:
        return None
    figure, axes = panels(len(told), 3.4)
    for scorer, panel in zip(told, axes, strict=True):
        rows = found.rows_of(scorer)
        probability, positive = scorer.score[rows], found.truth[rows] != Kind.BENIGN
        which = np.minimum((probability * BINS).astype(np.int64), BINS - 1)
        counts = np.bincount(which, minlength=BINS)
        held = counts > 0
        claimed = np.bincount(which, weights=probability, minlength=BINS)[held] / counts[held]
        shares = np.bincount(which, weights=positive, minlength=BINS)[held] / counts[held]
        panel.plot([0, 1], [0, 1], color=BLACK, linewidth=0.8, linestyle=":", label="perfect")
        panel.plot(claimed, shares, color=BLUE, linewidth=1.0)
        sizes = 12 + 22 * np.log10(counts[held])
        panel.scatter(claimed, shares, s=sizes, color=BLUE, edgecolor="white", zorder=3)
        error = found.measures(scorer).calibration_error
        style(panel, f"{scorer.name}: error {error:.3f}", "claimed probability", "share that are attacks")
        panel.set_xlim(-0.03, 1.03)
        panel.set_ylim(-0.03, 1.03)
    about = (
        f"Reliability diagrams over {BINS} bins of equal width, all captures pooled; larger dots hold more flows. "
        "Above the dotted line the scorer claims too little, below it too much."
    )
    return finished(figure, "Reliability: what is claimed, and what is found", about)


def histograms(found: Scored) -> Picture | None:
    """How the scores of benign and of attack flows spread, for every scorer whose score is a probability."""
    told = [one for one in found.scorers if one.calibrated and found.rows_of(one).any()]
    if not told:
        return None
    figure, axes = panels(len(told), 3.4)
    bins = np.linspace(-_FARTHEST, _FARTHEST, 41)
    for scorer, panel in zip(told, axes, strict=True):
        rows = found.rows_of(scorer)
        score = np.clip(logit(scorer.score[rows]), -_FARTHEST, _FARTHEST)
        positive = found.truth[rows] != Kind.BENIGN
        _histogram(panel, score[~positive], bins, BLUE, "benign")
        _histogram(panel, score[positive], bins, ORANGE, "attack")
        if scorer.threshold is not None:
            panel.axvline(float(logit(scorer.threshold)), color=BLACK, linewidth=1.0, linestyle="--", label="threshold")
        style(panel, scorer.name, "probability (log-odds scale)", "flows (log)")
        panel.set_yscale("symlog", linthresh=1.0)
        panel.set_ylim(0.0, 50.0 * max(len(score), 1))  # the legend stands above the bars
        log_ticks(panel.yaxis, 0, int(np.log10(max(len(score), 1))))
        panel.set_xticks(logit(np.array(_TICKS)), [f"{tick:g}" for tick in _TICKS], rotation=90)
        legend(panel, loc="upper center")
    about = (
        "Histograms of the calibrated probabilities of benign and of attack flows, all captures pooled. The outermost "
        "bins hold everything beyond. A threshold is drawn where all captures were decided by the same one."
    )
    return finished(figure, "Scores by class", about)


def _histogram(axes: Axes, score: Floats, bins: Floats, colour: str, label: str) -> None:
    axes.hist(score, bins=list(bins), color=colour, alpha=0.35)
    axes.hist(score, bins=list(bins), histtype="step", color=colour, linewidth=1.3, label=f"{label} ({len(score):,})")
