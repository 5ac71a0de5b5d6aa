"""Measuring one flow: counting it and writing its row; the catalogue says what each column means.

The order of the writes below is the order of the catalogue, and a test holds every column to its formula.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numba import njit

from flows.batch import ABSENT, State
from flows.entropy import entropy
from flows.pairs import count_pair
from flows.state import (
    ANSWER_KNOWN,
    BYTES_KNOWN,
    DNS_FLOWS,
    FAILED,
    FLAGS_KNOWN,
    FLOWS,
    LARGEST,
    MICROSECONDS,
    MOST_BYTES,
    NEW_PEERS,
    ONE_WAY,
    PACKETS,
    PACKETS_KNOWN,
    PEERS,
    PORT_CELLS,
    PORT_CLASSES,
    PORTS,
    PORTS_KNOWN,
    RECEIVED,
    RECENT,
    SENT,
    SIZE_CLASSES,
    STATE_KNOWN,
    STEPS_10,
    STEPS_60,
    SYN_ONLY,
    Array,
    Record,
    Tables,
)
from flows.tables import touch_host, touch_pair
from flows.windows import arrival_cusum, count_flow, peer_entropy, port_share, remember, tell_time

OWN: Final = 49  # columns that need no past: groups "flow" and "ports"
PACKET_COUNT, SIZE, ANSWERED, SYN_ALONE, FAILURE = 5, 6, 17, 36, 37  # those of them that the past takes up
WINDOW_COLUMNS: Final = 10  # per window and way
HOST_COLUMNS: Final = 17

FIN, SYN, RST, ACK = 1, 2, 4, 16

WEB = (80, 443, 8000, 8008, 8080, 8443, 8888)
DNS = (53, 853, 5353)
REMOTE_LOGIN = (22, 23, 2222, 2323, 3389, 5900, 5985, 5986)
FILE_SHARE = (20, 21, 139, 445, 548, 873, 2049)
MAIL = (25, 110, 143, 465, 587, 993, 995)
CHAT = (194, 5222, 5223, 6660, 6661, 6662, 6663, 6664, 6665, 6666, 6667, 6668, 6669, 6697, 7000)
AMPLIFIER = (17, 19, 53, 69, 111, 123, 137, 161, 389, 427, 520, 1900, 3283, 3702, 5353, 11211)

# Linear counting (Whang, Vander-Zanden and Taylor 1990): distinct ports from the number of cells they fall into.
_DISTINCT: Final = PORT_CELLS * np.log(PORT_CELLS / np.maximum(PORT_CELLS - np.arange(PORT_CELLS + 1), 1))

FAILURES = (int(State.ATTEMPT), int(State.REJECTED))
_STATES = len(State)


class Columns(NamedTuple):
    """A batch as the kernel reads it: the batch's own columns, times in whole microseconds (-1: none)."""

    key_is_dst: Array
    peer_at_home: Array
    start: Array
    duration: Array
    src_addr: Array
    dst_addr: Array
    src_port: Array
    dst_port: Array
    protocol: Array
    src_packets: Array
    dst_packets: Array
    src_bytes: Array
    dst_bytes: Array
    src_flags: Array
    dst_flags: Array
    state: Array


@njit(nogil=True)
def measure_flow(tables: Tables, flows: Columns, i: int, row: Array, amounts: Array) -> None:
    """Write the features of flow ``i``, float64[120], and count it; ``amounts`` is scratch, int64[COUNTERS]."""
    _own(flows, i, row)
    if flows.start[i] < 0:
        row[OWN:] = np.nan
    else:
        _past(tables, flows, i, row, amounts)


@njit(nogil=True)
def _one(condition: bool) -> float:
    return 1.0 if condition else 0.0


@njit(nogil=True)
def _known(number: float) -> float:
    """A number that an exporter can mean, else NaN: no count, size or time is negative, infinite or beyond 2**53."""
    return number if 0.0 <= number <= LARGEST else np.nan


@njit(nogil=True)
def _told(sent: float, received: float) -> float:
    """The sum of the sides that are told."""
    if np.isnan(sent):
        return received
    return sent if np.isnan(received) else sent + received


@njit(nogil=True)
def _divide(over: float, under: float) -> float:
    return over / under if under >= 1.0 else np.nan  # counts: under one there is none


@njit(nogil=True)
def _log_ratio(received: float, sent: float) -> float:
    return float(np.log2((received + 1.0) / (sent + 1.0)))


@njit(nogil=True)
def _bit(flags: int, bit: int) -> float:
    return np.nan if flags == ABSENT else _one((flags & bit) != 0)


