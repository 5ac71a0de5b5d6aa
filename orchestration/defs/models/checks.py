"""Gates on the models: each by itself, and all together on the final verdict."""

import dagster as dg

from model_registry.artifact import Artifact
from orchestration.checking import judged
from orchestration.trial import Trial
from training.gates import ANOMALY, FINAL, LIMITS, every_attack, integrity, quality, ranking
from training.recipes import RECIPES


def integrity_check(name: str) -> dg.AssetChecksDefinition:
    """Make the check that a model's artifact reproduces its golden vectors and is small enough."""

    @dg.asset_check(
        asset=name,
        name="integrity",
        blocking=True,
        description="The artifact gives its golden scores again, and is small enough to be served.",
    )
    def check(artifact: Artifact) -> dg.AssetCheckResult:
        return judged(artifact, integrity(artifact))

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


CHECKS = [make(recipe.name) for recipe in RECIPES for make in (integrity_check, quality_check)]


@dg.asset_check(asset="trial", blocking=True)
def quality_of_verdicts(trial: Trial) -> dg.AssetCheckResult:
    """Recall, false-positive rate and calibration of the final verdict, on benign flows and what is learned."""
    return judged(trial, quality(trial.evaluation.learned, FINAL))


@dg.asset_check(asset="trial", blocking=True)
def finds_every_attack(trial: Trial) -> dg.AssetCheckResult:
    """The final verdict finds each attack of the test part that shows what models learn from, the rare ones too."""
    return judged(trial, every_attack(trial.evaluation, trial.hidden))
