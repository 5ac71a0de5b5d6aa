"""How far two sets of flows lie apart: field by field, and for a classifier that sees what models see.

A field is a number of each flow (its duration, its sizes, whether it failed), of each step from a flow to the next
(of one host, of one pair), or of each minute of a host's life. Two sets are compared

* per field by the two-sample Kolmogorov-Smirnov statistic, the largest difference of the two distribution functions
  (Smirnov 1939; ``scipy.stats.ks_2samp``): 0 where they agree, 1 where they do not overlap. Of a field that is 0 or 1
  it is the difference of the shares;
* as a whole by a classifier two-sample test (Lopez-Paz and Oquab 2017): a small classifier learns to tell the sets
  apart and is judged on flows held out by runs of consecutive ones. An area under the ROC curve of 0.5 says that it
  cannot, 1 that it always can.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
from scipy.stats import ks_2samp
from sklearn.metrics import roc_auc_score

from flows.batch import ABSENT, SCHEMA, FlowBatch, State
from flows.catalogue import CATALOGUE
from flows.keying import HomeNetworks, key_hosts
from training.fitting import WATCHED

Floats = npt.NDArray[np.float64]

QUANTILES: Final = (0.1, 0.5, 0.9)
RUNS: Final = 20  # of consecutive flows of each set; every second one is held out
LARGEST: Final = 10_000  # flows of each set that the classifier sees
# What a flow says by itself, and all that is measured but how long a host has been watched.
FLOW: Final = tuple(i for i, feature in enumerate(CATALOGUE) if feature.group in {"flow", "ports"})
ALL: Final = tuple(i for i, feature in enumerate(CATALOGUE) if feature.name not in WATCHED)
_ABSENT_SHARE: Final = 0.9  # from which on a column counts as one that the exporter does not tell
_PARAMS: Final = {
    "objective": "binary",
    "num_leaves": 15,
    "min_data_in_leaf": 20,
    "learning_rate": 0.1,
    "is_unbalance": True,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "seed": 1,
    "verbose": -1,
}


def told_as(batch: FlowBatch, other: FlowBatch) -> FlowBatch:
    """The batch without what the exporter of ``other`` does not tell."""
    blank = {}
    for spec in SCHEMA:
        column = getattr(other, spec.name)
        if spec.dtype == "object" or spec.width > 1 or spec.name == "start" or len(column) == 0:
            continue
        absent = np.isnan(column) if spec.dtype.startswith("float") else column == ABSENT
        if absent.mean() > _ABSENT_SHARE:
            blank[spec.name] = np.full_like(getattr(batch, spec.name), spec.absent)
    return replace(batch, **blank)


def directions(batch: FlowBatch, home: HomeNetworks) -> npt.NDArray[np.bool_]:
    """Whether each flow was begun at home: bool[n]."""
    return home.contain(batch.src_addr)


def fields(batch: FlowBatch, home: HomeNetworks, capture: npt.NDArray[Any]) -> dict[str, Floats]:
    """The values of every field, those that are known, in no order.

    Args:
        batch: ``n`` flows.
        home: their home networks.
        capture: int[n], which capture each flow is from: hosts of two captures are two.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        sizes = {
            "sent packet size": batch.src_bytes / batch.src_packets,
            "answered packet size": batch.dst_bytes / batch.dst_packets,
        }
    port, protocol, state = batch.dst_port, batch.protocol, batch.state
    known_state, known_port = state != ABSENT, port != ABSENT
    shares = {
        "failed": (np.isin(state, [State.ATTEMPT, State.REJECTED]), known_state),
        "answered": (batch.dst_packets > 0, np.isfinite(batch.dst_packets)),
        "closed": (state == State.CLOSED, known_state),
        "reset": (state == State.RESET, known_state),
        "seen from the middle": (state == State.OTHER, known_state),
        "TCP": (protocol == 6, protocol != ABSENT),
        "UDP": (protocol == 17, protocol != ABSENT),
        "web port": (np.isin(port, [80, 443, 8080, 8443]), known_port),
        "DNS port": (np.isin(port, [53, 5353, 5355]), known_port),
        "other port below 1024": ((port < 1024) & ~np.isin(port, [53, 80, 443]), known_port),
    }
    values: dict[str, Floats] = {
        "duration, s": batch.duration,
        "packets sent": batch.src_packets,
        "packets answered": batch.dst_packets,
        "bytes sent": batch.src_bytes,
        "bytes answered": batch.dst_bytes,
        **sizes,
        **_steps(batch, home, capture),
        **{f"share {name}": value[known].astype(np.float64) for name, (value, known) in shares.items()},
    }
    return {name: column[np.isfinite(column)] for name, column in values.items()}


