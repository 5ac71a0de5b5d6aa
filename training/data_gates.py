"""Gates on what is learned from: whole, in its units, and not another world than the last time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

import numpy as np

from detection.verdict import THREATS, Kind
from flows.batch import ABSENT, SCHEMA, Service, State
from flows.catalogue import NAMES
from flows.formats.base import MAX_PORT
from model_registry.artifact import Profile
from training.datasets import NO_TRUTH, Dataset, LabelledFlows, Part
from training.drift import LARGE, binned, stability_index
from training.export import Rows
from training.gates import GateResult

# A new capture moves many features a little. A unit that changed, or an exporter that broke, moves most of them far.
MOST_MOVED: Final = 1 / 3
MOST_AGE: Final = 14  # days; labels come days after the flows
# Of the flows that have a truth. The captures at hand are a fifth ordinary life and half floods; a label column that is
# read wrongly makes nearly all of it one thing.
LEAST_BENIGN: Final = 0.05
MOST_BENIGN: Final = 0.999
MOST_OF_A_THREAT: Final = 0.8
# What decoders let through, by unit.
LARGEST: Final = {
    "port": MAX_PORT,
    "IANA number": 255,
    "TCP flag bits": 0xFFF,
    "State": int(max(State)),
    "Service": int(max(Service)),
}
KINDS: Final = (NO_TRUTH, *(int(kind) for kind in Kind if kind is not Kind.ABSTAIN))
_NAMED: Final = 3


def schema(flows: LabelledFlows) -> GateResult:
    """Amounts, ports and codes are what their columns may hold; every flow has its ends, truth, part and capture."""
    batch = flows.batch
    wrong = []
    for spec in SCHEMA:
        column = getattr(batch, spec.name)
        if spec.dtype.startswith("float"):
            bad = np.isinf(column) | (column < 0.0)
        elif spec.unit in LARGEST:
            bad = (column < ABSENT) | (column > LARGEST[spec.unit])
        else:
            continue
        if bad.any():
            wrong.append(f"{int(bad.sum())} of {spec.name} ({spec.unit}) are negative, infinite or out of range")
    nowhere = ~(batch.src_addr.any(axis=1) | batch.dst_addr.any(axis=1))
    if nowhere.any():
        wrong.append(f"{int(nowhere.sum())} flows are between no addresses")
    wrong += _strangers(flows)
    return GateResult(
        not wrong, "; ".join(wrong) or f"{len(flows)} flows in {len(flows.origin.names)} captures, all in range"
    )


def measured_schema(data: Dataset) -> GateResult:
    """Features are in the catalogue's columns, none is infinite; every flow has its weight, truth, part and capture."""
    wrong = []
    shape, dtype = data.features.shape, data.features.dtype
    if dtype != np.float32 or shape != (len(data), len(NAMES)):
        wrong.append(f"features are {dtype}{list(shape)}, not float32[{len(data)}, {len(NAMES)}]")
    else:
        infinite = np.isinf(data.features).any(axis=0)
        if infinite.any():
            names = ", ".join(np.array(NAMES)[infinite][:_NAMED].tolist())
            wrong.append(f"{int(infinite.sum())} features are infinite somewhere: {names}")
        silent = np.isnan(data.features).all(axis=1)
        if silent.any():
            wrong.append(f"{int(silent.sum())} flows have no feature that is known")
    less = ~((data.weight >= 1.0) & np.isfinite(data.weight))
    if less.any():
        wrong.append(f"{int(less.sum())} of weight stand for less than themselves, or for no number of flows")
    wrong += _strangers(data)
    captures = len(data.origin.names)
    return GateResult(
        not wrong, "; ".join(wrong) or f"{len(data)} rows of {len(NAMES)} features in {captures} captures, all in range"
    )


