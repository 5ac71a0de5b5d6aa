"""Gates on the features: everything to learn from is there, and nothing that only the label-maker knew."""

import dagster as dg
import numpy as np

from detection.verdict import THREATS, Kind
from flows.features import FeatureExtractor
from orchestration.checking import judged
from training.datasets import Dataset, LabelledFlows
from training.gates import GateResult
from training.leak import find_leaks
from training.splits import split

FEWEST = 100  # flows of each kind in each part
SAMPLE = 10_000  # flows of each capture for the leak test, from its beginning


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
    """Other addresses and other times give the same features to the byte, and they are the ones that were stored."""
    measured, same, finite = 0, True, True
    of_addresses: set[str] = set()
    of_time: set[str] = set()
    for capture in np.unique(training_flows.capture):
        rows = np.flatnonzero(training_flows.capture == capture)[:SAMPLE]
        flows = training_flows.batch.take(rows)
        home = training_flows.origin.home(int(capture))
        features = FeatureExtractor(home).extract(flows)
        leaks = find_leaks(flows, home, features=features)
        of_addresses.update(leaks.of_addresses)
        of_time.update(leaks.of_time)
        same &= features.tobytes() == training_features.features[rows].tobytes()
        finite &= not np.isinf(features).any()
        measured += len(rows)
    detail = (
        f"{measured} flows: measured again {'equal' if same else 'DIFFERENT'}, "
        f"under other addresses {_told(of_addresses)}, at another time {_told(of_time)}"
    )
    return judged(training_features, GateResult(same and finite and not of_addresses and not of_time, detail))


def _told(features: set[str]) -> str:
    if not features:
        return "equal"
    first = sorted(features)[:3]
    return f"({', '.join(first)}{', …' if len(features) > len(first) else ''}) DIFFERENT"
