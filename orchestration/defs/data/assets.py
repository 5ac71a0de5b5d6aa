"""Labelled flows and their features."""

import dagster as dg
import numpy as np
import numpy.typing as npt
from pydantic import Field

from detection.verdict import Kind
from flows.catalogue import NAMES, catalogue_digest
from flows.keying import DEFAULT_HOME
from flows.simulator import training_scenario
from training.datasets import Dataset, LabelledFlows, load_captures, load_site, measured, simulated
from training.datasets.augmented import augmented


class TrainingFlows(dg.Config):
    """Which flows to learn from: real captures where any are named, else simulated traffic."""

    data: list[str] = Field(
        default=[], description="Folders of known captures, and files as [FORMAT:][TRUTH:]PATH; none: simulate."
    )
    home: list[str] = Field(
        default=list(DEFAULT_HOME), description="Home networks of the captures, in CIDR form, beside those known."
    )
    leave_out: list[str] = Field(default=[], description="Names of captures not to use, to be judged by them later.")
    seed: int = Field(
        default=1, description="Of the simulated traffic: another has other networks, hosts, rates and attacks."
    )


class SiteFlows(dg.Config):
    """The site's own past, for the anomaly model."""

    site: list[str] = Field(
        default=[], description="Files of the site's flows, [FORMAT:]PATH, in their order; no label is looked at."
    )
    home: list[str] = Field(default=list(DEFAULT_HOME), description="Home networks of the site, in CIDR form.")


def label_mix(truth: npt.NDArray[np.int8]) -> dict[str, int]:
    """Count flows by what they are."""
    return {kind.label: int((truth == kind).sum()) for kind in Kind if kind is not Kind.ABSTAIN}


@dg.asset(group_name="data", kinds={"python", "numpy"}, code_version="1")
def training_flows(context: dg.AssetExecutionContext, config: TrainingFlows) -> LabelledFlows:
    """Labelled flows: of real captures, or seeded traffic of six networks with attacks of every kind to be learned."""
    flows = (
        load_captures(config.data, config.leave_out, config.home)
        if config.data
        else simulated(training_scenario(config.seed))
    )
    context.add_output_metadata(
        {
            "flows": len(flows),
            "captures": dg.MetadataValue.md(_captures_table(flows)),
            "label_mix": label_mix(flows.truth),
            "about": flows.origin.about,
        }
    )
    return flows


def _captures_table(flows: LabelledFlows) -> str:
    """One line per capture: flows, and how many of each truth."""
    lines = ["| capture | flows | " + " | ".join(label_mix(flows.truth[:0])) + " |", "|---|---|" + "---|" * 4]
    for number, name in enumerate(flows.origin.names):
        truth = flows.truth[flows.capture == number]
        lines.append(f"| {name} | {len(truth)} | " + " | ".join(str(n) for n in label_mix(truth).values()) + " |")
    return "\n".join(lines)


@dg.asset(group_name="data", kinds={"python", "numba"}, code_version=catalogue_digest()[:12])
def augmented_features(context: dg.AssetExecutionContext, training_flows: LabelledFlows) -> Dataset:
    """More to learn from: the same attacks on other networks and told by other exporters, drawn ones, busy servers.

    No figure is taken of them.
    """
    data = augmented(training_flows)
    context.add_output_metadata(
        {"flows": len(data), "streams": len(data.origin.names), "label_mix": label_mix(data.truth)}
    )
    return data


@dg.asset(group_name="data", kinds={"python", "numba"}, code_version=catalogue_digest()[:12])
def training_features(context: dg.AssetExecutionContext, training_flows: LabelledFlows) -> Dataset:
    """The 120 features of every flow, measured in arrival order by the code that serving measures with."""
    data = measured(training_flows)
    context.add_output_metadata(
        {
            "flows": len(data),
            "captures": len(np.unique(data.capture)),
            "features": len(NAMES),
            "missing_share": float(np.isnan(data.features).mean()),
            "catalogue": catalogue_digest(),
            "label_mix": label_mix(data.truth),
        }
    )
    return data


@dg.asset(group_name="data", kinds={"python", "numba"}, code_version=catalogue_digest()[:12])
def site_features(context: dg.AssetExecutionContext, config: SiteFlows) -> Dataset:
    """The features of the site's own unlabelled past, measured as one stream; without files, of no flow."""
    data = load_site(config.site, config.home)
    context.add_output_metadata({"flows": len(data), "catalogue": catalogue_digest()})
    return data
