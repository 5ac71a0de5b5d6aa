"""From trained parts to a detector: the rules that ship, baselines of ordinary traffic, and the ensemble."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np

from detection.detector import Detector
from detection.engines.math import Baselines, fit_baselines
from detection.engines.rules import default_rules, parse_rules
from detection.ensemble import Ensemble, EnsembleError, PerThreat, default_ensemble, fit_confidence
from detection.verdict import THREATS, Kind, logit
from model_registry.artifact import Artifact
from training.datasets import Dataset, Part
from training.errors import TrainingError


def assemble(models: Mapping[str, Artifact], baselines: Baselines, ensemble: Ensemble) -> Detector:
    """Put a detector together from parts that are not registered yet."""
    return Detector(parse_rules(default_rules()), baselines, models, ensemble)


def fitted_flows(site: Dataset) -> int:
    """How many flows of a site's own past its anomaly model was fitted on."""
    return int((site.part == Part.TRAIN).sum())


def baselines_of(train: Dataset) -> Baselines:
    """Fit the math engine's baselines on the benign flows of the training part."""
    return fit_baselines(train.of(Kind.BENIGN).features)


def calibrated_ensemble(
    models: Mapping[str, Artifact], baselines: Baselines, validation: Dataset, site: Dataset
) -> Ensemble:
    """Fit the confidence of the final verdict to validation flows; weights and limits are the default ones.

    ``site`` is what the anomaly model was fitted on, without flows if it was fitted on other networks. With a site, the
    confidence in anomalies is fitted to the site's validation flows, taken for ordinary, and the labelled strange ones.

    Raises TrainingError when validation lacks a threat, or support for it does not rise with the truth.
    """
    start = default_ensemble(site_flows=fitted_flows(site))
    detector = assemble(models, baselines, start)
    known = validation.of(Kind.BENIGN, *THREATS)
    support = detector.decide(known.features).support
    fitted = {}
    for column, threat in enumerate(THREATS):
        votes, truth = support[:, column], known.truth == threat
        if threat is Kind.ANOMALY and len(site):
            ordinary = detector.decide(site.features[site.part == Part.VALIDATION]).support[:, column]
            votes = np.concatenate([votes[truth], ordinary])
            truth = np.arange(len(votes)) < truth.sum()
        try:
            fitted[threat.label] = fit_confidence(votes, truth)
        except EnsembleError as error:
            if threat is Kind.ANOMALY and not start.knows_site and 0 < truth.sum() < len(truth):
                # Without the model, votes are few: they are added to the log-odds of an anomaly among these flows.
                fitted[threat.label] = 1.0, float(logit(truth.mean()))
                continue
            raise TrainingError(f"the confidence in {threat.label} cannot be calibrated: {error}") from error
    return msgspec.structs.replace(
        start,
        slope=PerThreat(**{name: slope for name, (slope, _) in fitted.items()}),
        intercept=PerThreat(**{name: intercept for name, (_, intercept) in fitted.items()}),
    )
