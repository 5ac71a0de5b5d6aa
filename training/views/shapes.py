"""The same flows the other way round, of other sizes, faster or slower, and sampled."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from flows.batch import ABSENT, FlowBatch
from flows.features import LATEST_S
from flows.formats.zeek_terms import ACK, FIN, RST, SYN
from training.errors import TrainingError
from training.views.common import INTERVALS, PACKET_SIZES, PAIRS, Column, Mask, Rows, drawn

_IP_HEADER: Final = 20.0  # bytes, the least that an IPv4 packet has (RFC 791)
_MOST: Final = float(2**53)  # packets; beyond, nobody counts them one by one
_ONE_OF_A_KIND: Final = (SYN, FIN, RST)  # set by one packet of a side, where others acknowledge


def exchanged(batch: FlowBatch, among: Mask | None = None) -> FlowBatch:
    """Exchange source and destination of flows: every column that there is of either side.

    ``among``, bool[n], says of which flows; left out, of all.
    """
    which = np.ones(len(batch), dtype=np.bool_) if among is None else among
    columns = {}
    for name in PAIRS:
        src, dst = getattr(batch, f"src_{name}"), getattr(batch, f"dst_{name}")
        here = which[:, None] if src.ndim == 2 else which
        columns[f"src_{name}"], columns[f"dst_{name}"] = np.where(here, dst, src), np.where(here, src, dst)
    return replace(batch, **columns)


def swapped(batch: FlowBatch, rng: np.random.Generator, share: float = 1.0) -> FlowBatch:
    """Exchange source and destination of a share of flows, as a meter does that takes the victim for the source.

    The state stays as it was told. Raises ValueError when ``share`` is not between 0 and 1.
    """
    return exchanged(batch, drawn(np.ones(len(batch), dtype=np.bool_), share, rng))


def sized(batch: FlowBatch, packet_offset: int) -> FlowBatch:
    """Make every packet ``packet_offset`` bytes longer or shorter: other options of IP and TCP, or frames counted.

    Bytes change where packets are known, by as much for each. Nothing falls below 20 bytes a packet, nor below what
    its payload takes; what was below already stays as it is. Payloads are not changed.
    """
    columns = {}
    for side in ("src", "dst"):
        packets, size = getattr(batch, f"{side}_packets"), getattr(batch, f"{side}_bytes")
        least = np.fmax(getattr(batch, f"{side}_payload"), 0.0) + _IP_HEADER * packets
        other = np.maximum(size + packets * packet_offset, np.minimum(size, least))
        columns[f"{side}_bytes"] = np.where(packets > 0, other, size)
    for name in ("packet_size_min", "packet_size_max"):
        size = getattr(batch, name)
        columns[name] = np.maximum(size + packet_offset, np.minimum(size, _IP_HEADER))
    return replace(batch, **columns)


def stretched(batch: FlowBatch, factor: float) -> FlowBatch:
    """Slow a stream down ``factor`` times, around the earliest start; below 1 it is faster.

    Durations and times between packets are multiplied, too. A start that is no time stays as it is.

    Raises:
        ValueError: ``factor`` is not between 1e-6 and 1e6.
        TrainingError: a flow would start after 2100.
    """
    if not 1e-6 <= factor <= 1e6:
        raise ValueError(f"slower by {factor}; give a factor from 1e-6 to 1e6")
    start = batch.start.copy()
    known = np.isfinite(start) & (start >= 0.0) & (start < LATEST_S)
    if known.any():
        first = start[known].min()
        start[known] = first + (start[known] - first) * factor
        if (start[known] >= LATEST_S).any():
            raise TrainingError(
                f"slowed down {factor:g} times these flows would start after 2100; give a smaller factor"
            )
    return replace(batch, start=start, **{name: getattr(batch, name) * factor for name in ("duration", *INTERVALS)})


def thinned(batch: FlowBatch, share: float, rng: np.random.Generator) -> tuple[FlowBatch, Rows]:
    """Keep each flow with the probability ``share`` (flow sampling, RFC 7014); return them and their rows, int64[m].

    Raises ValueError when ``share`` is not between 0 and 1.
    """
    rows = np.flatnonzero(drawn(np.ones(len(batch), dtype=np.bool_), share, rng)).astype(np.int64)
    return batch.take(rows), rows


def sampled_packets(batch: FlowBatch, one_in: int, rng: np.random.Generator, *, scaled: bool) -> tuple[FlowBatch, Rows]:
    """Sample one in ``one_in`` packets at random (RFC 5475, 5.2), and tell of the flows that are left.

    Packets of each side are drawn binomially, and bytes and payload follow in proportion. Of a flow that was not seen
    whole: SYN, FIN and RST are seen if their one packet was; the last packet seen is as long after the first as if
    packets came evenly at random; state, service, packet sizes and intervals are unknown. The start stays. A side whose
    packets are unknown has one for the draw, if it is the source, and stays unknown.

    Args:
        batch: ``n`` flows.
        one_in: 1 keeps every packet.
        rng: draws.
        scaled: whether counts are multiplied by ``one_in`` again, as collectors do that know of the sampling.

    Returns:
        The flows with a packet, and their rows, int64[m].

    Raises:
        ValueError: ``one_in`` is less than 1.
    """
    if one_in < 1:
        raise ValueError(f"one in {one_in} packets; give 1 or more")
    seen = {side: _sampled(getattr(batch, f"{side}_packets"), one_in, rng) for side in ("src", "dst")}
    seen["src"] = np.where(np.isnan(batch.src_packets), rng.random(len(batch)) < 1 / one_in, seen["src"])
    packets = sum((np.fmax(one, 0.0) for one in seen.values()), np.zeros(len(batch)))
    every = np.fmax(np.floor(batch.src_packets), 0.0) + np.fmax(np.floor(batch.dst_packets), 0.0)
    partly = (packets < every) | (np.isnan(batch.src_packets) & (one_in > 1))
    columns: dict[str, Column] = {}
    for side, count in seen.items():
        columns |= _side(batch, side, count, one_in if scaled else 1, rng)
    # The range of k numbers drawn evenly from 0 to 1 has the Beta(k - 1, 2) distribution.
    span = np.where(packets > 1, rng.beta(np.maximum(packets - 1.0, 1.0), 2.0), 0.0)
    columns["duration"] = np.where(partly, batch.duration * span, batch.duration)
    for name in (*PACKET_SIZES, *INTERVALS):
        columns[name] = np.where(partly, np.nan, getattr(batch, name))
    for name in ("state", "service"):
        column = getattr(batch, name)
        columns[name] = np.where(partly, ABSENT, column).astype(column.dtype)
    rows = np.flatnonzero(packets > 0).astype(np.int64)
    return replace(batch, **columns).take(rows), rows


def _sampled(packets: Column, one_in: int, rng: np.random.Generator) -> Column:
    """Draw packets: float64[n], whole; NaN where it is not known of how many."""
    known = (packets >= 0.0) & (packets <= _MOST)
    count = rng.binomial(np.where(known, packets, 0.0).astype(np.int64), 1.0 / one_in)
    return np.where(known, count.astype(np.float64), np.nan)


def _side(batch: FlowBatch, side: str, seen: Column, scale: int, rng: np.random.Generator) -> dict[str, Column]:
    """What is told of one side of which ``seen`` packets were seen, float64[n]."""
    packets, flags = getattr(batch, f"{side}_packets"), getattr(batch, f"{side}_flags")
    whole = np.where((packets >= 0.0) & (packets <= _MOST), np.floor(packets), np.nan)
    part = np.divide(seen, whole, out=np.where(whole == 0.0, 1.0, np.nan), where=whole > 0.0)
    columns = {f"{side}_packets": np.where(part == 1.0, packets, np.where(np.isnan(whole), np.nan, seen)) * scale}
    for name in (f"{side}_bytes", f"{side}_payload"):
        size = getattr(batch, name)
        columns[name] = np.where(part == 1.0, size, np.rint(size * part)) * scale
    told = flags.copy()
    for flag in _ONE_OF_A_KIND:
        missed = (flags != ABSENT) & (flags & ACK != 0) & (rng.random(len(batch)) >= part)
        told[missed] &= ~flag
    told[(flags != ABSENT) & (part == 0.0)] = 0
    columns[f"{side}_flags"] = told
    return columns
