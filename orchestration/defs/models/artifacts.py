"""The three models as plain data: what is signed, and what serving loads."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from model_registry.artifact import Artifact
from orchestration.house import OWNERS
from orchestration.storage import digest_of
from training import anomaly
from training.boosting import BoostedRecipe, learned_rows
from training.datasets import Dataset
from training.errors import TrainingError
from training.export import Rows
from training.fitted import Fitted, exported
from training.recipes import SUPERVISED
from training.splits import split

TRAINED_ON = "trained_on"  # metadata: the digest of the features that a model was trained on
ROWS = "rows"
ABOUT = "The same model as arrays of trees, proven to score as the fitted one does, with golden vectors."


def _export(context: dg.AssetExecutionContext, fitted: Fitted, rows: Rows, data: Mapping[str, Dataset]) -> Artifact:
    """Export a model. Raises TrainingError if it was fitted on other data than is stored now."""
    for name, digest in fitted.data.items():
        if digest_of(data[name]) != digest:
            raise TrainingError(
                f"{fitted.name} was fitted on another {name} than the one that is stored now; "
                f"materialize {fitted.name}_fitted again"
            )
    artifact = exported(fitted, rows)
    trained_on = next(iter(fitted.data))  # what the rows were counted of comes first
    facts: dict[str, Any] = {
        TRAINED_ON: fitted.data[trained_on],
        ROWS: fitted.rows,
        "trees": len(artifact.forest.roots),
        "nodes": len(artifact.forest.value),
        "threshold": artifact.threshold,
        "golden_vectors": len(artifact.golden_scores),
    }
    context.add_output_metadata(facts)
    return artifact


def artifact_asset(recipe: BoostedRecipe) -> dg.AssetsDefinition:
    """Make the asset that exports one boosted model."""

    @dg.asset(
        name=recipe.name,
        ins={"fitted": dg.AssetIn(f"{recipe.name}_fitted")},
        group_name="models",
        kinds={"python", "safetensors"},
        owners=OWNERS,
        tags={"model": recipe.name},
        code_version="4",
        description=ABOUT,
    )
    def artifact(
        context: dg.AssetExecutionContext, fitted: Fitted, training_features: Dataset, augmented_features: Dataset
    ) -> Artifact:
        rows = learned_rows(recipe, split(training_features), augmented_features)
        data = {"training_features": training_features, "augmented_features": augmented_features}
        return _export(context, fitted, rows, data)

    return artifact


ARTIFACTS = [artifact_asset(recipe) for recipe in SUPERVISED]


@dg.asset(
    name=anomaly.NAME,
    ins={"fitted": dg.AssetIn(f"{anomaly.NAME}_fitted")},
    group_name="models",
    kinds={"python", "safetensors"},
    owners=OWNERS,
    tags={"model": anomaly.NAME},
    code_version="3",
    description=ABOUT,
)
def anomaly_artifact(
    context: dg.AssetExecutionContext, fitted: Fitted, training_features: Dataset, site_features: Dataset
) -> Artifact:
    """Export the anomaly model, which may have been fitted on either of its inputs."""
    of_site = "site_features" in fitted.data
    rows = anomaly.site_rows(site_features) if of_site else anomaly.elsewhere_rows(training_features)
    return _export(context, fitted, rows, {"training_features": training_features, "site_features": site_features})
