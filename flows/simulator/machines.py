"""What machines cause by themselves: services between servers, clockwork, heartbeats, updates and backups."""

from __future__ import annotations

from typing import Final

import numpy as np

from flows.addresses import address_array
from flows.batch import Service
from flows.simulator.columns import ICMP, Columns, Generator, datagrams, merge, tcp
from flows.simulator.network import Network, pick
from flows.simulator.span import Span
from flows.simulator.web import connection_durations

_MULTICAST: Final = address_array(["224.0.0.251", "239.255.255.250"])


def inside_services(rng: Generator, network: Network, span: Span) -> Columns:
    """File share (half of it over IPv6), application, database, remote logins."""
    people = len(network.clients)
    half = people // 2
    parts = []
    for per_s, src, dst, port, service, up_median, down_median, seconds in (
        (0.003 * people, network.clients[:half], network.files, 445, Service.SMB, 4000, 20000, 20),
        (0.003 * people, network.clients6[half:], network.files6, 445, Service.SMB, 4000, 20000, 20),
        (0.004 * people, network.clients, network.application, 443, Service.TLS, 1500, 9000, 1),
        (0.4, network.application[None], network.database, 5432, Service.UNRECOGNISED, 1200, 4000, 0.3),
        (0.02, network.clients[:5], network.bastion, 22, Service.SSH, 6000, 12000, 90),
        (0.02, network.bastion[None], network.application, 22, Service.SSH, 5000, 9000, 40),
    ):
        start = span.arrivals(rng, per_s)
        n = len(start)
        up, down = up_median * rng.lognormal(0, 0.9, n), down_median * rng.lognormal(0, 1.3, n)
        seconds_each = seconds * rng.lognormal(0, 0.9, n)
        parts.append(tcp(rng, start, pick(rng, src, n), dst, port, up, down, seconds_each, service))
    return merge(parts)


def clockwork(rng: Generator, network: Network, span: Span) -> Columns:
    """What happens by the clock: time, leases, the monitor's polls, announcements."""
    return merge([part(rng, network, span) for part in (_time, _leases, _polls, _pings, _announcements)])


def _time(rng: Generator, network: Network, span: Span) -> Columns:
    clients = network.clients
    periods = rng.choice(np.array([64.0, 128.0, 256.0, 512.0]), len(clients), p=[0.2, 0.3, 0.3, 0.2])
    actor, time = span.beats(rng, periods, 0.02)
    n = len(time)
    which = actor % len(network.ntp)
    server = network.ntp[which]
    seconds, answered = rng.lognormal(-4.2, 0.6, n), (rng.random(n) < 0.96) & (which < len(network.ntp) - 1)
    return datagrams(
        rng, time, clients[actor], server, 123, (1, 48), (answered, 48), seconds, Service.NTP, src_port=123
    )


def _leases(rng: Generator, network: Network, span: Span) -> Columns:
    actor, time = span.beats(rng, rng.uniform(600, 3600, len(network.clients)), 0.1)
    seconds = rng.lognormal(-7, 0.5, len(time))
    client = network.clients[actor]
    return datagrams(rng, time, client, network.resolver, 67, (1, 300), (1, 300), seconds, Service.DHCP, src_port=68)


def _polls(rng: Generator, network: Network, span: Span) -> Columns:
    watched = network.servers
    actor, time = span.beats(rng, np.full(len(watched), rng.choice([20.0, 30.0, 60.0])), 0.01)
    n = len(time)
    up = rng.integers(180, 190, n)
    down = rng.integers(9000, 16000, len(watched))[actor] * rng.uniform(0.97, 1.03, n)
    seconds = rng.lognormal(-3, 0.4, n)
    return tcp(rng, time, network.monitor, watched[actor], 9100, up, down, seconds, Service.HTTP)


