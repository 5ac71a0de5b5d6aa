"""The new models beside the champions in the registry, on the same flows."""

from collections.abc import Mapping

import dagster as dg

from detection.engines.math import Baselines
from detection.ensemble import Ensemble
from flows.catalogue import catalogue_digest
from model_registry.artifact import Artifact
from model_registry.content import Content
from model_registry.errors import Reason, TrustError
from orchestration.champions import champions_of, in_force
from orchestration.comparison import Comparison
from orchestration.figures import table
from orchestration.house import OWNERS
from orchestration.resources import ModelRegistry
from orchestration.storage import digest_of
from training import anomaly
from training.assembly import assemble
from training.champion import Difference
from training.champion_trial import abroad, champion_detector, knows_a_site, side_by_side
from training.data_gates import drift
from training.datasets import Dataset, Part


@dg.asset(
    group_name="models",
    kinds={"python", "json"},
    owners=OWNERS,
    tags={"part": "champion"},
    code_version="1",
    description="What the new models find, and what the champions in the registry find, on the same later flows.",
)
def champion_comparison(
    context: dg.AssetExecutionContext,
    registry: ModelRegistry,
    training_features: Dataset,
    site_features: Dataset,
    math_baselines: Baselines,
    ensemble: Ensemble,
    ddos_lgbm: Artifact,
    malware_lgbm: Artifact,
    anomaly_iforest: Artifact,
) -> Comparison:
    """Compare with the champions, where there are any that read these features."""
    models = {artifact.name: artifact for artifact in (ddos_lgbm, malware_lgbm, anomaly_iforest)}
    parts = {
        **models,
        "training_features": training_features,
        "site_features": site_features,
        "math_baselines": math_baselines,
        "ensemble": ensemble,
    }
    judged = {name: digest_of(part) for name, part in parts.items()}
    loaded = in_force(registry)
    champions = {} if loaded is None else champions_of(loaded.content)
    found: dict[str, dict[str, Difference]] = {}
    profile = None
    why = _strangers(loaded.content) if loaded is not None and champions else "there is no champion yet"
    if loaded is not None and not why:
        if loaded.refused:
            raise TrustError(
                f"the champions cannot be compared with: {'; '.join(loaded.refused.values())}", Reason.ARTIFACT
            )
        test = training_features.take(training_features.part == Part.TEST)
        ours = assemble(models, math_baselines, abroad(ensemble))
        ordinary = loaded.models.get(anomaly.NAME)  # fitted on nothing that was drawn
        if ordinary is not None and knows_a_site(loaded) == (len(site_features) > 0):
            profile = ordinary.profile
        found = side_by_side(ours, champion_detector(loaded), test, site_features)
    version = 0 if loaded is None else loaded.version
    context.add_output_metadata({"manifest_version": version, "champions": champions, "differences": _shown(found)})
    of_site = len(site_features) > 0
    rows = anomaly.site_rows(site_features) if of_site else anomaly.elsewhere_rows(training_features)
    return Comparison(judged, champions, version, found, why, drift(profile, rows))


def _strangers(content: Content) -> str:
    """Name the champions that read other features, which this code does not measure any more."""
    champions = {name: content.champion(name) for name in content.models}
    others = [name for name, version in champions.items() if version and version.catalogue != catalogue_digest()]
    return f"the champions {', '.join(others)} read another feature catalogue" if others else ""


def _shown(found: Mapping[str, Mapping[str, Difference]]) -> dg.MarkdownMetadataValue:
    rows = [
        (scorer, figure, f"{one.candidate:.5f}", f"{one.champion:.5f}", f"{one.low:+.5f} to {one.high:+.5f}")
        for scorer, figures in found.items()
        for figure, one in figures.items()
    ]
    return table(("of", "figure", "new", "champion", "95 % interval of the difference"), rows)
