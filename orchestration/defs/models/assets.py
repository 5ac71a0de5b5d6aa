"""The three models, what decides beside them, the trial of it all on the test part, and a page about it."""

import base64
from typing import Any

import dagster as dg

from detection.engines.math import Baselines
from detection.ensemble import Ensemble
from model_registry.artifact import Artifact
from orchestration.storage import digest_of
from orchestration.trial import Trial
from training.assembly import assemble, baselines_of, calibrated_ensemble
from training.datasets import Dataset
from training.evaluation import evaluate
from training.fitting import Recipe, make
from training.recipes import BY_NAME, RECIPES
from training.report.gathering import of_parts
from training.splits import split

TRAINED_ON = "trained_on"  # metadata: SHA-256 of the features that a model was trained on
ROWS = "rows"


def model_asset(recipe: Recipe) -> dg.AssetsDefinition:
    """Make the asset that fits, calibrates and exports one model."""

    @dg.asset(
        name=recipe.name,
        group_name="models",
        kinds={"python", "lightgbm" if recipe.name.endswith("lgbm") else "scikitlearn"},
        code_version="1",
        description=f"The model that finds {recipe.threat.label} flows: calibrated, with its threshold, as plain data.",
    )
    def fitted(context: dg.AssetExecutionContext, training_features: Dataset) -> Artifact:
        parts = split(training_features)
        artifact = make(recipe, parts)
        context.add_output_metadata(
            {
                TRAINED_ON: digest_of(training_features),
                ROWS: len(parts.train),
                "trees": len(artifact.forest.roots),
                "nodes": len(artifact.forest.value),
                "threshold": artifact.threshold,
                "calibration_slope": artifact.calibration.slope,
                "calibration_intercept": artifact.calibration.intercept,
            }
        )
        return artifact

    return fitted


MODELS = [model_asset(recipe) for recipe in RECIPES]


@dg.asset(group_name="models", kinds={"python"}, code_version="1")
def math_baselines(training_features: Dataset) -> Baselines:
    """What ordinary traffic looks like to the math engine: medians, spreads and limits of its statistics."""
    return baselines_of(split(training_features).train)


@dg.asset(group_name="models", kinds={"python"}, code_version="1")
def ensemble(
    training_features: Dataset,
    math_baselines: Baselines,
    ddos_lgbm: Artifact,
    malware_lgbm: Artifact,
    anomaly_iforest: Artifact,
) -> Ensemble:
    """How the three engines' votes are weighed, with the confidence of the verdict calibrated on validation flows."""
    models = {artifact.name: artifact for artifact in (ddos_lgbm, malware_lgbm, anomaly_iforest)}
    return calibrated_ensemble(models, math_baselines, split(training_features).validation)


@dg.asset(group_name="models", kinds={"python"}, code_version="1")
def trial(
    context: dg.AssetExecutionContext,
    training_features: Dataset,
    math_baselines: Baselines,
    ensemble: Ensemble,
    ddos_lgbm: Artifact,
    malware_lgbm: Artifact,
    anomaly_iforest: Artifact,
) -> Trial:
    """Every flow of the test captures decided as serving would decide it, and compared with the truth."""
    models = {artifact.name: artifact for artifact in (ddos_lgbm, malware_lgbm, anomaly_iforest)}
    detector = assemble(models, math_baselines, ensemble)
    evaluation = evaluate(
        detector,
        {name: BY_NAME[name].threat for name in models},
        {name: artifact.threshold for name, artifact in models.items()},
        split(training_features).test,
    )
    parts: dict[str, Any] = {
        **models,
        "training_features": training_features,
        "math_baselines": math_baselines,
        "ensemble": ensemble,
    }
    for name, measures in evaluation.models.items():
        figures = {f"{name}_{key}": getattr(measures, key) for key in ("recall", "fpr", "roc_auc")}
        context.add_output_metadata({key: value for key, value in figures.items() if value is not None})
    return Trial(evaluation, judged={name: digest_of(part) for name, part in parts.items()})


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
