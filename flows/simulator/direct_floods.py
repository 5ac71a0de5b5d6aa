"""Floods by packets that ask for nothing: ACKs, datagrams and pings, to a server at home or from an infected host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from flows.batch import Service, State
from flows.simulator.attack import Attack, Scripted
from flows.simulator.columns import (
    ACK,
    ICMP,
    PSH,
    RST,
    Array,
    Columns,
    Generator,
    datagrams,
    ephemeral_ports,
    merge,
    tcp_attempt,
)
from flows.simulator.network import Network, pick, public_addresses


@dataclass(frozen=True, slots=True, kw_only=True)
class AckFlood(Attack):
    """ACKs of connections that never were, from spoofed sources; the victim resets a share of them or says nothing."""

    name: ClassVar[str] = "ack_flood"
    label: ClassVar[str] = "ddos"
    rate: float  # flows/s
    payload: int  # bytes of each packet above the transport header
    port: int = 443
    reset_share: float = 0.0

    def flows(self, rng: Generator, network: Network, start: float) -> Scripted:
        times = self._times(rng, start, self.rate)
        n = len(times)
        resets = rng.random(n) < self.reset_share
        columns = tcp_attempt(rng, times, public_addresses(rng, n), network.web, self.port, resets, 40)
        columns["src_port"] = rng.integers(1024, 65536, n)
        return Scripted(_stray_acks(columns, self.payload, resets), network.web, None)


def _stray_acks(columns: Columns, payload: int, resets: Array) -> Columns:
    """Make ACKs of SYNs: they are seen from the middle of a connection, and a reset is an answer like any other."""
    return {
        **columns,
        "src_bytes": columns["src_packets"] * (40 + payload),
        "src_payload": np.where(resets, float(payload), np.nan),
        "src_flags": np.full(len(resets), ACK | (PSH if payload else 0)),
        "dst_flags": np.where(resets, RST, 0),
        "state": np.full(len(resets), State.OTHER),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class UdpFlood(Attack):
    """Datagrams to random ports, from some bots or from spoofed sources.

    The victim says nothing, or that the port is unreachable, which is a flow of its own and has the victim as source.
    """

    name: ClassVar[str] = "udp_flood"
    label: ClassVar[str] = "ddos"
    rate: float  # flows/s
    payload: int  # bytes of each datagram
    packets: float  # mean datagrams of a flow
    bots: int = 0  # 0 = a new spoofed address each time
    unreachable_share: float = 0.0

    def flows(self, rng: Generator, network: Network, start: float) -> Scripted:
        times = self._times(rng, start, self.rate)
        n = len(times)
        src = pick(rng, public_addresses(rng, self.bots), n) if self.bots else public_addresses(rng, n)
        packets = rng.geometric(1 / self.packets, n)
        port, seconds = rng.integers(1, 65536, n), (packets - 1) * rng.lognormal(-3, 0.5, n)
        sent = datagrams(rng, times, src, network.web, port, (packets, packets * self.payload), (0, 0), seconds)
        told = rng.random(n) < self.unreachable_share
        return Scripted(merge([sent, unreachables(rng, times[told], network.web, src[told])]), network.web, None)


def unreachables(rng: Generator, start: Array, victim: Array, sources: Array) -> Columns:
    """What a victim or its router tells the sources of packets that found nobody: destination unreachable (RFC 792)."""
    return datagrams(rng, start, victim, sources, 0, (1, 36), (0, 0), np.zeros(len(start)), protocol=ICMP)


@dataclass(frozen=True, slots=True, kw_only=True)
class IcmpFlood(Attack):
    """Pings of one size, each flow a few of them; the victim answers a share."""

    name: ClassVar[str] = "icmp_flood"
    label: ClassVar[str] = "ddos"
    rate: float  # flows/s
    payload: int  # bytes of each ping
    bots: int
    answered_share: float

    def flows(self, rng: Generator, network: Network, start: float) -> Scripted:
        times = self._times(rng, start, self.rate)
        n = len(times)
        packets = rng.integers(1, 5, n)
        echoed = np.where(rng.random(n) < self.answered_share, packets, 0)
        columns = datagrams(
            rng,
            times,
            pick(rng, public_addresses(rng, self.bots), n),
            network.web,
            0,
            (packets, packets * self.payload),
            (echoed, echoed * self.payload),
            packets * rng.lognormal(-5, 0.5, n),
            protocol=ICMP,
        )
        return Scripted(columns, network.web, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundFlood(Attack):
    """An infected client takes part in a flood of somebody else's server, as Mirai's bots do on command.

    The victim named in the facts is that server, the actor the client.
    """

    name: ClassVar[str] = "outbound_flood"
    label: ClassVar[str] = "ddos"
    rate: float  # flows/s
    kind: Literal["syn", "ack", "udp"]
    client: int  # which of the network's clients is infected
    port: int = 80
    answered_share: float = 0.0  # of SYNs and ACKs

    def flows(self, rng: Generator, network: Network, start: float) -> Scripted:
        times = self._times(rng, start, self.rate)
        n = len(times)
        victim, client = public_addresses(rng, 1)[0], network.clients[self.client]
        if self.kind == "udp":
            packets = rng.geometric(0.3, n)
            sent = (packets, packets * int(rng.integers(30, 1400)))
            seconds = (packets - 1) * rng.lognormal(-4, 0.5, n)
            columns = datagrams(rng, times, client, victim, self.port, sent, (0, 0), seconds, Service.UNRECOGNISED)
            return Scripted(columns, victim, client)
        answered = rng.random(n) < self.answered_share
        as_syn = np.where(answered, 2, 0) if self.kind == "syn" else answered
        columns = tcp_attempt(rng, times, client, victim, self.port, as_syn, 40, src_port=ephemeral_ports(rng, n))
        return Scripted(columns if self.kind == "syn" else _stray_acks(columns, 0, answered), victim, client)