@njit(nogil=True)
def _own(flows: Columns, i: int, row: Array) -> None:
    """Columns that the flow tells by itself."""
    duration = _known(flows.duration[i])
    into = flows.key_is_dst[i]
    sent_packets = _known(flows.dst_packets[i] if into else flows.src_packets[i])
    received_packets = _known(flows.src_packets[i] if into else flows.dst_packets[i])
    sent = _known(flows.dst_bytes[i] if into else flows.src_bytes[i])
    received = _known(flows.src_bytes[i] if into else flows.dst_bytes[i])
    packets = _told(sent_packets, received_packets)
    size = _told(sent, received)
    seconds = max(duration, 0.001) if not np.isnan(duration) else np.nan
    row[0] = duration
    row[1] = sent_packets
    row[2] = received_packets
    row[3] = sent
    row[4] = received
    row[5] = packets
    row[6] = size
    row[7] = packets / seconds
    row[8] = size / seconds
    row[9] = _divide(sent, sent_packets)
    row[10] = _divide(received, received_packets)
    row[11] = _divide(size, packets)
    row[12] = _divide(sent, sent + received)
    row[13] = _divide(sent_packets, sent_packets + received_packets)
    row[14] = _log_ratio(received, sent)
    row[15] = _log_ratio(received_packets, sent_packets)
    row[16] = 0.0 if into else 1.0
    answer = sent_packets if into else received_packets
    row[ANSWERED] = np.nan if np.isnan(answer) else _one(answer > 0.0)
    row[18] = _one(flows.peer_at_home[i])
    protocol = flows.protocol[i]
    row[19] = _one(protocol == 6)
    row[20] = _one(protocol == 17)
    row[21] = _one(protocol == 1 or protocol == 58)
    if protocol == ABSENT:
        row[19:22] = np.nan
    state = flows.state[i]
    for one in range(_STATES):
        row[22 + one] = np.nan if state == ABSENT else _one(state == one)
    initiator = flows.src_flags[i]
    responder = flows.dst_flags[i]
    row[28] = _bit(initiator, SYN)
    row[29] = _bit(initiator, ACK)
    row[30] = _bit(initiator, FIN)
    row[31] = _bit(initiator, RST)
    row[32] = _bit(responder, SYN)
    row[33] = _bit(responder, ACK)
    row[34] = _bit(responder, FIN)
    row[35] = _bit(responder, RST)
    row[SYN_ALONE] = np.nan if initiator == ABSENT else _one((initiator & (SYN | ACK)) == SYN)
    row[FAILURE] = np.nan if state == ABSENT else _one(state in FAILURES)
    _ports(flows, i, row)


@njit(nogil=True)
def _ports(flows: Columns, i: int, row: Array) -> None:
    port = flows.dst_port[i]
    other = flows.src_port[i]
    row[38] = _one(port < 1024)
    row[39] = _one(1024 <= port <= 49151)
    row[40] = _one(port > 49151)
    row[41] = _one(port in WEB)
    row[42] = _one(port in DNS)
    row[43] = _one(port in REMOTE_LOGIN)
    row[44] = _one(port in FILE_SHARE)
    row[45] = _one(port in MAIL)
    row[46] = _one(port in CHAT)
    row[47] = _one(port in AMPLIFIER or other in AMPLIFIER)
    row[48] = _one(other < 1024)
    if port == ABSENT:
        row[38:48] = np.nan
    if other == ABSENT:
        row[47:49] = np.nan


@njit(nogil=True)
def _past(tables: Tables, flows: Columns, i: int, row: Array, amounts: Array) -> None:
    """Count the flow, then write the columns that need the past of its key host and of the pair."""
    into = flows.key_is_dst[i]
    key = flows.dst_addr[i] if into else flows.src_addr[i]
    peer = flows.src_addr[i] if into else flows.dst_addr[i]
    host_slot = touch_host(tables, key[0], key[1])
    pair_slot = touch_pair(tables, host_slot, peer[0], peer[1])
    host = tables.hosts[host_slot]
    pair = tables.pairs[pair_slot]
    sent = _counted(row[3])
    received = _counted(row[4])
    port = flows.dst_port[i]
    _amounts(row, sent, received, port, pair.flows == 0, amounts)
    tell_time(host, flows.start[i])
    count_flow(host, pair, 0 if into else 1, amounts, port, row[SIZE])
    remember(host, tables.pairs, pair_slot, port, row[FAILURE])
    count_pair(pair, flows.start[i], host.clock, sent, received, row[ANSWERED], row[FAILURE])
    column = OWN
    for way in range(2):
        _window(host.sums_10[STEPS_10, way], host.weights_10[way], row, column)
        _window(host.sums_60[STEPS_60, way], host.weights_60[way], row, column + 2 * WINDOW_COLUMNS)
        column += WINDOW_COLUMNS
    _host(host, pair, port, row, OWN + 4 * WINDOW_COLUMNS)
    _pair(pair, flows.start[i], row, OWN + 4 * WINDOW_COLUMNS + HOST_COLUMNS)


@njit(nogil=True)
def _counted(number: float) -> float:
    """Bytes or packets as windows and pairs take them: whole and bounded; NaN stays NaN."""
    return MOST_BYTES if number > MOST_BYTES else np.floor(number)


