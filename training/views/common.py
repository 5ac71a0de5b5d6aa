"""What the views share: which flows are of what kind, and changing some of a stream's flows only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from flows.batch import FlowBatch
from flows.formats.protocols import TCP

Column = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]  # of each flow of a view, the row that it comes from

PACKET_SIZES: Final = ("packet_size_min", "packet_size_max", "packet_size_std")
INTERVALS: Final = ("iat_mean", "iat_std", "iat_max")
PAYLOADS: Final = ("src_payload", "dst_payload")
PAIRS: Final = ("addr", "port", "packets", "bytes", "payload", "flags")  # columns that there are of either side

_MAPPED: Final = np.uint64(0xFFFF)  # the middle 32 bits of an IPv4 address's low half, its high half is zero


def every_row(batch: FlowBatch) -> Rows:
    """The rows of a view that keeps every flow: int64[n]."""
    return np.arange(len(batch), dtype=np.int64)


def is_tcp(batch: FlowBatch) -> Mask:
    """Which flows are TCP's: bool[n]."""
    return np.asarray(batch.protocol == TCP)


def is_ipv6(batch: FlowBatch) -> Mask:
    """Which flows have an IPv6 source: bool[n]."""
    return np.asarray((batch.src_addr[:, 0] != 0) | (batch.src_addr[:, 1] >> np.uint64(32) != _MAPPED))


def drawn(among: Mask, share: float, rng: np.random.Generator) -> Mask:
    """Draw each of some flows with the probability ``share``: bool[n].

    Raises:
        ValueError: ``share`` is not between 0 and 1.
    """
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"a share of {share} of the flows; give one from 0 to 1")
    # One number for each flow, whether it counts or not: so what is drawn does not depend on the kind of the others.
    return among & (rng.random(len(among)) < share)


def changed_among(
    batch: FlowBatch, among: Mask, change: Callable[[FlowBatch], tuple[FlowBatch, Rows]]
) -> tuple[FlowBatch, Rows]:
    """Change some flows of a stream, and leave the others where and as they are.

    Args:
        batch: ``n`` flows.
        among: bool[n], which to change.
        change: returns changed flows, and int64 rows of what it was given, ascending.

    Returns:
        The stream and the rows, int64[m], that its flows come from.
    """
    chosen, rest = np.flatnonzero(among), np.flatnonzero(~among)
    new, rows = change(batch.take(chosen))
    sources = np.concatenate([chosen[rows], rest]).astype(np.int64)
    order = np.argsort(sources, kind="stable")
    return FlowBatch.concatenate([new, batch.take(rest)]).take(order), sources[order]
