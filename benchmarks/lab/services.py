"""What visitors of the other servers do."""

from __future__ import annotations

import asyncio
import struct
from typing import Final

from benchmarks.lab.client import Client, Streams, asked, connected
from benchmarks.lab.plan import BACKUP, DNS, MAIL, NTP, SHELL
from benchmarks.lab.servers import DIALOGUES, MESSAGE, NTP_BYTES

_NAMES: Final = 400
_TYPES: Final = (1, 28)  # A and AAAA
_BACKUP_BYTES: Final = 6_000_000
_PIECE: Final = 32_768


async def resolve(client: Client) -> None:
    """Look one name up, its IPv4 and its IPv6 addresses at once."""
    label = b"host-%d" % int(client.rng.paretovariate(0.8) % _NAMES)
    name = b"".join(bytes([len(part)]) + part for part in (label, b"example", b"org")) + b"\0"

    async def ask(kind: int) -> None:
        header = struct.pack("!HHHHHH", client.rng.randrange(1 << 16), 0x0100, 1, 0, 0, 0)
        await asked(client, DNS, 53, header + name + struct.pack("!HH", kind, 1))

    await asyncio.gather(*map(ask, _TYPES[: client.rng.choice((1, 2, 2))]))


async def synchronise(client: Client) -> None:
    """Ask for the time, four times every two seconds, as a client does at its start; some from NTP's own port."""
    own_port = client.rng.choice((0, 123))
    for _ in range(4):
        await asked(client, NTP, 123, b"\x23" + client.rng.randbytes(NTP_BYTES - 1), own_port)
        await asyncio.sleep(2.0)


async def _greeted(streams: Streams, server: tuple[str, int]) -> None:
    await streams[0].readexactly(DIALOGUES[server])


async def _say(streams: Streams, size: int, wanted: int) -> None:
    streams[1].write(MESSAGE.pack(size, wanted) + bytes(size))
    await streams[0].readexactly(wanted)


async def work_in_a_shell(client: Client) -> None:
    """Exchange keys, then type until the wave ends or the work is done: echoes, and now and then a screen of output."""
    rng = client.rng
    async with connected(client, SHELL, 22) as streams:
        await _greeted(streams, (SHELL, 22))
        for size, wanted in ((1500, 1080), (1200, 600), (40, 40), (140, 60), (370, 30)):
            await _say(streams, size, wanted)
        end_s = client.left_s - min(rng.lognormvariate(3.7, 0.8), client.left_s)
        while client.left_s > end_s:
            await _say(streams, 28, rng.choice((36, 36, 36, 36, 36, 36, 84, rng.randint(500, 8_000))))
            await asyncio.sleep(min(rng.lognormvariate(-1.2, 1.3), 20.0))


async def send_mail(client: Client) -> None:
    """Send one to three messages."""
    rng = client.rng
    async with connected(client, MAIL, 25) as streams:
        await _greeted(streams, (MAIL, 25))
        await _say(streams, 20, 190)
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            text = min(int(rng.lognormvariate(8.5, 1.2)), 150_000)
            for size, wanted in ((38, 14), (34, 14), (6, 37), (text, 42)):
                await _say(streams, size, wanted)
                await asyncio.sleep(rng.uniform(0.0, 0.15))
        await _say(streams, 6, 24)


async def back_up(client: Client) -> None:
    """Upload some megabytes at once."""
    async with connected(client, BACKUP, 873) as streams:
        await _greeted(streams, (BACKUP, 873))
        for _ in range(_BACKUP_BYTES // _PIECE):
            await _say(streams, _PIECE, 8)
