"""Single packets of a flood, with whatever address as their source: each act sends one.

Headers as in RFC 791 (IPv4), RFC 9293 (TCP), RFC 768 (UDP) and RFC 792 (ICMP).
"""

from __future__ import annotations

import socket
import struct
from typing import Final

from benchmarks.lab.client import Client
from benchmarks.lab.plan import WEB
from benchmarks.lab.web import PORT

_SYN: Final = 2
_MSS: Final = b"\x02\x04\x05\xb4"
_ECHO: Final = 8
_CLOSED: Final = (1, 1023)  # ports; but for the web's own nobody listens at that address


async def syn(client: Client) -> None:
    """Ask the web server for a connection, and no more."""
    _send(client, socket.IPPROTO_TCP, _tcp_syn(client, PORT))


async def syn_to_closed_port(client: Client) -> None:
    """Ask for a connection to a port where nobody listens."""
    _send(client, socket.IPPROTO_TCP, _tcp_syn(client, client.rng.randint(PORT + 1, _CLOSED[1])))


async def datagram_to_closed_port(client: Client) -> None:
    """Send some bytes over UDP to a port where nobody listens."""
    payload = bytes(client.rng.randint(0, 900))
    ports = _own_port(client), client.rng.randint(*_CLOSED)
    _send(client, socket.IPPROTO_UDP, struct.pack("!HHHH", *ports, 8 + len(payload), 0) + payload)


async def echo(client: Client) -> None:
    """Send one echo request, as `ping` does."""
    number = client.rng.randrange(1 << 16)
    payload = bytes(56)
    check = checksum(struct.pack("!BBHHH", _ECHO, 0, 0, number, 1) + payload)
    _send(client, socket.IPPROTO_ICMP, struct.pack("!BBHHH", _ECHO, 0, check, number, 1) + payload)


def checksum(data: bytes) -> int:
    """Return the Internet checksum of some bytes (RFC 1071)."""
    padded = data + bytes(len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _own_port(client: Client) -> int:
    return client.rng.randint(1024, 65535)


def _tcp_syn(client: Client, port: int) -> bytes:
    ports, sequence = (_own_port(client), port), client.rng.randrange(1 << 32)

    def header(check: int) -> bytes:
        return struct.pack("!HHIIBBHHH", *ports, sequence, 0, 6 << 4, _SYN, 64240, check, 0) + _MSS

    ends = socket.inet_aton(client.address) + socket.inet_aton(WEB)
    return header(checksum(ends + struct.pack("!BBH", 0, socket.IPPROTO_TCP, 24) + header(0)))


def _send(client: Client, protocol: int, data: bytes) -> None:
    ends = socket.inet_aton(client.address), socket.inet_aton(WEB)
    number = client.rng.randint(1, 0xFFFF)
    # The kernel fills the header's checksum in.
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(data), number, 0, 64, protocol, 0, *ends)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        raw.sendto(ip + data, (WEB, 0))
