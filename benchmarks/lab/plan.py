"""What a scenario is: parts, each of them what the clients of some addresses do, and what their flows are called.

Addresses are the truth. Clients live in 198.18.0.0/15 (RFC 2544), visitors in its lower half and attackers in its
upper one. A client's bits below that are its path (2 bits), the block of its part (6 bits) and its number (8 bits), so
that every path has clients of every part. Servers are at home in 10.77.1.0/24.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

HOME: Final = "10.77.1.0/24"
WEB, DNS, NTP, SHELL, MAIL, BACKUP = (f"10.77.1.{host}" for host in (10, 53, 123, 22, 25, 87))

BLOCKS: Final = 64  # of 256 addresses each, on every path
_CLIENTS: Final = int(ipaddress.IPv4Address("198.18.0.0"))
_HALF: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Path:
    """The way between some clients and the servers, one direction of it.

    Attributes:
        delay_s: how long a packet travels, beside its time in the queue.
        jitter_s: at most so much longer, at random; packets keep their order.
        loss: the share of packets that are lost.
        bytes_per_s: of IP, at most; what would wait longer than :data:`benchmarks.lab.line.QUEUE_S` is lost.
    """

    name: str
    delay_s: float
    jitter_s: float
    loss: float
    bytes_per_s: float


PATHS: Final = (
    Path("near", delay_s=0.003, jitter_s=0.001, loss=0.0, bytes_per_s=12.5e6),
    Path("far", delay_s=0.04, jitter_s=0.004, loss=0.001, bytes_per_s=5e6),
    Path("mobile", delay_s=0.08, jitter_s=0.03, loss=0.004, bytes_per_s=2.5e6),
)


@dataclass(frozen=True, slots=True)
class Part:
    """What some addresses do.

    Attributes:
        act: a name in :data:`benchmarks.lab.acts.ACTS`.
        label: what the flows are called; "Benign…" for visitors, all else for attackers.
        block: its first block of addresses; no other part of its half has it.
        addresses: how many, on each path.
        waves: begin and end in seconds from the scenario's begin.
        arrivals: begun per second by any of the addresses, over all paths, as a Poisson process; 0: every address
            begins once a wave, within its first second.
        pace: requests per second of one address, for acts that repeat until the wave ends.
        silent: whether nobody lives at the addresses: answers to them are dropped.
    """

    act: str
    label: str
    block: int
    addresses: int
    waves: tuple[tuple[float, float], ...]
    arrivals: float = 0.0
    pace: float = 0.0
    silent: bool = False

    @property
    def attacks(self) -> bool:
        """Whether its clients are attackers."""
        return not self.label.startswith("Benign")

    @property
    def blocks(self) -> range:
        """The blocks that its addresses are in."""
        return range(self.block, self.block + -(-self.addresses // 256))

    def address(self, path: int, number: int) -> str:
        """The address of one of its clients on a path; numbers count from 0."""
        return str(ipaddress.IPv4Address(_base(path, self.attacks) + (self.block << 8) + number))

    def networks(self, path: int) -> list[str]:
        """Its blocks on a path, as networks."""
        return [f"{self.address(path, 256 * block)}/24" for block in range(len(self.blocks))]


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is recorded at one time: its parts, and how many seconds."""

    name: str
    about: str
    seconds: float
    parts: tuple[Part, ...]


def client_networks(path: int) -> list[str]:
    """All addresses of a path, visitors' and attackers', as networks."""
    return [f"{ipaddress.IPv4Address(_base(path, attacks))}/18" for attacks in (False, True)]


def label_of(ends: Sequence[str], parts: Sequence[Part]) -> str:
    """What the flows between two addresses are called; "Unknown" if no client of the parts is one of them."""
    return next((label for end in ends for label in _labels(end, parts)), "Unknown")


def _labels(address: str, parts: Sequence[Part]) -> Iterator[str]:
    place = int(ipaddress.IPv4Address(address)) - _CLIENTS
    if 0 <= place < 2 * _HALF:
        block = place >> 8 & BLOCKS - 1
        yield from (part.label for part in parts if part.attacks == (place >= _HALF) and block in part.blocks)


def _base(path: int, attacks: bool) -> int:
    return _CLIENTS + _HALF * attacks + path * BLOCKS * 256
