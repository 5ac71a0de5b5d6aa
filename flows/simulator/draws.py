"""Attacks with parameters drawn at random: how long, how fast, from how many, and whether anybody answers."""

from __future__ import annotations

from typing import Final, Literal

import numpy as np

from flows.simulator.attack import Attack
from flows.simulator.columns import Generator
from flows.simulator.direct_floods import AckFlood, IcmpFlood, OutboundFlood, UdpFlood
from flows.simulator.floods import Answer, FlashCrowd, HttpFlood, SynFlood, UdpAmplification
from flows.simulator.intrusions import AuthorisedScan, Beacon, PortScan
from flows.simulator.malware import ChatCommand, DeadCommand, LazyBeacon, MadeUpNames, PeerBot
from flows.simulator.slow_floods import Slowloris, SlowSynFlood

_WARM_UP_S: Final = 120.0  # of ordinary life before the first attack
_FIRST_INFECTED: Final = 10  # position among a training network's clients
_REFUSALS: Final[tuple[Answer, ...]] = ("reset", "unreachable")
_LARGEST: Final = 700  # flows of a flood


def trained_attacks(rng: Generator, number: int, duration: float) -> tuple[Attack, ...]:
    """Every kind that models are trained on, in one capture of ``duration`` s; ``number`` is the capture's.

    Floods and scans come one after the other in random order, two or three of the commonest kinds; malware calls all
    along.
    """
    after = _WARM_UP_S + (duration - _WARM_UP_S) * (np.arange(16) + rng.uniform(0, 0.3, 16)) / 16
    at = [float(time) for time in rng.permutation(after)]
    # What lasts minutes begins in the first half.
    early = _WARM_UP_S + float(rng.uniform(0, 0.4)) * (duration - _WARM_UP_S)
    return (
        _syn_flood(rng, at[0], "silent"),
        _syn_flood(rng, at[1], "syn-ack"),
        _syn_flood(rng, at[13], _REFUSALS[number % 2]),
        _udp_amplification(rng, at[2], answered=False),
        _udp_amplification(rng, at[3], answered=True),
        _http_flood(rng, at[4], tls=True),
        _http_flood(rng, at[5], tls=False),
        _flash_crowd(rng, at[6]),
        _flash_crowd(rng, at[7]),
        _port_scan(rng, at[8], scanner=_FIRST_INFECTED + 4 if number % 2 == 0 else None),
        _ack_flood(rng, at[9]),
        _udp_flood(rng, at[10]),
        _icmp_flood(rng, at[11], answered=False),
        _icmp_flood(rng, at[14], answered=True),
        _outbound_flood(rng, at[12], "syn", _FIRST_INFECTED + 5),
        _outbound_flood(rng, at[15], "udp", _FIRST_INFECTED + 5),
        _slowloris(rng, early, duration - early),
        *(_beacon(rng, duration, _FIRST_INFECTED + nth) for nth in range(4)),
        _dead_command(rng, duration, _FIRST_INFECTED + 6),
        _chat_command(rng, duration, _FIRST_INFECTED + 7),
        _made_up_names(rng, duration, _FIRST_INFECTED + 8),
    )


