"""Benign traffic that looks like something else: retries of what is gone, idle connections told of piece by piece, the
administrators' own probing."""

from __future__ import annotations

from typing import Final

import numpy as np

from flows.batch import State
from flows.simulator.columns import (
    ACK,
    ICMP,
    PSH,
    Columns,
    Generator,
    connections,
    datagrams,
    ephemeral_ports,
    merge,
    tcp_attempt,
)
from flows.simulator.network import Network, pick, public_addresses
from flows.simulator.span import Span

_SWEPT_PORTS: Final = np.array([22, 80, 135, 139, 161, 443, 445, 515, 631, 3389, 5985, 8080, 9100])


def dead_services(rng: Generator, network: Network, span: Span) -> Columns:
    """Programs that call a service which is switched off, at its old address, in the rhythm of their timer.

    Some wait twice as long from try to try, some never learn.
    """
    clients = max(2, len(network.clients) // 8)
    who = pick(rng, network.clients, clients)
    actor, start = span.beats(rng, rng.choice([60.0, 120.0, 300.0], clients), 0.35)
    n = len(start)
    gone = public_addresses(rng, clients)
    inside = rng.random(clients) < 0.4
    gone[inside] = pick(rng, network.servers, int(inside.sum()))
    port = rng.choice(np.array([443, 80, 8080, 9100, 445, 5223, 8883, 1688]), clients)
    refused = rng.random(clients) < 0.4
    back_off = rng.random(clients) < 0.5
    kept = ~back_off[actor] | (rng.random(n) < 0.4)
    tries = rng.integers(1, 5, clients)[actor]
    columns = tcp_attempt(rng, start, who[actor], gone[actor], port[actor], refused[actor], tries=tries)
    return {name: column[kept] for name, column in columns.items()}


def idle_connections(rng: Generator, network: Network, span: Span) -> Columns:
    """Connections that stay open for days with a sign of life every few minutes.

    Exporters give a silent connection up and tell of each sign of life as a flow of its own, seen from the middle.
    """
    clients = max(2, len(network.clients) // 3)
    who = pick(rng, network.clients, clients)
    far = pick(rng, network.vendors, clients)
    actor, start = span.beats(rng, rng.choice([60.0, 120.0, 300.0], clients, p=[0.2, 0.3, 0.5]), 0.01)
    n = len(start)
    port = rng.choice(np.array([443, 8883, 5223, 5228]), clients, p=[0.5, 0.2, 0.15, 0.15])
    up, down = rng.integers(2, 90, clients)[actor], rng.integers(2, 90, clients)[actor]
    return connections(
        start,
        rng.lognormal(-3, 0.8, n),
        (who[actor], far[actor]),
        (ephemeral_ports(rng, clients)[actor], port[actor]),
        (2, 1),
        (up, down),
        (ACK | PSH, ACK | PSH),
        State.OTHER,
    )


def pings_and_sweeps(rng: Generator, network: Network, span: Span) -> Columns:
    """The monitor looks who is there, a client pings what seems slow."""
    swept = np.concatenate([network.servers, network.clients])
    sweep = span.start + rng.uniform(0, 0.8) * span.duration + np.cumsum(rng.exponential(1.2, 120))
    sweep = sweep[sweep < span.start + span.duration]
    n = len(sweep)
    answered = rng.choice(3, n, p=[0.35, 0.55, 0.1])
    target, port = pick(rng, swept, n), rng.choice(_SWEPT_PORTS, n)
    looking = tcp_attempt(rng, sweep, network.monitor, target, port, answered, 44)
    slow = public_addresses(rng, 1)[0]
    count = int(rng.integers(30, 120))
    pings = span.start + rng.uniform(0, 0.9) * span.duration + np.cumsum(rng.normal(1.0, 0.01, count).clip(0.5))
    pings = pings[pings < span.start + span.duration]
    m = len(pings)
    echoed = rng.random(m) < rng.choice([0.06, 0.97])
    asking = datagrams(
        rng,
        pings,
        pick(rng, network.clients, 1)[0],
        slow,
        0,
        (1, 56),
        (echoed, 56),
        rng.lognormal(-3.5, 0.3, m),
        protocol=ICMP,
    )
    return merge([looking, asking])
