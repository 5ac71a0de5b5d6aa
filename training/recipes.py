"""The three models, in the order in which they are trained."""

from typing import Final

from training import anomaly, ddos, malware
from training.fitting import Recipe

RECIPES: Final[tuple[Recipe, ...]] = (ddos.RECIPE, malware.RECIPE, anomaly.RECIPE)
BY_NAME: Final[dict[str, Recipe]] = {recipe.name: recipe for recipe in RECIPES}
