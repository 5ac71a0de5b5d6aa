"""Attacks and ordinary programs drawn at random, to be laid over captures of life: what no capture shows enough of.

The ranges are as wide as the kind allows, so that what is learned is the kind and not one program's settings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from detection.verdict import Kind
from flows.addresses import parse_address
from flows.batch import FlowBatch
from flows.keying import DEFAULT_HOME, HomeNetworks, key_hosts
from flows.simulator import (
    AckFlood,
    Attack,
    BusyNames,
    BusyService,
    ChatCommand,
    DeadCommand,
    GonePeers,
    IcmpFlood,
    MadeUpNames,
    OutboundFlood,
    Pings,
    SynFlood,
    UdpAmplification,
    UdpFlood,
)
from flows.simulator.network import draw_network
from training.datasets.captures import Capture
from training.datasets.mixing import most_frequent
from training.datasets.parts import Part

_ELSEWHERE: Final = parse_address("198.51.100.1")  # TEST-NET-2 (RFC 5737)
_START: Final = 1.7e9  # s since 1970; attacks are shifted to the captures that they are laid over
_SUBNET: Final = "10.200.0.0/22"
_CLIENTS: Final = 12
_CALLS: Final = 400  # of one program that calls home, at most
_LONGEST_S: Final = 86_400.0
_NAMES: Final = 53
_WEB_PORTS: Final = (80, 443, 8080)
_CHAT_PORTS: Final = (6667, 6697, 23, 5555)
_OFTEN_OUTWARD: Final = (BusyService, BusyNames, Pings, SynFlood, AckFlood, UdpFlood, IcmpFlood)
_KINDS: Final = {kind.label: kind for kind in Kind}

Draw = Callable[[np.random.Generator], Attack]


def drawn(rng: np.random.Generator, rounds: int) -> Iterator[Capture]:
    """Draw each of :data:`DRAWS` ``rounds`` times: captures of nothing else, at home in 10.0.0.0/8.

    Every other time a server's work is that of a client instead, and a flood one that a host at home sends: all flows
    go out, to one host elsewhere. But no client asks for names as fast as a server is asked: how fast one may ask is
    drawn by itself.
    """
    for turn in range(rounds):
        for draw in DRAWS:
            attack = draw(rng)
            network = draw_network(rng, _SUBNET, _CLIENTS)
            columns = attack.flows(rng, network, _START).columns
            n = len(columns["start"])
            order = np.argsort(columns["start"], kind="stable")
            capture = Capture(
                name=attack.name,
                batch=FlowBatch.from_columns(n, columns).take(order),
                truth=np.full(n, _KINDS[attack.label], dtype=np.int8),
                attack=np.full(n, attack.name),
                part=np.full(n, Part.TRAIN, dtype=np.int8),
                home=DEFAULT_HOME,
                dead=0,
                drawn_from=(f"drawn {attack.name}",),
            )
            asked_for_names = isinstance(attack, BusyNames) and attack.port == _NAMES
            outward = isinstance(attack, _OFTEN_OUTWARD) and turn % 2 == 1 and not asked_for_names
            yield from_within(capture) if outward or draw in _CLIENTS_NAMES else capture


def from_within(flood: Capture) -> Capture:
    """The same flood by one host at home, on a victim elsewhere: so a bot's network sees what it takes part in."""
    batch = flood.batch
    home = HomeNetworks(flood.home)
    victim = most_frequent(key_hosts(batch, home.key_is_dst(batch)))
    sides = {}
    for side in ("src_addr", "dst_addr"):
        is_victim = (getattr(batch, side) == victim).all(axis=1)[:, None]
        sides[side] = np.where(is_victim, np.array(_ELSEWHERE, dtype=np.uint64), victim)
    return replace(flood, name=f"{flood.name} from within", batch=replace(batch, **sides))


