"""The same flows as another exporter tells them.

What an exporter never tells is blanked, and what it tells more coarsely is made coarser, as its decoder in
:mod:`flows.formats` does. Nothing is invented, but what the rest leaves no doubt about is told (:func:`completed`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np

from flows.batch import ABSENT, SCHEMA, FlowBatch, Service, State
from flows.errors import UsageError
from flows.formats.columns import ETHERNET_HEADER
from flows.formats.zeek_terms import ACK, FIN, PSH, RST, SYN
from training.views.common import INTERVALS, PACKET_SIZES, PAYLOADS, Column, Mask, Rows, every_row, is_tcp
from training.views.shapes import exchanged

_ABSENT: Final = {spec.name: spec.absent for spec in SCHEMA}
_NETFLOW: Final = (*PACKET_SIZES, *INTERVALS, *PAYLOADS, "state", "service", "flow_id", "dst_flags")

# Columns that an exporter never fills. "argus" is the command of docs/formats.md, with flags and SrcPkts; "argus-ctu"
# CTU-13's 14 columns, with names of states; "netflow" tells of one direction, "netflow-biflow" what nfdump merged.
UNTOLD: Final[dict[str, tuple[str, ...]]] = {
    "zeek": (*PACKET_SIZES, *INTERVALS),
    "suricata": (*PACKET_SIZES, *INTERVALS, *PAYLOADS),
    "argus": (*PACKET_SIZES, *INTERVALS, *PAYLOADS, "service", "sensor_id", "flow_id"),
    "argus-ctu": (*PACKET_SIZES, *INTERVALS, *PAYLOADS, "service", "sensor_id", "flow_id", "src_flags", "dst_flags"),
    "netflow": (*_NETFLOW, "dst_packets", "dst_bytes"),
    "netflow-biflow": _NETFLOW,
}
EXPORTERS: Final = tuple(UNTOLD)

_ZEEK_FLAGS: Final = FIN | SYN | RST | PSH | ACK  # what the letters of a history can tell
_EIGHT_FLAGS: Final = 0xFF  # Argus and nfdump have letters for as many
_MILLISECONDS: Final = 1e3


def as_exporter(batch: FlowBatch, exporter: str) -> tuple[FlowBatch, Rows]:
    """Tell flows as another exporter would have.

    Only "netflow" and "netflow-biflow" change which flows there are: a record of a direction needs a packet in it. With
    "netflow" what was answered becomes two flows, the way back right behind the way there, each with its sender as the
    source. The way back starts with the way there, but after it where either is of one packet.

    Args:
        batch: ``n`` flows in arrival order.
        exporter: one of :data:`EXPORTERS`.

    Returns:
        ``m`` flows, and the rows that they come from, int64[m], ascending.

    Raises:
        UsageError: no exporter is called so.
    """
    if exporter not in UNTOLD:
        raise UsageError(f"no exporter is called {exporter!r}; the exporters are {', '.join(EXPORTERS)}")
    told, rows = _TELL[exporter](completed(batch))
    blank = {name: np.full_like(getattr(told, name), _ABSENT[name]) for name in UNTOLD[exporter]}
    return replace(told, **blank), rows


def ignored(batch: FlowBatch, among: Mask) -> FlowBatch:
    """Tell, as Zeek does, of TCP flows whose source's packets all have wrong checksums: little more than who and when.

    Zeek ignores such packets. Tools that write their own packets leave checksums wrong, and so does a host that has its
    network card fill them in, to a Zeek that runs on it.

    Args:
        batch: ``n`` flows.
        among: bool[n], of which.
    """
    which = among & is_tcp(batch)
    unknown = ("duration", "src_packets", "src_bytes", *PAYLOADS)
    columns = {name: np.where(which, np.nan, getattr(batch, name)) for name in unknown}
    codes = {"src_flags": ABSENT, "state": State.OTHER, "service": Service.UNRECOGNISED}
    for name, code in codes.items():
        column = getattr(batch, name)
        columns[name] = np.where(which, code, column).astype(column.dtype)
    return replace(batch, **columns)


def completed(batch: FlowBatch) -> FlowBatch:
    """Fill in what nobody told and what can be no other way: of TCP that was never accepted, and of silent sides.

    It carried no payload, so no application was recognised in it; its only packet was a SYN, and the only answer to
    that, a refusal, a RST with ACK (RFC 9293, 3.10.7.1).
    """
    tcp = is_tcp(batch)
    unaccepted = tcp & np.isin(batch.state, (State.ATTEMPT, State.REJECTED))
    silent = tcp & (batch.dst_packets == 0)
    one_packet = (batch.src_packets == 1) & (batch.state == State.ATTEMPT) & silent
    refused = tcp & (batch.src_packets == 1) & (batch.state == State.REJECTED) & (batch.dst_packets == 1)
    # Zeek leaves it out of one packet, as it does durations. Where it leaves out more it has ignored packets.
    ignored = (np.isnan(batch.duration) & ~one_packet) | (np.isnan(batch.src_payload) ^ np.isnan(batch.dst_payload))
    payloads = {
        name: np.where(unaccepted & ~ignored & np.isnan(getattr(batch, name)), 0.0, getattr(batch, name))
        for name in PAYLOADS
    }
    return replace(
        batch,
        **payloads,
        src_flags=_filled(batch.src_flags, (one_packet | refused, SYN)),
        dst_flags=_filled(batch.dst_flags, (silent, 0), (refused, RST | ACK)),
        service=_filled(batch.service, (unaccepted, Service.UNRECOGNISED)),
    )


def _filled(column: Column, *known: tuple[Column, int]) -> Column:
    filled = column.copy()
    for where, value in known:
        filled[where & (column == ABSENT)] = value
    return filled


def _zeek(batch: FlowBatch) -> tuple[FlowBatch, Rows]:
    """Zeek tells neither duration nor payload of one packet; its history has no URG, ECE and CWR."""
    one = batch.src_packets + batch.dst_packets == 1
    payloads = {name: np.where(one, np.nan, getattr(batch, name)) for name in PAYLOADS}
    src_flags, dst_flags = (_masked(flags, _ZEEK_FLAGS) for flags in (batch.src_flags, batch.dst_flags))
    # A refusal is the letter r, which tells nothing of the ACK beside the RST.
    bare = (dst_flags == RST | ACK) & ((batch.dst_packets == 1) | (batch.state == State.REJECTED))
    told = replace(
        batch,
        **payloads,
        duration=np.where(one, np.nan, batch.duration),
        src_flags=np.where((src_flags == RST | ACK) & (batch.src_packets == 1), RST, src_flags).astype(np.int16),
        dst_flags=np.where(bare, RST, dst_flags).astype(np.int16),
    )
    return told, every_row(batch)


def _suricata(batch: FlowBatch) -> tuple[FlowBatch, Rows]:
    return batch, every_row(batch)


def _argus(batch: FlowBatch) -> tuple[FlowBatch, Rows]:
    src_flags, dst_flags = (_masked(flags, _EIGHT_FLAGS) for flags in (batch.src_flags, batch.dst_flags))
    return replace(batch, src_flags=src_flags, dst_flags=dst_flags), every_row(batch)


def _argus_ctu(batch: FlowBatch) -> tuple[FlowBatch, Rows]:
    """Names of states tell a refusal only of two packets, and without SrcPkts longer exchanges keep their frames."""
    tcp = is_tcp(batch)
    two = (batch.src_packets == 1) & (batch.dst_packets == 1)
    one_way = (batch.src_packets == 0) | (batch.dst_packets == 0)
    reset = tcp & np.isin(batch.state, (State.REJECTED, State.RESET))
    middle = tcp & one_way & np.isin(batch.state, (State.ESTABLISHED, State.CLOSED, State.RESET, State.REJECTED))
    state = np.select([middle, reset & two, reset], [State.OTHER, State.REJECTED, State.RESET], batch.state)
    unknown = (batch.src_packets > 0) & (batch.dst_packets > 0) & ~two
    sides = {}
    for side in ("src", "dst"):
        packets, size = getattr(batch, f"{side}_packets"), getattr(batch, f"{side}_bytes")
        sides[f"{side}_packets"] = np.where(unknown, np.nan, packets)
        sides[f"{side}_bytes"] = np.where(unknown, size + ETHERNET_HEADER * packets, size)
    return replace(batch, state=state.astype(np.int8), **sides), every_row(batch)


def _netflow(batch: FlowBatch) -> tuple[FlowBatch, Rows]:
    there, back = np.flatnonzero(batch.src_packets != 0), np.flatnonzero(batch.dst_packets > 0)
    answers = exchanged(batch)
    one_each = (batch.src_packets == 1) & (batch.dst_packets == 1) & ~np.isnan(batch.duration)
    answers = replace(answers, start=np.where(one_each, batch.start + batch.duration, batch.start))
    sources = np.concatenate([there, back]).astype(np.int64)
    order = np.argsort(sources, kind="stable")
    records = FlowBatch.concatenate([batch.take(there), answers.take(back)]).take(order)
    records = replace(records, duration=np.where(records.src_packets == 1, 0.0, records.duration))
    return _to_milliseconds(records), sources[order]


def _netflow_biflow(batch: FlowBatch) -> tuple[FlowBatch, Rows]:
    """A record begins with whoever was heard; that nothing came back is not told."""
    backwards = (batch.src_packets == 0) & (batch.dst_packets > 0)
    rows = np.flatnonzero((batch.src_packets != 0) | backwards).astype(np.int64)
    records = exchanged(batch, backwards).take(rows)
    answered = records.dst_packets > 0
    sides = {name: np.where(answered, getattr(records, name), np.nan) for name in ("dst_packets", "dst_bytes")}
    return _to_milliseconds(replace(records, **sides)), rows


def _to_milliseconds(batch: FlowBatch) -> FlowBatch:
    start, duration = (np.rint(seconds * _MILLISECONDS) / _MILLISECONDS for seconds in (batch.start, batch.duration))
    return replace(batch, start=start, duration=duration, src_flags=_masked(batch.src_flags, _EIGHT_FLAGS))


def _masked(flags: Column, mask: int) -> Column:
    return np.where(flags == ABSENT, ABSENT, flags & mask).astype(np.int16)


_TELL: Final[dict[str, Callable[[FlowBatch], tuple[FlowBatch, Rows]]]] = {
    "zeek": _zeek,
    "suricata": _suricata,
    "argus": _argus,
    "argus-ctu": _argus_ctu,
    "netflow": _netflow,
    "netflow-biflow": _netflow_biflow,
}
