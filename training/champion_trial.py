"""Two detectors on the same flows: the newly trained one, and the one that decides now."""

from __future__ import annotations

import msgspec
import numpy as np

from detection.detector import Detector
from detection.engines.math import baselines_from_json
from detection.engines.rules import parse_rules
from detection.ensemble import Ensemble, ensemble_from_json
from detection.verdict import THREATS, Kind
from model_registry.artifact import Artifact
from model_registry.registry import Loaded
from model_registry.scoring import probabilities
from training import anomaly
from training.boosting import attacks_of
from training.champion import Bools, Difference, Floats, Rows, differences
from training.datasets import Dataset, Part
from training.evaluation import LEARNED, Outcomes, outcomes_of
from training.recipes import SUPERVISED

VERDICT = "verdict"


def abroad(ensemble: Ensemble) -> Ensemble:
    """The same on other networks than the site's, where the site's anomaly model has no say."""
    return msgspec.structs.replace(ensemble, site_flows=0)


def knows_a_site(loaded: Loaded) -> bool:
    """Whether the champion's anomaly model was fitted on a site's past. Raises EnsembleError if nothing can be told."""
    return ensemble_from_json(loaded.ensemble).site_flows > 0


def champion_detector(loaded: Loaded) -> Detector:
    """What decides now, but for the say of a site's anomaly model.

    Raises RulesError, BaselinesError or EnsembleError for a blob that, though signed, is not what it should be.
    """
    ensemble = abroad(ensemble_from_json(loaded.ensemble))
    return Detector(parse_rules(loaded.rules), baselines_from_json(loaded.math), loaded.models, ensemble)


def side_by_side(
    candidate: Detector, champion: Detector, test: Dataset, site: Dataset
) -> dict[str, dict[str, Difference]]:
    """Compare two detectors, model by model where both have it, and by their verdicts.

    Args:
        candidate, champion: to be compared; see :func:`abroad`.
        test: the test part of labelled flows.
        site: the site's past; if it has flows, anomaly models are judged by its test part, taken for ordinary.

    Returns:
        The differences by scorer and figure.
    """
    rows = test.of(Kind.BENIGN, *THREATS)
    ours, theirs = outcomes_of(candidate, rows), outcomes_of(champion, rows)
    found = {}
    for recipe in SUPERVISED:
        if recipe.name in candidate.models and recipe.name in champion.models:
            which = np.isin(rows.truth, [Kind.BENIGN, recipe.threat])
            positive = rows.truth[which] == recipe.threat
            found[recipe.name] = differences(
                _scored(candidate.models[recipe.name], ours.probabilities[recipe.name][which]),
                _scored(champion.models[recipe.name], theirs.probabilities[recipe.name][which]),
                positive,
                rows.capture[which],
            )
    if anomaly.NAME in candidate.models and anomaly.NAME in champion.models:
        found[anomaly.NAME] = _anomalies(candidate.models[anomaly.NAME], champion.models[anomaly.NAME], rows, site)
    which = np.isin(rows.truth, [Kind.BENIGN, *LEARNED])
    positive = rows.truth[which] != Kind.BENIGN
    found[VERDICT] = differences(
        _verdicts(ours, which),
        _verdicts(theirs, which),
        positive,
        rows.capture[which],
        attack=attacks_of(rows.of(*LEARNED)),
    )
    return found


def _scored(artifact: Artifact, probability: Floats) -> Rows:
    return Rows(probability, probability >= artifact.threshold)


def _verdicts(outcomes: Outcomes, which: Bools) -> Rows:
    return Rows(outcomes.score[which], np.isin(outcomes.kind[which], THREATS))


def _anomalies(candidate: Artifact, champion: Artifact, test: Dataset, site: Dataset) -> dict[str, Difference]:
    strange = test.of(Kind.ANOMALY)
    ordinary = site.take(site.part == Part.TEST) if len(site) else test.of(Kind.BENIGN)
    features = np.concatenate([ordinary.features, strange.features])
    capture = np.concatenate([ordinary.capture, strange.capture])
    positive = np.arange(len(features)) >= len(ordinary)
    ours, theirs = (_scored(artifact, probabilities(artifact, features)) for artifact in (candidate, champion))
    figures = differences(ours, theirs, positive, capture, ranks=True)
    # What an anomaly model finds at its threshold has no floor (training/gates.py), so it is no gate here either.
    return {name: difference for name, difference in figures.items() if name != "recall"}
