"""Gates on the models: each by itself, all together on the final verdict, and beside the champions."""

import dagster as dg

from model_registry.artifact import Artifact
from orchestration.checking import judged
from orchestration.comparison import Comparison
from orchestration.trial import Trial
from training.champion import not_worse
from training.datasets import Dataset
from training.fitted import Fitted
from training.gates import (
    ANOMALY,
    FINAL,
    LIMITS,
    GateResult,
    budget,
    every_attack,
    integrity,
    parity,
    quality,
    ranking,
)
from training.recipes import RECIPES
from training.splits import split


def integrity_check(name: str) -> dg.AssetChecksDefinition:
    """Make the check that a model's artifact reproduces its golden vectors."""

    @dg.asset_check(
        asset=name, name="integrity", blocking=True, description="The artifact gives its golden scores again."
    )
    def check(artifact: Artifact) -> dg.AssetCheckResult:
        return judged(artifact, integrity(artifact))

    return check


def parity_check(name: str) -> dg.AssetChecksDefinition:
    """Make the check that a model's artifact is the model that was fitted."""

    @dg.asset_check(
        asset=name,
        name="parity",
        additional_ins={"fitted": dg.AssetIn(f"{name}_fitted"), "training_features": dg.AssetIn()},
        blocking=True,
        description="The artifact scores every flow of the test part as the fitted model itself does.",
    )
    def check(artifact: Artifact, fitted: Fitted, training_features: Dataset) -> dg.AssetCheckResult:
        return judged(artifact, parity(fitted, artifact, split(training_features).test.features))

    return check


def budget_check(name: str) -> dg.AssetChecksDefinition:
    """Make the check that a model's artifact is small and quick enough."""

    @dg.asset_check(
        asset=name,
        name="budget",
        additional_ins={"training_features": dg.AssetIn()},
        blocking=True,
        description="The artifact is small enough to be served, and no slower than what serving was planned for.",
    )
    def check(artifact: Artifact, training_features: Dataset) -> dg.AssetCheckResult:
        return judged(artifact, budget(artifact, split(training_features).test.features))

    return check


def quality_check(name: str) -> dg.AssetChecksDefinition:
    """Make the check of one model's figures in the trial."""

    @dg.asset_check(
        asset="trial",
        name=f"quality_of_{name}",
        blocking=True,
        description="At the operating point, on the test part: what the model finds, and how often it is wrong.",
    )
    def check(trial: Trial) -> dg.AssetCheckResult:
        measures = trial.evaluation.models.get(name)
        if name != ANOMALY:
            return judged(trial, quality(measures, LIMITS[name]))
        return judged(trial, ranking(measures, of_site=trial.of_site))

    return check


MAKERS = (integrity_check, parity_check, budget_check, quality_check)
CHECKS = [make(recipe.name) for recipe in RECIPES for make in MAKERS]


@dg.asset_check(asset="trial", blocking=True)
def quality_of_verdicts(trial: Trial) -> dg.AssetCheckResult:
    """Recall, false-positive rate and calibration of the final verdict, on benign flows and what is learned."""
    return judged(trial, quality(trial.evaluation.learned, FINAL))


@dg.asset_check(asset="trial", blocking=True)
def finds_every_attack(trial: Trial) -> dg.AssetCheckResult:
    """The final verdict finds each attack of the test part that shows what models learn from, the rare ones too."""
    return judged(trial, every_attack(trial.evaluation, trial.hidden))


@dg.asset_check(asset="champion_comparison", blocking=True)
def not_worse_than_champion(champion_comparison: Comparison) -> dg.AssetCheckResult:
    """On the same flows no figure is surely worse than the champion's, nor worse by more than a margin."""
    if champion_comparison.why:
        return judged(champion_comparison, GateResult(True, f"nothing to compare with: {champion_comparison.why}"))
    return judged(champion_comparison, not_worse(champion_comparison.found))


@dg.asset_check(asset="champion_comparison", blocking=True)
def no_other_world(champion_comparison: Comparison) -> dg.AssetCheckResult:
    """What ordinary life looks like in the training data has not moved far since the champion learned from it."""
    return judged(champion_comparison, champion_comparison.drift)
