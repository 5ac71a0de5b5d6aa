"""What is noticed of features while streams are decided: how they are distributed, and what they add to the scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from flows.catalogue import NAMES
from model_registry.artifact import Artifact
from model_registry.scoring import contributions
from training.drift import Counts, binned, stability_index
from training.streams import LabelledChunk

EVERY: Final = 50  # one flow in so many is taken apart: tens of microseconds for each model
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Attribution:
    """What features added to one model's raw scores.

    Attributes:
        total: float64[120], the sum over flows of each contribution's size, in the model's own unit.
        flows: over how many flows.
    """

    total: Floats
    flows: int

    def __add__(self, other: Attribution) -> Attribution:
        return Attribution(self.total + other.total, self.flows + other.flows)

    @property
    def mean(self) -> Floats:
        """The mean size of each feature's contribution, float64[120]; 0 without flows."""
        return self.total / max(self.flows, 1)


class FeatureWatch:
    """Watches the features of stream after stream; see :data:`training.judging.Watch`."""

    def __init__(self, models: Mapping[str, Artifact]) -> None:
        """Watch on behalf of these models, by name."""
        self._models = dict(models)
        self._counts: dict[str, list[Counts]] = {name: [] for name in models}
        self._seen = 0
        self.attributions = {name: Attribution(np.zeros(len(NAMES)), 0) for name in models}

    def __call__(self, chunk: LabelledChunk, features: npt.NDArray[np.float32]) -> None:
        """Take in the next chunk."""
        self.follow(chunk.begins, features)

    def follow(self, begins: bool, features: npt.NDArray[np.float32]) -> None:
        """Take in the next flows, float32[n, 120], of a stream that ``begins`` here or goes on."""
        if begins:
            self._seen = 0
        sample = features[-self._seen % EVERY :: EVERY]
        self._seen += len(features)
        for name, artifact in self._models.items():
            counts = binned(artifact.profile, features)
            if begins or not self._counts[name]:
                self._counts[name].append(counts)
            else:
                self._counts[name][-1] += counts
            added = sum((np.abs(contributions(artifact.forest, row)[0]) for row in sample), np.zeros(len(NAMES)))
            self.attributions[name] += Attribution(added, len(sample))

    def drift(self) -> dict[str, list[Floats]]:
        """Per model and stream the population stability index of each feature, float64[120].

        Features that the model does not look at are NaN: their drift cannot move its score.
        """
        return {
            name: [self._moved(artifact, counts) for counts in self._counts[name]]
            for name, artifact in self._models.items()
        }

    @staticmethod
    def _moved(artifact: Artifact, counts: Counts) -> Floats:
        forest = artifact.forest
        unused = ~np.isin(np.arange(len(NAMES)), forest.feature[forest.left != -1])
        index = stability_index(artifact.profile.feature_counts, counts)
        index[unused] = np.nan
        return index
