"""Floods of a server, and the flash crowd, which only looks like one.

Whether the victim answers is a parameter, because real victims do both: neither silence nor an answer is a mark of
an attack. So is the share of flows that the exporter reports with the victim as source, as meters do with
reflected traffic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, Literal

import numpy as np

from flows.batch import Service
from flows.simulator.attack import Attack, Scripted
from flows.simulator.columns import Generator, datagrams, merge, reverse, tcp, tcp_attempt
from flows.simulator.direct_floods import unreachables
from flows.simulator.network import Network, pick, public_addresses
from flows.simulator.web import WebHabits, connections_of_pages, page_times, web_connections

Answer = Literal["silent", "reset", "syn-ack", "unreachable"]

_UNREACHABLE_SHARE: Final = 0.1  # of packets that found nobody, of which a router says so (RFC 1812 limits the rate)


@dataclass(frozen=True, slots=True, kw_only=True)
class SynFlood(Attack):
    """Half-open connections from spoofed sources to one service."""

    name: ClassVar[str] = "syn_flood"
    label: ClassVar[str] = "ddos"
    rate: float  # flows/s
    answer: Answer
    syn_bytes: int  # size of the SYN, IP header included
    port: int = 443
    sources: int = 0  # spoofed addresses in use; 0 = a new one each time
    reversed_share: float = 0.0  # answered flows reported with the victim as source

    def flows(self, rng: Generator, network: Network, start: float) -> Scripted:
        times = self._times(rng, start, self.rate)
        n = len(times)
        spoofed = pick(rng, public_addresses(rng, self.sources), n) if self.sources else public_addresses(rng, n)
        # Under load a server answers not every SYN.
        answers = rng.random(n) < 0.85
        answered = np.where(answers, {"silent": 0, "unreachable": 0, "reset": 1, "syn-ack": 2}[self.answer], 0)
        victim = network.web
        port = rng.integers(1024, 65536, n)
        columns = tcp_attempt(rng, times, spoofed, victim, self.port, answered, self.syn_bytes, src_port=port)
        swapped = (answered > 0) & (rng.random(n) < self.reversed_share)
        columns = reverse(columns, swapped)
        if self.answer == "unreachable":
            told = rng.random(n) < _UNREACHABLE_SHARE
            columns = merge([columns, unreachables(rng, times[told], victim, spoofed[told])])
        return Scripted(columns, victim, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class UdpAmplification(Attack):
    """Answers nobody asked for, from open services that were asked in the victim's name."""

    name: ClassVar[str] = "udp_amplification"
    label: ClassVar[str] = "ddos"
    rate: float  # flows/s
    ports: tuple[int, ...]  # services that amplify
    amplifiers: int
    answer_bytes: float  # median payload of one answer (packets of up to one MTU)
    answered_share: float = 0.0  # flows that the victim answers with a small datagram
    reversed_share: float = 0.0  # flows reported with the victim as source

    def flows(self, rng: Generator, network: Network, start: float) -> Scripted:
        times = self._times(rng, start, self.rate)
        n = len(times)
        reflectors = public_addresses(rng, self.amplifiers)
        which = rng.integers(0, self.amplifiers, n)
        service = np.asarray(self.ports)[rng.integers(0, len(self.ports), self.amplifiers)][which]
        payload = np.clip(self.answer_bytes * rng.lognormal(0, 0.5, self.amplifiers)[which], 60, 60000)
        payload *= rng.uniform(0.95, 1.05, n)
        packets = np.ceil(payload / 1472)
        replies = rng.random(n) < self.answered_share
        victim = network.web
        columns = datagrams(
            rng,
            times,
            reflectors[which],
            victim,
            rng.integers(1024, 65536, n),
            (packets, payload),
            (replies, 36),
            packets * rng.lognormal(-8, 1, n),
            np.where((service == 53) & (rng.random(n) < 0.9), Service.DNS, Service.UNRECOGNISED),
            src_port=service,
        )
        return Scripted(reverse(columns, rng.random(n) < self.reversed_share), victim, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpFlood(Attack):
    """The same small request over and over, in completed connections, from each of some bots."""

    name: ClassVar[str] = "http_flood"
    label: ClassVar[str] = "ddos"
    rate: float  # flows/s, all bots together
    bots: int
    request_bytes: float
    response_bytes: float
    tls: bool = True

    def flows(self, rng: Generator, network: Network, start: float) -> Scripted:
        times = self._times(rng, start, self.rate)
        n = len(times)
        bots = public_addresses(rng, self.bots)
        which = rng.integers(0, self.bots, n)
        up = self.request_bytes * rng.uniform(0.97, 1.03, self.bots)[which] + rng.integers(0, 8, n)
        # Most requests find the page; a server under load sends some an error instead.
        down = np.where(rng.random(n) < 0.9, self.response_bytes, 0.3 * self.response_bytes) + rng.integers(0, 24, n)
        trips = rng.lognormal(-3, 0.5, self.bots)[which]
        columns = tcp(
            rng,
            times,
            bots[which],
            network.web,
            443 if self.tls else 80,
            up,
            down,
            trips * rng.uniform(3, 8, n) * rng.lognormal(0, 0.4, n),
            np.where(rng.random(n) < 0.96, Service.TLS if self.tls else Service.HTTP, Service.UNRECOGNISED),
        )
        return Scripted(columns, network.web, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlashCrowd(Attack):
    """Not an attack: many real visitors at once. The rate climbs within a third of the time, then decays."""

    name: ClassVar[str] = "flash_crowd"
    label: ClassVar[str] = "benign"
    visitors: int

    def flows(self, rng: Generator, network: Network, start: float) -> Scripted:
        habits = WebHabits.draw(rng)
        when = np.sort(rng.triangular(0, 0.33, 1, self.visitors)) * self.duration
        session, pages = page_times(rng, start + self.at + when, habits)
        stay = pages < start + self.at + self.duration
        session, pages = session[stay], pages[stay]
        page, starts = connections_of_pages(rng, pages, habits)
        visitors = public_addresses(rng, self.visitors)
        columns = web_connections(rng, starts, visitors[session][page], network.web, habits)
        return Scripted(columns, network.web, None)
