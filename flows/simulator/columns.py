"""Flow records as plain columns: what an exporter would write about connections of given sizes.

Each function takes arrays of length ``n`` (addresses ``uint64[n, 2]``; scalars are broadcast) and returns columns
of :data:`flows.batch.SCHEMA` for ``n`` flows, filled the way Zeek fills a connection log: bytes include IP
headers, a flow of a single packet has neither duration nor payload, and packet sizes and inter-arrival times
are not reported.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from flows.batch import ABSENT, Service, State

Array = npt.NDArray[Any]
Columns = dict[str, Array]
Numbers = Array | float | int
Generator = np.random.Generator

FIN: Final = 0x01
SYN: Final = 0x02
RST: Final = 0x04
PSH: Final = 0x08
ACK: Final = 0x10

TCP: Final = 6
UDP: Final = 17
ICMP: Final = 1

TRANSPORT_HEADER: Final = 8  # of UDP and of ICMP echo
MTU: Final = 1500
EPHEMERAL: Final = (32768, 61000)

# How answered connections end, as shares: both close, both close and the initiator resets what still comes, either
# side resets, still open, half closed, seen from the middle.
_MIDSTREAM: Final = 6
_ENDING_SHARES: Final = np.array([0.61, 0.16, 0.05, 0.04, 0.07, 0.04, 0.03])
_ENDING_STATES: Final = np.array(
    [State.CLOSED, State.CLOSED, State.RESET, State.RESET, State.ESTABLISHED, State.ESTABLISHED, State.OTHER]
)
_TALK: Final = SYN | ACK | PSH
_ENDING_SRC_FLAGS: Final = np.array(
    [_TALK | FIN, _TALK | FIN | RST, _TALK | RST, _TALK | FIN, _TALK, _TALK | FIN, ACK | PSH | FIN]
)
_ENDING_DST_FLAGS: Final = np.array([_TALK | FIN, _TALK | FIN, _TALK | FIN, _TALK | RST, _TALK, _TALK, ACK | PSH | FIN])

_HASH: Final = np.uint64(0x9E3779B97F4A7C15)


def addresses(rows: Array, n: int) -> Array:
    """Return ``rows`` (``uint64[2]`` or ``uint64[n, 2]``) as ``uint64[n, 2]``."""
    return np.broadcast_to(rows, (n, 2))


def ephemeral_ports(rng: Generator, n: int) -> Array:
    """Draw ``n`` initiators' ports."""
    return rng.integers(*EPHEMERAL, n)


def repeat_rows(counts: Array) -> Array:
    """Return the row index of each item when row ``i`` has ``counts[i]`` items."""
    return np.repeat(np.arange(len(counts)), counts)


def running_times(starts: Array, gaps: Array, counts: Array) -> Array:
    """Return event times: row ``i`` has ``counts[i]`` events, the first at ``starts[i]``, then one per gap.

    ``gaps`` (s) has one value per event, grouped by row; each row's first gap is ignored.
    """
    rows = repeat_rows(counts)
    total = np.append(np.cumsum(gaps), 0.0)  # so that rows without events at the end have something to point at
    first = np.cumsum(counts) - counts
    return np.asarray(starts[rows] + total[:-1] - total[first][rows])


def ip_header(src: Array) -> Array:
    """IP header bytes of a packet from each address: 20 for IPv4, 40 for IPv6."""
    return np.where(src[:, 0] == 0, 20.0, 40.0)


def tcp_header(src: Array) -> Array:
    """IP + TCP header bytes of each connection: with or without timestamps, a habit of the initiator's system."""
    with_timestamps = (src[:, 1] * _HASH) >> np.uint64(63) == 0
    return ip_header(src) + np.where(with_timestamps, 32.0, 20.0)


