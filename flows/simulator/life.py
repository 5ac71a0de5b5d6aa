"""The benign life of a network: what its clients and servers do all day, attack or no attack.

Stray probes from the Internet are part of it and labelled benign: every address receives a few a minute, nobody
acts on them, and an alert about one would be a false alarm. (Labelled captures call the same packets attacks where
they come as a campaign; here a campaign is a scripted port scan.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from flows.addresses import address_array
from flows.batch import Service
from flows.simulator.columns import (
    ICMP,
    UDP,
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
from flows.simulator.web import (
    WebHabits,
    connection_durations,
    connections_of_pages,
    page_times,
    web_connections,
)

_MULTICAST: Final = address_array(["224.0.0.251", "239.255.255.250"])
_PROBED_TCP: Final = np.array([22, 23, 80, 443, 445, 1433, 2323, 3389, 5555, 5900, 6379, 8080, 8443, 37215])
_PROBED_UDP: Final = np.array([53, 123, 161, 389, 1900, 5060, 11211])


@dataclass(frozen=True, slots=True)
class Span:
    """The time to fill: from ``start`` (s since 1970) for ``duration`` seconds, busier and quieter by turns."""

    start: float
    duration: float
    rate: float  # multiplies every rate of ordinary life
    swing_s: float  # period of the swing
    swing: float  # its amplitude, 0 to 1
    phase: float

    @classmethod
    def draw(cls, rng: Generator, start: float, duration: float, rate: float) -> Span:
        """Draw how the rates swing."""
        return cls(start, duration, rate, rng.uniform(500, 2500), rng.uniform(0.2, 0.5), rng.uniform(0, 2 * np.pi))

    def arrivals(self, rng: Generator, per_s: float) -> Array:
        """Sorted times (s) of a Poisson process whose rate swings around ``rate * per_s`` (by thinning)."""
        peak = self.rate * per_s * (1 + self.swing)
        times = np.sort(rng.uniform(0, self.duration, rng.poisson(peak * self.duration)))
        level = 1 + self.swing * np.sin(2 * np.pi * times / self.swing_s + self.phase)
        return np.asarray(self.start + times[rng.random(len(times)) * (1 + self.swing) < level])

    def beats(self, rng: Generator, periods: Array, jitter: float) -> tuple[Array, Array]:
        """Return (actor, time) of actors that act every ``periods[actor]`` s, give or take a share ``jitter``."""
        counts = np.maximum(self.duration / periods, 1).astype(np.int64)
        actors = repeat_rows(counts)
        gaps = periods[actors] * rng.uniform(1 - jitter, 1 + jitter, len(actors))
        times = running_times(self.start + rng.uniform(0, 1, len(periods)) * periods, gaps, counts)
        inside = times < self.start + self.duration
        return actors[inside], times[inside]


def benign_life(rng: Generator, network: Network, span: Span) -> Columns:
    """Everything benign of one network in one span, unordered."""
    return merge(
        [
            _browsing(rng, network, span),
            _visits(rng, network, span),
            _mail(rng, network, span),
            _inside_services(rng, network, span),
            _clockwork(rng, network, span),
            _heartbeats(rng, network, span),
            _bulk(rng, network, span),
            _peer_to_peer(rng, network, span),
            _failures(rng, network, span),
            _internet_noise(rng, network, span),
        ]
    )


def _lookups(rng: Generator, start: Array, src: Array, resolver: Array) -> Columns:
    n = len(start)
    tries = np.where(rng.random(n) < 0.97, 1, rng.integers(1, 4, n))
    answered = rng.random(n) < 0.97
    return datagrams(
        rng,
        start,
        src,
        resolver,
        53,
        (tries, tries * rng.integers(28, 62, n)),
        (np.where(answered, tries, 0), tries * np.minimum(rng.lognormal(4.7, 0.5, n), 480)),
        rng.lognormal(-5, 1.5, n) + np.where(answered, 0.0, 5.0 * (tries - 1)),
        Service.DNS,
    )


def _browsing(rng: Generator, network: Network, span: Span) -> Columns:
    habits = WebHabits.draw(rng)
    sessions = span.arrivals(rng, 0.006 * len(network.clients))
    client = rng.integers(0, len(network.clients), len(sessions))
    session, pages = page_times(rng, sessions, habits)
    page, starts = connections_of_pages(rng, pages, habits)
    # A page's parts come from its own site and from a few that many pages share.
    site = pick(rng, network.sites, len(pages), 0.9)
    shared = pick(rng, network.sites, len(starts), 1.3)
    own = rng.random(len(starts)) < 0.55
    dst = np.where(own[:, None], site[page], shared)
    src = network.clients[client[session]]
    looked_up = rng.random(len(starts)) < 0.45
    asked = starts[looked_up] - rng.lognormal(-4, 0.5, int(looked_up.sum()))
    return merge(
        [
            web_connections(rng, starts, src[page], dst, habits),
            _lookups(rng, asked, src[page][looked_up], network.resolver),
            _quic(rng, span.arrivals(rng, 0.01 * len(network.clients)), network, habits),
        ]
    )


def _quic(rng: Generator, start: Array, network: Network, habits: WebHabits) -> Columns:
    n = len(start)
    up, down = rng.lognormal(8.3, 0.8, n), np.minimum(rng.lognormal(9, 1.6, n), 2e7)
    return datagrams(
        rng,
        start,
        pick(rng, network.clients, n),
        pick(rng, network.sites, n, 1.3),
        443,
        (np.ceil(up / 900) + 2, up),
        (np.ceil(down / 1200) + 2, down),
        connection_durations(rng, up + down, habits.round_trip_s),
    )


def _visits(rng: Generator, network: Network, span: Span) -> Columns:
    habits = WebHabits.draw(rng)
    sessions = span.arrivals(rng, rng.uniform(0.05, 0.11))
    who = pick(rng, network.visitors, len(sessions), 0.6)
    session, pages = page_times(rng, sessions, habits)
    page, starts = connections_of_pages(rng, pages, habits)
    crawler = span.arrivals(rng, 0.12)
    asked = span.arrivals(rng, 0.1)
    return merge(
        [
            web_connections(rng, starts, who[session][page], network.web, habits),
            web_connections(rng, crawler, network.visitors[-1], network.web, habits),
            _lookups(rng, asked, pick(rng, network.visitors, len(asked), 0.3), network.resolver),
        ]
    )


def _mail(rng: Generator, network: Network, span: Span) -> Columns:
    received, sent, read = (span.arrivals(rng, rate) for rate in (0.08, 0.05, 0.004 * len(network.clients)))
    parts = []
    for start, src, dst, port, service in (
        (received, pick(rng, network.mail_peers, len(received), 0.7), network.mail, 25, Service.SMTP),
        (sent, network.mail, pick(rng, network.mail_peers, len(sent), 0.7), 25, Service.SMTP),
        (read, pick(rng, network.clients, len(read)), network.mail, 993, Service.TLS),
    ):
        n = len(start)
        large, small = rng.lognormal(8.8, 1.4, n), rng.lognormal(6.2, 0.4, n)
        up, down = (large, small) if port == 25 else (small, large)
        parts.append(tcp(rng, start, src, dst, port, up, down, rng.lognormal(0, 0.9, n), service))
    return merge(parts)


def _inside_services(rng: Generator, network: Network, span: Span) -> Columns:
    people = len(network.clients)
    parts = []
    for per_s, src, dst, port, service, up_median, down_median, seconds in (
        (0.006 * people, network.clients, network.files, 445, Service.SMB, 4000, 20000, 20),
        (0.004 * people, network.clients, network.application, 443, Service.TLS, 1500, 9000, 1),
        (0.5, network.application[None], network.database, 5432, Service.UNRECOGNISED, 1200, 4000, 0.3),
        (0.02, network.clients[:5], network.bastion, 22, Service.SSH, 6000, 12000, 90),
        (0.02, network.bastion[None], network.application, 22, Service.SSH, 5000, 9000, 40),
    ):
        start = span.arrivals(rng, per_s)
        n = len(start)
        up, down = up_median * rng.lognormal(0, 0.9, n), down_median * rng.lognormal(0, 1.3, n)
        seconds_each = seconds * rng.lognormal(0, 0.9, n)
        parts.append(tcp(rng, start, pick(rng, src, n), dst, port, up, down, seconds_each, service))
    return merge(parts)


def _clockwork(rng: Generator, network: Network, span: Span) -> Columns:
    """Machines that act by the clock: time, leases, the monitor's polls, announcements."""
    people = network.clients
    periods = rng.choice(np.array([64.0, 128.0, 256.0, 512.0]), len(people), p=[0.2, 0.3, 0.3, 0.2])
    actor, time = span.beats(rng, periods, 0.02)
    n = len(time)
    answered = rng.random(n) < 0.96
    ntp = datagrams(
        rng,
        time,
        people[actor],
        network.ntp[actor % len(network.ntp)],
        123,
        (1, 48),
        (answered, 48),
        rng.lognormal(-4.2, 0.6, n),
        Service.NTP,
        src_port=123,
    )
    actor, time = span.beats(rng, rng.uniform(600, 3600, len(people)), 0.1)
    lease = (np.full(len(time), 1), np.full(len(time), 300))
    dhcp = datagrams(
        rng, time, people[actor], network.resolver, 67, lease, lease, rng.lognormal(-7, 0.5, len(time)), Service.DHCP
    )
    watched = network.servers
    actor, time = span.beats(rng, np.full(len(watched), rng.choice([20.0, 30.0, 60.0])), 0.01)
    n = len(time)
    polls = tcp(
        rng,
        time,
        network.monitor,
        watched[actor],
        9100,
        rng.integers(180, 190, n),
        rng.integers(9000, 16000, len(watched))[actor] * rng.uniform(0.97, 1.03, n),
        rng.lognormal(-3, 0.4, n),
        Service.HTTP,
    )
    actor, time = span.beats(rng, rng.uniform(15, 60, len(watched)), 0.05)
    n = len(time)
    pings = datagrams(
        rng,
        time,
        network.monitor,
        watched[actor],
        0,
        (1, 56),
        (rng.random(n) < 0.99, 56),
        rng.lognormal(-7, 0.5, n),
        protocol=ICMP,
    )
    actor, time = span.beats(rng, rng.uniform(60, 400, len(people)), 0.6)
    n = len(time)
    group = rng.integers(0, 2, n)
    packets = rng.integers(1, 5, n)
    announcements = datagrams(
        rng,
        time,
        people[actor],
        _MULTICAST[group],
        np.where(group == 0, 5353, 1900),
        (packets, packets * rng.integers(40, 180, n)),
        (0, 0),
        (packets - 1) * rng.uniform(0.5, 1.1, n),
        np.where(group == 0, Service.DNS, Service.UNRECOGNISED),
    )
    return merge([ntp, dhcp, polls, pings, announcements])


