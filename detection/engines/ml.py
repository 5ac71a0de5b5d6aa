"""The machine-learning engine: each champion model votes for the one threat that it was trained to find.

A vote is how far the model's calibrated probability lies from its threshold, in log-odds: logit(p) -
logit(threshold), kept within +-4. It is above zero exactly where the probability reaches the threshold, that is where
the model alone would raise an alarm at the false-positive rate that its threshold was set for; and a model that is
sure of innocence speaks against.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from detection.verdict import STRONGEST_VOTE, Features, Floats, Kind, column, logit, no_votes
from model_registry.artifact import Artifact
from model_registry.scoring import probabilities

MODELS: Final[dict[str, Kind]] = {
    "ddos_lgbm": Kind.DDOS,
    "malware_lgbm": Kind.MALWARE,
    "anomaly_iforest": Kind.ANOMALY,
}
_LEAST_VOTE: Final = 1e-6  # a model never says nothing: a probability at its threshold is an alarm


@dataclass(frozen=True, slots=True)
class MlEngine:
    """The champions among :data:`MODELS` that are there, by name."""

    models: Mapping[str, Artifact]

    @property
    def threats(self) -> npt.NDArray[np.bool_]:
        """Which threats have their model: bool[3]."""
        spoken = np.zeros(3, dtype=np.bool_)
        for name in self.models:
            spoken[column(MODELS[name])] = True
        return spoken

    def model_for(self, threat: Kind) -> Artifact | None:
        """The model that votes for a threat; None if it is missing, or if the kind is no threat."""
        for name, artifact in self.models.items():
            if MODELS[name] is threat:
                return artifact
        return None

    def votes(self, features: Features) -> tuple[Floats, dict[str, Floats]]:
        """Judge float32[n, 120]: votes float64[n, 3], and per model its probability float64[n]."""
        votes = no_votes(len(features))
        calibrated: dict[str, Floats] = {}
        for name, artifact in self.models.items():
            p = calibrated[name] = probabilities(artifact, features)
            distance = logit(p) - logit(artifact.threshold)
            alarm = np.clip(distance, _LEAST_VOTE, STRONGEST_VOTE)
            calm = np.clip(distance, -STRONGEST_VOTE, -_LEAST_VOTE)
            votes[:, column(MODELS[name])] = np.where(p >= artifact.threshold, alarm, calm)
        return votes, calibrated