def _steps(batch: FlowBatch, home: HomeNetworks, capture: npt.NDArray[Any]) -> dict[str, Floats]:
    """What takes more than one flow: gaps of hosts and pairs, and what happens in a host's minute."""
    timed = np.isfinite(batch.start)
    if not timed.any():
        return {}
    flows, number = batch.take(timed), capture[timed]
    inward = home.key_is_dst(flows)
    peers = np.where(inward[:, None], flows.src_addr, flows.dst_addr)
    host = _codes(number, key_hosts(flows, inward))
    pair, peer = _codes(host, peers), _codes(peers)
    minute = _codes(host, np.floor(flows.start / 60.0))
    in_minute = np.bincount(minute)
    return {
        "gap of a host, s": _gaps(host, flows.start),
        "gap of a pair, s": _gaps(pair, flows.start),
        "flows in a host's minute": in_minute.astype(np.float64),
        "peers in a host's minute": _distinct(minute, peer),
        "ports in a host's minute": _distinct(minute, flows.dst_port),
    }


def _codes(*keys: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Number the distinct combinations of the keys (columns or matrices of ``n`` rows): int64[n]."""
    columns = [column for key in keys for column in (key.T if key.ndim == 2 else [key])]
    codes = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        inverse = np.unique(column, return_inverse=True)[1]
        codes = np.unique(codes * (inverse.max() + 1) + inverse, return_inverse=True)[1]
    return codes


def _gaps(group: npt.NDArray[np.int64], start: Floats) -> Floats:
    order = np.lexsort((start, group))
    gaps = np.diff(start[order])
    return np.asarray(gaps[np.diff(group[order]) == 0])


def _distinct(group: npt.NDArray[np.int64], what: npt.NDArray[Any]) -> Floats:
    first = np.unique(_codes(group, what), return_index=True)[1]
    return np.bincount(group[first], minlength=int(group.max()) + 1).astype(np.float64)


def quantiles(values: Floats) -> tuple[float, ...]:
    """The values' 10 %, 50 % and 90 % quantiles."""
    return tuple(float(value) for value in np.quantile(values, QUANTILES))


def distances(ours: Mapping[str, Floats], theirs: Mapping[str, Floats]) -> dict[str, float]:
    """The Kolmogorov-Smirnov statistic of every field that both sets know."""
    return {
        name: float(ks_2samp(ours[name], theirs[name]).statistic)
        for name in ours
        if len(ours[name]) and len(theirs.get(name, ()))
    }


def told_apart(ours: npt.NDArray[np.float32], theirs: npt.NDArray[np.float32], columns: tuple[int, ...]) -> float:
    """How well a small classifier tells two sets of flows apart by the given features: the ROC area on held-out runs.

    Both are float32[*, 120] in arrival order; of each at most ``LARGEST`` flows, evenly spread, are used.
    """
    sets = [rows[np.linspace(0, len(rows) - 1, min(len(rows), LARGEST)).astype(np.int64)] for rows in (ours, theirs)]
    held = np.concatenate([np.arange(len(rows)) * RUNS // len(rows) % 2 == 1 for rows in sets])
    truth = np.repeat([0, 1], [len(rows) for rows in sets])
    rows = np.concatenate(sets)[:, columns]
    booster = lgb.train(_PARAMS, lgb.Dataset(rows[~held], truth[~held]), 60)
    return float(roc_auc_score(truth[held], booster.predict(rows[held])))