def _heartbeats(rng: Generator, network: Network, span: Span) -> Columns:
    """Telemetry, keep-alives and update checks over TLS, each periodic in its own sloppy way.

    None is regular in time *and* size: some keep time but send what has piled up, some send the same every time but
    when they get to it, most do neither.
    """
    parts = []
    for share, periods, jitter, size_sigma in (
        (0.5, (25, 120), 0.45, 0.5),  # telemetry: what happened since, when idle
        (0.3, (20, 90), 0.04, 0.6),  # metrics on a timer, as much as there is
        (0.3, (25, 100), 0.55, 0.03),  # keep-alives restarted by other traffic
    ):
        who = network.clients[rng.random(len(network.clients)) < share]
        actor, time = span.beats(rng, rng.uniform(*periods, len(who)), jitter)
        n = len(time)
        up = rng.lognormal(6.9, 0.4, len(who))[actor] * rng.lognormal(0, size_sigma, n)
        down = rng.lognormal(8.0, 0.6, len(who))[actor] * rng.lognormal(0, size_sigma, n)
        up, down = np.maximum(up, 517), np.maximum(down, 600)
        vendor = network.vendors[rng.integers(0, len(network.vendors), len(who))]
        seconds = connection_durations(rng, up + down, 0.03, 0.1)
        parts.append(tcp(rng, time, who[actor], vendor[actor], 443, up, down, seconds, Service.TLS))
    return merge(parts)


