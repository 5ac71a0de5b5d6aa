"""What visitors of the web site do; two of these acts make a flood where many do them fast."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from random import Random
from typing import Final

from benchmarks.lab.client import Client, Streams, connected
from benchmarks.lab.plan import WEB
from benchmarks.lab.site import ASSETS, PAGES

PORT: Final = 80
HEALTH_EVERY_S: Final = 10.0

_HTTPS: Final = 443  # where nobody listens: of the visitors' browsers some try it first
_LONGEST_PAUSE_S: Final = 25.0
_SLOW_BYTES: Final = 4096


def request(rng: Random, target: str, method: str = "GET", body: int = 0) -> bytes:
    """Return a request whose headers are as long as those of a browser with some cookies."""
    length = f"Content-Length: {body}\r\n" if method == "POST" else ""
    filler = rng.randbytes(rng.randint(120, 420)).hex()
    return f"{method} {target} HTTP/1.1\r\nHost: www.example.org\r\n{length}Cookie: id={filler}\r\n\r\n".encode()


async def receive(streams: Streams) -> None:
    """Read one response. Raises IncompleteReadError if the server ends before that."""
    head = await streams[0].readuntil(b"\r\n\r\n")
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    left = int(length.partition(b":")[2])
    while left:
        part = await streams[0].read(min(left, 1 << 16))
        if not part:
            raise asyncio.IncompleteReadError(b"", left)
        left -= len(part)


async def get(client: Client, streams: Streams, target: str) -> None:
    """Ask for something and read it."""
    streams[1].write(request(client.rng, target))
    await receive(streams)


async def browse(client: Client) -> None:
    """Read some pages, each with what it is made of, over several connections that are kept while it is read."""
    rng = client.rng
    if rng.random() < 0.15:
        try:
            async with connected(client, WEB, _HTTPS):
                pass
        except ConnectionRefusedError:
            pass
    pages = min(1 + int(rng.expovariate(0.5)), 8)
    while pages > 0:
        async with connected(client, WEB, PORT) as main:
            while pages > 0:
                pages -= 1
                await get(client, main, f"/page-{rng.randrange(PAGES)}")
                if rng.random() < 0.03:  # a tab that is closed: the connection is reset
                    main[1].transport.abort()
                    return
                await asyncio.gather(*(_assets(client) for _ in range(rng.randint(0, 3))))
                pause_s = min(rng.lognormvariate(1.3, 0.9), _LONGEST_PAUSE_S)
                await asyncio.sleep(pause_s)
                if main[0].at_eof() or rng.random() < 0.2:
                    break


async def _assets(client: Client) -> None:
    async with connected(client, WEB, PORT) as streams:
        for _ in range(client.rng.randint(1, 6)):
            await get(client, streams, f"/asset-{client.rng.randrange(ASSETS)}")
        await asyncio.sleep(client.rng.uniform(0.0, 6.0))


async def write_form(client: Client) -> None:
    """Read a page, fill in its form and send it: now and then with a picture."""
    async with connected(client, WEB, PORT) as streams:
        await get(client, streams, f"/page-{client.rng.randrange(PAGES)}")
        await asyncio.sleep(client.rng.uniform(2.0, 10.0))
        body = client.rng.randint(200, 3_000) if client.rng.random() < 0.7 else client.rng.randint(50_000, 200_000)
        streams[1].write(request(client.rng, "/form", "POST", body) + client.rng.randbytes(body))
        await receive(streams)


async def read_slowly(client: Client) -> None:
    """Download over a thin line: some kilobytes at a time, with a small window."""
    async with connected(client, WEB, PORT, window=8192) as streams:
        streams[1].write(request(client.rng, "/download"))
        pause_s = client.rng.uniform(0.1, 0.4)
        while client.left_s > 0 and await streams[0].read(_SLOW_BYTES):
            await asyncio.sleep(pause_s)


async def ask_anew(client: Client) -> None:
    """Ask for page after page, each over a connection of its own: a program's client, or a flood, by its pace."""
    while client.left_s > 0:
        with suppress(OSError, asyncio.IncompleteReadError):
            async with connected(client, WEB, PORT) as streams:
                await get(client, streams, f"/page-{client.rng.randrange(PAGES)}")
        await client.breathe()


async def ask_on(client: Client) -> None:
    """Ask for page after page over one connection, and over the next when the server has had enough: as crawlers do."""
    while client.left_s > 0:
        with suppress(OSError, asyncio.IncompleteReadError):
            async with connected(client, WEB, PORT) as streams:
                while client.left_s > 0:
                    await get(client, streams, f"/page-{client.rng.randrange(PAGES)}")
                    await client.breathe()
        await client.breathe()


async def check_health(client: Client) -> None:
    """Ask every ten seconds whether the server is well, each time over a connection of its own."""
    while client.left_s > 0:
        async with connected(client, WEB, PORT) as streams:
            streams[1].write(b"GET /health HTTP/1.1\r\nHost: www.example.org\r\nConnection: close\r\n\r\n")
            await receive(streams)
        await asyncio.sleep(HEALTH_EVERY_S)
