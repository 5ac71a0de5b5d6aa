"""Ready scenarios: one to train on, one to be judged by, what went before that one, and one that is too hard.

``training_scenario`` is six captures of six networks, one after the other with quiet gaps; every attack kind that
models are trained on happens in each of them, every time with other parameters, so that any split in time has
all kinds on both sides. ``live_scenario`` is one capture of a seventh network, with other rates, periods and sizes than
training, and one attack kind that training never shows. ``past_scenario`` is another day of that network, without
attacks: what a site knows of itself when it begins to watch. ``hard_scenario`` holds what hides.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from flows.simulator.draws import hidden_attacks, trained_attacks
from flows.simulator.exporters import Exporter
from flows.simulator.floods import FlashCrowd, HttpFlood, SynFlood, UdpAmplification
from flows.simulator.intrusions import Beacon, IcmpTunnel, PortScan
from flows.simulator.scenario import Capture, Scenario

_DAY_S: Final = 86_400.0
_GAP_S: Final = 1800.0  # between captures of one scenario
_HARD_S: Final = 2400.0
# Of the day, capture by capture: the third is watched by night, the fifth in the evening.
_HOURS: Final = ((9.0, 18.0), (9.0, 18.0), (1.0, 4.0), (9.0, 18.0), (18.0, 22.0), (9.0, 18.0))


def training_scenario(seed: int = 1) -> Scenario:
    """Six captures, together about 165,000 flows in two hours of watching."""
    rng = np.random.default_rng([seed, 0])
    captures = []
    at = 0.0
    for number, hours in enumerate(_HOURS):
        duration = float(rng.uniform(1200, 1400))
        attacks = trained_attacks(rng, number, duration)
        subnet = f"10.{rng.integers(0, 100)}.{4 * rng.integers(0, 64)}.0/22"
        clients = int(rng.integers(28, 40))
        rate, hour = float(rng.uniform(0.7, 0.95)), float(rng.uniform(*hours))
        captures.append(Capture(at, duration, subnet, clients, rate, attacks, hour))
        at += duration + _GAP_S
    return Scenario(seed, 1_700_000_000.0 + float(rng.integers(0, 10_000_000)), tuple(captures))


def live_scenario(seed: int = 2) -> Scenario:
    """One capture of 25 minutes, about 81,000 flows: five attacks, a strangeness and a flash crowd."""
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
            failed_share=around(0.6),
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


def hard_scenario(seed: int = 3) -> Scenario:
    """Three captures of what hides: slow floods, rare calls, and life that looks like an attack; about 90,000 flows.

    It is for comparisons, not for training: at a false-positive rate that people bear, today's models miss most of it.
    One capture is told of by Zeek on a mirrored port, one by Argus, one by NetFlow of which each record is one way.
    """
    rng = np.random.default_rng([seed, 2])
    exporters: tuple[Exporter, ...] = ("zeek-mirrored", "argus", "netflow")
    captures = []
    for number, exporter in enumerate(exporters):
        subnet = f"10.{rng.integers(100, 200)}.{4 * rng.integers(0, 64)}.0/22"
        hidden = hidden_attacks(rng, _HARD_S)
        captures.append(
            Capture(number * (_HARD_S + _GAP_S), _HARD_S, subnet, 30, 0.8, hidden, float(rng.uniform(8, 20)), exporter)
        )
    return Scenario(seed, 1_720_000_000.0 + float(rng.integers(0, 10_000_000)), tuple(captures))


def past_scenario(seed: int = 2) -> Scenario:
    """The day before ``live_scenario(seed)``: the same network, another life, another crowd, and no attack."""
    live = live_scenario(seed)
    crowd = FlashCrowd(at=500.0, duration=180, visitors=700)
    return replace(live, start=live.start - _DAY_S, day=1, captures=(replace(live.captures[0], attacks=(crowd,)),))
