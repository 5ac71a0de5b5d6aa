"""The three models, in the order in which they are trained."""

from typing import Final, TypeAlias

import numpy as np

from model_registry.artifact import Artifact
from training import anomaly, ddos, malware
from training.boosting import BoostedRecipe, make_boosted
from training.datasets import Dataset
from training.fitting import Recipe, make
from training.splits import Split

AnyRecipe: TypeAlias = Recipe | BoostedRecipe

SUPERVISED: Final[tuple[BoostedRecipe, ...]] = (ddos.RECIPE, malware.RECIPE)
RECIPES: Final[tuple[AnyRecipe, ...]] = (*SUPERVISED, anomaly.RECIPE)
BY_NAME: Final[dict[str, AnyRecipe]] = {recipe.name: recipe for recipe in RECIPES}


def models_of(split: Split, more: Dataset) -> dict[str, Artifact]:
    """Make all three, by name, the anomaly model of benign flows. Raises TrainingError and ExportError as they do."""
    supervised = {recipe.name: make_boosted(recipe, split, more) for recipe in SUPERVISED}
    return {**supervised, anomaly.NAME: make(anomaly.RECIPE, split)}


def hidden_attacks(data: Dataset) -> tuple[str, ...]:
    """Name, sorted, the attacks of which no flow shows what the model of their kind learns from."""
    hidden: set[str] = set()
    for recipe in SUPERVISED:
        attacks = data.of(recipe.threat)
        hidden.update(np.setdiff1d(attacks.attack, attacks.attack[recipe.apparent(attacks)]).tolist())
    return tuple(sorted(hidden))
