"""The 120 features computed the slow way, straight from the catalogue's formulas.

Every host keeps all its flows in a list, and every window, beat and entropy is recomputed from that list for every
flow. Nothing is shared with the kernel but the names, so that the two can only agree by both being right.
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from flows.batch import ABSENT, FlowBatch
from flows.catalogue import NAMES
from flows.keying import HomeNetworks

NAN = math.nan
SECOND = 1_000_000
TEN_MINUTES = 600 * SECOND
YEAR_2100 = 4_102_444_800
TERABYTE = 2**40

WEB = {80, 443, 8000, 8008, 8080, 8443, 8888}
DNS = {53, 853, 5353}
REMOTE_LOGIN = {22, 23, 2222, 2323, 3389, 5900, 5985, 5986}
FILE_SHARE = {20, 21, 139, 445, 548, 873, 2049}
MAIL = {25, 110, 143, 465, 587, 993, 995}
CHAT = {194, 5222, 5223, *range(6660, 6670), 6697, 7000}
AMPLIFIER = {17, 19, 53, 69, 111, 123, 137, 161, 389, 427, 520, 1900, 3283, 3702, 5353, 11211}
STATES = ("attempt", "rejected", "established", "closed", "reset", "other")
FLAGS = {"fin": 1, "syn": 2, "rst": 4, "ack": 16}


@dataclass(eq=False)
class _Pair:
    """K and one P: the starts and the sent bytes of their flows, in order of arrival."""

    flows: list[_Counted] = field(default_factory=list)


@dataclass(eq=False)
class _Counted:
    """A flow that windows count."""

    pair: _Pair
    incoming: bool
    second: int
    clock: int
    start: int
    port: int
    is_new: bool
    own: dict[str, float]
    sent: float
    received: float

    @property
    def packets(self) -> float:
        return capped(self.own["packets"])


@dataclass(eq=False)
class _Host:
    flows: list[_Counted] = field(default_factory=list)
    pairs: OrderedDict[Any, _Pair] = field(default_factory=OrderedDict)
    origin: int = 0
    clock: int = 0
    leaps: int = 0
    cusum: float = 0.0
    mean: float = 0.0


class Oracle:
    """Measures flow after flow; ``hosts`` and ``pairs`` are the capacity, ``quota`` the pairs one host may have."""

    def __init__(self, hosts: int = 8192, pairs: int = 131072, quota: int = 8192) -> None:
        self._home = HomeNetworks()
        self._hosts: OrderedDict[Any, _Host] = OrderedDict()
        self._most_hosts = hosts
        self._most_pairs = pairs
        self._quota = quota

    def rows(self, batch: FlowBatch) -> npt.NDArray[np.float64]:
        """``float64[n, 120]``."""
        key_is_dst = self._home.key_is_dst(batch)
        rows = [self._row(batch, i, bool(key_is_dst[i])) for i in range(len(batch))]
        return np.array([[row[name] for name in NAMES] for row in rows]).reshape(-1, len(NAMES))

    def _row(self, batch: FlowBatch, i: int, incoming: bool) -> dict[str, float]:
        own = own_features(batch, i, incoming)
        far = (batch.src_addr if incoming else batch.dst_addr)[i : i + 1]
        own["peer_at_home"] = float(self._home.contain(far)[0])
        start = float(batch.start[i])
        if not 0.0 <= start < YEAR_2100:
            return dict.fromkeys(NAMES, NAN) | own
        start_us = round(start * SECOND)
        ends = tuple(batch.src_addr[i].tolist()), tuple(batch.dst_addr[i].tolist())
        key, peer = ends[::-1] if incoming else ends
        host = self._touch_host(key)
        move_clock(host, start_us)
        pair = self._touch_pair(host, peer)
        flow = _Counted(
            pair=pair,
            incoming=incoming,
            second=second_of_life(host),
            clock=host.clock,
            start=start_us,
            port=int(batch.dst_port[i]),
            is_new=not pair.flows,
            own=own,
            sent=capped(own["sent_bytes"]),
            received=capped(own["received_bytes"]),
        )
        host.flows.append(flow)
        pair.flows.append(flow)
        return own | host_features(host) | pair_features(pair, start_us)

    def _touch_host(self, key: Any) -> _Host:
        if key not in self._hosts:
            if len(self._hosts) == self._most_hosts:
                self._hosts.popitem(last=False)
            self._hosts[key] = _Host()
        self._hosts.move_to_end(key)
        return self._hosts[key]

    def _touch_pair(self, host: _Host, peer: Any) -> _Pair:
        if peer not in host.pairs:
            if len(host.pairs) == min(self._quota, self._most_pairs // 2):
                host.pairs.popitem(last=False)
            while sum(len(each.pairs) for each in self._hosts.values()) == self._most_pairs:
                self._hosts.popitem(last=False)
            host.pairs[peer] = _Pair()
        host.pairs.move_to_end(peer)
        return host.pairs[peer]


def known(number: Any) -> float:
    """A number that somebody can mean, else NaN."""
    return float(number) if 0 <= number <= 2**53 else NAN


def capped(number: float) -> float:
    """What a sum takes of a number."""
    return NAN if math.isnan(number) else min(int(number), TERABYTE)


def told(sent: float, received: float) -> float:
    """What is known of both sides together; NaN where neither tells."""
    there = [side for side in (sent, received) if not math.isnan(side)]
    return sum(there) if there else NAN


def share(over: float, under: float) -> float:
    """A quotient of counts; by less than one, NaN."""
    return over / under if under >= 1 else NAN


def indicator(absent: bool, condition: bool) -> float:
    """0 or 1; NaN when the exporter did not say."""
    return NAN if absent else float(condition)


def own_features(batch: FlowBatch, i: int, incoming: bool) -> dict[str, float]:
    """Groups "flow" and "ports"."""
    sender, receiver = ("dst", "src") if incoming else ("src", "dst")

    def column(name: str) -> float:
        return known(getattr(batch, name)[i])

    row = {"duration": column("duration")}
    for what in ("packets", "bytes"):
        row[f"sent_{what}"] = column(f"{sender}_{what}")
        row[f"received_{what}"] = column(f"{receiver}_{what}")
    for what in ("packets", "bytes"):
        sent, received = row[f"sent_{what}"], row[f"received_{what}"]
        row[what] = told(sent, received)
        row[f"{what[:-1]}_rate"] = row[what] / (NAN if math.isnan(row["duration"]) else max(row["duration"], 0.001))
        row[f"sent_{what[:-1]}_share"] = share(sent, sent + received)
        row[f"{what[:-1]}_ratio"] = math.log2((received + 1) / (sent + 1))
    for which in ("sent_", "received_", ""):
        row[f"{which}packet_size"] = share(row[f"{which}bytes"], row[f"{which}packets"])
    answer = column("dst_packets")
    row["initiated"] = float(not incoming)
    row["answered"] = indicator(math.isnan(answer), answer > 0)
    protocol, state = int(batch.protocol[i]), int(batch.state[i])
    for name, numbers in (("tcp", {6}), ("udp", {17}), ("icmp", {1, 58})):
        row[f"is_{name}"] = indicator(protocol == ABSENT, protocol in numbers)
    for number, name in enumerate(STATES):
        row[f"state_{name}"] = indicator(state == ABSENT, state == number)
    row["failed"] = indicator(state == ABSENT, state in {0, 1})
    for side, name in (("src", "initiator"), ("dst", "responder")):
        flags = int(getattr(batch, f"{side}_flags")[i])
        for flag, bit in FLAGS.items():
            row[f"{name}_{flag}"] = indicator(flags == ABSENT, bool(flags & bit))
    row["syn_only"] = row["initiator_syn"] * (1 - row["initiator_ack"])
    return row | port_features(int(batch.src_port[i]), int(batch.dst_port[i]))


def port_features(other: int, port: int) -> dict[str, float]:
    """Group "ports"."""
    absent = port == ABSENT
    sets = {
        "system": set(range(1024)),
        "registered": set(range(1024, 49152)),
        "dynamic": set(range(49152, 65536)),
        "web": WEB,
        "dns": DNS,
        "remote_login": REMOTE_LOGIN,
        "file_share": FILE_SHARE,
        "mail": MAIL,
        "chat": CHAT,
    }
    row = {f"port_{name}": indicator(absent, port in ports) for name, ports in sets.items()}
    row["port_amplifier"] = indicator(absent or other == ABSENT, bool({port, other} & AMPLIFIER))
    row["port_initiator_system"] = indicator(other == ABSENT, other < 1024)
    return row


def second_of_life(host: _Host) -> int:
    """Number of the current second, from 1."""
    return 1 + (host.clock - host.origin) // SECOND


def move_clock(host: _Host, start: int) -> None:
    """The clock rule; every second that ends on the way is judged."""
    if not host.flows or (len(host.flows) == 1 and host.clock - start > TEN_MINUTES):
        host.origin = host.clock = start
        for flow in host.flows:
            flow.second = 1
        return
    before = second_of_life(host)
    ahead = start - host.clock
    most = TEN_MINUTES * 2 ** min(host.leaps, 16)
    host.leaps = host.leaps + 1 if ahead > TEN_MINUTES else 0
    host.clock += max(0, min(ahead, most))
    now = second_of_life(host)
    if now - before > 600:
        host.cusum = host.mean = 0.0
        return
    for second in range(before, now):
        host.cusum, host.mean = judge(host, second)


def judge(host: _Host, second: int) -> tuple[float, float]:
    """CUSUM and mean after a second of the host's life."""
    arrivals = sum(flow.incoming and flow.second == second for flow in host.flows)
    deviation = math.sqrt(host.mean + 1)
    if second <= 10:
        return 0.0, host.mean + (arrivals - host.mean) / second
    cusum = max(0.0, host.cusum + (arrivals - host.mean) / deviation - 0.5)
    return cusum, host.mean + (min(arrivals, host.mean + 3 * deviation) - host.mean) / 60


