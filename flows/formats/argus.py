"""Argus's flow records as ``ra`` prints them with commas or tabs, as in the CTU's captures ("binetflow").

The initiator is the left side, unless ``Dir`` points left only: then Argus says that what it saw came from the right
side, and the sides are swapped. Bytes are those of Ethernet frames, made bytes of IP as far as the packets of a side
are known: from ``SrcPkts``, where one side sent nothing, and where two packets are an exchange. ICMP's type and code
are no ports. States mean what they mean with Zeek: an exchange over UDP is established, and ICMP is always "other".

``man`` records, in which Argus reports on itself, are skipped like headers; ARP and other traffic of the link has no
IP addresses, and becomes dead letters that say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from flows.batch import ABSENT, FlowBatch, State
from flows.formats import argus_terms as terms
from flows.formats import columns
from flows.formats.base import MAX_PORT, Decoded, merge, nothing, without_faults
from flows.formats.columns import Faults
from flows.formats.delimited import Dialect, Table, TableReader, cells, header_fault
from flows.formats.protocols import TCP, UDP, with_ports
from flows.formats.tcp import tcp_state
from flows.formats.times import timestamps

_NEEDED: Final = ("StartTime", "Proto", "SrcAddr", "DstAddr")
_OPTIONAL: Final = ("Dur", "Sport", "Dir", "Dport", "State", "TotPkts", "TotBytes", "SrcBytes", "SrcPkts", "Label")
_CTU_13: Final = ("StartTime", "Dur", "Proto", "SrcAddr", "Sport", "Dir", "DstAddr", "Dport", "State", "sTos", "dTos",
                  "TotPkts", "TotBytes", "SrcBytes")  # fmt: skip
_DIALECT: Final = Dialect(
    tool="Argus",
    marks=frozenset({"StartTime", "SrcAddr", "DstAddr"}),
    layouts={14: _CTU_13, 15: (*_CTU_13, "Label"), 16: (*_CTU_13, "SrcPkts", "Label")},
    fault=lambda names: header_fault(names, _NEEDED, _OPTIONAL),
)

_Column = npt.NDArray[Any]
_Side = dict[str, _Column]


class ArgusDecoder:
    """Decodes a stream of Argus's records; remembers the stream's last header."""

    def __init__(self) -> None:
        self._reader = TableReader(_DIALECT)

    @staticmethod
    def recognises(line: bytes) -> bool:
        """Tell whether a line could only be Argus's."""
        header = _DIALECT.header(line)
        if header is not None:
            return not _DIALECT.fault(header)
        row = cells(line)
        return len(row) in _DIALECT.layouts and row[5].strip() in {"->", "<->", "<?>", "?>", "<?", "<-", "who"}

    def decode(self, lines: Sequence[bytes]) -> Decoded:
        """Decode lines, as :class:`flows.formats.base.Decoder` says."""
        tables, dead = self._reader.read(lines)
        parts = [_decode_table(part, lines) for table in tables if len(part := _flows_only(table))]
        return merge([*parts, nothing(dead)])


def _flows_only(table: Table) -> Table:
    """Leave out what Argus says of itself."""
    protocols = table.texts("Proto")
    if terms.MANAGEMENT not in protocols:
        return table
    return table.without([row for row, text in enumerate(protocols) if text == terms.MANAGEMENT])


def _decode_table(table: Table, lines: Sequence[bytes]) -> Decoded:
    faults: Faults = {}
    protocol = _protocols(table.texts("Proto"), faults)
    start = timestamps(table.texts("StartTime"), "StartTime", faults)
    for row in np.flatnonzero(np.isnan(start)).tolist():
        faults.setdefault(row, "StartTime is unset or zero, and a flow needs its start")
    told = columns.values(table.texts("Dir"), "Dir", terms.direction, "a direction of Argus's", 0, faults)
    direction = np.array(told, dtype=np.int8)
    back = direction & terms.LEFT != 0
    left, right = _sides(table, protocol, faults)
    src = {name: _chosen(back, right[name], left[name]) for name in left}
    dst = {name: _chosen(back, left[name], right[name]) for name in left}
    state = _states(table.texts("State"), protocol, direction, src, dst, faults)
    for side in (src, dst):
        side["bytes"] = columns.ip_bytes(side.pop("frame_bytes"), side["packets"])
    batch = FlowBatch.from_columns(
        len(table),
        {
            "start": start,
            "duration": columns.seconds(table.texts("Dur"), "Dur", faults),
            "protocol": protocol,
            "state": state,
            **{f"src_{name}": column for name, column in src.items()},
            **{f"dst_{name}": column for name, column in dst.items()},
        },
    )
    return without_faults(batch, table.indices, table.labels("Label"), lines, faults)


