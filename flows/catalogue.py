"""The catalogue: the 120 things we measure about every flow, in the order of the feature matrix.

Words used in the formulas: *K* is the flow's key host and *P* the other endpoint; *sent* is what K sent in this
flow, *received* what P sent. A flow is *out* when K initiated it and *in* when P did. ``W10`` and ``W60`` are K's
last 10 and 60 seconds of flows, this flow included: the current second of K's life and the nine before it, and the
current five seconds and the eleven fives before them. K's life is told by K's clock, see ``state`` in the digest; its
first second has number 1, and the fives are the numbers divided by 5.

A recency-weighted count of a pair's flows counts each of them by 2^-(s / h), where s is how many seconds K's clock has
moved on since that flow, and h the half-life.

What the exporter did not report makes the feature NaN, and so does a number that none can mean (negative, infinite,
over 2**53). Bytes and packets of a flow are those of the sides that are told: all of them, or one way's where an
exporter writes each way by itself. Sums, shares, entropies and medians over several flows are over those with known
values and NaN without any; only over no flow at all is a sum 0. There, bytes and packets are whole and at most 2**40
each way. A quotient of counts whose lower one is under 1 is NaN.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cache
from typing import Final, Literal

from flows.state import LIMITS

Group = Literal["flow", "ports", "host", "pair"]


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of the feature matrix."""

    name: str
    unit: str
    formula: str
    group: Group


def _flow(name: str, unit: str, formula: str) -> Feature:
    return Feature(name, unit, formula, "flow")


def _port(name: str, formula: str) -> Feature:
    return Feature(name, "0 or 1", formula, "ports")


def _pair(name: str, unit: str, formula: str) -> Feature:
    return Feature(name, unit, formula, "pair")


_FLOW: Final = (
    _flow("duration", "s", "last packet - first packet"),
    _flow("sent_packets", "packets", "packets K sent"),
    _flow("received_packets", "packets", "packets P sent"),
    _flow("sent_bytes", "bytes", "IP bytes K sent"),
    _flow("received_bytes", "bytes", "IP bytes P sent"),
    _flow("packets", "packets", "sent + received packets, of what is told"),
    _flow("bytes", "bytes", "sent + received bytes, of what is told"),
    _flow("packet_rate", "packets/s", "packets / max(duration, 1 ms)"),
    _flow("byte_rate", "bytes/s", "bytes / max(duration, 1 ms)"),
    _flow("sent_packet_size", "bytes", "sent bytes / sent packets"),
    _flow("received_packet_size", "bytes", "received bytes / received packets"),
    _flow("packet_size", "bytes", "bytes / packets"),
    _flow("sent_byte_share", "share", "sent bytes / (sent + received bytes)"),
    _flow("sent_packet_share", "share", "sent packets / (sent + received packets)"),
    _flow("byte_ratio", "bits", "log2((received bytes + 1) / (sent bytes + 1))"),
    _flow("packet_ratio", "bits", "log2((received packets + 1) / (sent packets + 1))"),
    _flow("initiated", "0 or 1", "1 when K is the initiator"),
    _flow("answered", "0 or 1", "1 when the responder sent a packet"),
    _flow("peer_at_home", "0 or 1", "P is inside the home networks"),
    _flow("is_tcp", "0 or 1", "protocol = 6"),
    _flow("is_udp", "0 or 1", "protocol = 17"),
    _flow("is_icmp", "0 or 1", "protocol = 1 or 58"),
    _flow("state_attempt", "0 or 1", "state = ATTEMPT"),
    _flow("state_rejected", "0 or 1", "state = REJECTED"),
    _flow("state_established", "0 or 1", "state = ESTABLISHED"),
    _flow("state_closed", "0 or 1", "state = CLOSED"),
    _flow("state_reset", "0 or 1", "state = RESET"),
    _flow("state_other", "0 or 1", "state = OTHER"),
    _flow("initiator_syn", "0 or 1", "the initiator set SYN"),
    _flow("initiator_ack", "0 or 1", "the initiator set ACK"),
    _flow("initiator_fin", "0 or 1", "the initiator set FIN"),
    _flow("initiator_rst", "0 or 1", "the initiator set RST"),
    _flow("responder_syn", "0 or 1", "the responder set SYN"),
    _flow("responder_ack", "0 or 1", "the responder set ACK"),
    _flow("responder_fin", "0 or 1", "the responder set FIN"),
    _flow("responder_rst", "0 or 1", "the responder set RST"),
    _flow("syn_only", "0 or 1", "the initiator set SYN and never ACK"),
    _flow("failed", "0 or 1", "state = ATTEMPT or REJECTED"),
)

_PORTS: Final = (
    _port("port_system", "responder's port < 1024"),
    _port("port_registered", "responder's port in 1024-49151"),
    _port("port_dynamic", "responder's port > 49151"),
    _port("port_web", "responder's port in 80, 443, 8000, 8008, 8080, 8443, 8888"),
    _port("port_dns", "responder's port in 53, 853, 5353"),
    _port("port_remote_login", "responder's port in 22, 23, 2222, 2323, 3389, 5900, 5985, 5986"),
    _port("port_file_share", "responder's port in 20, 21, 139, 445, 548, 873, 2049"),
    _port("port_mail", "responder's port in 25, 110, 143, 465, 587, 993, 995"),
    _port("port_chat", "responder's port in 194, 5222, 5223, 6660-6669, 6697, 7000"),
    _port(
        "port_amplifier",
        "either port in 17, 19, 53, 69, 111, 123, 137, 161, 389, 427, 520, 1900, 3283, 3702, 5353, 11211",
    ),
    _port("port_initiator_system", "initiator's port < 1024"),
)