def entropy(things: Sequence[Any]) -> float:
    """Shannon's, in bits."""
    shares = [count / len(things) for count in Counter(things).values()]
    return -sum(each * math.log2(each) for each in shares) if things else NAN


def total(values: list[float]) -> float:
    """Sum of the known values."""
    there = [value for value in values if not math.isnan(value)]
    return sum(there) if there or not values else NAN


def mean(values: list[float]) -> float:
    """Mean of the known values."""
    there = [value for value in values if not math.isnan(value)]
    return share(sum(there), len(there))


def log_ratio(flows: list[_Counted]) -> float:
    """Received over sent bytes, as far as they are told."""
    received = [flow.received for flow in flows if not math.isnan(flow.received)]
    sent = [flow.sent for flow in flows if not math.isnan(flow.sent)]
    return math.log2((sum(received) + 1) / (sum(sent) + 1)) if received or sent else NAN


def host_features(host: _Host) -> dict[str, float]:
    """Group "host", of the host's latest flow."""
    now = second_of_life(host)
    windows = {
        10: [flow for flow in host.flows if now - 10 < flow.second],
        60: [flow for flow in host.flows if now // 5 - 12 < flow.second // 5],
    }
    row: dict[str, float] = {}
    for length, window in windows.items():
        for way in ("in", "out"):
            flows = [flow for flow in window if flow.incoming == (way == "in")]
            row |= {f"{way}_{name}_{length}s": value for name, value in window_features(flows).items()}
    for way in ("in", "out"):
        minute = [flow for flow in windows[60] if flow.incoming == (way == "in")]
        row[f"new_peer_share_{way}"] = mean([float(flow.is_new) for flow in minute])
        row[f"burst_{way}"] = share(6 * row[f"{way}_flows_10s"], len(minute))
    row |= recent_features(host.flows[-64:])
    for way in ("in", "out"):
        moment = [flow for flow in windows[10] if flow.incoming == (way == "in")]
        row[f"{way}_flow_packets_10s"] = mean([flow.packets for flow in moment])
        row[f"{way}_flow_bytes_10s"] = mean([told(flow.sent, flow.received) for flow in moment])
    row["out_dns_flows_60s"] = sum(flow.port in DNS and not flow.incoming for flow in windows[60])
    row["arrival_cusum"] = judge(host, now)[0] if now > 10 else NAN
    row["byte_ratio_60s"] = log_ratio(windows[60])
    row["host_flows"] = len(host.flows)
    return row


def recent_features(flows: list[_Counted]) -> dict[str, float]:
    """What the host's last flows say of the latest of them."""
    latest = flows[-1]
    return {
        "peer_entropy": entropy([id(flow.pair) for flow in flows]),
        "peer_share": mean([float(flow.pair is latest.pair) for flow in flows]),
        "port_share": NAN if latest.port == ABSENT else mean([float(flow.port == latest.port) for flow in flows]),
        "recent_failed_share": mean([flow.own["failed"] for flow in flows]),
        "recent_new_peer_share": mean([float(flow.is_new) for flow in flows]),
    }


def window_features(flows: list[_Counted]) -> dict[str, float]:
    """The ten features of one window and way."""
    ports = [flow.port for flow in flows if flow.port != ABSENT]
    sizes = [flow.own["bytes"] for flow in flows if not math.isnan(flow.own["bytes"])]
    return {
        "flows": len(flows),
        "bytes": total([told(flow.sent, flow.received) for flow in flows]),
        "packets": total([flow.packets for flow in flows]),
        "peers": len({id(flow.pair) for flow in flows}),
        "ports": 256 * math.log(256 / max(1, 256 - len({port % 256 for port in ports}))),
        "syn_only_share": mean([flow.own["syn_only"] for flow in flows]),
        "failed_share": mean([flow.own["failed"] for flow in flows]),
        "one_way_share": mean([1 - flow.own["answered"] for flow in flows]),
        "port_entropy": entropy([port % 16 for port in ports]),
        "size_entropy": entropy([min(15, math.floor(math.log2(max(size, 1)))) for size in sizes]),
    }


def pair_features(pair: _Pair, start: int) -> dict[str, float]:
    """Group "pair", of a flow that starts at ``start`` microseconds."""
    beats: list[_Counted] = []
    for flow in pair.flows:
        if all(abs(flow.start - beat.start) > SECOND for beat in beats):
            beats = sorted([*beats, flow], key=lambda beat: beat.start)[-16:]
    return {
        "pair_flows": len(pair.flows),
        "pair_flows_1m": weighted(pair.flows, 30),
        "pair_flows_1h": weighted(pair.flows, 1800),
        "pair_age": (start - min(flow.start for flow in pair.flows)) / SECOND,
        "pair_beats": len(beats),
        "pair_answered_share": mean([flow.own["answered"] for flow in pair.flows]),
        "pair_failed_share": mean([flow.own["failed"] for flow in pair.flows]),
        "pair_byte_ratio": log_ratio(pair.flows),
        **rhythm(beats),
    }


def weighted(flows: list[_Counted], half_life: float) -> float:
    """Flows of a pair, weighted by recency; the host's clock can only go back once, at its second flow."""
    count = 0.0
    for flow, before in zip(flows, [flows[0], *flows], strict=False):
        count = 1 + count * 2 ** (-max(0, flow.clock - before.clock) / SECOND / half_life)
    return count


def rhythm(beats: list[_Counted]) -> dict[str, float]:
    """What the beats of a pair say, in order of their starts."""
    sizes = [beat.sent for beat in beats if not math.isnan(beat.sent)]
    times = np.diff([beat.start for beat in beats]) / SECOND
    row = dict.fromkeys(("interval", "interval_spread", "interval_skew", "regularity"), NAN)
    row["size"] = float(np.median(sizes)) if sizes else NAN
    row["size_spread"] = spread(sizes, max(1.0, row["size"])) if sizes else NAN
    if len(times):
        low, median, high = np.quantile(times, [0.25, 0.5, 0.75])
        row["interval"] = median
        row["interval_spread"] = spread(times, median)
        row["interval_skew"] = (low + high - 2 * median) / (high - low) if high > low else 0.0
        if len(beats) >= 4:
            terms = [row["interval_spread"], abs(low + high - 2 * median) / median, row["size_spread"]]
            row["regularity"] = 1 - float(np.mean([min(1.0, term) for term in terms if not math.isnan(term)]))
    return {f"pair_{name}": value for name, value in row.items()}


def spread(values: Any, scale: float) -> float:
    """Median absolute deviation, relative to ``scale``."""
    return float(np.median(np.abs(np.asarray(values) - np.median(values))) / scale)
