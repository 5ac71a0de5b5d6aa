"""From trials to what a page says: streams judged by one detector, or each by a detector that never saw it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from detection.detector import Detector
from detection.engines.ml import MODELS
from detection.verdict import THREATS, Kind
from training.baselines import BaselineModel, fit_baselines
from training.errors import TrainingError
from training.evaluation import outcomes_of
from training.hosts import Wait
from training.judging import FieldTest, Life
from training.report.contents import Ablation, Contents
from training.report.scored import Scored, beside, joined, scored
from training.report.watch import Attribution, FeatureWatch
from training.splits import Split

Floats = npt.NDArray[np.float64]


class Gathering:
    """Takes in trial after trial, and gives the contents of a page about all of them."""

    def __init__(self) -> None:
        """Start with none."""
        self._parts: list[Scored] = []
        self._lives: list[Life] = []
        self._hosts: dict[str, dict[str, Wait]] = {}
        self._failures: list[tuple[str, str]] = []
        self._drift: dict[str, list[Floats]] = {}
        self._drift_of: list[str] = []
        self._attributions: dict[str, Attribution] = {}

    def add(
        self,
        detector: Detector,
        test: FieldTest,
        watch: FeatureWatch,
        baselines: Iterable[BaselineModel] = (),
        features: npt.NDArray[np.float32] | None = None,
    ) -> None:
        """Take in a field test.

        Args:
            watch: what watched it.
            baselines, features: baseline models, and the features of the flows that have a truth, float32[n, 120].
        """
        names = [life.name for life in test.lives]
        found = scored(test.outcomes, names, MODELS, {name: model.threshold for name, model in detector.models.items()})
        self.add_scored(found if features is None else beside(found, baselines, features))
        self._lives += test.lives
        if test.hosts:
            self._hosts[" and ".join(names) if len(names) < 3 else f"{len(names)} streams"] = test.hosts
        self.add_watched(names, watch)

    def add_scored(self, found: Scored) -> None:
        """Take in flows that have a truth."""
        self._parts.append(found)

    def add_watched(self, names: Iterable[str], watch: FeatureWatch) -> None:
        """Take in what was noticed of the features of these streams."""
        self._drift_of += names
        for name, indices in watch.drift().items():
            self._drift.setdefault(name, []).extend(indices)
        for name, attribution in watch.attributions.items():
            known = self._attributions.get(name)
            self._attributions[name] = attribution if known is None else known + attribution

    def fail(self, name: str, reason: str) -> None:
        """Take in that a capture could not be judged."""
        self._failures.append((name, reason))

    def contents(
        self,
        title: str,
        notes: tuple[str, ...],
        facts: tuple[tuple[str, str], ...],
        ablation: Ablation | None = None,
    ) -> Contents:
        """What a page about all of it says. Raises TrainingError if no trial was taken in."""
        # What has no flow with a truth was perhaps scored by fewer, and must not take the others' scorers away.
        told = [part for part in self._parts if len(part.truth)] or self._parts[:1]
        if not told:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in self._failures)
            raise TrainingError(
                f"a page needs a capture that could be judged, and there is none: {reasons or 'none given'}"
            )
        return Contents(
            title,
            notes,
            facts,
            joined(told),
            tuple(self._lives),
            self._hosts,
            self._drift,
            tuple(self._drift_of),
            self._attributions,
            tuple(self._failures),
            ablation,
        )


def of_parts(detector: Detector, parts: Split, facts: tuple[tuple[str, str], ...]) -> Contents:
    """What a page says about a detector on the test part of the data that it learned from.

    Raises TrainingError as :func:`training.baselines.fit_baselines`.
    """
    data = parts.test.of(Kind.BENIGN, *THREATS)
    names = data.origin.names
    thresholds = {name: model.threshold for name, model in detector.models.items()}
    found = scored(outcomes_of(detector, data), names, MODELS, thresholds)
    gathering, watch = Gathering(), FeatureWatch(detector.models)
    gathering.add_scored(beside(found, fit_baselines(parts), data.features))
    captures = np.unique(parts.test.capture)
    for capture in captures:
        watch.follow(True, parts.test.features[parts.test.capture == capture])
    gathering.add_watched([names[capture] for capture in captures], watch)
    return gathering.contents("The trial of the trained models", (data.origin.about.replace("\n", " "),), facts)
