"""A program that shares files among peers, most of them gone: what looks most like calls to a dead command server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from flows.simulator.attack import Attack, Scripted
from flows.simulator.columns import Generator, merge, running_times, tcp, tcp_attempt
from flows.simulator.network import Network, public_addresses


@dataclass(frozen=True, slots=True, kw_only=True)
class GonePeers(Attack):
    """Not an attack: a client calls each of its peers in the rhythm of a timer, and most of them never answer.

    Each call is like one of a program that calls a dead command server; only that there are so many of them is not.
    """

    name: ClassVar[str] = "gone_peers"
    label: ClassVar[str] = "benign"
    peers: int
    period: float  # s from call to call of one peer
    jitter: float  # its share either way
    tries: int  # SYNs of one call
    gone_share: float  # of peers
    refused_share: float  # of peers that are gone: their hosts refuse by a reset
    client: int

    def flows(self, rng: Generator, network: Network, start: float) -> Scripted:
        calls = max(1, int(self.duration / self.period))
        gaps = self.period * rng.uniform(1 - self.jitter, 1 + self.jitter, self.peers * calls)
        first = start + self.at + rng.uniform(0, self.period, self.peers)
        times = running_times(first, gaps, np.full(self.peers, calls))
        peer = np.repeat(np.arange(self.peers), calls)
        there, ports = public_addresses(rng, self.peers), rng.integers(1025, 65_536, self.peers)
        gone, refused = rng.random(self.peers) < self.gone_share, rng.random(self.peers) < self.refused_share
        client = network.clients[self.client]
        lost, met = peer[gone[peer]], peer[~gone[peer]]
        n = len(met)
        columns = merge(
            [
                tcp_attempt(rng, times[gone[peer]], client, there[lost], ports[lost], refused[lost], tries=self.tries),
                tcp(
                    rng,
                    times[~gone[peer]],
                    client,
                    there[met],
                    ports[met],
                    rng.lognormal(7, 1.8, n),
                    rng.lognormal(8, 2, n),
                    rng.lognormal(2, 1.5, n),
                ),
            ]
        )
        return Scripted(columns, client, None)
