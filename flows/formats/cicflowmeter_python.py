"""Rows of Python's cicflowmeter 0.3 to 0.5: 82 columns, with addresses and the second in which a flow began.

Lengths are of Ethernet frames, times in seconds; releases before 0.3 wrote microseconds under the same names, and
their rows are refused. These releases enter a flow's first packet twice, an interval of zero after itself, which is
undone here: from the packets and the intervals exactly, from the bytes and the deviation of sizes where the first
frame's length follows from the others', else, if a flow began with SYN, as if the first frame were the smallest (it
is at most 40 bytes of TCP options longer). Where that cannot be said either, both are absent. A flow whose intervals
are all above zero was not written so, and is taken as it is.

A flow of one packet has no times between packets, though 0 is written; the one interval of two packets, for which 0
is written too, is the duration.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from flows.batch import ABSENT, FlowBatch
from flows.formats import columns
from flows.formats.base import MAX_COUNT, MAX_SECONDS, Decoded, without_faults
from flows.formats.columns import ETHERNET_HEADER, Faults
from flows.formats.delimited import Table
from flows.formats.protocols import TCP, protocol, with_ports
from flows.formats.times import timestamps

_PLACES: Final = {
    "src_ip": 0, "dst_ip": 1, "src_port": 2, "dst_port": 3, "protocol": 4, "timestamp": 5, "flow_duration": 6,
    "flow_pkts_s": 8, "tot_fwd_pkts": 11, "tot_bwd_pkts": 12, "totlen_fwd_pkts": 13, "totlen_bwd_pkts": 14,
    "fwd_pkt_len_max": 15, "fwd_pkt_len_min": 16, "bwd_pkt_len_max": 19, "bwd_pkt_len_min": 20, "pkt_len_max": 23,
    "pkt_len_min": 24, "pkt_len_std": 26, "flow_iat_mean": 32, "flow_iat_max": 33, "flow_iat_min": 34,
    "flow_iat_std": 35, "syn_flag_cnt": 51,
}  # fmt: skip
LABEL: Final = "Label"
NEEDED: Final = tuple(_PLACES)
ORDER: Final = tuple({place: name for name, place in _PLACES.items()}.get(place, "") for place in range(82))

_UNIT: Final = (
    "flow_duration times flow_pkts_s is not the number of packets: releases before 0.3 wrote microseconds; use 0.5"
)
_Numbers = npt.NDArray[np.float64]
_Truths = npt.NDArray[np.bool_]


def decode_table(table: Table, lines: Sequence[bytes]) -> Decoded:
    """Decode rows of this layout; ``table.indices`` are their places in ``lines``."""
    faults: Faults = {}
    start = timestamps(table.texts("timestamp"), "timestamp", faults)
    for row in np.flatnonzero(np.isnan(start)).tolist():
        faults.setdefault(row, "timestamp is unset, and a flow needs its start")
    number = columns.values(table.texts("protocol"), "protocol", protocol, "an IP protocol", ABSENT, faults)
    transport = np.array(number, dtype=np.int16)
    has_ports = with_ports(transport)
    batch = FlowBatch.from_columns(
        len(table),
        {
            "start": start,
            "src_addr": columns.addresses(table.texts("src_ip"), "src_ip", faults),
            "dst_addr": columns.addresses(table.texts("dst_ip"), "dst_ip", faults),
            "src_port": np.where(has_ports, columns.ports(table.texts("src_port"), "src_port", faults), ABSENT),
            "dst_port": np.where(has_ports, columns.ports(table.texts("dst_port"), "dst_port", faults), ABSENT),
            "protocol": transport,
            **_statistics(table, transport == TCP, faults),
        },
    )
    return without_faults(batch, table.indices, table.labels(LABEL), lines, faults)


def _statistics(table: Table, is_tcp: _Truths, faults: Faults) -> dict[str, npt.NDArray[Any]]:
    def counts(name: str) -> _Numbers:
        return columns.counts(table.texts(name), name, faults)

    def amounts(name: str) -> _Numbers:
        return columns.amounts(table.texts(name), name, "a number from 0 to 2^53", MAX_COUNT, faults)

    duration = columns.seconds(table.texts("flow_duration"), "flow_duration", faults)
    sent, received = counts("tot_fwd_pkts"), counts("tot_bwd_pkts")
    written = sent + received
    off = np.abs(duration * amounts("flow_pkts_s") - written) > 0.01 * written
    for row in np.flatnonzero(off & (duration > 0)).tolist():
        faults.setdefault(row, _UNIT)

    began_src = sent > 1  # the side whose first packet stands there twice has two at least
    shortest = columns.values(table.texts("flow_iat_min"), "flow_iat_min", _seconds, "a time", np.nan, faults)
    twice = (np.array(shortest) <= 0) & (began_src | (received > 1)) & ((written > 2) | (duration == 0))
    syn = is_tcp & (counts("syn_flag_cnt") > 1)
    sent_bytes, received_bytes = counts("totlen_fwd_pkts"), counts("totlen_bwd_pkts")
    first = np.where(
        began_src,
        _first_frame(sent, sent_bytes, counts("fwd_pkt_len_min"), counts("fwd_pkt_len_max"), syn),
        _first_frame(received, received_bytes, counts("bwd_pkt_len_min"), counts("bwd_pkt_len_max"), syn),
    )
    extra = np.where(twice, first, 0.0)
    src_packets, dst_packets = sent - (twice & began_src), received - (twice & ~began_src)
    src_frames = sent_bytes - np.where(began_src, extra, 0.0)
    dst_frames = received_bytes - np.where(began_src, 0.0, extra)
    least, most = counts("pkt_len_min"), counts("pkt_len_max")
    for row in np.flatnonzero(least > most).tolist():
        faults.setdefault(row, "pkt_len_min is more than pkt_len_max")
    mean = (sent_bytes + received_bytes) / np.where(written > 0, written, np.nan)
    sizes = _without(extra, written, twice, mean, amounts("pkt_len_std"))
    longest = amounts("flow_iat_max")
    for row in np.flatnonzero(longest > duration + 1e-6).tolist():
        faults.setdefault(row, "flow_iat_max is more than flow_duration")
    gaps = _without(np.zeros_like(written), written - 1, twice, amounts("flow_iat_mean"), amounts("flow_iat_std"))
    intervals = written - 1 - twice
    several = intervals > 1
    only = np.where(intervals == 1, duration, np.nan)
    return {
        "duration": duration,
        "src_packets": src_packets,
        "dst_packets": dst_packets,
        "src_bytes": columns.ip_bytes(src_frames, src_packets),
        "dst_bytes": columns.ip_bytes(dst_frames, dst_packets),
        "packet_size_min": np.maximum(least - ETHERNET_HEADER, 0.0),
        "packet_size_max": np.maximum(most - ETHERNET_HEADER, 0.0),
        # No deviation is more than half the range, no interval longer than the flow: the bounds take off rounding.
        "packet_size_std": np.minimum(sizes[1], (most - least) / 2),
        "iat_mean": np.minimum(np.where(several, gaps[0], only), duration),
        "iat_std": np.minimum(np.where(several, gaps[1], only * 0.0), duration),
        "iat_max": np.minimum(np.where(several, longest, only), duration),
    }


def _seconds(text: str) -> float:
    """Read a time that may be negative, as it is between packets that came out of order."""
    seconds = float(text)
    if not abs(seconds) <= MAX_SECONDS:
        raise ValueError(text)
    return seconds


def _first_frame(packets: _Numbers, total: _Numbers, least: _Numbers, most: _Numbers, syn: _Truths) -> _Numbers:
    """Return the length of the frame that stands twice among those of one side, NaN where nothing tells it."""
    first = np.select([least == most, packets == 3, syn], [least, total - least - most, least], np.nan)
    return np.where((first >= least) & (first <= most) & (first <= total), first, np.nan)


def _without(
    value: _Numbers, number: _Numbers, twice: _Truths, mean: _Numbers, deviation: _Numbers
) -> tuple[_Numbers, _Numbers]:
    """Return mean and standard deviation of ``number`` values less one ``value``, where that is among them twice."""
    left = np.where(number > twice, number - twice, np.nan)
    new_mean = (mean * number - value) / left
    squares = (deviation**2 + mean**2) * number - value**2
    return new_mean, np.sqrt(np.maximum(squares / left - new_mean**2, 0.0))