def _strangers(data: LabelledFlows | Dataset) -> list[str]:
    """Say what is wrong with what is known about the flows beside their columns."""
    wrong = []
    for name, known in (("truth", KINDS), ("part", tuple(Part)), ("capture", range(len(data.origin.names)))):
        strangers = ~np.isin(getattr(data, name), list(known))
        if strangers.any():
            wrong.append(f"{int(strangers.sum())} of {name} are none that is known")
    unnamed = (data.truth > Kind.BENIGN) & (data.attack == "")
    if unnamed.any():
        wrong.append(f"{int(unnamed.sum())} flows of attacks do not say of which")
    if len(np.unique(data.capture)) != len(data.origin.names):
        wrong.append("a capture has no flow")
    if np.any(np.diff(data.capture.astype(np.int64)) < 0):
        wrong.append("captures are mixed, so that their flows are no longer in the order in which they came")
    return wrong


def label_mix(data: Dataset) -> GateResult:
    """No kind is nearly all of what has a truth, and each is still there without any one capture and its relatives.

    Where ordinary life was thinned, a flow counts for those that it stands for. What a single capture shows cannot be
    left out to judge by, and teaches that capture's network instead.
    """
    told = data.truth != NO_TRUTH
    if not told.any():
        return GateResult(False, "no flow has a truth")
    every = data.weight[told].sum(dtype=np.float64)
    shares = {
        kind: float(data.weight[data.truth == kind].sum(dtype=np.float64) / every) for kind in (Kind.BENIGN, *THREATS)
    }
    limits = {Kind.BENIGN: (LEAST_BENIGN, MOST_BENIGN), **dict.fromkeys(THREATS, (0.0, MOST_OF_A_THREAT))}
    wrong = [
        f"{share:.2%} of flows with a truth are {kind.label} ({limits[kind][0]:.1%} to {limits[kind][1]:.1%} may be)"
        for kind, share in shares.items()
        if not limits[kind][0] <= share <= limits[kind][1]
    ]
    for kind in shares:
        captures = np.unique(data.capture[data.truth == kind]).tolist()
        alone = next((one for one in captures if not set(captures) - {*data.origin.relatives(one)}), None)
        if alone is not None:
            wrong.append(f"all that is {kind.label} comes from {data.origin.names[alone]} and its relatives")
    mix = ", ".join(f"{share:.2%} {kind.label}" for kind, share in shares.items())
    return GateResult(not wrong, "; ".join(wrong) or f"{mix}; each from captures that are no relatives")


def freshness(days: Sequence[date], today: date) -> GateResult:
    """The newest day that is learned from is not long ago, nor still to come.

    Published captures and simulated traffic have no age: they are not of the site, so none of them is its present.
    """
    if not days:
        return GateResult(True, "no days of the site's own are learned from, and nothing else has an age")
    age = (today - max(days)).days
    if age < -1:  # a day may have begun elsewhere
        return GateResult(False, f"the newest of {len(days)} days, {max(days)}, has not come yet: look at the clocks")
    return GateResult(age <= MOST_AGE, f"the newest of {len(days)} days is {age} days old (at most {MOST_AGE})")


def drift(profile: Profile | None, rows: Rows) -> GateResult:
    """What is learned from now, float32[n, 120], is no other world than what the champion learned from.

    Args:
        profile: of the champion's training rows; None if there is none to compare with.
    """
    if profile is None:
        return GateResult(True, "nothing to compare with: no champion learned from these features")
    index = stability_index(profile.feature_counts, binned(profile, rows))
    moved = int((index > LARGE).sum())
    farthest = ", ".join(f"{NAMES[at]} {index[at]:.2f}" for at in np.argsort(-index, kind="stable")[:_NAMED])
    return GateResult(
        moved <= MOST_MOVED * len(NAMES),
        f"{moved} of {len(NAMES)} features have moved far (stability index above {LARGE:g}; at most "
        f"{int(MOST_MOVED * len(NAMES))} may), farthest {farthest}",
    )
