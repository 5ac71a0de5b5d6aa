"""Floods that need no bandwidth: they hold what a server has few of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from flows.batch import Service, State
from flows.simulator.attack import Attack, Scripted
from flows.simulator.columns import ACK, FIN, PSH, RST, SYN, Generator, connections
from flows.simulator.floods import SynFlood
from flows.simulator.network import Network, pick, public_addresses


@dataclass(frozen=True, slots=True, kw_only=True)
class Slowloris(Attack):
    """Requests that never end: some peers hold connections open with a header line now and then.

    A connection lasts until the server loses patience, then the peer opens the next.
    """

    name: ClassVar[str] = "slowloris"
    label: ClassVar[str] = "ddos"
    peers: int
    held: int  # connections that each peer holds at a time
    line_s: float  # between two header lines of a connection
    patience_s: float  # median; how long the server waits
    tls: bool = False

    def flows(self, rng: Generator, network: Network, start: float) -> Scripted:
        n = rng.poisson(self.peers * self.held * self.duration / self.patience_s)
        # All connections are begun at once, and again whenever one is closed.
        first = min(n, self.peers * self.held)
        begun = np.concatenate([rng.exponential(5.0, first), rng.uniform(0, self.duration, n - first)])
        times = start + self.at + np.sort(np.minimum(begun, self.duration))
        seconds = self.patience_s * rng.lognormal(0, 0.25, n)
        lines = np.ceil(seconds / self.line_s)
        up = rng.integers(180, 260, n) + lines * rng.integers(8, 24, n) + (517 if self.tls else 0)
        refused = rng.random(n) < 0.5
        down = np.where(refused, rng.integers(170, 480, n), 0) + (2800 if self.tls else 0)
        columns = connections(
            times,
            seconds,
            (pick(rng, public_addresses(rng, self.peers), n), network.web),
            (rng.integers(1024, 65536, n), 443 if self.tls else 80),
            (4 + lines, 3 + lines),
            (up, down),
            (SYN | ACK | PSH, np.where(refused, SYN | ACK | PSH | FIN, SYN | ACK | RST)),
            np.where(refused, State.ESTABLISHED, State.RESET),
            Service.TLS if self.tls else Service.HTTP,
        )
        return Scripted(columns, network.web, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowSynFlood(SynFlood):
    """A SYN flood that keeps just below what anybody counts: a few a second, for as long as the capture lasts."""

    name: ClassVar[str] = "slow_syn_flood"
