"""Suricata's EVE log: the ``flow`` events, one JSON object a line.

Events of other types (alerts, DNS, statistics, ...) are valid EVE records that are no flows: they become neither flow
nor dead letter, as comments do elsewhere. A line that is no EVE record is a dead letter.

Readings that are ours. Suricata counts Ethernet frames, so a header is taken off each packet. It leaves ``app_proto``
out where it recognised nothing, as Zeek its service. It writes the flags 00 for a direction whose packets its stream
engine did not follow, so they are absent. The state is told by the flags and means what Zeek's ``conn_state`` means;
Suricata's own words (new, established, closed) do not tell a refusal from an end.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta

from flows.batch import ABSENT, FlowBatch, State
from flows.formats import zeek_terms as terms
from flows.formats.base import MAX_COUNT, Decoded, Port, merge, nothing, text_column, without_faults
from flows.formats.columns import Faults, addresses, ip_bytes, values
from flows.formats.json_lines import durations, read_records
from flows.formats.protocols import TCP, UDP, protocol, with_ports
from flows.formats.tcp import tcp_state
from flows.formats.times import timestamps

_Count = Annotated[int, Meta(ge=0, le=MAX_COUNT)]
_FlowId = Annotated[int, Meta(ge=0, le=2**63 - 1)]
_HEX: Final = re.compile(r"[0-9a-fA-F]{1,3}", re.ASCII)
# Suricata's names of what Zeek calls otherwise; QUIC carries TLS, and Zeek names both.
_ZEEK_SERVICES: Final = {"doh2": "dns", "failed": "", "http1": "http", "http2": "http", "http_any": "http",
                         "quic": "ssl", "tls": "ssl", "unknown": ""}  # fmt: skip


class _Counters(msgspec.Struct, gc=False):
    """The object ``flow``, as every event of that type has it."""

    start: str
    pkts_toserver: _Count
    pkts_toclient: _Count
    bytes_toserver: _Count
    bytes_toclient: _Count
    end: str | None = None


class _Tcp(msgspec.Struct, gc=False):
    tcp_flags_ts: str | None = None
    tcp_flags_tc: str | None = None


class _Event(msgspec.Struct, gc=False):
    """Any EVE record; pmacct, too, writes ``event_type``, but no ``timestamp``."""

    timestamp: str
    event_type: str


class _Flow(msgspec.Struct, gc=False):
    """A flow event. Other keys are skipped; null is taken for a key left out."""

    timestamp: str
    event_type: Literal["flow"]
    src_ip: str
    dest_ip: str
    proto: str
    flow: _Counters
    tcp: _Tcp | None = None
    src_port: Port | None = None
    dest_port: Port | None = None
    app_proto: str | None = None
    app_proto_orig: str | None = None
    flow_id: _FlowId | None = None
    host: str | None = None


_EVENTS: Final = msgspec.json.Decoder(_Event)
_FLOWS: Final = msgspec.json.Decoder(_Flow)


class SuricataDecoder:
    """Decodes lines of EVE; every line stands for itself."""

    @staticmethod
    def recognises(line: bytes) -> bool:
        """Tell whether a line could only be EVE's, of whatever event."""
        return line.startswith(b"{") and b'"event_type"' in line and b'"timestamp"' in line

    def decode(self, lines: Sequence[bytes]) -> Decoded:
        """Decode lines of EVE, as :class:`flows.formats.base.Decoder` says."""
        records, indices, dead = read_records(lines, _flow)
        if not records:
            return nothing(dead)
        return merge([_assemble(records, indices, lines), nothing(dead)])


def _flow(raw: bytes) -> _Flow | None:
    try:
        return _FLOWS.decode(raw)
    except msgspec.ValidationError:
        if _EVENTS.decode(raw).event_type == "flow":
            raise
        return None


