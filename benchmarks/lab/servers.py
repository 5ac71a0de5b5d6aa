"""The servers beside nginx: names, time, and dialogues over TCP. Runs in the servers' namespace until it is ended.

A dialogue has the shape of a protocol and not its words: the server greets; each message of the client says how many
bytes follow and how many it wants back, and gets them.

    python -m benchmarks.lab.servers        (run by the lab)
"""

from __future__ import annotations

import asyncio
import os
import struct
import zlib
from collections.abc import Callable
from functools import partial
from typing import Final, cast

from benchmarks.lab.plan import BACKUP, DNS, MAIL, NTP, SHELL

DIALOGUES: Final = {(SHELL, 22): 41, (MAIL, 25): 84, (BACKUP, 873): 14}  # bytes of the greeting
MESSAGE: Final = struct.Struct("!II")  # bytes that follow, bytes wanted back
NTP_BYTES: Final = 48
READY: Final = "ready"

_DNS_HEADER: Final = 12
_ADDRESS: Final = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x01\x2c\x00\x04"  # a record of type A, but for its four bytes
_AUTHORITY: Final = bytes(75)  # as long as the usual SOA record of a name that is not there


def answer_name(question: bytes) -> bytes:
    """Return the answer to a question of DNS: by the name's hash none, one or several addresses."""
    lot = zlib.crc32(question[_DNS_HEADER:])
    records = (0, 1, 1, 1, 1, 2, 4, 8)[lot % 8]
    flags = 0x8180 if records else 0x8183  # NXDOMAIN
    header = question[:2] + struct.pack("!HHHHH", flags, 1, records, 0 if records else 1, 0)
    found = b"".join(_ADDRESS + struct.pack("!I", 0xCB007100 + number) for number in range(records))
    return header + question[_DNS_HEADER:] + (found or _AUTHORITY)


def answer_time(question: bytes) -> bytes:
    """Return the answer of a time server, of the same size as the question."""
    return b"\x24" + bytes(NTP_BYTES - 1 - 8) + question[-8:]


class Answering(asyncio.DatagramProtocol):
    """Answers every datagram."""

    def __init__(self, answer: Callable[[bytes], bytes]) -> None:
        self._answer = answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where answers go."""
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer."""
        self._transport.sendto(self._answer(data), addr)


async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, greeting: int) -> None:
    """Greet, and give back what each message asks for, until the client leaves."""
    try:
        writer.write(os.urandom(greeting))
        while True:
            follow, wanted = MESSAGE.unpack(await reader.readexactly(MESSAGE.size))
            await reader.readexactly(follow)
            writer.write(os.urandom(wanted))
            await writer.drain()
    except (OSError, asyncio.IncompleteReadError):
        pass  # the client has left
    finally:
        writer.close()


async def main() -> None:
    """Serve until the process is ended."""
    loop = asyncio.get_running_loop()
    for address, port, answer in ((DNS, 53, answer_name), (NTP, 123, answer_time)):
        await loop.create_datagram_endpoint(partial(Answering, answer), local_addr=(address, port))
    for (address, port), greeting in DIALOGUES.items():
        await asyncio.start_server(
            partial(converse, greeting=greeting),
            address,
            port,
            limit=1 << 17,
            backlog=128,
        )
    print(READY, flush=True)  # noqa: T201  (whoever started this reads it)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