def _pings(rng: Generator, network: Network, span: Span) -> Columns:
    watched = network.servers
    actor, time = span.beats(rng, rng.uniform(15, 60, len(watched)), 0.05)
    n = len(time)
    seconds, answered = rng.lognormal(-7, 0.5, n), rng.random(n) < 0.99
    return datagrams(rng, time, network.monitor, watched[actor], 0, (1, 56), (answered, 56), seconds, protocol=ICMP)


def _announcements(rng: Generator, network: Network, span: Span) -> Columns:
    actor, time = span.beats(rng, rng.uniform(60, 400, len(network.clients)), 0.6)
    n = len(time)
    ssdp = rng.random(n) < 0.5
    packets = rng.integers(1, 5, n)
    return datagrams(
        rng,
        time,
        network.clients[actor],
        _MULTICAST[ssdp.astype(np.int64)],
        np.where(ssdp, 1900, 5353),
        (packets, packets * rng.integers(40, 180, n)),
        (0, 0),
        (packets - 1) * rng.uniform(0.5, 1.1, n),
        np.where(ssdp, Service.UNRECOGNISED, Service.DNS),
    )


def heartbeats(rng: Generator, network: Network, span: Span) -> Columns:
    """Telemetry, keep-alives and update checks over TLS, each periodic in its own sloppy way.

    Hardly any is regular in time *and* size: some keep time but send what has piled up, some send the same every time
    but when they get to it, most do neither. A few update checks and licence calls are nearly both.
    """
    parts = []
    for share, periods, jitter, size_sigma in (
        (0.5, (25, 120), 0.6, 0.7),  # telemetry: what happened since, when idle
        (0.3, (20, 90), 0.04, 0.9),  # metrics on a timer, as much as there is
        (0.4, (25, 100), 0.9, 0.06),  # keep-alives restarted by other traffic
        (0.06, (60, 300), 0.06, 0.15),  # update checks and licence calls
    ):
        who = network.clients[rng.random(len(network.clients)) < share]
        actor, time = span.beats(rng, rng.uniform(*periods, len(who)), jitter)
        n = len(time)
        # The handshake is always the same; what follows is not.
        up = 517 + rng.lognormal(6.8, 0.4, len(who))[actor] * rng.lognormal(0, size_sigma, n)
        down = 600 + rng.lognormal(7.9, 0.6, len(who))[actor] * rng.lognormal(0, size_sigma, n)
        vendor = network.vendors[rng.integers(0, len(network.vendors), len(who))]
        seconds = connection_durations(rng, up + down, 0.03, 0.1)
        parts.append(tcp(rng, time, who[actor], vendor[actor], 443, up, down, seconds, Service.TLS))
    return merge(parts)


def backups_and_updates(rng: Generator, network: Network, span: Span) -> Columns:
    """The large transfers: updates from the vendors, and copies to the backup server, most of them by night."""
    updates = span.arrivals(rng, 0.0015 * len(network.clients), people=False)
    backups = span.arrivals(rng, 0.12 if span.by_night else 0.01, people=False)
    client, vendor = pick(rng, network.clients, len(updates)), pick(rng, network.vendors, len(updates), 1.0)
    asked, got = rng.lognormal(7, 0.5, len(updates)), np.minimum(rng.lognormal(13, 1.5, len(updates)), 3e7)
    seconds = connection_durations(rng, got, 0.02, 0.1)
    source = pick(rng, np.concatenate([network.servers[:6], network.clients[:10]]), len(backups))
    largest = 2e9 if span.by_night else 1e7
    copied = np.minimum(rng.lognormal(16 if span.by_night else 14, 1.2, len(backups)), largest)
    return merge(
        [
            tcp(rng, updates, client, vendor, 443, asked, got, seconds, Service.TLS),
            tcp(
                rng,
                backups,
                source,
                network.backup,
                22,
                copied,
                copied * 0.002 + 3000,
                5 + 8 * copied / 4e8,
                Service.SSH,
            ),
        ]
    )