def tcp(
    rng: Generator,
    start: Array,
    src: Array,
    dst: Array,
    dst_port: Numbers,
    up: Array,
    down: Array,
    duration: Array,
    service: Numbers = Service.UNRECOGNISED,
) -> Columns:
    """Completed TCP connections that carried ``up`` and ``down`` bytes of payload.

    Packets follow from the payload: segments of a full MTU, an acknowledgement for every second one, handshake and
    closing; about 0.5 % of the segments are sent twice. A few connections end in a reset, stay open, or were
    seen from the middle; half of those last, unless the port is well known, are reported with the responder as source.
    """
    n = len(start)
    src, dst = addresses(src, n), addresses(dst, n)
    header = tcp_header(src)
    up, down = np.floor(up), np.floor(down)
    segments_up, segments_down = np.ceil(up / (MTU - header)), np.ceil(down / (MTU - header))
    again_up, again_down = (
        rng.binomial(segments_up.astype(np.int64), 0.005),
        rng.binomial(segments_down.astype(np.int64), 0.005),
    )
    src_packets = 3 + segments_up + again_up + np.ceil(segments_down / 2) + rng.integers(0, 3, n)
    dst_packets = 2 + segments_down + again_down + np.ceil(segments_up / 2) + rng.integers(0, 3, n)
    ending = rng.choice(len(_ENDING_SHARES), n, p=_ENDING_SHARES)
    columns = {
        "start": start,
        "duration": np.maximum(duration, 1e-4),
        "src_addr": src,
        "dst_addr": dst,
        "src_port": ephemeral_ports(rng, n),
        "dst_port": np.broadcast_to(dst_port, n),
        "protocol": np.full(n, TCP),
        "src_packets": src_packets,
        "dst_packets": dst_packets,
        "src_bytes": src_packets * header + up + again_up * np.minimum(up, MTU - header),
        "dst_bytes": dst_packets * header + down + again_down * np.minimum(down, MTU - header),
        "src_payload": up,
        "dst_payload": down,
        "src_flags": _ENDING_SRC_FLAGS[ending],
        "dst_flags": _ENDING_DST_FLAGS[ending],
        "state": _ENDING_STATES[ending],
        "service": np.where(ending == _MIDSTREAM, Service.UNRECOGNISED, np.broadcast_to(service, n)),
    }
    # Meters that know well-known ports put such a connection right.
    unknown = np.broadcast_to(dst_port, n) >= 1024
    return reverse(columns, (ending == _MIDSTREAM) & unknown & (rng.random(n) < 0.5))


def tcp_attempt(
    rng: Generator,
    start: Array,
    src: Array,
    dst: Array,
    dst_port: Numbers,
    answered: Numbers,
    header: Numbers | None = None,
    tries: Numbers = 1,
    src_port: Array | None = None,
) -> Columns:
    """TCP connections that never came to be: ``answered`` is 0 for silence, 1 for a reset, 2 for a lone SYN-ACK.

    ``header`` is the size of the SYN (default: by the initiator's system), ``tries`` how often it was sent where
    nobody answered, 1, 3, 7, … s after the first (RFC 6298); an unacknowledged SYN-ACK is repeated likewise.
    """
    n = len(start)
    src = addresses(src, n)
    answer = np.broadcast_to(answered, n)
    half_open = answer == 2
    size = tcp_header(src) + 8 if header is None else np.broadcast_to(header, n).astype(np.float64)
    src_packets = np.where(answer == 0, np.broadcast_to(tries, n), 1).astype(np.float64)
    dst_packets = np.where(half_open, 1 + rng.integers(0, 4, n), (answer == 1).astype(np.int64)).astype(np.float64)
    waited = 2.0 ** (np.maximum(src_packets, dst_packets) - 1) - 1
    return _single_packets_unmeasured(
        {
            "start": start,
            "duration": waited * rng.uniform(0.98, 1.02, n) + np.where(answer > 0, rng.lognormal(-4, 0.8, n), 0.0),
            "src_addr": src,
            "dst_addr": addresses(dst, n),
            "src_port": ephemeral_ports(rng, n) if src_port is None else src_port,
            "dst_port": np.broadcast_to(dst_port, n),
            "protocol": np.full(n, TCP),
            "src_packets": src_packets,
            "dst_packets": dst_packets,
            "src_bytes": src_packets * size,
            "dst_bytes": dst_packets * np.where(half_open, size, 40),
            "src_payload": np.zeros(n),
            "dst_payload": np.zeros(n),
            "src_flags": np.full(n, SYN),
            "dst_flags": np.select([half_open, answer == 1], [SYN | ACK, RST | ACK], 0),
            "state": np.select([half_open, answer == 1], [State.ESTABLISHED, State.REJECTED], State.ATTEMPT),
            "service": np.full(n, Service.UNRECOGNISED),
        }
    )


