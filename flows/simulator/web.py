"""How people use the web: sessions of pages, each page a handful of connections of very unequal size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from flows.batch import Service
from flows.simulator.columns import Array, Columns, Generator, repeat_rows, running_times, tcp

# How long servers and browsers wait for another request, by their common settings.
_KEEP_ALIVE_S: Final = np.array([5.0, 15.0, 30.0, 60.0, 115.0, 240.0, 350.0])
_KEEP_ALIVE_SHARES: Final = np.array([0.3, 0.15, 0.12, 0.18, 0.13, 0.08, 0.04])


@dataclass(frozen=True, slots=True)
class WebHabits:
    """What differs between one population of web users and another."""

    pages: float = 5.0  # mean pages of a session
    think_s: float = 15.0  # median time between two pages of a session
    connections: float = 4.0  # mean connections of a page
    request_bytes: float = 800.0  # median payload of a connection's requests
    response_bytes: float = 7000.0  # median payload of a connection's responses
    round_trip_s: float = 0.03  # median
    tls_share: float = 0.9
    linger_share: float = 0.4  # connections kept alive after the last response

    @classmethod
    def draw(cls, rng: Generator) -> WebHabits:
        """Draw the habits of one population."""
        return cls(
            pages=rng.uniform(3, 7),
            think_s=rng.uniform(9, 25),
            connections=rng.uniform(3, 6),
            request_bytes=rng.uniform(700, 1100),
            response_bytes=rng.uniform(4500, 10000),
            round_trip_s=rng.uniform(0.015, 0.05),
            tls_share=rng.uniform(0.75, 0.95),
            linger_share=rng.uniform(0.25, 0.55),
        )


def page_times(rng: Generator, starts: Array, habits: WebHabits) -> tuple[Array, Array]:
    """Return (session of each page, time of each page) for sessions that begin at ``starts`` (s)."""
    pages = rng.geometric(1 / habits.pages, len(starts))
    gaps = habits.think_s * rng.lognormal(0, 0.9, int(pages.sum()))
    return repeat_rows(pages), running_times(starts, gaps, pages)


def connections_of_pages(rng: Generator, times: Array, habits: WebHabits) -> tuple[Array, Array]:
    """Return (page of each connection, start of each connection): the page itself, then what it embeds."""
    counts = 1 + rng.poisson(habits.connections - 1, len(times))
    gaps = rng.lognormal(np.log(0.12), 0.9, int(counts.sum()))
    return repeat_rows(counts), running_times(times, gaps, counts)


def web_connections(rng: Generator, start: Array, src: Array, dst: Array, habits: WebHabits) -> Columns:
    """Web connections with heavy-tailed sizes; a good part linger in keep-alive before they close."""
    n = len(start)
    tls = rng.random(n) < habits.tls_share
    up = habits.request_bytes * rng.lognormal(0, 0.5, n) * np.where(tls, 1.0, 0.55)
    up = np.where(tls, np.maximum(up, 517), np.maximum(up, 80))
    uploads = rng.random(n) < 0.02
    up = np.where(uploads, up * rng.lognormal(3, 1, n), up)
    down = np.minimum(habits.response_bytes * rng.lognormal(0, 1.5, n), 3e7)
    down = np.where(tls, np.maximum(down, 900), np.maximum(down, 140))
    recognised = np.where(tls, Service.TLS, Service.HTTP)
    return tcp(
        rng,
        start,
        src,
        dst,
        np.where(tls, 443, 80),
        up,
        down,
        connection_durations(rng, up + down, habits.round_trip_s, habits.linger_share),
        np.where(rng.random(n) < 0.96, recognised, Service.UNRECOGNISED),
    )


def connection_durations(rng: Generator, payload: Array, round_trip_s: float, linger_share: float) -> Array:
    """Seconds a connection lasts: round trips, transfer at some Mbit/s, and for a share of them a keep-alive tail."""
    n = len(payload)
    trips = round_trip_s * rng.lognormal(0, 0.6, n) * rng.uniform(3, 8, n)
    transfer = 8 * payload / (20e6 * rng.lognormal(0, 0.8, n))
    tail = rng.choice(_KEEP_ALIVE_S, n, p=_KEEP_ALIVE_SHARES) * rng.uniform(0.6, 1.1, n)
    return np.asarray(trips + transfer + np.where(rng.random(n) < linger_share, tail, 0.0))
