"""The three models, in the order in which they are trained."""

from typing import Final, TypeAlias

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
