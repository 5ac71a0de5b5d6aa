"""What an intruder does inside: calling home, looking around, carrying things out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from flows.batch import Service
from flows.simulator.attack import Attack, Scripted
from flows.simulator.columns import ICMP, Generator, datagrams, merge, running_times, tcp, tcp_attempt
from flows.simulator.network import Network, pick, public_addresses
from flows.simulator.web import connection_durations

_OPEN_SHARE: Final = 0.02  # ports that a scan finds open


@dataclass(frozen=True, slots=True, kw_only=True)
class Beacon(Attack):
    """An infected client calls home: every connection ordinary, only the beat is not.

    ``period`` (s) varies by the share ``jitter`` either way, sizes by the share ``size_jitter``; now and then there
    is something to fetch, and a call is larger. Of a share ``failed_share`` of its calls nobody answers: servers that
    command malware are taken down and come back. The victim named in the facts is the infected client.
    """

    name: ClassVar[str] = "beacon"
    label: ClassVar[str] = "malware"
    period: float
    jitter: float
    up_bytes: float
    down_bytes: float
    size_jitter: float
    client: int  # which of the network's clients is infected
    failed_share: float = 0.0

    def flows(self, rng: Generator, network: Network, start: float) -> Scripted:
        n = int(self.duration / self.period)
        gaps = self.period * rng.uniform(1 - self.jitter, 1 + self.jitter, n)
        times = running_times(np.array([start + self.at]), gaps, np.array([n]))
        tasked = rng.random(n) < 0.04
        up = self.up_bytes * rng.uniform(1 - self.size_jitter, 1 + self.size_jitter, n)
        down = self.down_bytes * rng.uniform(1 - self.size_jitter, 1 + self.size_jitter, n)
        down = np.where(tasked, down * rng.lognormal(1.5, 0.5, n), down)
        home = public_addresses(rng, 1)[0]
        client = network.clients[self.client]
        seconds = connection_durations(rng, up + down, float(rng.uniform(0.02, 0.06)), 0.1)
        service = np.where(rng.random(n) < 0.96, Service.TLS, Service.UNRECOGNISED)
        calls = tcp(rng, times, client, home, 443, up, down, seconds, service)
        if self.failed_share == 0.0:
            return Scripted(calls, client, home)
        failed = rng.random(n) < self.failed_share
        attempts = tcp_attempt(rng, times[failed], client, home, 443, 0, tries=rng.integers(1, 4, int(failed.sum())))
        return Scripted(merge([{name: column[~failed] for name, column in calls.items()}, attempts]), client, home)


@dataclass(frozen=True, slots=True, kw_only=True)
class PortScan(Attack):
    """One host asks many ports of many inside hosts, from inside or from the Internet.

    The victim named in the facts is the first of the targets.
    """

    name: ClassVar[str] = "port_scan"
    label: ClassVar[str] = "anomaly"
    rate: float  # probes/s
    ports: int  # how many different ports
    targets: int  # how many hosts
    scanner: int | None  # which of the network's clients scans; None = someone on the Internet
    reset_share: float  # closed ports that answer with a reset, the rest is filtered
    syn_bytes: int = 44

    def flows(self, rng: Generator, network: Network, start: float) -> Scripted:
        times = self._times(rng, start, self.rate)
        n = len(times)
        others = network.clients if self.scanner is None else np.delete(network.clients, self.scanner, axis=0)
        hosts = np.concatenate([network.servers, others])[: self.targets]
        scanner = public_addresses(rng, 1)[0] if self.scanner is None else network.clients[self.scanner]
        ports = rng.permutation(np.arange(1, 10001))[: self.ports]
        order = rng.permutation(len(hosts) * self.ports)[np.arange(n) % (len(hosts) * self.ports)]
        closed, opened = self.reset_share, _OPEN_SHARE
        answered = rng.choice(3, n, p=[1 - closed - opened, closed, opened])
        target = hosts[order % len(hosts)]
        columns = tcp_attempt(
            rng, times, scanner, target, ports[order // len(hosts)], answered, self.syn_bytes, rng.integers(1, 3, n)
        )
        return Scripted(columns, hosts[0], scanner)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorisedScan(PortScan):
    """Not an attack: the owner's vulnerability scanner at work, which asks the same questions as an intruder."""

    name: ClassVar[str] = "authorised_scan"
    label: ClassVar[str] = "benign"


@dataclass(frozen=True, slots=True, kw_only=True)
class IcmpTunnel(Attack):
    """Files leave inside echo requests: a client pushes large pings to relays, which acknowledge with small ones."""

    name: ClassVar[str] = "strange"
    label: ClassVar[str] = "anomaly"
    rate: float  # flows/s
    relays: int
    up_bytes: float  # median payload of one flow
    client: int  # which of the network's clients does it

    def flows(self, rng: Generator, network: Network, start: float) -> Scripted:
        times = self._times(rng, start, self.rate)
        n = len(times)
        up = self.up_bytes * rng.lognormal(0, 0.4, n)
        packets = np.ceil(up / 1400)
        client = network.clients[self.client]
        relays = public_addresses(rng, self.relays)
        columns = datagrams(
            rng,
            times,
            client,
            pick(rng, relays, n),
            0,
            (packets, up),
            (packets, packets * 16),
            rng.lognormal(2, 0.4, n),
            protocol=ICMP,
        )
        return Scripted(columns, client, relays[0])
