"""Gates on the features: everything to learn from is there, and nothing that only the label-maker knew."""

from datetime import UTC, datetime

import dagster as dg
import numpy as np

from detection.verdict import THREATS, Kind
from flows.features import FeatureExtractor
from orchestration.checking import judged
from orchestration.daily import day_and_source_of, measured_after, stored_day
from orchestration.resources import AssetStore
from training.data_gates import freshness, label_mix, measured_schema, schema
from training.datasets import NO_TRUTH, Dataset, LabelledFlows, kept_as
from training.gates import GateResult
from training.leak import find_leaks
from training.splits import split

FEWEST = 100  # flows of each kind in each part
SAMPLE = 10_000  # flows of each capture for the leak test, from its beginning


@dg.asset_check(asset="training_features", additional_ins={"training_flows": dg.AssetIn()}, blocking=True)
def flows_in_schema(training_flows: LabelledFlows, training_features: Dataset) -> dg.AssetCheckResult:
    """Every column of the flows that were measured holds what it may hold, in its unit."""
    return judged(training_features, schema(training_flows))


@dg.asset_check(asset="training_features", additional_ins={"training_flows": dg.AssetIn()}, blocking=True)
def days_as_recorded(
    store: AssetStore, training_flows: LabelledFlows, training_features: Dataset
) -> dg.AssetCheckResult:
    """The days among the data are in their units, and measured again they give the same features to the byte."""
    first = len(training_flows.origin.names)
    wrong = []
    for place, name in enumerate(training_features.origin.names[first:], first):
        try:
            flows, before = stored_day(store, *day_and_source_of(name))
        except FileNotFoundError:
            wrong.append(f"{name}: its flows are not stored any more")
            continue
        whole = schema(flows)
        if not whole.passed:
            wrong.append(f"{name}: {whole.detail}")
        learned = training_features.take(training_features.capture == place)
        again = measured_after(flows, before)
        again = again.take(kept_as(learned, again.origin.names[0], again.truth, again.part) & (again.truth != NO_TRUTH))
        if again.features.tobytes() != learned.features.tobytes():
            wrong.append(
                f"{name}: measured again DIFFERENT, or labelled otherwise; materialize its daily_features again"
            )
        elif again.truth.tobytes() != learned.truth.tobytes():
            wrong.append(f"{name}: its labels have changed since; materialize its daily_features again")
    days = len(training_features.origin.names) - first
    detail = "; ".join(wrong) or f"{days} days measured again equal"
    return judged(training_features, GateResult(not wrong, detail))


@dg.asset_check(asset="training_features", additional_ins={"training_flows": dg.AssetIn()}, blocking=True)
def days_are_recent(training_flows: LabelledFlows, training_features: Dataset) -> dg.AssetCheckResult:
    """The newest of the days among the data is not long ago; published captures and simulated traffic have no age."""
    names = training_features.origin.names[len(training_flows.origin.names) :]
    result = freshness([day_and_source_of(name)[0] for name in names], datetime.now(UTC).date())
    return judged(training_features, result)


@dg.asset_check(asset="training_features", blocking=True)
def features_in_schema(training_features: Dataset) -> dg.AssetCheckResult:
    """Features are the catalogue's, none is infinite, and every flow has its truth, part and capture."""
    return judged(training_features, measured_schema(training_features))


@dg.asset_check(asset="training_features", blocking=True)
def mix_of_labels(training_features: Dataset) -> dg.AssetCheckResult:
    """No kind of flow is nearly all there is, and none is shown by a single capture alone."""
    return judged(training_features, label_mix(training_features))


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
        rows = np.flatnonzero(training_flows.capture == capture)
        stored = training_features.take(training_features.capture == capture)
        name = training_flows.origin.names[int(capture)]
        kept = kept_as(stored, name, training_flows.truth[rows], training_flows.part[rows])[:SAMPLE]
        flows = training_flows.batch.take(rows[:SAMPLE])
        home = training_flows.origin.home(int(capture))
        features = FeatureExtractor(home).extract(flows)
        leaks = find_leaks(flows, home, features=features)
        of_addresses.update(leaks.of_addresses)
        of_time.update(leaks.of_time)
        same &= features[kept].tobytes() == stored.features[: kept.sum()].tobytes()
        finite &= not np.isinf(features).any()
        measured += len(flows)
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
