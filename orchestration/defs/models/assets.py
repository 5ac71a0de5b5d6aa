"""The three models, what decides beside them, the trial of it all on the test part, and a page about it."""

import base64
from typing import Any

import dagster as dg
import numpy as np

from detection.engines.math import Baselines
from detection.ensemble import Ensemble
from model_registry.artifact import Artifact
from orchestration.storage import digest_of
from orchestration.trial import Trial
from training import anomaly
from training.assembly import assemble, baselines_of, calibrated_ensemble
from training.boosting import BoostedRecipe, make_boosted
from training.datasets import Dataset
from training.evaluation import evaluate
from training.fitting import make
from training.recipes import BY_NAME, SUPERVISED, hidden_attacks
from training.report.gathering import of_parts
from training.site_trial import with_site
from training.splits import split

TRAINED_ON = "trained_on"  # metadata: SHA-256 of the features that a model was trained on
ROWS = "rows"


def _facts(artifact: Artifact, learned: Dataset) -> dict[str, Any]:
    """What is recorded of a model that was made from this data."""
    return {
        TRAINED_ON: digest_of(learned),
        ROWS: len(split(learned).train),
        "trees": len(artifact.forest.roots),
        "nodes": len(artifact.forest.value),
        "threshold": artifact.threshold,
        "calibration_slope": artifact.calibration.slope,
        "calibration_intercept": artifact.calibration.intercept,
    }


def model_asset(recipe: BoostedRecipe) -> dg.AssetsDefinition:
    """Make the asset that fits, calibrates and exports one model."""

    @dg.asset(
        name=recipe.name,
        group_name="models",
        kinds={"python", "lightgbm"},
        code_version="3",
        description=f"The model that finds {recipe.threat.label} flows: calibrated, with its threshold, as plain data.",
    )
    def fitted(context: dg.AssetExecutionContext, training_features: Dataset, augmented_features: Dataset) -> Artifact:
        artifact = make_boosted(recipe, split(training_features), augmented_features)
        context.add_output_metadata(_facts(artifact, training_features))
        context.add_output_metadata({"augmented_by": digest_of(augmented_features)})
        return artifact

    return fitted


MODELS = [model_asset(recipe) for recipe in SUPERVISED]


@dg.asset(
    name=anomaly.NAME,
    group_name="models",
    kinds={"python", "numpy"},
    code_version="2",
    description="The model that finds what is strange: fitted on the site's own past, else on benign flows elsewhere.",
)
def anomaly_model(context: dg.AssetExecutionContext, training_features: Dataset, site_features: Dataset) -> Artifact:
    """Fit the anomaly model; labels are looked at only where there is no past of the site."""
    if len(site_features):
        artifact, learned = anomaly.of_site(site_features), site_features
    else:
        artifact, learned = make(anomaly.RECIPE, split(training_features)), training_features
    context.add_output_metadata(_facts(artifact, learned))
    return artifact


@dg.asset(group_name="models", kinds={"python"}, code_version="1")
def math_baselines(training_features: Dataset) -> Baselines:
    """What ordinary traffic looks like to the math engine: medians, spreads and limits of its statistics."""
    return baselines_of(split(training_features).train)


@dg.asset(group_name="models", kinds={"python"}, code_version="1")
def ensemble(
    training_features: Dataset,
    site_features: Dataset,
    math_baselines: Baselines,
    ddos_lgbm: Artifact,
    malware_lgbm: Artifact,
    anomaly_iforest: Artifact,
) -> Ensemble:
    """How the three engines' votes are weighed, with the confidence of the verdict calibrated on validation flows."""
    models = {artifact.name: artifact for artifact in (ddos_lgbm, malware_lgbm, anomaly_iforest)}
    return calibrated_ensemble(models, math_baselines, split(training_features).validation, site_features)


@dg.asset(group_name="models", kinds={"python"}, code_version="2")
def trial(
    context: dg.AssetExecutionContext,
    training_features: Dataset,
    site_features: Dataset,
    math_baselines: Baselines,
    ensemble: Ensemble,
    ddos_lgbm: Artifact,
    malware_lgbm: Artifact,
    anomaly_iforest: Artifact,
) -> Trial:
    """Every flow of the test captures decided as serving would decide it, and compared with the truth.

    An anomaly model of the site has no say on captures of other networks, as it would have none there; by itself it is
    judged on the site's own latest flows.
    """
    models = {artifact.name: artifact for artifact in (ddos_lgbm, malware_lgbm, anomaly_iforest)}
    parts_of_data = split(training_features)
    test = parts_of_data.test
    if len(site_features):
        # The same but for the confidence in anomalies, which was fitted to what the model says of the site.
        elsewhere = site_features.take(np.arange(0))
        abroad = calibrated_ensemble(models, math_baselines, parts_of_data.validation, elsewhere)
    else:
        abroad = ensemble
    detector = assemble(models, math_baselines, abroad)
    evaluation = evaluate(
        detector,
        {name: BY_NAME[name].threat for name in models},
        {name: artifact.threshold for name, artifact in models.items()},
        test,
    )
    if len(site_features):
        evaluation = with_site(evaluation, anomaly_iforest, site_features, test)
    parts: dict[str, Any] = {
        **models,
        "training_features": training_features,
        "site_features": site_features,
        "math_baselines": math_baselines,
        "ensemble": ensemble,
    }
    for name, measures in evaluation.models.items():
        figures = {f"{name}_{key}": getattr(measures, key) for key in ("recall", "fpr", "roc_auc")}
        context.add_output_metadata({key: value for key, value in figures.items() if value is not None})
    return Trial(
        evaluation,
        judged={name: digest_of(part) for name, part in parts.items()},
        of_site=len(site_features) > 0,
        hidden=hidden_attacks(test),
    )


@dg.asset(group_name="models", kinds={"python", "html"}, code_version="1")
def evaluation_report(
    context: dg.AssetExecutionContext,
    training_features: Dataset,
    math_baselines: Baselines,
    ensemble: Ensemble,
    ddos_lgbm: Artifact,
    malware_lgbm: Artifact,
    anomaly_iforest: Artifact,
) -> str:
    """A page about the models on the test part: curves, drift, and baseline models fitted on the same rows."""
    from training.report.curves import curves  # here: what draws plots takes a second to load
    from training.report.page import page

    models = {artifact.name: artifact for artifact in (ddos_lgbm, malware_lgbm, anomaly_iforest)}
    facts = tuple((name, f"SHA-256 {digest_of(artifact)}") for name, artifact in models.items())
    contents = of_parts(assemble(models, math_baselines, ensemble), split(training_features), facts)
    for picture in curves(contents.scored):
        data = base64.b64encode(picture.png).decode()
        context.add_output_metadata(
            {picture.title: dg.MetadataValue.md(f"![{picture.title}](data:image/png;base64,{data})")}
        )
    return page(contents)
