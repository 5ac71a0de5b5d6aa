"""Servers that are busy with nothing but their work: the life that looks most like a flood, as all of it comes in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from flows.simulator.attack import Attack, Scripted
from flows.simulator.columns import ICMP, Generator, datagrams, merge, tcp, tcp_attempt
from flows.simulator.network import Network, pick, public_addresses


@dataclass(frozen=True, slots=True, kw_only=True)
class BusyService(Attack):
    """Not an attack: clients of a TCP service, who come back, ask for different things and get answers of all sizes.

    A small share of their connections fails, as everywhere.
    """

    name: ClassVar[str] = "busy_service"
    label: ClassVar[str] = "benign"
    rate: float  # flows/s
    clients: int
    port: int
    request_bytes: float  # median
    response_bytes: float  # median
    spread: float  # sigma of the logarithm of both
    trip_s: float  # median round trip
    failed_share: float = 0.0

    def flows(self, rng: Generator, network: Network, start: float) -> Scripted:
        times = self._times(rng, start, self.rate)
        failed = rng.random(len(times)) < self.failed_share
        clients = pick(rng, public_addresses(rng, self.clients), len(times), skew=1.0)
        served, n = ~failed, int((~failed).sum())
        talks = tcp(
            rng,
            times[served],
            clients[served],
            network.web,
            self.port,
            self.request_bytes * rng.lognormal(0, self.spread, n),
            self.response_bytes * rng.lognormal(0, self.spread, n),
            self.trip_s * rng.uniform(3, 12, n) * rng.lognormal(0, 0.8, n),
        )
        attempts = tcp_attempt(rng, times[failed], clients[failed], network.web, self.port, int(rng.integers(0, 3)))
        return Scripted(merge([talks, attempts]), network.web, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class BusyNames(Attack):
    """Not an attack: a server of names or of time, whose clients ask short questions and get short answers."""

    name: ClassVar[str] = "busy_names"
    label: ClassVar[str] = "benign"
    rate: float  # flows/s
    clients: int
    port: int
    question_bytes: float  # median
    answer_bytes: float  # median
    unanswered_share: float

    def flows(self, rng: Generator, network: Network, start: float) -> Scripted:
        times = self._times(rng, start, self.rate)
        n = len(times)
        answered = rng.random(n) >= self.unanswered_share
        columns = datagrams(
            rng,
            times,
            pick(rng, public_addresses(rng, self.clients), n, skew=1.0),
            network.web,
            self.port,
            (1, self.question_bytes * rng.lognormal(0, 0.2, n)),
            (answered, self.answer_bytes * rng.lognormal(0, 0.5, n)),
            rng.lognormal(-7, 1.0, n),
        )
        return Scripted(columns, network.web, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pings(Attack):
    """Not an attack: a few monitors ask a host all the time whether it is there; a share of it gets no answer."""

    name: ClassVar[str] = "busy_pings"
    label: ClassVar[str] = "benign"
    rate: float  # flows/s
    monitors: int
    payload: int  # bytes of each ping
    unanswered_share: float

    def flows(self, rng: Generator, network: Network, start: float) -> Scripted:
        times = self._times(rng, start, self.rate)
        n = len(times)
        columns = datagrams(
            rng,
            times,
            pick(rng, public_addresses(rng, self.monitors), n),
            network.web,
            0,
            (1, self.payload),
            (rng.random(n) >= self.unanswered_share, self.payload),
            rng.lognormal(-4, 0.5, n),
            protocol=ICMP,
        )
        return Scripted(columns, network.web, None)
