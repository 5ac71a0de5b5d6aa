"""Gates on the features: everything to learn from is there, and nothing that only the label-maker knew."""

from dataclasses import replace

import dagster as dg
import numpy as np

from detection.verdict import THREATS, Kind
from flows.features import FeatureExtractor
from orchestration.checking import judged
from training.datasets import Dataset, LabelledFlows
from training.gates import GateResult
from training.splits import split

FEWEST = 100  # flows of each kind in each part
SAMPLE = 20_000  # flows for the leak test
SHIFT_S = 86_400.0 * 3 + 1234.567


@dg.asset_check(asset="training_features", blocking=True)
def every_kind_in_every_part(training_features: Dataset) -> dg.AssetCheckResult:
    """Training, validation and test each hold enough benign flows and enough of every threat."""
    parts = split(training_features)
    counts = {
        f"{kind.label} in {name}": int((part.truth == kind).sum())
        for name, part in (("training", parts.train), ("validation", parts.validation), ("test", parts.test))
        for kind in (Kind.BENIGN, *THREATS)
    }
    fewest = min(counts, key=counts.__getitem__)
    result = GateResult(counts[fewest] >= FEWEST, f"fewest: {counts[fewest]} {fewest} (at least {FEWEST})")
    return judged(training_features, result)


@dg.asset_check(asset="training_features", additional_ins={"training_flows": dg.AssetIn()}, blocking=True)
def no_leak(training_flows: LabelledFlows, training_features: Dataset) -> dg.AssetCheckResult:
    """Other absolute times give the same features to the byte, and they are the ones that were stored."""
    flows = training_flows.batch.take(slice(0, SAMPLE))
    features = FeatureExtractor().extract(flows)
    shifted = FeatureExtractor().extract(replace(flows, start=flows.start + SHIFT_S))
    stored = training_features.features[: len(features)]
    same = features.tobytes() == stored.tobytes()
    blind = features.tobytes() == shifted.tobytes()
    detail = (
        f"first {len(features)} flows: measured again {'equal' if same else 'DIFFERENT'}, "
        f"shifted by {SHIFT_S} s {'equal' if blind else 'DIFFERENT'}"
    )
    return judged(training_features, GateResult(same and blind and not np.isinf(features).any(), detail))
