"""Laying a capture of nothing but an attack over one of ordinary life, so that the victim is a host with a past.

The attack is shifted in time as a whole and re-addressed: its most frequent key host becomes the busiest host of the
benign capture, at the moment when half of that host's flows are past. Nothing else is changed. Both captures keep their
own order; where the one's flows fall among the other's is told by their clocks, the latest flow start so far.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from flows.batch import FlowBatch
from flows.keying import Addresses, HomeNetworks, key_hosts
from training.errors import TrainingError

Rows = npt.NDArray[np.int64]
Times = npt.NDArray[np.float64]


def lay_over(benign: FlowBatch, attack: FlowBatch, home: HomeNetworks) -> tuple[FlowBatch, Rows]:
    """Return both captures as one stream, and where its flows come from.

    Args:
        benign: ``n`` flows of ordinary life, in arrival order.
        attack: ``m`` flows of an attack, in arrival order.
        home: the home networks; a victim outside them stays outside only if no host inside is active.

    Returns:
        The ``n + m`` flows, and their sources, int64[n + m]: ``i < n`` for flow ``i`` of the benign capture, ``n + j``
        for flow ``j`` of the attack.

    Raises:
        TrainingError: one of the captures has no flow with a time.
    """
    ordinary, hostile = clock(benign), clock(attack)
    if not np.isfinite(ordinary).any() or not np.isfinite(hostile).any():
        raise TrainingError("captures can be laid over each other only where both tell the times of their flows")
    host, moment = _busiest(benign, ordinary, home)
    victim = most_frequent(key_hosts(attack, home.key_is_dst(attack)))
    shift = moment - float(hostile[np.isfinite(hostile)][0])
    moved = replace(
        attack,
        start=attack.start + shift,
        src_addr=_renamed(attack.src_addr, victim, host),
        dst_addr=_renamed(attack.dst_addr, victim, host),
    )
    # Flows without a clock yet stand at the very beginning of their capture.
    order = np.argsort(np.concatenate([_placed(ordinary), _placed(hostile) + shift]), kind="stable")
    return FlowBatch.concatenate([benign, moved]).take(order), order


def clock(batch: FlowBatch) -> Times:
    """Return the latest flow start up to each flow, float64[n], s since 1970; NaN before the first that is known."""
    starts = np.asarray(batch.start, dtype=np.float64)
    return np.fmax.accumulate(starts) if len(starts) else starts


def _placed(times: Times) -> Times:
    return np.where(np.isfinite(times), times, -np.inf)


def _busiest(batch: FlowBatch, times: Times, home: HomeNetworks) -> tuple[npt.NDArray[np.uint64], float]:
    """The host with most flows, a home host where there is one, and the clock when half of its flows are past."""
    hosts = key_hosts(batch, home.key_is_dst(batch))
    timed = np.isfinite(times)
    at_home = timed & home.contain(hosts)
    host = most_frequent(hosts[at_home if at_home.any() else timed])
    rows = np.flatnonzero(timed & (hosts == host).all(axis=1))
    return host, float(times[rows[len(rows) // 2]])


def most_frequent(addresses: Addresses) -> npt.NDArray[np.uint64]:
    distinct, counts = np.unique(addresses, axis=0, return_counts=True)
    return np.asarray(distinct[counts.argmax()], dtype=np.uint64)


def _renamed(addresses: Addresses, old: npt.NDArray[np.uint64], new: npt.NDArray[np.uint64]) -> Addresses:
    return np.where((addresses == old).all(axis=1)[:, None], new, addresses)
