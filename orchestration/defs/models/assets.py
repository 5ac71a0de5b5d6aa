"""What decides beside the models, the trial of it all on the test part, and a page about it."""

from typing import Any

import dagster as dg
import numpy as np

from detection.engines.math import Baselines
from detection.engines.ml import MODELS
from detection.ensemble import Ensemble
from detection.verdict import THREATS, Kind
from model_registry.artifact import Artifact
from orchestration.figures import inline, table
from orchestration.house import OWNERS
from orchestration.storage import digest_of
from orchestration.trial import Trial
from training.assembly import assemble, baselines_of, calibrated_ensemble
from training.datasets import Dataset
from training.evaluation import Evaluation, judge, outcomes_of
from training.recipes import BY_NAME, hidden_attacks
from training.report.gathering import of_parts
from training.report.scored import Scored, scored
from training.site_trial import with_site
from training.splits import split


@dg.asset(group_name="models", kinds={"python"}, owners=OWNERS, tags={"part": "statistics"}, code_version="1")
def math_baselines(training_features: Dataset) -> Baselines:
    """What ordinary traffic looks like to the math engine: medians, spreads and limits of its statistics."""
    return baselines_of(split(training_features).train)


@dg.asset(group_name="models", kinds={"python"}, owners=OWNERS, tags={"part": "ensemble"}, code_version="1")
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


@dg.asset(group_name="models", kinds={"python", "matplotlib"}, owners=OWNERS, tags={"part": "trial"}, code_version="3")
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
    outcomes = outcomes_of(detector, test.of(Kind.BENIGN, *THREATS))
    thresholds = {name: artifact.threshold for name, artifact in models.items()}
    evaluation = judge(outcomes, {name: BY_NAME[name].threat for name in models}, thresholds)
    context.add_output_metadata(_told(evaluation, scored(outcomes, test.origin.names, MODELS, thresholds)))
    if len(site_features):
        evaluation = with_site(evaluation, anomaly_iforest, site_features, test)
    parts: dict[str, Any] = {
        **models,
        "training_features": training_features,
        "site_features": site_features,
        "math_baselines": math_baselines,
        "ensemble": ensemble,
    }
    return Trial(
        evaluation,
        judged={name: digest_of(part) for name, part in parts.items()},
        of_site=len(site_features) > 0,
        hidden=hidden_attacks(test),
    )


def _told(evaluation: Evaluation, found: Scored) -> dict[str, Any]:
    """What is shown of a trial: figures at the operating points, each attack's recall, and plots."""
    from training.report.curves import curves, reliability  # here: what draws plots takes a second to load

    every = {**evaluation.models, "final verdict": evaluation.final}
    columns = ("recall", "fpr", "precision", "roc_auc", "pr_auc", "calibration_error")
    figures = [
        (name, *("" if (value := getattr(measures, column)) is None else f"{value:.5f}" for column in columns))
        for name, measures in every.items()
    ]
    attacks = [(name, label.kind.label, label.rows, f"{label.recall:.4f}") for name, label in evaluation.labels.items()]
    dependable = reliability(found)
    return {
        "figures": table(("of", *columns), figures),
        "attacks": table(("attack", "kind", "flows", "found by the verdict"), attacks),
        **inline([*curves(found), *([dependable] if dependable else [])]),
    }


@dg.asset(group_name="models", kinds={"python", "html"}, owners=OWNERS, tags={"part": "report"}, code_version="1")
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
    context.add_output_metadata(inline(curves(contents.scored)))
    return page(contents)
