"""Columns of Zeek's fields, from text or from JSON, to flows.

Four readings that are ours. An unset service means that Zeek looked and recognised nothing. ICMP's type and code,
which Zeek writes as ports, are no ports. A UDP exchange, which Zeek calls ``SF``, was established and not closed,
since nothing closes it. Packets with a bad checksum are seen by Zeek but not counted (Zeek manual, "Checksum
Behavior"); where that leaves a count of 0, the count is absent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from flows.batch import ABSENT, FlowBatch, Service, State
from flows.formats import zeek_terms as terms
from flows.formats.base import Decoded, text_column, without_faults
from flows.formats.columns import UNSET, Faults, addresses, values
from flows.labels import label_text

NEEDED: Final = ("ts", "id.orig_h", "id.resp_h", "proto", "conn_state")
COUNTS: Final = {
    "orig_pkts": "src_packets",
    "resp_pkts": "dst_packets",
    "orig_ip_bytes": "src_bytes",
    "resp_ip_bytes": "dst_bytes",
    "orig_bytes": "src_payload",
    "resp_bytes": "dst_payload",
}


@dataclass(frozen=True, slots=True)
class Columns:
    """``n`` records; texts are Zeek's own, with ``-`` for what is unset; ``counts`` has the keys of COUNTS."""

    start: npt.NDArray[np.float64]
    duration: npt.NDArray[np.float64]
    src_port: npt.NDArray[np.int32]
    dst_port: npt.NDArray[np.int32]
    counts: dict[str, npt.NDArray[np.float64]]
    src_addr: Sequence[str]
    dst_addr: Sequence[str]
    proto: Sequence[str]
    conn_state: Sequence[str]
    service: Sequence[str] | None  # None: the log has no such column
    history: Sequence[str]
    uid: Sequence[str]
    node: Sequence[str]
    labels: list[tuple[str, str]] | None  # label and detailed label; None: the log has no such columns


def assemble(table: Columns, indices: Sequence[int], lines: Sequence[bytes], faults: Faults) -> Decoded:
    """Make flows of the records without a fault and dead letters of the others.

    ``indices[row]`` is the line of a record; ``faults`` (row -> reason) is what its parser found, and grows.
    """
    n = len(indices)
    for row in np.flatnonzero(np.isnan(table.start)).tolist():
        faults.setdefault(row, "ts is unset, and a flow needs its start")
    src_addr = addresses(table.src_addr, "id.orig_h", faults)
    dst_addr = addresses(table.dst_addr, "id.resp_h", faults)
    protocol = np.array(
        values(table.proto, "proto", terms.protocol, "a transport protocol of Zeek's", ABSENT, faults), dtype=np.int16
    )
    state = np.array(
        values(table.conn_state, "conn_state", terms.state, "a connection state of Zeek's", ABSENT, faults),
        dtype=np.int8,
    )
    version_6 = (src_addr[:, 0] != 0) | (src_addr[:, 1] >> 32 != 0xFFFF)
    is_tcp = protocol == terms.TCP
    has_ports = is_tcp | (protocol == terms.UDP)
    batch = FlowBatch.from_columns(
        n,
        {
            "start": table.start,
            "duration": table.duration,
            "src_addr": src_addr,
            "dst_addr": dst_addr,
            "src_port": np.where(has_ports, table.src_port, ABSENT),
            "dst_port": np.where(has_ports, table.dst_port, ABSENT),
            "protocol": np.where((protocol == terms.ICMP) & version_6, terms.ICMP6, protocol),
            "state": np.where((state == State.CLOSED) & ~is_tcp, State.ESTABLISHED, state),
            "service": _services(table.service, n, faults),
            "sensor_id": _texts(table.node),
            "flow_id": _texts(table.uid),
            **_counts_and_flags(table, is_tcp, faults),
        },
    )
    labels = None
    if table.labels is not None:
        text = {pair: label_text(*pair) for pair in set(table.labels)}
        labels = text_column([text[pair] for pair in table.labels])
    return without_faults(batch, indices, labels, lines, faults)


def _counts_and_flags(table: Columns, is_tcp: npt.NDArray[np.bool_], faults: Faults) -> dict[str, npt.NDArray[Any]]:
    told = values(table.history, "history", terms.history, "a history", terms.history(""), faults)
    src_told, dst_told, src_ignored, dst_ignored = (np.array(column) for column in zip(*told, strict=True))
    counts = {ours: table.counts[theirs] for theirs, ours in COUNTS.items()}
    columns = {
        "src_flags": terms.tcp_flags(src_told, counts["src_packets"], is_tcp),
        "dst_flags": terms.tcp_flags(dst_told, counts["dst_packets"], is_tcp),
    }
    for way, ignored in (("src", src_ignored), ("dst", dst_ignored)):
        for what in ("packets", "bytes", "payload"):
            count = counts[f"{way}_{what}"]
            columns[f"{way}_{what}"] = np.where(ignored & (count == 0), np.nan, count)
    return columns


def _services(texts: Sequence[str] | None, n: int, faults: Faults) -> npt.NDArray[np.int8]:
    if texts is None:
        return np.full(n, ABSENT, dtype=np.int8)
    found = values(texts, "service", terms.service, "a service", int(Service.UNRECOGNISED), faults)
    return np.array(found, dtype=np.int8)


def _texts(texts: Sequence[str]) -> npt.NDArray[Any]:
    return text_column(["" if text in UNSET else text for text in texts])
