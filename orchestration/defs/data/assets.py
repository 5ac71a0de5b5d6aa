"""Labelled flows and their features."""

import os

import dagster as dg
import numpy as np
from pydantic import Field

from flows.catalogue import NAMES, catalogue_digest
from flows.keying import DEFAULT_HOME
from flows.simulator import training_scenario
from orchestration.daily import latest_days
from orchestration.figures import label_mix, table
from orchestration.house import OWNERS
from orchestration.resources import AssetStore
from training.datasets import Dataset, LabelledFlows, load_captures, load_site, measured, simulated, thinned
from training.datasets.augmented import augmented

# Features are as old as their catalogue. What is drawn beside them is not in it: raise its number when that changes.
MEASURING = catalogue_digest()[:12]
DRAWING = f"{MEASURING}-1"


def setting(variable: str, default: tuple[str, ...] = ()) -> list[str]:
    """The parts of a comma-separated variable, so that what schedules learn from is a setting like others."""
    return [part.strip() for part in os.environ.get(variable, ",".join(default)).split(",") if part.strip()]


class TrainingFlows(dg.Config):
    """Which flows to learn from: real captures where any are named, else simulated traffic."""

    data: list[str] = Field(
        default=setting("TIDEGATE_DATA"),
        description="Folders of known captures, and files as [FORMAT:][TRUTH:]PATH; none: simulate.",
    )
    home: list[str] = Field(
        default=setting("TIDEGATE_HOME", DEFAULT_HOME),
        description="Home networks of the captures, in CIDR form, beside those known.",
    )
    leave_out: list[str] = Field(default=[], description="Names of captures not to use, to be judged by them later.")
    seed: int = Field(
        default=1, description="Of the simulated traffic: another has other networks, hosts, rates and attacks."
    )


class LearnedFrom(dg.Config):
    """Which days of the site's own and of dropped captures are learned from, too, and how much of ordinary life."""

    recorded_days: int = Field(
        default=int(os.environ.get("TIDEGATE_RECORDED_DAYS", "0")),
        ge=0,
        description="The latest so many days on which flows are labelled, of every source; 0: none.",
    )
    benign_share: float = Field(
        default=float(os.environ.get("TIDEGATE_BENIGN_SHARE", "1")),
        gt=0.0,
        le=1.0,
        description="Share of the training part's benign flows that is kept, each standing for those that go.",
    )


class SiteFlows(dg.Config):
    """The site's own past, for the anomaly model."""

    site: list[str] = Field(
        default=setting("TIDEGATE_SITE"),
        description="Files of the site's flows, [FORMAT:]PATH, in their order; no label is looked at.",
    )
    home: list[str] = Field(
        default=setting("TIDEGATE_HOME", DEFAULT_HOME), description="Home networks of the site, in CIDR form."
    )


@dg.asset(group_name="data", kinds={"python", "parquet"}, owners=OWNERS, tags={"part": "flows"}, code_version="1")
def training_flows(context: dg.AssetExecutionContext, config: TrainingFlows) -> LabelledFlows:
    """Labelled flows: of real captures, or seeded traffic of six networks with attacks of every kind to be learned."""
    flows = (
        load_captures(config.data, config.leave_out, config.home)
        if config.data
        else simulated(training_scenario(config.seed))
    )
    context.add_output_metadata(
        {
            "dagster/row_count": len(flows),
            "captures": _captures_table(flows),
            "label_mix": label_mix(flows.truth),
            "about": flows.origin.about,
        }
    )
    return flows


def _captures_table(flows: LabelledFlows) -> dg.MarkdownMetadataValue:
    """One line per capture: flows, and how many of each truth."""
    rows = []
    for number, name in enumerate(flows.origin.names):
        truth = flows.truth[flows.capture == number]
        rows.append((name, len(truth), *label_mix(truth).values()))
    return table(("capture", "flows", *label_mix(flows.truth[:0])), rows)


@dg.asset(
    group_name="data",
    kinds={"numba", "parquet"},
    owners=OWNERS,
    tags={"part": "features"},
    code_version=DRAWING,
)
def augmented_features(context: dg.AssetExecutionContext, training_flows: LabelledFlows) -> Dataset:
    """More to learn from: the same attacks on other networks and told by other exporters, drawn ones, busy servers.

    No figure is taken of them.
    """
    data = augmented(training_flows)
    context.add_output_metadata(
        {"dagster/row_count": len(data), "streams": len(data.origin.names), "label_mix": label_mix(data.truth)}
    )
    return data


@dg.asset(
    deps=["daily_features"],
    group_name="data",
    kinds={"numba", "parquet"},
    owners=OWNERS,
    tags={"part": "features"},
    code_version=MEASURING,
)
def training_features(
    context: dg.AssetExecutionContext, config: LearnedFrom, store: AssetStore, training_flows: LabelledFlows
) -> Dataset:
    """The 120 features of every flow, measured in arrival order by the code that serving measures with.

    Of ordinary life only a share may be kept, after it was measured.
    """
    days = latest_days(store, config.recorded_days, config.benign_share)
    data = Dataset.concatenate([thinned(measured(training_flows), config.benign_share), *days])
    context.add_output_metadata(
        {
            "dagster/row_count": len(data),
            "captures": len(np.unique(data.capture)),
            "days": [name for day in days for name in day.origin.names],
            "benign_share": config.benign_share,
            "stands_for": float(data.weight.sum(dtype=np.float64)),
            "features": len(NAMES),
            "missing_share": float(np.isnan(data.features).mean()),
            "catalogue": catalogue_digest(),
            "label_mix": label_mix(data.truth),
        }
    )
    return data


@dg.asset(
    group_name="data",
    kinds={"numba", "parquet"},
    owners=OWNERS,
    tags={"part": "features"},
    code_version=MEASURING,
)
def site_features(context: dg.AssetExecutionContext, config: SiteFlows) -> Dataset:
    """The features of the site's own unlabelled past, measured as one stream; without files, of no flow."""
    data = load_site(config.site, config.home)
    context.add_output_metadata({"dagster/row_count": len(data), "catalogue": catalogue_digest()})
    return data