def _protocols(texts: Sequence[str], faults: Faults) -> _Column:
    if not terms.NOT_IP.isdisjoint(texts):
        for row, text in enumerate(texts):
            if text in terms.NOT_IP:
                faults[row] = f"not an IP flow: {text}"
    what = "an IP protocol by the name that Argus gives it"
    return np.array(columns.values(texts, "Proto", terms.protocol, what, ABSENT, faults), dtype=np.int16)


def _sides(table: Table, protocol: _Column, faults: Faults) -> tuple[_Side, _Side]:
    """Read what Argus says of the left and of the right side: addr, port, packets, frame_bytes."""
    has_ports = with_ports(protocol)
    left, right = (
        {
            "addr": columns.addresses(table.texts(addr), addr, faults),
            "port": _ports(table.texts(port), port, has_ports, faults),
        }
        for addr, port in (("SrcAddr", "Sport"), ("DstAddr", "Dport"))
    )
    every, sent = (columns.counts(table.texts(name), name, faults) for name in ("TotBytes", "SrcBytes"))
    packets, known = (columns.counts(table.texts(name), name, faults) for name in ("TotPkts", "SrcPkts"))
    for part, whole, reason in (
        (sent, every, "SrcBytes is more than TotBytes"),
        (known, packets, "SrcPkts is more than TotPkts"),
    ):
        for row in np.flatnonzero(part > whole).tolist():
            faults.setdefault(row, reason)
    received = every - sent
    left["frame_bytes"], right["frame_bytes"] = sent, received
    both = (sent > 0) & (received > 0)
    found = np.select(
        [~np.isnan(known), (sent == 0) & (received > 0), (sent > 0) & (received == 0), both & (packets == 2)],
        [known, np.zeros_like(packets), packets, np.ones_like(packets)],
        np.nan,
    )
    left["packets"], right["packets"] = found, packets - found
    return left, right


def _ports(texts: Sequence[str], name: str, has_ports: npt.NDArray[np.bool_], faults: Faults) -> _Column:
    if not has_ports.all():  # ICMP's type and code stand there, too
        texts = [text if there else "0" for text, there in zip(texts, has_ports.tolist(), strict=True)]
    found: Any = columns.whole_column(texts, MAX_PORT)
    if found is None:
        found = columns.values(texts, name, terms.port, "a port from 0 to 65535", ABSENT, faults)
    return np.where(has_ports, found, ABSENT)


def _chosen(which: npt.NDArray[np.bool_], one: _Column, other: _Column) -> _Column:
    return np.where(which.reshape(-1, *[1] * (one.ndim - 1)), one, other)


def _states(
    texts: Sequence[str], protocol: _Column, direction: _Column, src: _Side, dst: _Side, faults: Faults
) -> _Column:
    """Return the states, int8[n], and write the flags of TCP into the sides."""
    is_tcp = protocol == TCP
    told = [terms.UNTOLD]

    def place(text: str) -> int:
        told.append(terms.state(text))
        return len(told) - 1

    texts = [text if tcp else "-" for text, tcp in zip(texts, is_tcp.tolist(), strict=True)]
    places = columns.values(texts, "State", place, "a state of TCP, by name or as flags (SPA_FSPA)", 0, faults)
    left, right, if_both, if_one = np.array(told, dtype=np.int16)[places].T
    back = direction & terms.LEFT != 0
    src["flags"], dst["flags"] = np.where(back, right, left), np.where(back, left, right)

    src_spoke, dst_spoke = src["frame_bytes"] > 0, dst["frame_bytes"] > 0
    unknown = np.isnan(dst["frame_bytes"] + src["frame_bytes"])
    named = np.where(src_spoke & dst_spoke, if_both, if_one)
    named[unknown & (if_both != if_one)] = ABSENT
    named[(named != ABSENT) & (direction & terms.IN_DOUBT != 0)] = State.OTHER
    # A request and one packet in answer, and there was a reset: it was the answer.
    named[(named == State.RESET) & (src["packets"] == 1) & (dst["packets"] == 1)] = State.REJECTED
    return np.select(
        [is_tcp & (left != ABSENT), is_tcp, protocol != UDP, unknown, src_spoke & dst_spoke, src_spoke],
        [tcp_state(src["flags"], dst["flags"]), named, State.OTHER, ABSENT, State.ESTABLISHED, State.ATTEMPT],
        State.OTHER,
    )
