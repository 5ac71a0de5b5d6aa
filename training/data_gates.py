"""Gates on what is learned from: whole, in its units, and not another world than the last time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

import numpy as np

from flows.batch import ABSENT, SCHEMA
from flows.catalogue import NAMES
from model_registry.artifact import Profile
from training.datasets import NO_TRUTH, LabelledFlows, Part
from training.drift import LARGE, binned, stability_index
from training.export import Rows
from training.gates import GateResult

# A new capture moves many features a little. A unit that changed, or an exporter that broke, moves most of them far.
MOST_MOVED: Final = 1 / 3
MOST_AGE: Final = 14  # days; labels come days after the flows
KINDS: Final = (NO_TRUTH, 0, 1, 2, 3)
_NAMED: Final = 3


def schema(flows: LabelledFlows) -> GateResult:
    """Amounts, ports and codes are what their columns may hold; every flow has its truth, part and capture."""
    wrong = []
    batch = flows.batch
    for spec in SCHEMA:
        column = getattr(batch, spec.name)
        if spec.dtype.startswith("float"):
            bad = np.isinf(column) | (column < 0.0)
        elif spec.unit in ("port", "IANA number", "TCP flag bits", "State", "Service"):
            bad = (column < ABSENT) | (column > (65535 if spec.unit == "port" else 255))
        else:
            continue
        if bad.any():
            wrong.append(f"{int(bad.sum())} of {spec.name} ({spec.unit}) are negative, infinite or out of range")
    for name, known in (("truth", KINDS), ("part", tuple(Part)), ("capture", range(len(flows.origin.names)))):
        strangers = ~np.isin(getattr(flows, name), list(known))
        if strangers.any():
            wrong.append(f"{int(strangers.sum())} of {name} are none that is known")
    if len(np.unique(flows.capture)) != len(flows.origin.names):
        wrong.append("a capture has no flow")
    if np.any(np.diff(flows.capture.astype(np.int64)) < 0):
        wrong.append("captures are mixed, so that their flows are no longer in the order in which they came")
    return GateResult(
        not wrong, "; ".join(wrong) or f"{len(flows)} flows in {len(flows.origin.names)} captures, all in range"
    )


def freshness(days: Sequence[date], today: date) -> GateResult:
    """The newest day that is learned from is not long ago. Captures and simulated traffic have no age."""
    if not days:
        return GateResult(True, "no days of the site's own are learned from, and nothing else has an age")
    age = (today - max(days)).days
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