def _windows() -> list[Feature]:
    features = []
    for window in (10, 60):
        for way in ("in", "out"):

            def host(name: str, unit: str, formula: str, window: int = window, way: str = way) -> Feature:
                return Feature(f"{way}_{name}_{window}s", unit, f"{formula} of flows {way} in W{window}", "host")

            features += [
                host("flows", "flows", "number"),
                host("bytes", "bytes", "sum of bytes"),
                host("packets", "packets", "sum of packets"),
                host("peers", "peers", "distinct P"),
                host("ports", "ports", "256 ln(256 / max(1, 256 - distinct responder's ports modulo 256))"),
                host("syn_only_share", "share", "syn_only share"),
                host("failed_share", "share", "failed share"),
                host("one_way_share", "share", "share not answered"),
                host("port_entropy", "bits", "entropy of the responder's port modulo 16"),
                host("size_entropy", "bits", "entropy of floor(log2(max(bytes, 1))), at most 15,"),
            ]
    return features


_HOST: Final = (
    Feature("peer_entropy", "bits", "entropy of P over K's last 64 flows", "host"),
    Feature("peer_share", "share", "share of K's last 64 flows that are with P", "host"),
    Feature("port_share", "share", "share of K's last 64 flows that have this responder's port", "host"),
    Feature("recent_failed_share", "share", "failed share of K's last 64 flows", "host"),
    Feature("recent_new_peer_share", "share", "share of K's last 64 flows whose pair had no flow before", "host"),
    Feature("in_flow_packets_10s", "packets", "packets / flows, of flows in in W10 with known packets", "host"),
    Feature("in_flow_bytes_10s", "bytes", "bytes / flows, of flows in in W10 with known bytes", "host"),
    Feature("out_flow_packets_10s", "packets", "packets / flows, of flows out in W10 with known packets", "host"),
    Feature("out_flow_bytes_10s", "bytes", "bytes / flows, of flows out in W10 with known bytes", "host"),
    Feature("out_dns_flows_60s", "flows", "flows out in W60 with responder's port in 53, 853, 5353", "host"),
    Feature("new_peer_share_in", "share", "share of flows in in W60 whose pair had no flow before", "host"),
    Feature("new_peer_share_out", "share", "share of flows out in W60 whose pair had no flow before", "host"),
    Feature("burst_in", "ratio", "6 x flows in W10 / flows in W60, in", "host"),
    Feature("burst_out", "ratio", "6 x flows in W10 / flows in W60, out", "host"),
    Feature(
        "arrival_cusum",
        "1",
        "one-sided CUSUM (Page 1954): after each second of K's life with n flows in, S = max(0, S + (n - m) / "
        "sqrt(m + 1) - 0.5), then m += (min(n, m + 3 sqrt(m + 1)) - m) / 60; in the first 10 s S = 0, m = mean of n, "
        "and the feature NaN; a move of the clock by over 600 s sets both to 0; the current second is taken as ended",
        "host",
    ),
    Feature("byte_ratio_60s", "bits", "log2((bytes received + 1) / (bytes sent + 1)) of K in W60", "host"),
    Feature("host_flows", "flows", "flows of K counted so far, this one included", "host"),
)

_PAIR: Final = (
    _pair("pair_flows", "flows", "flows between K and P so far, this one included"),
    _pair("pair_flows_1m", "flows", "the same, weighted by recency with a half-life of 30 s"),
    _pair("pair_flows_1h", "flows", "the same, weighted by recency with a half-life of 1,800 s"),
    _pair("pair_age", "s", "this start - earliest start of the pair"),
    _pair("pair_beats", "beats", "flows that started over 1 s from every earlier beat, at most the 16 of latest start"),
    _pair("pair_interval", "s", "median time between the starts of those beats"),
    _pair("pair_interval_spread", "ratio", "median absolute deviation of those times / their median"),
    _pair(
        "pair_interval_skew", "1", "Bowley skewness of those times: (Q1 + Q3 - 2 median) / (Q3 - Q1), 0 when Q1 = Q3"
    ),
    _pair("pair_size_spread", "ratio", "median absolute deviation of the beats' sent bytes / max(1, their median)"),
    _pair("pair_size", "bytes", "median of the beats' sent bytes"),
    _pair(
        "pair_regularity",
        "0 to 1",
        "1 - mean of min(1, interval spread), min(1, |Q1 + Q3 - 2 median| / median) of the times between beats, and "
        "min(1, size spread) if known; NaN under 4 beats",
    ),
    _pair("pair_answered_share", "share", "answered flows of the pair / its flows"),
    _pair("pair_failed_share", "share", "failed share of the pair's flows"),
    _pair("pair_byte_ratio", "bits", "log2((bytes received + 1) / (bytes sent + 1)) over the pair's flows"),
)

CATALOGUE: Final[tuple[Feature, ...]] = (*_FLOW, *_PORTS, *_windows(), *_HOST, *_PAIR)
NAMES: Final[tuple[str, ...]] = tuple(feature.name for feature in CATALOGUE)
INDEX: Final[dict[str, int]] = {name: position for position, name in enumerate(NAMES)}


@cache
def catalogue_json() -> bytes:
    """The catalogue and the limits of the state behind it, as canonical JSON (sorted keys, no white space)."""
    document = {"features": [asdict(feature) for feature in CATALOGUE], "state": LIMITS}
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


@cache
def catalogue_digest() -> str:
    """SHA-256 of :func:`catalogue_json`, in hex: two models with the same digest read the same features."""
    return hashlib.sha256(catalogue_json()).hexdigest()
