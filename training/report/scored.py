"""What a page is made of: for each flow with a truth, what every scorer said of it.

A *scorer* is whatever flags flows: a model, the final verdict, one engine alone, or a baseline model. On a page all of
them are measured alike, on benign flows and on what they are there to find.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from detection.verdict import THREATS, Kind, sigmoid
from training.baselines import BaselineModel
from training.evaluation import Measures, Outcomes, measure
from training.fitting import Features

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

FINAL: Final = "final verdict"


class Family(StrEnum):
    """What kind of scorer it is."""

    MODEL = "model"
    VERDICT = "verdict"
    ENGINE = "engine alone"
    BASELINE = "baseline"


@dataclass(frozen=True, slots=True)
class Scorer:
    """What one scorer said of ``n`` flows.

    Attributes:
        name: unique on a page.
        family: what it is.
        finds: what it is there to find; its rows are benign flows and flows of these kinds.
        score: float64[n] from 0 to 1, by which it ranks.
        flagged: bool[n], what it raises an alarm on.
        thresholds: per capture the least score that is flagged; None where it is not flagged by its score.
        calibrated: whether the score is meant as a probability.
        abstained: bool[n], where it would not decide; None for what always does.
    """

    name: str
    family: Family
    finds: tuple[Kind, ...]
    score: Floats
    flagged: Bools
    thresholds: tuple[float | None, ...]
    calibrated: bool
    abstained: Bools | None = None

    @property
    def threshold(self) -> float | None:
        """The threshold, if it is the same for all captures."""
        return self.thresholds[0] if len(set(self.thresholds)) == 1 else None


@dataclass(frozen=True, slots=True)
class Scored:
    """``n`` flows that have a truth, and what each scorer said of them.

    Attributes:
        truth: int8[n], benign or a threat.
        label: int[n], the place in ``labels`` of the attack or original label; those of "" have none.
        capture: int[n], the place in ``captures``.
        captures: the names of the captures (streams), also of those without such a flow.
        scorers: with columns of ``n``.
    """

    truth: npt.NDArray[np.int8]
    label: npt.NDArray[np.integer[Any]]
    labels: tuple[str, ...]
    capture: npt.NDArray[np.integer[Any]]
    captures: tuple[str, ...]
    scorers: tuple[Scorer, ...]

    def rows_of(self, scorer: Scorer) -> Bools:
        """Which flows are rows of a scorer, bool[n]."""
        return np.isin(self.truth, [Kind.BENIGN, *scorer.finds])

    def measures(self, scorer: Scorer, place: int | None = None) -> Measures:
        """Measure a scorer on its rows; on those of the capture at ``place`` if it is given."""
        rows, threshold = self.rows_of(scorer), scorer.threshold
        if place is not None:
            rows, threshold = rows & (self.capture == place), scorer.thresholds[place]
        abstained = 0 if scorer.abstained is None else int(scorer.abstained[rows].sum())
        positive = self.truth[rows] != Kind.BENIGN
        measured = measure(scorer.score[rows], scorer.flagged[rows], positive, threshold, abstained)
        return measured if scorer.calibrated else replace(measured, calibration_error=None)

    def by_label(self) -> Iterator[tuple[str, Kind, Bools]]:
        """Each label with what it is and its rows, bool[n]: attacks first, those of most flows first."""
        found = []
        for place, name in enumerate(self.labels):
            rows = self.label == place
            if name and rows.any():
                found.append((name, Kind(int(self.truth[rows].max())), rows))
        yield from sorted(found, key=lambda item: (item[1] is Kind.BENIGN, -int(item[2].sum()), item[0]))

    def right(self, scorer: Scorer) -> Bools:
        """Which flows a scorer decided rightly, bool[n]: an attack that it flagged, a benign flow that it did not."""
        return np.asarray(scorer.flagged == (self.truth != Kind.BENIGN))


def scored(
    outcomes: Outcomes, captures: Sequence[str], threats: Mapping[str, Kind], thresholds: Mapping[str, float]
) -> Scored:
    """Take models, verdict and engines as scorers. ``outcomes`` must tell captures, by their place in ``captures``.

    Args:
        threats, thresholds: what each model finds, and its operating point, as :func:`training.evaluation.judge`.
    """
    if outcomes.capture is None:
        raise ValueError("the outcomes do not tell which capture each flow is from")
    n = len(captures)
    models = [
        Scorer(name, Family.MODEL, (threats[name],), p, p >= thresholds[name], (thresholds[name],) * n, calibrated=True)
        for name, p in outcomes.probabilities.items()
    ]
    verdict = Scorer(
        FINAL,
        Family.VERDICT,
        THREATS,
        outcomes.score,
        np.isin(outcomes.kind, THREATS),
        (None,) * n,
        calibrated=True,
        abstained=outcomes.kind == Kind.ABSTAIN,
    )
    engines = [
        Scorer(f"{name} alone", Family.ENGINE, THREATS, sigmoid(vote), vote > 0.0, (None,) * n, calibrated=False)
        for name, vote in outcomes.engines.items()
    ]
    return Scored(
        outcomes.truth,
        outcomes.label,
        outcomes.labels,
        outcomes.capture,
        tuple(captures),
        (verdict, *models, *engines),
    )


def beside(found: Scored, baselines: Iterable[BaselineModel], features: Features) -> Scored:
    """Add baseline models, given the features of the same flows, float32[n, 120]."""
    added = []
    for model in baselines:
        score = model.score(features)
        added.append(
            Scorer(
                model.name,
                Family.BASELINE,
                (model.threat,),
                score,
                score >= model.threshold,
                (model.threshold,) * len(found.captures),
                calibrated=False,
            )
        )
    return replace(found, scorers=(*found.scorers, *added))


def joined(parts: Sequence[Scored]) -> Scored:
    """Put the flows of several trials together, at least one; their captures are different ones.

    Only what scored in all of them is kept: a figure over some of the captures would stand beside others over all.
    """
    labels = list(dict.fromkeys(name for part in parts for name in part.labels))
    starts = np.cumsum([0, *(len(part.captures) for part in parts)])
    common = [scorer.name for scorer in parts[0].scorers]
    for part in parts[1:]:
        common = [name for name in common if name in {scorer.name for scorer in part.scorers}]
    return Scored(
        truth=np.concatenate([part.truth for part in parts]),
        label=np.concatenate([_renumbered(part, labels) for part in parts]),
        labels=tuple(labels),
        capture=np.concatenate([part.capture + start for part, start in zip(parts, starts[:-1], strict=True)]),
        captures=tuple(name for part in parts for name in part.captures),
        scorers=tuple(_joined(name, parts) for name in common),
    )


def _renumbered(part: Scored, labels: list[str]) -> npt.NDArray[np.int64]:
    places = np.array([labels.index(name) for name in part.labels], dtype=np.int64)
    return np.asarray(places[part.label], dtype=np.int64)


def _joined(name: str, parts: Sequence[Scored]) -> Scorer:
    same = [next(scorer for scorer in part.scorers if scorer.name == name) for part in parts]
    abstained = [scorer.abstained for scorer in same if scorer.abstained is not None]
    return replace(
        same[0],
        score=np.concatenate([scorer.score for scorer in same]),
        flagged=np.concatenate([scorer.flagged for scorer in same]),
        thresholds=tuple(threshold for scorer in same for threshold in scorer.thresholds),
        abstained=np.concatenate(abstained) if len(abstained) == len(same) else None,
    )