def hidden_attacks(rng: Generator, duration: float) -> tuple[Attack, ...]:
    """What hides in ordinary life for a whole capture, and a scan that its owner ordered."""
    at, long = float(rng.uniform(30, 90)), duration - 120.0
    return (
        SlowSynFlood(at=at, duration=long, rate=float(rng.uniform(0.5, 1.5)), answer="syn-ack", syn_bytes=60),
        Slowloris(at=at, duration=long, peers=8, held=3, line_s=float(rng.uniform(15, 50)), patience_s=300.0, tls=True),
        *(
            LazyBeacon(
                at=at,
                duration=long,
                period=float(rng.uniform(100, 240)),
                jitter=float(rng.uniform(0.3, 0.6)),
                up_bytes=_log_uniform(rng, 540, 3000),
                down_bytes=_log_uniform(rng, 1000, 30_000),
                size_jitter=float(rng.uniform(0.1, 0.4)),
                client=_FIRST_INFECTED + nth,
            )
            for nth in range(4)
        ),
        MadeUpNames(at=at, duration=long, period=400.0, names=20, name_s=2.0, client=_FIRST_INFECTED + 6),
        OutboundFlood(at=at + 600.0, duration=40.0, rate=40.0, kind="ack", client=_FIRST_INFECTED + 7),
        PeerBot(at=at, duration=long, peers=200, round_s=240.0, asked=30, alive_share=0.3, client=_FIRST_INFECTED + 4),
        AuthorisedScan(
            at=float(rng.uniform(200, 600)),
            duration=600.0,
            rate=float(rng.uniform(1, 3)),
            ports=300,
            targets=20,
            scanner=_FIRST_INFECTED + 5,
            reset_share=0.7,
        ),
    )


