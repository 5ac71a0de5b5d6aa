"""NetFlow and IPFIX as collectors write them in JSON: pmacct's lines, nfdump's lines and the objects of its array.

A record tells of one direction: its source is who sent the packets, not who began, and everything of the other
direction is absent, as is the connection's state. The one exception is what nfdump merged from both directions (``-b``
or ``-B``, written to a file and read again): there ``out_packets`` and ``out_bytes`` tell of the way back.

Readings that are ours. pmacct's markers ``purge_init`` and ``purge_close`` become neither flow nor dead letter; its
time of zero means that the flow has not ended, so the duration is absent. nfdump writes ``out_packets`` 0 where it
knows of no way back, so 0 is absent there. A release of nfdump wrote the packets as the bytes of its lines of JSON
(its pull request 571); no packet has one byte, so those bytes are absent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta

from flows.batch import ABSENT, FlowBatch
from flows.formats.base import MAX_COUNT, Decoded, Port, merge, nothing, text_column, without_faults
from flows.formats.columns import Faults, addresses, values
from flows.formats.json_lines import durations, read_records
from flows.formats.protocols import TCP, UDP, protocol, with_ports
from flows.formats.times import timestamps

_Count = Annotated[int, Meta(ge=0, le=MAX_COUNT)]
_MAX_FLAGS: Final = 0xFFF
_LETTERS: Final = "CEUAPRSF"  # the places of nfdump's flags, the highest bit first
_NO_LABEL: Final = frozenset({None, "", "<none>"})


class _Record(msgspec.Struct, gc=False):
    """The keys of pmacct, then those of nfdump. Others are skipped; null is taken for a key left out."""

    event_type: Literal["purge", "purge_init", "purge_close"] | None = None
    ip_src: str | None = None
    ip_dst: str | None = None
    port_src: Port | None = None
    port_dst: Port | None = None
    ip_proto: str | int | None = None
    timestamp_start: str | None = None
    timestamp_end: str | None = None
    packets: _Count | None = None
    bytes: _Count | None = None
    peer_ip_src: str | None = None

    type: Literal["FLOW"] | None = None
    src4_addr: str | None = None
    dst4_addr: str | None = None
    src6_addr: str | None = None
    dst6_addr: str | None = None
    src_port: Port | None = None
    dst_port: Port | None = None
    proto: str | int | None = None
    first: str | None = None
    last: str | None = None
    in_packets: _Count | None = None
    in_bytes: _Count | None = None
    out_packets: _Count | None = None
    out_bytes: _Count | None = None
    ip4_router: str | None = None
    ip6_router: str | None = None

    tcp_flags: str | int | None = None
    label: str | None = None


# Not strict: numbers may be written as texts.
_DECODER: Final = msgspec.json.Decoder(_Record, strict=False)


class NetflowDecoder:
    """Decodes records of pmacct and nfdump, mixed or not; every line stands for itself."""

    @staticmethod
    def recognises(line: bytes) -> bool:
        """Tell whether a line could only be pmacct's or nfdump's."""
        return line.startswith(b"{") and any(
            key in line for key in (b'"ip_src"', b'"src4_addr"', b'"src6_addr"', b'"purge_init"', b'"purge_close"')
        )

    def decode(self, lines: Sequence[bytes]) -> Decoded:
        """Decode records, as :class:`flows.formats.base.Decoder` says."""
        records, indices, dead = read_records(lines, _record)
        if not records:
            return nothing(dead)
        return merge([_assemble(records, indices, lines), nothing(dead)])


def _record(raw: bytes) -> _Record | None:
    record = _DECODER.decode(raw)
    return None if record.event_type in ("purge_init", "purge_close") else record


def _assemble(records: Sequence[_Record], indices: Sequence[int], lines: Sequence[bytes]) -> Decoded:
    faults: Faults = {}
    start, duration = _times(records, faults)
    proto = _protocols(records, faults)
    has_ports = with_ports(proto)
    packets = _counts([r.in_packets if r.packets is None else r.packets for r in records])
    octets = _counts([r.in_bytes if r.bytes is None else r.bytes for r in records])
    answered = _counts([r.out_packets or None for r in records])
    batch = FlowBatch.from_columns(
        len(records),
        {
            "start": start,
            "duration": duration,
            "src_addr": addresses([r.ip_src or r.src4_addr or r.src6_addr or "-" for r in records], "source", faults),
            "dst_addr": addresses(
                [r.ip_dst or r.dst4_addr or r.dst6_addr or "-" for r in records], "destination", faults
            ),
            "src_port": _ports([r.src_port if r.port_src is None else r.port_src for r in records], proto, has_ports),
            "dst_port": _ports([r.dst_port if r.port_dst is None else r.port_dst for r in records], proto, has_ports),
            "protocol": proto,
            "src_packets": packets,
            "dst_packets": answered,
            "src_bytes": np.where((octets == packets) & (packets > 0), np.nan, octets),
            "dst_bytes": np.where(np.isnan(answered), np.nan, _counts([r.out_bytes for r in records])),
            "src_flags": _flags(records, proto, faults),
            "sensor_id": text_column([r.peer_ip_src or r.ip4_router or r.ip6_router or "" for r in records]),
        },
    )
    labels = None
    if not all(r.label in _NO_LABEL for r in records):
        labels = text_column(["" if r.label is None or r.label in _NO_LABEL else r.label for r in records])
    return without_faults(batch, indices, labels, lines, faults)


def _times(records: Sequence[_Record], faults: Faults) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    start = timestamps([r.timestamp_start or r.first or "-" for r in records], "start", faults)
    end = timestamps([r.timestamp_end or r.last or "-" for r in records], "end", faults)
    return start, durations(start, end, faults)


def _protocols(records: Sequence[_Record], faults: Faults) -> npt.NDArray[np.int16]:
    told = [r.proto if r.ip_proto is None else r.ip_proto for r in records]
    texts = ["-" if one is None else str(one) for one in told]
    return np.array(values(texts, "protocol", protocol, "a protocol's name or number", ABSENT, faults), dtype=np.int16)


def _flags(records: Sequence[_Record], proto: npt.NDArray[np.int16], faults: Faults) -> npt.NDArray[np.int16]:
    texts = ["-" if r.tcp_flags is None else str(r.tcp_flags) for r in records]
    parsed = values(texts, "tcp_flags", _flag_bits, "TCP flags", ABSENT, faults)
    return np.where(proto == TCP, np.array(parsed, dtype=np.int16), ABSENT).astype(np.int16)


def _flag_bits(text: str) -> int:
    """Read ``27`` or ``...AP.SF``. Raises ValueError for anything else."""
    if len(text) == len(_LETTERS) and all(char in (".", letter) for char, letter in zip(text, _LETTERS, strict=True)):
        return int("".join("0" if char == "." else "1" for char in text), 2)
    if not (text.isdecimal() and text.isascii() and len(text) <= 4) or (bits := int(text)) > _MAX_FLAGS:
        raise ValueError(text)
    return bits


def _ports(
    ports: Sequence[int | None], proto: npt.NDArray[np.int16], has_ports: npt.NDArray[np.bool_]
) -> npt.NDArray[Any]:
    """Ports of the protocols that have them; collectors write 0 for SCTP's and others', which they do not read."""
    column = np.array([ABSENT if port is None else port for port in ports], dtype=np.int32)
    read = has_ports & ((column > 0) | (proto == TCP) | (proto == UDP))
    return np.where(read, column, ABSENT)


def _counts(counts: Sequence[int | None]) -> npt.NDArray[np.float64]:
    return np.array(counts, dtype=np.float64)  # None becomes NaN
