"""Capture files as libpcap writes them on this machine: little-endian, times in microseconds, frames of Ethernet."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

HEADER: Final = 24  # bytes, before the first record
_MAGIC: Final = b"\xd4\xc3\xb2\xa1"
_IPV4: Final = b"\x08\x00"  # as the type that a frame holds
_GRE: Final = 47

Talk = tuple[int, int, int]  # source and destination as the numbers of their IPv4 addresses, and protocol


def unpack(capture: Path, folder: Path, packets: int | None = None) -> Path:
    """Unpack a gzipped capture into a folder, or only so many packets of it."""
    with gzip.open(capture) as packed:
        data = packed.read()
    assert data.startswith(_MAGIC), capture
    path = folder / capture.name.removesuffix(".gz")
    path.write_bytes(data[:HEADER] + b"".join(islice(_records(data), packets)))
    return path


def fragmented(capture: Path) -> set[Talk]:
    """Tell between whom a capture shows fragments of IPv4."""
    packets = _ipv4(capture)
    return {_talk(packet) for packet in packets if int.from_bytes(packet[6:8], "big") & 0x3FFF}  # more, or an offset


def tunnelled(capture: Path) -> set[Talk]:
    """Tell between whom a capture shows packets of IPv4 within GRE: the inner source and destination."""
    return {_talk(packet[24:]) for packet in _ipv4(capture) if packet[9] == _GRE and packet[22:24] == _IPV4}


def _ipv4(capture: Path) -> Iterator[bytes]:
    for record in _records(capture.read_bytes()):
        if record[28:30] == _IPV4:
            yield record[30:]


def _talk(packet: bytes) -> Talk:
    return int.from_bytes(packet[12:16], "big"), int.from_bytes(packet[16:20], "big"), packet[9]


def _records(data: bytes) -> Iterator[bytes]:
    """The records of a capture, each with its header of 16 bytes."""
    at = HEADER
    while at < len(data):
        (length,) = struct.unpack_from("<I", data, at + 8)
        yield data[at : at + 16 + length]
        at += 16 + length
