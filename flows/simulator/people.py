"""What people cause: browsing, visits to the web server, mail, file sharing, connections that come to nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from flows.batch import Service
from flows.simulator.columns import Array, Columns, Generator, datagrams, merge, tcp, tcp_attempt
from flows.simulator.network import Network, pick
from flows.simulator.span import Span
from flows.simulator.web import WebHabits, connection_durations, connections_of_pages, page_times, web_connections


def browsing(rng: Generator, network: Network, span: Span) -> Columns:
    """Clients on the web, and the guests behind one of them: sessions of pages, the names they look up, some QUIC."""
    habits = WebHabits.draw(rng)
    sessions = span.arrivals(rng, 0.0045 * len(network.clients))
    client = rng.integers(0, len(network.clients), len(sessions))
    guests = rng.random(len(sessions)) < rng.uniform(0.1, 0.3)
    src = np.where(guests[:, None], network.gateway, network.clients[client])
    session, pages = page_times(rng, sessions, habits)
    page, starts = connections_of_pages(rng, pages, habits)
    # A page's parts come from its own site and from a few that many pages share.
    site = pick(rng, network.sites, len(pages), 0.9)
    shared = pick(rng, network.sites, len(starts), 1.3)
    own = rng.random(len(starts)) < 0.55
    dst = np.where(own[:, None], site[page], shared)
    src = src[session]
    looked_up = rng.random(len(starts)) < 0.3
    asked = starts[looked_up] - rng.lognormal(-4, 0.5, int(looked_up.sum()))
    return merge(
        [
            web_connections(rng, starts, src[page], dst, habits),
            _lookups(rng, asked, src[page][looked_up], network.resolver),
            _quic(rng, span.arrivals(rng, 0.01 * len(network.clients)), network, habits),
        ]
    )


def visits(rng: Generator, network: Network, span: Span) -> Columns:
    """Outside visitors of the web server, many of some addresses, crawlers, and questions to the name server."""
    habits = WebHabits.draw(rng)
    sessions = span.arrivals(rng, rng.uniform(0.012, 0.045))
    crowded = rng.random(len(sessions)) < 0.2
    alone = pick(rng, network.visitors, len(sessions), 0.6)
    who = np.where(crowded[:, None], pick(rng, network.crowds, len(sessions), 1.0), alone)
    session, pages = page_times(rng, sessions, habits)
    page, starts = connections_of_pages(rng, pages, habits)
    crawled = span.arrivals(rng, 0.06, people=False)
    crawling = replace(habits, request_bytes=420.0, response_bytes=habits.response_bytes / 2, linger_share=0.05)
    asked = span.arrivals(rng, 0.1, people=False)
    return merge(
        [
            web_connections(rng, starts, who[session][page], network.web, habits),
            web_connections(rng, crawled, pick(rng, network.crawlers, len(crawled)), network.web, crawling),
            _lookups(rng, asked, pick(rng, network.visitors, len(asked), 0.3), network.resolver),
        ]
    )


def mail(rng: Generator, network: Network, span: Span) -> Columns:
    """Mail in, mail out, and clients looking for news."""
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


def peer_to_peer(rng: Generator, network: Network, span: Span) -> Columns:
    """A file-sharing program: many peers both ways, over UDP and TCP, a good part of them gone."""
    parts = []
    for sharer in network.sharers:
        own_port = int(rng.integers(10000, 60000))
        peer_ports = rng.integers(1025, 65535, len(network.peers))
        for inbound, per_s in ((False, 0.3), (True, 0.2)):
            start = span.arrivals(rng, per_s, people=False)
            peer = rng.integers(0, len(network.peers), len(start))
            kind = rng.choice(3, len(start), p=[0.15, 0.1, 0.75])
            for draw, which in ((_transfers, kind == 0), (_dead_peers, kind == 1), (_gossip, kind == 2)):
                there = network.peers[peer[which]]
                if inbound:
                    parts.append(draw(rng, start[which], there, sharer, np.full(len(there), own_port)))
                else:
                    parts.append(draw(rng, start[which], sharer, there, peer_ports[peer[which]]))
    return merge(parts)


def _transfers(rng: Generator, start: Array, src: Array, dst: Array, port: Array) -> Columns:
    n = len(start)
    return tcp(rng, start, src, dst, port, rng.lognormal(7, 1.8, n), rng.lognormal(8, 2, n), rng.lognormal(2, 1.5, n))


def _dead_peers(rng: Generator, start: Array, src: Array, dst: Array, port: Array) -> Columns:
    n = len(start)
    return tcp_attempt(rng, start, src, dst, port, rng.random(n) < 0.3, tries=rng.integers(1, 4, n))


def _gossip(rng: Generator, start: Array, src: Array, dst: Array, port: Array) -> Columns:
    n = len(start)
    packets = rng.geometric(0.65, n)
    answers = np.where(rng.random(n) < 0.55, packets, 0)
    seconds = rng.lognormal(-2, 0.8, n) + (packets - 1) * 2.0
    sent, received = packets * rng.integers(60, 140, n), answers * rng.integers(60, 480, n)
    return datagrams(rng, start, src, dst, port, (packets, sent), (answers, received), seconds)


def failures(rng: Generator, network: Network, span: Span) -> Columns:
    """Connections to what is switched off, firewalled or gone."""
    start = span.arrivals(rng, 0.003 * len(network.clients))
    n = len(start)
    inside = rng.random(n) < 0.3
    dst = np.where(inside[:, None], pick(rng, network.servers, n), pick(rng, network.sites, n, 0.5))
    port = rng.choice(np.array([443, 80, 445, 8080, 993, 22]), n, p=[0.5, 0.2, 0.1, 0.1, 0.05, 0.05])
    client = pick(rng, network.clients, n)
    return tcp_attempt(rng, start, client, dst, port, rng.random(n) < 0.35, tries=rng.integers(1, 6, n))


def _lookups(rng: Generator, start: Array, src: Array, resolver: Array) -> Columns:
    """Names looked up: each asked for with IPv4 and, half of the time, at once with IPv6 as well; some do not exist."""
    twice = np.flatnonzero(rng.random(len(start)) < 0.5)
    name = np.concatenate([np.arange(len(start)), twice])
    again = np.arange(len(name)) >= len(start)
    length = rng.integers(28, 62, len(start))[name]
    unknown = (rng.random(len(start)) < 0.06)[name]
    n = len(name)
    tries = np.where(rng.random(n) < 0.96, 1, rng.integers(1, 4, n))
    answered = rng.random(n) < 0.97
    answer = np.where(unknown, length + 75, length + np.minimum(16 * rng.geometric(0.4, n) + 12 * again, 420))
    return datagrams(
        rng,
        start[name] + again * rng.lognormal(-7, 0.8, n),
        src[name],
        resolver,
        53,
        (tries, tries * length),
        (np.where(answered, tries, 0), tries * answer),
        np.where(rng.random(n) < 0.5, rng.lognormal(-7, 0.5, n), rng.lognormal(-4, 1.0, n))
        + np.where(answered, 0.0, 5.0 * (tries - 1)),
        Service.DNS,
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
        connection_durations(rng, up + down, habits.round_trip_s, habits.linger_share),
    )
