"""The benign life of a network: what its people and machines do all day, attack or no attack.

Stray probes from the Internet are part of it and labelled benign: every address receives a few a minute, nobody
acts on them, and an alert about one would be a false alarm. (Labelled captures call the same packets attacks where
they come as a campaign; here a campaign is a scripted port scan.)
"""

from __future__ import annotations

from typing import Final

import numpy as np

from flows.simulator.columns import ICMP, UDP, Columns, Generator, datagrams, merge, tcp_attempt
from flows.simulator.machines import backups_and_updates, clockwork, heartbeats, inside_services
from flows.simulator.network import Network, pick, public_addresses
from flows.simulator.people import browsing, failures, mail, peer_to_peer, visits
from flows.simulator.span import Span

_PROBED_TCP: Final = np.array([22, 23, 80, 443, 445, 1433, 2323, 3389, 5555, 5900, 6379, 8080, 8443, 37215])
_PROBED_UDP: Final = np.array([53, 123, 161, 389, 1900, 5060, 11211])


def benign_life(rng: Generator, network: Network, span: Span) -> Columns:
    """Everything benign of one network in one span, unordered."""
    causes = (
        browsing,
        visits,
        mail,
        peer_to_peer,
        failures,
        inside_services,
        clockwork,
        heartbeats,
        backups_and_updates,
        internet_noise,
    )
    return merge([cause(rng, network, span) for cause in causes])


def internet_noise(rng: Generator, network: Network, span: Span) -> Columns:
    """Stray probes from everywhere to what is reachable from outside."""
    reachable = network.servers[:3]
    parts = []
    for protocol in ("tcp", "udp", "icmp"):
        start = span.arrivals(rng, {"tcp": 0.1, "udp": 0.05, "icmp": 0.01}[protocol])
        n = len(start)
        src, dst = public_addresses(rng, n), pick(rng, reachable, n)
        if protocol == "tcp":
            header = rng.choice(np.array([40, 44, 52, 60]), n)
            answered = rng.choice(3, n, p=[0.6, 0.3, 0.1])
            parts.append(tcp_attempt(rng, start, src, dst, rng.choice(_PROBED_TCP, n), answered, header))
        else:
            size = rng.integers(8, 180, n)
            udp = protocol == "udp"
            replied = rng.random(n) < (0.0 if udp else 0.5)
            number = UDP if udp else ICMP
            port = rng.choice(_PROBED_UDP, n)
            seconds = rng.lognormal(-6, 0.5, n)
            parts.append(datagrams(rng, start, src, dst, port, (1, size), (replied, size), seconds, protocol=number))
    return merge(parts)
