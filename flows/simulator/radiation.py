"""What arrives from the Internet unasked, all day, at whatever can be reached: its background radiation (Pang et al.
2004). Probes, slow scanners, password guessers, and answers to packets that somebody else sent in our name.

It is part of ordinary life and labelled benign: nobody acts on it, and an alert about one such flow would be a false
alarm. (Labelled captures call the same flows attacks where they come as a campaign; here a campaign is a scripted port
scan.)
"""

from __future__ import annotations

from typing import Final

import numpy as np

from flows.batch import Service, State
from flows.simulator.columns import (
    ACK,
    ICMP,
    RST,
    SYN,
    Array,
    Columns,
    Generator,
    datagrams,
    merge,
    repeat_rows,
    running_times,
    tcp,
    tcp_attempt,
)
from flows.simulator.network import Network, pick, public_addresses
from flows.simulator.span import Span

# In the order of how often they are tried; as many probes again go to any port at all.
_PROBED_TCP: Final = np.array(
    [23, 445, 22, 80, 81, 5555, 1433, 3389, 7000, 443, 2323, 8080, 5060, 6379, 3306, 17000, 5900, 8443, 2375, 37215]
)
_PROBED_UDP: Final = np.array([123, 5060, 53, 161, 389, 1900, 11211])
_ANY_PORT_SHARE: Final = 0.45
_SYN_SIZES: Final = np.array([40, 44, 52, 60])


def radiation(rng: Generator, network: Network, span: Span) -> Columns:
    """All of it, to the three servers that can be reached from outside.

    Whether a closed port answers with a reset or a firewall drops the probe is the network's way, not the prober's.
    """
    closed = float(rng.choice([0.03, 0.3, 0.85]))
    return merge(
        [
            _probes(rng, network, span, closed),
            _slow_scanners(rng, network, span, closed),
            _knockers(rng, network, span, closed),
            _guessers(rng, network, span),
            _backscatter(rng, network, span),
            _datagrams(rng, network, span),
        ]
    )


def _ports(rng: Generator, n: int) -> Array:
    weights = 1 / np.arange(1, len(_PROBED_TCP) + 1)
    known = rng.choice(_PROBED_TCP, n, p=weights / weights.sum())
    return np.where(rng.random(n) < _ANY_PORT_SHARE, rng.integers(1, 65536, n), known)


def _syns(rng: Generator, start: Array, src: Array, dst: Array, port: Array, closed: float) -> Columns:
    n = len(start)
    answered = rng.choice(3, n, p=[0.97 * (1 - closed), 0.97 * closed, 0.03])
    tries = rng.choice(np.array([1, 2, 3]), n, p=[0.85, 0.1, 0.05])
    return tcp_attempt(rng, start, src, dst, port, answered, rng.choice(_SYN_SIZES, n), tries)


def _probes(rng: Generator, network: Network, span: Span, closed: float) -> Columns:
    """One packet each, from everywhere."""
    start = span.arrivals(rng, 0.05, people=False)
    n = len(start)
    return _syns(rng, start, public_addresses(rng, n), pick(rng, network.reachable, n), _ports(rng, n), closed)


def _from_few(rng: Generator, span: Span, sources: int, gap_s: float, sigma: float) -> tuple[Array, Array]:
    """(source, time) of sources that act again and again, in their own time; some begin or end within the span."""
    periods = gap_s * rng.lognormal(0, 0.6, sources)
    counts = np.maximum(span.duration / periods * rng.uniform(0.2, 1.0, sources), 1).astype(np.int64)
    source = repeat_rows(counts)
    gaps = periods[source] * rng.lognormal(-(sigma**2) / 2, sigma, len(source))
    times = running_times(span.start + rng.uniform(0, span.duration, sources), gaps, counts)
    inside = times < span.start + span.duration
    return source[inside], times[inside]


def _slow_scanners(rng: Generator, network: Network, span: Span, closed: float) -> Columns:
    """A few that try port after port, one every some tens of seconds, for hours."""
    source, start = _from_few(rng, span, 3, 25.0, 1.0)
    n = len(start)
    who = public_addresses(rng, 3)[source]
    return _syns(rng, start, who, network.reachable[source % len(network.reachable)], _ports(rng, n), closed)


def _knockers(rng: Generator, network: Network, span: Span, closed: float) -> Columns:
    """Two that try one port of one host over and over, in the rhythm of their program."""
    source, start = _from_few(rng, span, 2, 12.0, 0.25)
    port = rng.choice(np.array([23, 445, 22, 1433, 30003]), 2)[source]
    who = public_addresses(rng, 2)[source]
    return _syns(rng, start, who, network.reachable[1 + source], port, closed)


def _guessers(rng: Generator, network: Network, span: Span) -> Columns:
    """Logins with names and passwords from lists, one connection each, all alike."""
    source, start = _from_few(rng, span, 2, 20.0, 0.3)
    n = len(start)
    who = public_addresses(rng, 2)[source]
    seconds = rng.choice(np.array([1.5, 4.0, 60.0]), 2)[source] * rng.uniform(0.9, 1.1, n)
    up, down = rng.integers(1200, 1300, n), rng.integers(1650, 1750, n)
    return tcp(rng, start, who, network.reachable[1], 22, up, down, seconds, Service.SSH)


def _backscatter(rng: Generator, network: Network, span: Span) -> Columns:
    """Answers of victims elsewhere to floods that were sent in the name of our addresses."""
    start = span.arrivals(rng, 0.006, people=False)
    n = len(start)
    src, dst = public_addresses(rng, n), pick(rng, network.reachable, n)
    columns = tcp_attempt(rng, start, src, dst, rng.integers(1024, 65536, n), 0, 40)
    reset = rng.random(n) < 0.5
    columns["src_port"] = rng.choice(np.array([80, 443, 22, 25565]), n)
    columns["src_flags"] = np.where(reset, RST | ACK, SYN | ACK)
    columns["state"] = np.full(n, State.OTHER)
    return columns


def _datagrams(rng: Generator, network: Network, span: Span) -> Columns:
    """Probes over UDP, and pings."""
    parts = []
    for per_s, ports, replied_share in ((0.015, _PROBED_UDP, 0.0), (0.006, None, 0.5)):
        start = span.arrivals(rng, per_s, people=False)
        n = len(start)
        size = rng.integers(8, 180, n)
        replied = rng.random(n) < replied_share
        src, dst, seconds = public_addresses(rng, n), pick(rng, network.reachable, n), rng.lognormal(-6, 0.5, n)
        if ports is None:
            parts.append(datagrams(rng, start, src, dst, 0, (1, size), (replied, size), seconds, protocol=ICMP))
        else:
            parts.append(datagrams(rng, start, src, dst, rng.choice(ports, n), (1, size), (replied, size), seconds))
    return merge(parts)