def connections(
    start: Array,
    duration: Array,
    ends: tuple[Array, Array],
    ports: tuple[Array, Numbers],
    packets: tuple[Numbers, Numbers],
    payload: tuple[Array, Array],
    flags: tuple[Numbers, Numbers],
    state: Numbers,
    service: Numbers = Service.UNRECOGNISED,
) -> Columns:
    """TCP connections of which everything is given; pairs are (initiator's, responder's), payload in bytes."""
    n = len(start)
    src, dst = (addresses(end, n) for end in ends)
    header = tcp_header(src)
    sent, answered = (np.broadcast_to(count, n).astype(np.float64) for count in packets)
    return {
        "start": start,
        "duration": duration,
        "src_addr": src,
        "dst_addr": dst,
        "src_port": ports[0],
        "dst_port": np.broadcast_to(ports[1], n),
        "protocol": np.full(n, TCP),
        "src_packets": sent,
        "dst_packets": answered,
        "src_bytes": sent * header + payload[0],
        "dst_bytes": answered * header + payload[1],
        "src_payload": payload[0].astype(np.float64),
        "dst_payload": payload[1].astype(np.float64),
        "src_flags": np.broadcast_to(flags[0], n),
        "dst_flags": np.broadcast_to(flags[1], n),
        "state": np.broadcast_to(state, n),
        "service": np.broadcast_to(service, n),
    }


def datagrams(
    rng: Generator,
    start: Array,
    src: Array,
    dst: Array,
    dst_port: Numbers,
    sent: tuple[Numbers, Numbers],
    received: tuple[Numbers, Numbers],
    duration: Array,
    service: Numbers = Service.UNRECOGNISED,
    src_port: Numbers | None = None,
    protocol: int = UDP,
) -> Columns:
    """Exchanges without connection: ``sent`` and ``received`` are (packets, payload bytes of all of them).

    No answer (0 packets received) makes it an attempt; no question (0 packets sent) one of which only the answer
    was seen.
    """
    n = len(start)
    src_packets, src_payload = (np.broadcast_to(np.floor(value), n).astype(np.float64) for value in sent)
    dst_packets, dst_payload = (np.broadcast_to(np.floor(value), n).astype(np.float64) for value in received)
    src_payload, dst_payload = np.where(src_packets > 0, src_payload, 0.0), np.where(dst_packets > 0, dst_payload, 0.0)
    src = addresses(src, n)
    header = ip_header(src) + TRANSPORT_HEADER
    ports: Columns = {"src_port": np.full(n, ABSENT), "dst_port": np.full(n, ABSENT)}
    if protocol == UDP:
        own = ephemeral_ports(rng, n) if src_port is None else np.broadcast_to(src_port, n)
        ports = {"src_port": own, "dst_port": np.broadcast_to(dst_port, n)}
    return _single_packets_unmeasured(
        {
            "start": start,
            "duration": np.asarray(duration, dtype=np.float64),
            "src_addr": src,
            "dst_addr": addresses(dst, n),
            **ports,
            "protocol": np.full(n, protocol),
            "src_packets": src_packets,
            "dst_packets": dst_packets,
            "src_bytes": src_packets * header + src_payload,
            "dst_bytes": dst_packets * header + dst_payload,
            "src_payload": src_payload,
            "dst_payload": dst_payload,
            "src_flags": np.full(n, ABSENT),
            "dst_flags": np.full(n, ABSENT),
            "state": np.select([dst_packets == 0, src_packets == 0], [State.ATTEMPT, State.OTHER], State.ESTABLISHED),
            "service": np.broadcast_to(service, n),
        }
    )


def reverse(columns: Columns, rows: Array) -> Columns:
    """Swap initiator and responder where ``rows`` is set, as meters do that missed the first packet."""
    swapped = dict(columns)
    for name in columns:
        if name.startswith("src_"):
            other = "dst_" + name.removeprefix("src_")
            mask = rows[:, None] if columns[name].ndim == 2 else rows
            swapped[name] = np.where(mask, columns[other], columns[name])
            swapped[other] = np.where(mask, columns[name], columns[other])
    return swapped


def merge(parts: Sequence[Columns]) -> Columns:
    """Return the flows of all parts, in their order."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def end_times(columns: Columns) -> Array:
    """When each flow ended (s since 1970); a flow without duration ended when it started."""
    return np.asarray(columns["start"] + np.nan_to_num(columns["duration"]))


def whole_microseconds(columns: Columns) -> Columns:
    """Return the columns with times in whole microseconds, as exporters write them."""
    return {**columns, **{name: np.round(columns[name], 6) for name in ("start", "duration")}}


def _single_packets_unmeasured(columns: Columns) -> Columns:
    single = columns["src_packets"] + columns["dst_packets"] == 1
    for name in ("duration", "src_payload", "dst_payload"):
        columns[name] = np.where(single, np.nan, columns[name])
    return columns