def _bulk(rng: Generator, network: Network, span: Span) -> Columns:
    """Updates down, backups across."""
    updates, backups = span.arrivals(rng, 0.0015 * len(network.clients)), span.arrivals(rng, 0.02)
    down, up = rng.lognormal(13.5, 1.5, len(updates)), rng.lognormal(15, 1.2, len(backups))
    return merge(
        [
            tcp(
                rng,
                updates,
                pick(rng, network.clients, len(updates)),
                pick(rng, network.vendors, len(updates), 1.0),
                443,
                rng.lognormal(7, 0.5, len(updates)),
                np.minimum(down, 3e8),
                connection_durations(rng, down, 0.02, 0.1),
                Service.TLS,
            ),
            tcp(
                rng,
                backups,
                pick(rng, np.concatenate([network.servers[:6], network.clients[:10]]), len(backups)),
                network.backup,
                22,
                np.minimum(up, 1e9),
                up * 0.002 + 3000,
                5 + 8 * up / 4e8,
                Service.SSH,
            ),
        ]
    )


def _peer_to_peer(rng: Generator, network: Network, span: Span) -> Columns:
    """A file-sharing program: many peers both ways, over UDP and TCP, many of them gone."""
    parts = []
    for sharer in network.sharers:
        port = int(rng.integers(10000, 60000))
        ports = rng.integers(1025, 65535, len(network.peers))
        for inbound in (False, True):
            start = span.arrivals(rng, 0.2 if inbound else 0.35)
            n = len(start)
            peer = rng.integers(0, len(network.peers), n)
            there = network.peers[peer]
            ends = (there, addresses_of(sharer, n)) if inbound else (addresses_of(sharer, n), there)
            dst_port = np.full(n, port) if inbound else ports[peer]
            alive, stream = rng.random(n) < 0.6, rng.random(n) < 0.25
            talk, rest = alive & stream, ~stream
            up, down = rng.lognormal(7, 1.8, n), rng.lognormal(8, 2, n)
            parts.append(
                tcp(
                    rng,
                    start[talk],
                    ends[0][talk],
                    ends[1][talk],
                    dst_port[talk],
                    up[talk],
                    down[talk],
                    rng.lognormal(2, 1.5, int(talk.sum())),
                )
            )
            dead = stream & ~alive
            parts.append(
                tcp_attempt(
                    rng,
                    start[dead],
                    ends[0][dead],
                    ends[1][dead],
                    dst_port[dead],
                    rng.random(int(dead.sum())) < 0.3,
                    tries=rng.integers(1, 4, int(dead.sum())),
                )
            )
            packets = rng.geometric(0.4, n)
            answers = np.where(alive, packets, 0)
            parts.append(
                datagrams(
                    rng,
                    start[rest],
                    ends[0][rest],
                    ends[1][rest],
                    dst_port[rest],
                    (packets[rest], (packets * rng.integers(60, 140, n))[rest]),
                    (answers[rest], (answers * rng.integers(60, 480, n))[rest]),
                    (rng.lognormal(-2, 0.8, n) + (packets - 1) * 2.0)[rest],
                    src_port=None if inbound else port,
                )
            )
    return merge(parts)


def _failures(rng: Generator, network: Network, span: Span) -> Columns:
    """Connections to what is switched off, firewalled or gone."""
    start = span.arrivals(rng, 0.003 * len(network.clients))
    n = len(start)
    inside = rng.random(n) < 0.3
    dst = np.where(inside[:, None], pick(rng, network.servers, n), pick(rng, network.sites, n, 0.5))
    port = rng.choice(np.array([443, 80, 445, 8080, 993, 22]), n, p=[0.5, 0.2, 0.1, 0.1, 0.05, 0.05])
    client = pick(rng, network.clients, n)
    return tcp_attempt(rng, start, client, dst, port, rng.random(n) < 0.35, tries=rng.integers(1, 6, n))


def _internet_noise(rng: Generator, network: Network, span: Span) -> Columns:
    """Stray probes from everywhere to what is reachable from outside."""
    reachable = network.servers[:3]
    parts = []
    for protocol in ("tcp", "udp", "icmp"):
        start = span.arrivals(rng, {"tcp": 0.1, "udp": 0.02, "icmp": 0.01}[protocol])
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


def addresses_of(host: Array, n: int) -> Array:
    """One host as ``uint64[n, 2]``."""
    return np.tile(host, (n, 1))
