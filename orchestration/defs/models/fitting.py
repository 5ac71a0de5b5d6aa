"""The three models as they are fitted: calibrated, with their thresholds, and not exported yet."""

from typing import Any

import dagster as dg

from orchestration.figures import gain_table, label_mix
from orchestration.house import OWNERS
from orchestration.storage import digest_of
from training import anomaly
from training.boosting import BoostedRecipe, fit_boosted
from training.datasets import Dataset
from training.fitted import Fitted
from training.fitting import fit_recipe
from training.recipes import SUPERVISED
from training.splits import split


def _facts(fitted: Fitted, learned: Dataset) -> dict[str, Any]:
    return {
        "rows": fitted.rows,
        "label_mix": label_mix(split(learned).train.truth),
        "threshold": fitted.threshold,
        "calibration_slope": fitted.calibration.slope,
        "calibration_intercept": fitted.calibration.intercept,
        **gain_table(fitted.model),
    }


def fitted_asset(recipe: BoostedRecipe) -> dg.AssetsDefinition:
    """Make the asset that fits and calibrates one boosted model."""

    @dg.asset(
        name=f"{recipe.name}_fitted",
        group_name="models",
        kinds={"python", "lightgbm"},
        owners=OWNERS,
        tags={"model": recipe.name},
        code_version="4",
        description=f"A boosted forest that finds {recipe.threat.label} flows, in LightGBM's own text. How many trees "
        "it has, what its scores mean and where its threshold lies was told by captures left out in turn.",
    )
    def fitted(context: dg.AssetExecutionContext, training_features: Dataset, augmented_features: Dataset) -> Fitted:
        data = {
            "training_features": digest_of(training_features),
            "augmented_features": digest_of(augmented_features),
        }
        model = fit_boosted(recipe, split(training_features), augmented_features, data)
        context.add_output_metadata(_facts(model, training_features))
        return model

    return fitted


FITTED = [fitted_asset(recipe) for recipe in SUPERVISED]


@dg.asset(
    name=f"{anomaly.NAME}_fitted",
    group_name="models",
    kinds={"python", "numpy"},
    owners=OWNERS,
    tags={"model": anomaly.NAME},
    code_version="3",
    description="Histograms of what is ordinary: in the site's own past, else in benign flows elsewhere.",
)
def anomaly_fitted(context: dg.AssetExecutionContext, training_features: Dataset, site_features: Dataset) -> Fitted:
    """Fit the anomaly model; labels are looked at only where there is no past of the site."""
    if len(site_features):
        learned = site_features
        model = anomaly.fit_site(site_features, {"site_features": digest_of(site_features)})
    else:
        learned = training_features
        data = {"training_features": digest_of(training_features)}
        model = fit_recipe(anomaly.RECIPE, split(training_features), data)
    context.add_output_metadata(_facts(model, learned))
    return model