def _between(rng: np.random.Generator, low: float, high: float) -> float:
    """Log-uniform."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _client(rng: np.random.Generator) -> int:
    return int(rng.integers(_CLIENTS))


def _port(rng: np.random.Generator, usual: tuple[int, ...]) -> int:
    return int(rng.choice(usual) if rng.random() < 0.5 else rng.integers(1, 65_536))


def _lasting(period: float) -> float:
    """How long a program calls with this period, s."""
    return min(_LONGEST_S, _CALLS * period)


def _dead_command(rng: np.random.Generator) -> Attack:
    period = _between(rng, 2, 240)
    return DeadCommand(
        at=0.0,
        duration=_lasting(period),
        period=period,
        jitter=float(rng.uniform(0, 0.4)),
        tries=int(rng.integers(1, 5)),
        port=_port(rng, (*_CHAT_PORTS, *_WEB_PORTS)),
        refused_share=float(rng.choice([0.0, 1.0, rng.random()])),
        client=_client(rng),
    )


def _chat_command(rng: np.random.Generator) -> Attack:
    pause, stay = _between(rng, 2, 120), _between(rng, 1, 120)
    return ChatCommand(
        at=0.0,
        duration=_lasting(pause + stay),
        port=_port(rng, _CHAT_PORTS),
        pause_s=pause,
        stay_s=stay,
        failed_share=float(rng.uniform(0.4, 0.95)),
        client=_client(rng),
    )


def _made_up_names(rng: np.random.Generator) -> Attack:
    return MadeUpNames(
        at=0.0,
        duration=900.0,
        period=float(rng.uniform(60, 300)),
        names=int(_between(rng, 300, 2000)),
        name_s=_between(rng, 0.02, 0.2),
        client=_client(rng),
        unanswered_share=float(rng.choice([0.0, rng.uniform(0, 0.6)])),
        visited_share=float(rng.choice([0.0, rng.uniform(0, 0.5)])),
        outside=bool(rng.random() < 0.5),
    )


def _flood(rng: np.random.Generator) -> tuple[float, float]:
    """Duration (s) and flows a second of a flood."""
    rate = _between(rng, 40, 2000)
    return float(np.clip(6000 / rate, 3, 60)), rate


def _outbound_flood(rng: np.random.Generator) -> Attack:
    rate = _between(rng, 100, 2000)
    return OutboundFlood(
        at=0.0,
        duration=float(np.clip(6000 / rate, 5, 60)),
        rate=rate,
        kind=("syn", "ack", "udp")[int(rng.integers(3))],
        client=_client(rng),
        port=_port(rng, _WEB_PORTS),
        answered_share=float(rng.choice([0.0, rng.random()])),
    )


def _ack_flood(rng: np.random.Generator) -> Attack:
    duration, rate = _flood(rng)
    reset = float(rng.choice([0.0, rng.random()]))
    return AckFlood(at=0.0, duration=duration, rate=rate, payload=int(rng.integers(0, 1400)), reset_share=reset)


def _udp_flood(rng: np.random.Generator) -> Attack:
    duration, rate = _flood(rng)
    return UdpFlood(
        at=0.0,
        duration=duration,
        rate=rate,
        payload=int(rng.integers(1, 1400)),
        packets=_between(rng, 1, 20),
        bots=int(rng.choice([0, 20, 400])),
        unreachable_share=float(rng.choice([0.0, rng.random()])),
    )


def _icmp_flood(rng: np.random.Generator) -> Attack:
    duration, rate = _flood(rng)
    bots, answered = int(_between(rng, 5, 1000)), float(rng.choice([0.0, rng.random()]))
    payload = int(rng.integers(8, 1400))
    return IcmpFlood(at=0.0, duration=duration, rate=rate, payload=payload, bots=bots, answered_share=answered)


def _syn_flood(rng: np.random.Generator) -> Attack:
    duration, rate = _flood(rng)
    return SynFlood(
        at=0.0,
        duration=duration,
        rate=rate,
        answer=("silent", "syn-ack", "reset")[int(rng.integers(3))],
        syn_bytes=int(rng.choice([40, 44, 48, 52, 60])),
        port=_port(rng, _WEB_PORTS),
        sources=int(rng.choice([0, 50, 2000])),
        reversed_share=float(rng.choice([0.0, rng.uniform(0, 0.3)])),
    )


def _amplification(rng: np.random.Generator) -> Attack:
    duration, rate = _flood(rng)
    return UdpAmplification(
        at=0.0,
        duration=duration,
        rate=rate,
        ports=tuple(int(port) for port in rng.choice([17, 19, 53, 111, 123, 137, 389, 1900, 3702, 11211], 2, False)),
        amplifiers=int(_between(rng, 30, 3000)),
        answer_bytes=_between(rng, 200, 6000),
        answered_share=float(rng.choice([0.0, rng.random()])),
        reversed_share=float(rng.choice([0.0, rng.uniform(0, 0.3)])),
    )


def _busy_service(rng: np.random.Generator) -> Attack:
    duration, rate = _busy(rng)
    return BusyService(
        at=0.0,
        duration=duration,
        rate=rate,
        clients=int(_between(rng, 3, 5000)),
        port=_port(rng, (*_WEB_PORTS, 22, 25, 993, 8883)),
        request_bytes=_between(rng, 80, 3000),
        response_bytes=_between(rng, 100, 60_000),
        spread=float(rng.uniform(0.0, 1.8)),
        trip_s=_between(rng, 0.001, 0.1),
        failed_share=float(rng.choice([0.0, rng.uniform(0, 0.1)])),
    )


def _busy_names(rng: np.random.Generator) -> Attack:
    duration, rate = _busy(rng)
    return BusyNames(
        at=0.0,
        duration=duration,
        rate=rate,
        clients=int(_between(rng, 3, 3000)),
        port=int(rng.choice([53, 53, 123, 443, 3478])),
        question_bytes=_between(rng, 20, 200),
        answer_bytes=_between(rng, 40, 1200),
        unanswered_share=float(rng.choice([0.0, rng.uniform(0, 0.1)])),
    )


def _names_asked(rng: np.random.Generator) -> Attack:
    """A client that asks for many names, though not as many as malware that makes them up."""
    return BusyNames(
        at=0.0,
        duration=900.0,
        rate=_between(rng, 0.3, 1.7),
        clients=1,
        port=_NAMES,
        question_bytes=_between(rng, 25, 60),
        answer_bytes=_between(rng, 60, 300),
        unanswered_share=float(rng.choice([0.0, rng.uniform(0, 0.1)])),
    )


def _names_in_vain(rng: np.random.Generator) -> Attack:
    """A client whose name server is down, or nearly, and that asks on."""
    rate = _between(rng, 0.005, 1.0)
    return BusyNames(
        at=0.0,
        duration=float(np.clip(_CALLS / rate, 900.0, _LONGEST_S)),
        rate=rate,
        clients=1,
        port=_NAMES,
        question_bytes=_between(rng, 25, 60),
        answer_bytes=_between(rng, 60, 300),
        unanswered_share=float(rng.choice([1.0, rng.uniform(0.5, 1.0)])),
    )


def _busy_pings(rng: np.random.Generator) -> Attack:
    rate = _between(rng, 0.2, 30)
    return Pings(
        at=0.0,
        duration=float(np.clip(3000 / rate, 60, 1200)),
        rate=rate,
        monitors=int(_between(rng, 1, 8)),
        payload=int(rng.integers(8, 120)),
        unanswered_share=float(rng.choice([0.0, 1.0, rng.random()])),
    )


def _gone_peers(rng: np.random.Generator) -> Attack:
    period = _between(rng, 30, 3600)
    return GonePeers(
        at=0.0,
        duration=min(_LONGEST_S, 40 * period),
        peers=int(_between(rng, 4, 200)),
        period=period,
        jitter=float(rng.choice([0.0, rng.uniform(0, 0.3), rng.uniform(0.3, 1.0)])),
        tries=int(rng.integers(1, 5)),
        gone_share=float(rng.uniform(0.3, 1.0)),
        refused_share=float(rng.choice([0.0, 1.0, rng.random()])),
        client=_client(rng),
    )


def _busy(rng: np.random.Generator) -> tuple[float, float]:
    """Duration (s) and flows a second of a server's work."""
    rate = _between(rng, 2, 400)
    return float(np.clip(4000 / rate, 20, 600)), rate


DRAWS: Final[tuple[Draw, ...]] = (
    *(_dead_command, _chat_command, _made_up_names),
    *(_busy_service, _busy_names, _busy_service, _busy_names, _busy_pings, _busy_pings),
    *(_gone_peers, _gone_peers, _names_in_vain, _names_asked),
    *(_outbound_flood, _ack_flood, _syn_flood, _udp_flood, _syn_flood, _icmp_flood, _amplification),
)
_CLIENTS_NAMES: Final = (_names_asked, _names_in_vain)
