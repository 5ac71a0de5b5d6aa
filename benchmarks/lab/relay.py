"""The router between clients and servers: carries packets with delay and loss, and writes those that pass to a capture.

Linux can delay packets itself where it has netem, which not every kernel has; so they pass through this process, from
one TUN device to another. It stands next to the servers: a packet is captured when it is handed to them, or comes from
them. The capture has the first bytes of each packet behind an Ethernet header that is made up.

    python -m benchmarks.lab.relay CAPTURE SEED SECONDS SERVERS CLIENTS…        (namespaces; run by the lab)
"""

from __future__ import annotations

import ctypes
import fcntl
import heapq
import ipaddress
import os
import select
import signal
import struct
import sys
import time
from pathlib import Path
from random import Random
from typing import BinaryIO, Final

from benchmarks.lab.line import Line
from benchmarks.lab.plan import PATHS, client_networks

DEVICE: Final = "tun0"
READY: Final = "ready"
SNAP: Final = 96  # bytes of IP that the capture has of a packet

_CLONE_NEWNET: Final = 0x40000000
_TUNSETIFF: Final = 0x400454CA
_IFF_TUN_NO_PI: Final = 0x1001
_ETHERNET: Final = b"\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02\x08\x00"
_FILE_HEADER: Final = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, SNAP + len(_ETHERNET), 1)
_RECEIVE: Final = 65536
_NAP_S: Final = 0.2  # it looks so often whether it is to end
_BURST: Final = 64  # packets read from one device before the others have their turn


def open_tun(namespace: str) -> int:
    """Return a file descriptor of the TUN device that a namespace has. Raises OSError if it has none."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/self/ns/net").open() as own, Path("/run/netns", namespace).open() as other:
        for place in (other, own):
            if libc.setns(place.fileno(), _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), f"cannot enter the namespace {namespace}")
            if place is other:
                tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
                fcntl.ioctl(tun, _TUNSETIFF, struct.pack("16sH22x", DEVICE.encode(), _IFF_TUN_NO_PI))
    return tun


def path_of(packet: bytes) -> int | None:
    """Return which path a packet for a client takes by its destination; None if it is for nobody's."""
    destination = int.from_bytes(packet[16:20], "big")
    return next((path for path, nets in enumerate(_NETWORKS) for net, mask in nets if destination & mask == net), None)


_NETWORKS: Final = [
    [(int(net.network_address), int(net.netmask)) for net in map(ipaddress.IPv4Network, client_networks(path))]
    for path in range(len(PATHS))
]


class Relay:
    """Packets on their way, and the capture of those that passed."""

    def __init__(self, servers: int, clients: list[int], capture: BinaryIO, rng: Random) -> None:
        self._servers, self._clients, self._capture = servers, clients, capture
        self._up = [Line(path, rng) for path in PATHS]
        self._down = [Line(path, rng) for path in PATHS]
        self._waiting: list[tuple[float, int, int, bytes]] = []  # when, in which order, to whom, what
        self._order = 0
        self._over = False
        capture.write(_FILE_HEADER)

    def stop(self) -> None:
        """Let :meth:`run` return soon."""
        self._over = True

    def run(self, seconds: float) -> None:
        """Carry packets for so long, or until it is stopped."""
        poll = select.poll()
        for tun in (self._servers, *self._clients):
            poll.register(tun, select.POLLIN)
        end = time.monotonic() + seconds
        while not self._over and (now := time.monotonic()) < end:
            wait = min(self._waiting[0][0] - now if self._waiting else _NAP_S, _NAP_S)
            for tun, _ in poll.poll(max(wait, 0.0) * 1e3):
                self._read(tun)
            self._hand_over()

    def _read(self, tun: int) -> None:
        for _ in range(_BURST):
            try:
                packet = os.read(tun, _RECEIVE)
            except BlockingIOError:
                return
            if packet[0] >> 4 != 4:
                continue
            if tun == self._servers:
                self._keep(packet)
                path = path_of(packet)
                if path is not None:
                    self._send(self._down[path], self._clients[path], packet)
            else:
                self._send(self._up[self._clients.index(tun)], self._servers, packet)

    def _send(self, line: Line, to: int, packet: bytes) -> None:
        at = line.leaves(time.monotonic(), len(packet))
        if at is not None:
            self._order += 1
            heapq.heappush(self._waiting, (at, self._order, to, packet))

    def _hand_over(self) -> None:
        now = time.monotonic()
        while self._waiting and self._waiting[0][0] <= now:
            _, _, to, packet = heapq.heappop(self._waiting)
            if to == self._servers:
                self._keep(packet)
            os.write(to, packet)

    def _keep(self, packet: bytes) -> None:
        seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
        kept = _ETHERNET + packet[:SNAP]
        header = struct.pack("<IIII", seconds, nanoseconds // 1000, len(kept), len(packet) + len(_ETHERNET))
        self._capture.write(header + kept)


def main(capture: str, seed: str, seconds: str, servers: str, *clients: str) -> None:
    """Run until asked to end (SIGTERM)."""
    with Path(capture).open("wb") as file:
        relay = Relay(open_tun(servers), [open_tun(name) for name in clients], file, Random(seed))  # noqa: S311  (dice)
        signal.signal(signal.SIGTERM, lambda *_: relay.stop())
        print(READY, flush=True)  # noqa: T201  (whoever started this reads it)
        relay.run(float(seconds))


if __name__ == "__main__":
    main(*sys.argv[1:])
