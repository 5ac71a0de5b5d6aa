"""Zeek's JSON lines: one connection record as msgspec reads it, typed and with its bounds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta, field

from flows.batch import ABSENT
from flows.formats.base import MAX_COUNT, DeadLetter, Decoded, Port, Seconds, dead_letter, json_fault, merge, nothing
from flows.formats.columns import Faults
from flows.formats.zeek_flows import COUNTS, Columns, assemble

_Count = Annotated[int, Meta(ge=0, le=MAX_COUNT)]


class _Record(msgspec.Struct, gc=False):
    """One line. Zeek leaves out what is unset; null is taken for the same. Other keys are skipped."""

    ts: Seconds
    orig_h: str = field(name="id.orig_h")
    resp_h: str = field(name="id.resp_h")
    conn_state: str  # every connection record has it, and no other log of Zeek's
    proto: str | None = None
    orig_p: Port | None = field(name="id.orig_p", default=None)
    resp_p: Port | None = field(name="id.resp_p", default=None)
    uid: str | None = None
    service: str | None = None
    duration: Seconds | None = None
    history: str | None = None
    orig_pkts: _Count | None = None
    resp_pkts: _Count | None = None
    orig_ip_bytes: _Count | None = None
    resp_ip_bytes: _Count | None = None
    orig_bytes: _Count | None = None
    resp_bytes: _Count | None = None
    node: str | None = field(name="_node_name", default=None)
    label: str | None = None
    detailedlabel: str | None = None
    detailed_label: str | None = field(name="detailed-label", default=None)


_DECODER: Final = msgspec.json.Decoder(_Record)


def decode_objects(indices: Sequence[int], lines: Sequence[bytes]) -> Decoded:
    """Decode the JSON lines at ``indices``."""
    decode = _DECODER.decode
    records: list[_Record] = []
    kept: list[int] = []
    dead: list[DeadLetter] = []
    for index in indices:
        try:
            records.append(decode(lines[index]))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            dead.append(dead_letter(index, lines[index], json_fault(error)))
        else:
            kept.append(index)
    if not records:
        return nothing(dead)
    return merge([_flows(records, kept, lines), nothing(dead)])


def _flows(records: Sequence[_Record], indices: Sequence[int], lines: Sequence[bytes]) -> Decoded:
    labels = None
    if any(record.label is not None for record in records):
        labels = [(r.label or "-", r.detailedlabel or r.detailed_label or "-") for r in records]
    faults: Faults = {}
    table = Columns(
        start=np.array([r.ts for r in records], dtype=np.float64),
        duration=np.array([r.duration for r in records], dtype=np.float64),
        src_port=_ports([r.orig_p for r in records]),
        dst_port=_ports([r.resp_p for r in records]),
        counts={name: np.array([getattr(r, name) for r in records], dtype=np.float64) for name in COUNTS},
        src_addr=[r.orig_h for r in records],
        dst_addr=[r.resp_h for r in records],
        proto=[r.proto or "-" for r in records],
        conn_state=[r.conn_state for r in records],
        service=[r.service or "-" for r in records],
        history=[r.history or "-" for r in records],
        uid=[r.uid or "-" for r in records],
        node=[r.node or "-" for r in records],
        labels=labels,
    )
    return assemble(table, indices, lines, faults)


def _ports(ports: Sequence[int | None]) -> npt.NDArray[np.int32]:
    return np.array([ABSENT if port is None else port for port in ports], dtype=np.int32)