@njit(nogil=True)
def _amounts(row: Array, sent: float, received: float, port: int, is_new: bool, amounts: Array) -> None:
    amounts[:] = 0
    amounts[FLOWS] = 1
    amounts[NEW_PEERS] = 1 if is_new else 0
    amounts[PORTS_KNOWN] = 1 if port >= 0 else 0
    amounts[DNS_FLOWS] = 1 if port in DNS else 0
    if not np.isnan(row[PACKET_COUNT]):
        amounts[PACKETS_KNOWN] = 1
        amounts[PACKETS] = np.int64(_counted(row[PACKET_COUNT]))
    if not np.isnan(row[SIZE]):
        amounts[BYTES_KNOWN] = 1
        amounts[SENT] = 0 if np.isnan(sent) else np.int64(sent)
        amounts[RECEIVED] = 0 if np.isnan(received) else np.int64(received)
    if not np.isnan(row[SYN_ALONE]):
        amounts[FLAGS_KNOWN] = 1
        amounts[SYN_ONLY] = np.int64(row[SYN_ALONE])
    if not np.isnan(row[FAILURE]):
        amounts[STATE_KNOWN] = 1
        amounts[FAILED] = np.int64(row[FAILURE])
    if not np.isnan(row[ANSWERED]):
        amounts[ANSWER_KNOWN] = 1
        amounts[ONE_WAY] = 1 - np.int64(row[ANSWERED])


@njit(nogil=True)
def _window(sums: Array, weights: Array, row: Array, column: int) -> None:
    flows = sums[FLOWS]
    row[column] = flows
    row[column + 1] = sums[SENT] + sums[RECEIVED] if sums[BYTES_KNOWN] > 0 or flows == 0 else np.nan
    row[column + 2] = sums[PACKETS] if sums[PACKETS_KNOWN] > 0 or flows == 0 else np.nan
    row[column + 3] = sums[PEERS]
    row[column + 4] = _DISTINCT[sums[PORTS]]
    row[column + 5] = _divide(np.float64(sums[SYN_ONLY]), np.float64(sums[FLAGS_KNOWN]))
    row[column + 6] = _divide(np.float64(sums[FAILED]), np.float64(sums[STATE_KNOWN]))
    row[column + 7] = _divide(np.float64(sums[ONE_WAY]), np.float64(sums[ANSWER_KNOWN]))
    row[column + 8] = entropy(sums[PORTS_KNOWN], weights[PORT_CLASSES])
    row[column + 9] = entropy(sums[BYTES_KNOWN], weights[SIZE_CLASSES])


@njit(nogil=True)
def _host(host: Record, pair: Record, port: int, row: Array, column: int) -> None:
    moment = host.sums_10[STEPS_10]
    minute = host.sums_60[STEPS_60]
    held = np.float64(min(host.flows, RECENT))
    row[column] = peer_entropy(host)
    row[column + 1] = pair.recent / held
    row[column + 2] = port_share(host, port)
    row[column + 3] = _divide(np.float64(host.failed_total), np.float64(host.state_known_total))
    row[column + 4] = host.new_total / held
    for way in range(2):
        size = np.float64(moment[way, SENT] + moment[way, RECEIVED])
        row[column + 5 + 2 * way] = _divide(np.float64(moment[way, PACKETS]), np.float64(moment[way, PACKETS_KNOWN]))
        row[column + 6 + 2 * way] = _divide(size, np.float64(moment[way, BYTES_KNOWN]))
    row[column + 9] = minute[1, DNS_FLOWS]
    for way in range(2):
        flows = np.float64(minute[way, FLOWS])
        row[column + 10 + way] = _divide(np.float64(minute[way, NEW_PEERS]), flows)
        row[column + 12 + way] = _divide(6.0 * moment[way, FLOWS], flows)
    row[column + 14] = arrival_cusum(host)
    row[column + 15] = np.nan
    if minute[0, BYTES_KNOWN] + minute[1, BYTES_KNOWN] > 0:
        received = np.float64(minute[0, RECEIVED] + minute[1, RECEIVED])
        row[column + 15] = _log_ratio(received, np.float64(minute[0, SENT] + minute[1, SENT]))
    row[column + 16] = host.flows


@njit(nogil=True)
def _pair(pair: Record, start: int, row: Array, column: int) -> None:
    row[column] = pair.flows
    row[column + 1 : column + 3] = pair.weighted
    row[column + 3] = (start - pair.first) / MICROSECONDS
    row[column + 4] = pair.beats
    row[column + 5 : column + 11] = pair.rhythm
    row[column + 11] = _divide(np.float64(pair.answered), np.float64(pair.answer_known))
    row[column + 12] = _divide(np.float64(pair.failed), np.float64(pair.state_known))
    row[column + 13] = np.nan
    if pair.bytes_known > 0:
        row[column + 13] = _log_ratio(np.float64(pair.received), np.float64(pair.sent))
