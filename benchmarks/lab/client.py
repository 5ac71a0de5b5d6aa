"""A client: an address, what it throws its dice with, and connections from it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from random import Random

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class Client:
    """One address that does something.

    Attributes:
        address: its own.
        rng: its dice.
        until_s: when its wave ends, on the event loop's clock.
        pace: requests per second, for what repeats.
    """

    address: str
    rng: Random
    until_s: float
    pace: float

    @property
    def left_s(self) -> float:
        """Seconds until its wave ends; not above 0: it has ended."""
        return self.until_s - asyncio.get_running_loop().time()

    async def breathe(self) -> None:
        """Wait between two requests, so that they come at its pace."""
        await asyncio.sleep(self.rng.expovariate(self.pace))


@asynccontextmanager
async def connected(client: Client, server: str, port: int, window: int | None = None) -> AsyncIterator[Streams]:
    """Connect from the client's address, with a receive buffer of ``window`` bytes if given; closes in the end.

    Raises OSError: the server refuses, or cannot be reached.
    """
    with ExitStack() as undo:
        sock = undo.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        sock.setblocking(False)
        if window is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        sock.bind((client.address, 0))
        await asyncio.get_running_loop().sock_connect(sock, (server, port))
        reader, writer = await asyncio.open_connection(sock=sock, limit=1 << 16)
        undo.pop_all()  # from here on the writer closes it
    try:
        yield reader, writer
    finally:
        writer.close()


async def asked(client: Client, server: str, port: int, question: bytes, own_port: int = 0) -> bytes:
    """Send a datagram and return the answer. Raises OSError, and TimeoutError after two seconds without one."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.bind((client.address, own_port))
        sock.connect((server, port))
        await loop.sock_sendall(sock, question)
        return await asyncio.wait_for(loop.sock_recv(sock, 4096), 2.0)
