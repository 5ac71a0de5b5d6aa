"""What recipes share, and how a model is made whose threshold the validation part sets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from detection.verdict import Kind
from flows.catalogue import INDEX
from model_registry.artifact import Artifact
from model_registry.scoring import raw_scores
from training.calibration import fit_platt
from training.datasets import Dataset
from training.errors import TrainingError
from training.export import forest_of
from training.fitted import NAMELESS, Fitted, exported
from training.histograms import Histograms
from training.splits import Split
from training.thresholds import threshold_at

Features = npt.NDArray[np.float32]
SEED: Final = 20260101

# How long a host or a pair has been watched says where a capture began, not what a flow is.
WATCHED: Final = ("host_flows", "pair_flows", "pair_age")


@dataclass(frozen=True, slots=True)
class Recipe:
    """How such a model is made.

    Attributes:
        name: the model's name in the registry.
        threat: what it finds; its rows are benign flows and flows of this kind.
        fpr: the false-positive rate at which its threshold is fixed on the validation part.
        fit: fits it on the training part.
    """

    name: str
    threat: Kind
    fpr: float
    fit: Callable[[Dataset], Histograms]


def make(recipe: Recipe, split: Split) -> Artifact:
    """Fit and export. Raises TrainingError as :func:`fit_recipe`, ExportError as :func:`training.fitted.exported`."""
    return exported(fit_recipe(recipe, split), split.train.of(Kind.BENIGN, recipe.threat).features)


def fit_recipe(recipe: Recipe, split: Split, data: Mapping[str, str] = NAMELESS) -> Fitted:
    """Fit on the training part, calibrate and set the threshold on the validation part.

    Raises:
        TrainingError: a part has too few rows of a class, or the model ranks attacks below benign flows.
    """
    fitted = recipe.fit(split.train)
    rows = split.validation.of(Kind.BENIGN, recipe.threat)
    positive = rows.truth == recipe.threat
    raw = raw_scores(forest_of(fitted), rows.features)
    calibration = fit_platt(raw, positive)
    probability = calibration.probability(raw)
    threshold = threshold_at(recipe.fpr, probability[~positive])
    return Fitted(recipe.name, fitted, calibration, threshold, data, len(split.train))


def without(features: Features, names: tuple[str, ...]) -> Features:
    """Return a copy in which the named columns are constant, so that no tree can split on them."""
    blank = features.copy()
    blank[:, [INDEX[name] for name in names]] = 0.0
    return blank


def rows_of(recipe_name: str, data: Dataset, threat: Kind) -> tuple[Features, npt.NDArray[np.bool_]]:
    """Return the features and truth of a supervised model's rows. Raises TrainingError if a class is missing."""
    rows = data.of(Kind.BENIGN, threat)
    positive = rows.truth == threat
    if not 0 < positive.sum() < len(positive):
        raise TrainingError(
            f"{recipe_name}: {int(positive.sum())} of {len(positive)} rows are {threat.label}; both classes are needed"
        )
    return rows.features, positive
