"""The anomaly model: what is strange for a site, learned from that site's own past, which nobody has labelled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from detection.verdict import Kind
from flows.catalogue import CATALOGUE, INDEX
from model_registry.artifact import Artifact
from model_registry.scoring import raw_scores
from training.datasets import Dataset, Part
from training.errors import TrainingError
from training.export import Rows, forest_of
from training.fitted import NAMELESS, Fitted, exported
from training.fitting import WATCHED, Recipe
from training.histograms import Histograms, fit_histograms
from training.thresholds import calibrated_tail

NAME: Final = "anomaly_iforest"
FEWEST: Final = 200  # flows: under that not even the most ordinary bins are known
# Pairs differ far more among themselves than hosts do: with their columns in, what is new ranks less high
# (docs/evaluation.md).
CAME: Final = tuple(feature.name for feature in CATALOGUE if feature.group != "pair" and feature.name not in WATCHED)
BEGAN: Final = tuple(
    name
    for name in CAME
    if not name.startswith("in_") and name not in ("burst_in", "new_peer_share_in", "arrival_cusum")
)


def fit(train: Dataset) -> Histograms:
    """Fit on benign flows of other networks, for want of a site's past. Raises TrainingError for under 200 flows."""
    return _fit(train.of(Kind.BENIGN))


def of_site(site: Dataset) -> Artifact:
    """Fit on a site's past and export. Raises TrainingError as :func:`fit_site`, ExportError if the proof fails."""
    return exported(fit_site(site), site_rows(site))


def site_rows(site: Dataset) -> Rows:
    """The features, float32[n, 120], of the first part of a site's past: what is fitted on."""
    return site.take(site.part == Part.TRAIN).features


def elsewhere_rows(data: Dataset) -> Rows:
    """The features, float32[n, 120], that stand for what the model was fitted on for want of a site's past."""
    return data.take(data.part == Part.TRAIN).of(Kind.BENIGN, Kind.ANOMALY).features


def fit_site(site: Dataset, data: Mapping[str, str] = NAMELESS) -> Fitted:
    """Fit on the first part of a site's past, without labels, and calibrate on the validation part.

    Raises:
        TrainingError: a part has too few flows.
    """
    past = site.take(site.part == Part.TRAIN)
    fitted = _fit(past)
    later = site.features[site.part == Part.VALIDATION]
    calibration = calibrated_tail(raw_scores(forest_of(fitted), later), RECIPE.fpr)
    return Fitted(NAME, fitted, calibration, 0.5, data, len(past))


def _fit(past: Dataset) -> Histograms:
    if len(past) < FEWEST:
        raise TrainingError(f"{NAME}: {len(past)} flows to learn ordinary life from, at least {FEWEST} are needed")
    return fit_histograms(past.features, [INDEX[name] for name in CAME], [INDEX[name] for name in BEGAN])


# Strange is a weaker word than flood: half the false alarms of the other two are as many as people bear.
RECIPE: Final = Recipe(NAME, Kind.ANOMALY, fpr=0.0005, fit=fit)