def _assemble(records: Sequence[_Flow], indices: Sequence[int], lines: Sequence[bytes]) -> Decoded:
    faults: Faults = {}
    flows = [record.flow for record in records]
    start, duration = _times(flows, faults)
    src_packets = np.array([flow.pkts_toserver for flow in flows], dtype=np.float64)
    dst_packets = np.array([flow.pkts_toclient for flow in flows], dtype=np.float64)
    proto = np.array(
        values([record.proto for record in records], "proto", protocol, "a protocol's name or number", ABSENT, faults),
        dtype=np.int16,
    )
    is_tcp = proto == TCP
    has_ports = with_ports(proto)
    tcp = [record.tcp or _Tcp() for record in records]
    src_flags = _flags([one.tcp_flags_ts for one in tcp], "tcp.tcp_flags_ts", src_packets, is_tcp, faults)
    dst_flags = _flags([one.tcp_flags_tc for one in tcp], "tcp.tcp_flags_tc", dst_packets, is_tcp, faults)
    unknown = is_tcp & np.array([record.tcp is None for record in records], dtype=np.bool_)
    batch = FlowBatch.from_columns(
        len(records),
        {
            "start": start,
            "duration": duration,
            "src_addr": addresses([record.src_ip for record in records], "src_ip", faults),
            "dst_addr": addresses([record.dest_ip for record in records], "dest_ip", faults),
            "src_port": np.where(has_ports, _ports([record.src_port for record in records]), ABSENT),
            "dst_port": np.where(has_ports, _ports([record.dest_port for record in records]), ABSENT),
            "protocol": proto,
            "src_packets": src_packets,
            "dst_packets": dst_packets,
            "src_bytes": ip_bytes(np.array([flow.bytes_toserver for flow in flows], dtype=np.float64), src_packets),
            "dst_bytes": ip_bytes(np.array([flow.bytes_toclient for flow in flows], dtype=np.float64), dst_packets),
            "src_flags": src_flags,
            "dst_flags": dst_flags,
            "state": np.select(
                [unknown, is_tcp, proto == UDP],
                [ABSENT, tcp_state(src_flags, dst_flags), _exchange_state(src_packets, dst_packets)],
                State.OTHER,
            ),
            "service": _services(records, faults),
            "sensor_id": text_column([record.host or "" for record in records]),
            "flow_id": text_column(["" if record.flow_id is None else str(record.flow_id) for record in records]),
        },
    )
    return without_faults(batch, indices, None, lines, faults)


def _times(flows: Sequence[_Counters], faults: Faults) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    start = timestamps([flow.start for flow in flows], "flow.start", faults)
    end = timestamps([flow.end or "-" for flow in flows], "flow.end", faults)
    for row in np.flatnonzero(np.isnan(start)).tolist():
        faults.setdefault(row, "flow.start is unset, and Suricata tells it of every flow")
    return start, durations(start, end, faults)


def _flags(
    texts: Sequence[str | None],
    name: str,
    packets: npt.NDArray[np.float64],
    is_tcp: npt.NDArray[np.bool_],
    faults: Faults,
) -> npt.NDArray[np.int16]:
    parsed = values([text or "-" for text in texts], name, _hexadecimal, "TCP flags in hexadecimal", ABSENT, faults)
    flags = np.array(parsed, dtype=np.int16)
    return np.where(is_tcp & ~((flags == 0) & (packets > 0)), flags, ABSENT).astype(np.int16)


def _hexadecimal(text: str) -> int:
    if not _HEX.fullmatch(text):
        raise ValueError(text)
    return int(text, 16)


def _exchange_state(src_packets: npt.NDArray[np.float64], dst_packets: npt.NDArray[np.float64]) -> npt.NDArray[Any]:
    return np.select([src_packets == 0, dst_packets == 0], [State.OTHER, State.ATTEMPT], State.ESTABLISHED)


def _services(records: Sequence[_Flow], faults: Faults) -> npt.NDArray[np.int8]:
    # Where one protocol went over to another (SMTP to TLS), both are told, and Zeek's choice between them is ours.
    pairs = [f"{record.app_proto or 'unknown'},{record.app_proto_orig or ''}" for record in records]
    found = values(pairs, "app_proto", _service, "a protocol", ABSENT, faults)
    return np.array(found, dtype=np.int8)


def _service(pair: str) -> int:
    return terms.service(",".join(_ZEEK_SERVICES.get(name, name) for name in pair.split(",")))


def _ports(ports: Sequence[int | None]) -> npt.NDArray[np.int32]:
    return np.array([ABSENT if port is None else port for port in ports], dtype=np.int32)
