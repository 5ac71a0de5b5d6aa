"""Labelled flows and their features."""

import dagster as dg
import numpy as np
import numpy.typing as npt

from detection.verdict import Kind
from flows.catalogue import NAMES, catalogue_digest
from flows.simulator import training_scenario
from training.datasets import Dataset, LabelledFlows, measured, simulated


class Simulation(dg.Config):
    """Which traffic to draw: another seed has other networks, hosts, rates and attacks."""

    seed: int = 1


def label_mix(truth: npt.NDArray[np.int8]) -> dict[str, int]:
    """Count flows by what they are."""
    return {kind.label: int((truth == kind).sum()) for kind in Kind if kind is not Kind.ABSTAIN}


@dg.asset(group_name="data", kinds={"python", "numpy"}, code_version="1")
def training_flows(context: dg.AssetExecutionContext, config: Simulation) -> LabelledFlows:
    """Seeded traffic of six networks: their ordinary life, and attacks of every kind that models are trained on."""
    flows = simulated(training_scenario(config.seed))
    context.add_output_metadata({"flows": len(flows), "seed": config.seed, "label_mix": label_mix(flows.truth)})
    return flows


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