def _log_uniform(rng: Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _extent(rng: Generator) -> tuple[float, float]:
    """Draw (duration in s, flows/s) of a flood: short and fierce or long and slow, mostly under ``_LARGEST`` flows."""
    rate = _log_uniform(rng, 25.0, 100.0)
    return _log_uniform(rng, 12.0, max(14.0, min(100.0, _LARGEST / rate))), rate


def _syn_flood(rng: Generator, at: float, answer: Answer) -> SynFlood:
    duration, rate = _extent(rng)
    return SynFlood(
        at=at,
        duration=duration,
        rate=rate,
        answer=answer,
        syn_bytes=int(rng.choice([40, 44, 48, 52, 60])),
        port=int(rng.choice([443, 80, 25, 22])),
        sources=int(rng.choice([0, 0, 2000])),
        reversed_share=float(rng.uniform(0.0, 0.15)),
    )


def _udp_amplification(rng: Generator, at: float, *, answered: bool) -> UdpAmplification:
    duration, rate = _extent(rng)
    return UdpAmplification(
        at=at,
        duration=duration,
        rate=rate,
        ports=tuple(int(port) for port in rng.choice([53, 123, 1900, 389, 11211, 19], 2, replace=False)),
        amplifiers=int(rng.integers(50, 900)),
        answer_bytes=float(rng.choice([rng.uniform(350, 900), rng.uniform(2500, 6000)])),
        answered_share=float(rng.uniform(0.1, 0.9)) if answered else 0.0,
        reversed_share=float(rng.uniform(0.0, 0.15)),
    )


def _http_flood(rng: Generator, at: float, *, tls: bool) -> HttpFlood:
    return HttpFlood(
        at=at,
        # A few a second, or a few seconds of them, are a crawler's or a page's.
        duration=float(rng.uniform(22, 28)),
        rate=_log_uniform(rng, 65, 90),
        bots=int(_log_uniform(rng, 30, 200)),
        request_bytes=_log_uniform(rng, 400, 2000),
        response_bytes=_log_uniform(rng, 2500, 18_000),
        tls=tls,
    )


def _flash_crowd(rng: Generator, at: float) -> FlashCrowd:
    return FlashCrowd(at=at, duration=_log_uniform(rng, 30, 130), visitors=int(_log_uniform(rng, 70, 250)))


def _port_scan(rng: Generator, at: float, scanner: int | None) -> PortScan:
    return PortScan(
        at=at,
        duration=float(rng.uniform(30, 80)),
        rate=float(rng.uniform(4, 25)),
        ports=int(rng.choice([1, 20, 1000])),
        targets=int(rng.choice([1, 8, 25])),
        scanner=scanner,
        reset_share=float(rng.uniform(0.1, 0.9)),
    )


def _beacon(rng: Generator, duration: float, client: int) -> Beacon:
    return Beacon(
        at=float(rng.uniform(0, 90)),
        duration=duration - 100,
        period=float(rng.choice([rng.uniform(8, 16), rng.uniform(24, 50)])),
        jitter=float(rng.uniform(0.0, 0.12)),
        up_bytes=float(np.clip(rng.lognormal(6.9, 0.4), 540, 3500)),
        down_bytes=float(np.clip(rng.lognormal(8.1, 0.7), 1000, 30000)),
        size_jitter=float(rng.uniform(0.0, 0.04)),
        client=client,
        failed_share=float(rng.uniform(0.5, 0.9)),
    )


def _ack_flood(rng: Generator, at: float) -> AckFlood:
    duration, rate = _extent(rng)
    return AckFlood(
        at=at,
        duration=duration,
        rate=rate,
        payload=int(rng.choice([0, 0, int(rng.integers(1, 1200))])),
        port=int(rng.choice([443, 80, 25, 22])),
        reset_share=float(rng.choice([0.0, rng.uniform(0.3, 1.0)])),
    )


def _udp_flood(rng: Generator, at: float) -> UdpFlood:
    duration, rate = _extent(rng)
    return UdpFlood(
        at=at,
        duration=duration,
        rate=rate,
        payload=int(_log_uniform(rng, 20, 1400)),
        packets=_log_uniform(rng, 1.2, 40),
        bots=int(rng.choice([0, _log_uniform(rng, 15, 300)])),
        unreachable_share=float(rng.choice([0.0, rng.uniform(0.02, 0.15)])),
    )


def _icmp_flood(rng: Generator, at: float, *, answered: bool) -> IcmpFlood:
    duration, rate = _extent(rng)
    return IcmpFlood(
        at=at,
        duration=duration,
        rate=rate,
        payload=int(rng.choice([56, 64, 1000, 1400])),
        bots=int(_log_uniform(rng, 15, 900)),
        answered_share=float(rng.uniform(0.4, 1.0)) if answered else 0.0,
    )


def _outbound_flood(rng: Generator, at: float, kind: Literal["syn", "udp"], client: int) -> OutboundFlood:
    duration, rate = _extent(rng)
    return OutboundFlood(
        at=at,
        duration=duration,
        rate=rate,
        kind=kind,
        client=client,
        port=int(rng.choice([80, 443, 53, int(rng.integers(1024, 65535))])),
        answered_share=float(rng.choice([0.0, rng.uniform(0.1, 0.9)])),
    )


def _slowloris(rng: Generator, at: float, remaining: float) -> Slowloris:
    return Slowloris(
        at=at,
        duration=float(rng.uniform(0.4, 0.8)) * remaining,
        peers=int(rng.integers(20, 45)),
        held=int(rng.integers(4, 7)),
        line_s=float(rng.uniform(5, 15)),
        patience_s=float(rng.uniform(50, 150)),
    )


def _dead_command(rng: Generator, duration: float, client: int) -> DeadCommand:
    return DeadCommand(
        at=float(rng.uniform(0, 90)),
        duration=duration - 100,
        period=_log_uniform(rng, 6, 30),
        jitter=float(rng.uniform(0.0, 0.2)),
        tries=int(rng.integers(1, 4)),
        port=int(rng.choice([1177, 5552, 443, 8080, int(rng.integers(1024, 65535))])),
        refused_share=float(rng.choice([0.0, rng.uniform(0.0, 1.0)])),
        client=client,
    )


def _chat_command(rng: Generator, duration: float, client: int) -> ChatCommand:
    return ChatCommand(
        at=float(rng.uniform(0, 90)),
        duration=duration - 100,
        port=int(rng.choice([6667, 6697, 443, int(rng.integers(1024, 65535))])),
        pause_s=_log_uniform(rng, 3, 8),
        stay_s=float(rng.uniform(20, 40)),
        failed_share=float(rng.uniform(0.6, 0.9)),
        client=client,
    )


def _made_up_names(rng: Generator, duration: float, client: int) -> MadeUpNames:
    return MadeUpNames(
        at=float(rng.uniform(0, 90)),
        duration=duration - 100,
        period=float(rng.uniform(250, 400)),
        names=int(rng.integers(400, 1100)),
        name_s=_log_uniform(rng, 0.05, 0.2),
        outside=True,
        client=client,
    )
