"""Why a flow was decided as it was: enough to follow the decision by hand."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from detection.engines.math import Reading
from detection.engines.rules import Rule
from detection.verdict import Features
from flows.catalogue import NAMES
from model_registry.artifact import Artifact
from model_registry.scoring import contributions, probabilities, raw_scores

TOP_CONTRIBUTIONS: Final = 5


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one feature added to a raw score; ``value`` is NaN where the feature is not known."""

    feature: str
    value: float
    contribution: float


@dataclass(frozen=True, slots=True)
class ModelEvidence:
    """How a model came to its score: base + the contributions + rest = raw_score, in the model's own unit."""

    model: str
    contributions: tuple[Contribution, ...]  # the five largest by size, largest first
    rest: float
    base: float
    raw_score: float
    probability: float
    threshold: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks to one verdict: its threat's model (None if there is none), fired rules, statistics in reach."""

    model: ModelEvidence | None
    rules: tuple[Rule, ...]
    statistics: tuple[Reading, ...]


def explain_score(artifact: Artifact, row: Features) -> ModelEvidence:
    """Take the raw score of one flow, float32[120], apart."""
    added, base = contributions(artifact.forest, row)
    order = np.argsort(-np.abs(added), kind="stable")
    top = tuple(
        Contribution(NAMES[place], float(row[place]), float(added[place])) for place in order[:TOP_CONTRIBUTIONS]
    )
    return ModelEvidence(
        model=artifact.name,
        contributions=top,
        rest=math.fsum(added[order[TOP_CONTRIBUTIONS:]].tolist()),
        base=base,
        raw_score=float(raw_scores(artifact.forest, row[None, :])[0]),
        probability=float(probabilities(artifact, row[None, :])[0]),
        threshold=artifact.threshold,
    )
