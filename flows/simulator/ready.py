"""Ready scenarios: one to train on, one to be judged by, and what went before that one.

``training_scenario`` is six captures of six networks, one after the other with quiet gaps; every attack kind that
models are trained on happens in each of them, every time with other parameters, so that any split in time has
all kinds on both sides. ``live_scenario`` is one capture of a seventh network, with other rates, periods and sizes than
training, and one attack kind that training never shows. ``past_scenario`` is another day of that network, without
attacks: what a site knows of itself when it begins to watch.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from flows.simulator.attack import Attack
from flows.simulator.columns import Generator
from flows.simulator.floods import Answer, FlashCrowd, HttpFlood, SynFlood, UdpAmplification
from flows.simulator.intrusions import Beacon, IcmpTunnel, PortScan
from flows.simulator.scenario import Capture, Scenario

_DAY_S: Final = 86_400.0
_GAP_S: Final = 1800.0  # between captures of one scenario
_WARM_UP_S: Final = 120.0  # of ordinary life before the first attack
_FIRST_INFECTED: Final = 10  # position among a training network's clients
_ANSWERS: Final[tuple[Answer, ...]] = ("silent", "syn-ack", "reset")


def training_scenario(seed: int = 1) -> Scenario:
    """Six captures, together about 165,000 flows in two hours of watching."""
    rng = np.random.default_rng([seed, 0])
    captures = []
    at = 0.0
    for number in range(6):
        duration = float(rng.uniform(1200, 1400))
        attacks = _trained_attacks(rng, number, duration)
        subnet = f"10.{rng.integers(0, 100)}.{4 * rng.integers(0, 64)}.0/22"
        clients = int(rng.integers(22, 44))
        captures.append(Capture(at, duration, subnet, clients, float(rng.uniform(0.55, 1.0)), attacks))
        at += duration + _GAP_S
    return Scenario(seed, 1_700_000_000.0 + float(rng.integers(0, 10_000_000)), tuple(captures))


def _trained_attacks(rng: Generator, number: int, duration: float) -> tuple[Attack, ...]:
    """Nine attacks one after the other in random order, two of most kinds, and four beacons all along."""
    after = _WARM_UP_S + (duration - _WARM_UP_S) * (np.arange(9) + rng.uniform(0, 0.3, 9)) / 9
    at = [float(time) for time in rng.permutation(after)]
    return (
        _syn_flood(rng, at[0], _ANSWERS[number % 3]),
        _syn_flood(rng, at[1], _ANSWERS[(number + 1) % 3]),
        _udp_amplification(rng, at[2], answered=False),
        _udp_amplification(rng, at[3], answered=True),
        _http_flood(rng, at[4]),
        _http_flood(rng, at[5]),
        _flash_crowd(rng, at[6]),
        _flash_crowd(rng, at[7]),
        _port_scan(rng, at[8], scanner=_FIRST_INFECTED + 4 if number % 2 == 0 else None),
        *(_beacon(rng, duration, _FIRST_INFECTED + nth) for nth in range(4)),
    )


def _log_uniform(rng: Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _extent(rng: Generator) -> tuple[float, float]:
    """Draw (duration in s, flows/s) of a flood: short and fierce or long and slow, at most 2,400 flows."""
    duration = _log_uniform(rng, 12, 100)
    return duration, _log_uniform(rng, 20, max(30.0, min(160.0, 2400 / duration)))


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


def _http_flood(rng: Generator, at: float) -> HttpFlood:
    duration, rate = _extent(rng)
    return HttpFlood(
        at=at,
        duration=duration,
        rate=rate,
        bots=int(_log_uniform(rng, 15, 300)),
        request_bytes=_log_uniform(rng, 300, 2200),
        response_bytes=_log_uniform(rng, 700, 40_000),
        tls=bool(rng.random() < 0.6),
    )


def _flash_crowd(rng: Generator, at: float) -> FlashCrowd:
    return FlashCrowd(at=at, duration=_log_uniform(rng, 30, 130), visitors=int(_log_uniform(rng, 80, 600)))


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
    )


def live_scenario(seed: int = 2) -> Scenario:
    """One capture of 25 minutes, about 87,000 flows: five attacks, a strangeness and a flash crowd."""
    rng = np.random.default_rng([seed, 1])

    def around(value: float) -> float:
        return float(value * rng.uniform(0.95, 1.05))

    attacks = (
        Beacon(
            at=around(60),
            duration=1400,
            period=around(19),
            jitter=0.05,
            up_bytes=around(1450),
            down_bytes=around(5200),
            size_jitter=0.02,
            client=21,
        ),
        SynFlood(
            at=around(200), duration=60, rate=around(280), answer="syn-ack", syn_bytes=56, port=443, reversed_share=0.05
        ),
        UdpAmplification(
            at=around(400),
            duration=60,
            rate=around(180),
            ports=(53, 389),
            amplifiers=1200,
            answer_bytes=around(1600),
            answered_share=0.3,
            reversed_share=0.05,
        ),
        FlashCrowd(at=around(600), duration=180, visitors=int(around(750))),
        IcmpTunnel(at=around(860), duration=150, rate=around(3), relays=6, up_bytes=around(400_000), client=23),
        PortScan(at=around(1080), duration=70, rate=around(50), ports=1000, targets=40, scanner=22, reset_share=0.6),
        HttpFlood(
            at=around(1260),
            duration=80,
            rate=around(110),
            bots=150,
            request_bytes=around(1300),
            response_bytes=around(11_000),
        ),
    )
    subnet = f"172.{rng.integers(16, 32)}.{4 * rng.integers(0, 64)}.0/22"
    start = 1_750_000_000.0 + float(rng.integers(0, 10_000_000))
    return Scenario(seed, start, (Capture(0.0, 1500.0, subnet, int(rng.integers(45, 60)), 1.0, attacks),))


def past_scenario(seed: int = 2) -> Scenario:
    """The day before ``live_scenario(seed)``: the same network, another life, another crowd, and no attack."""
    live = live_scenario(seed)
    crowd = FlashCrowd(at=500.0, duration=180, visitors=700)
    return replace(live, start=live.start - _DAY_S, day=1, captures=(replace(live.captures[0], attacks=(crowd,)),))
