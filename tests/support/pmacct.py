"""pmacct's daemons with a capture as their traffic, by the configurations in deploy/exporters.

Those are changed only where a test must: addresses, the topic, and a file instead of an interface.

Release 1.7.7 has its oddities at the end of traffic. A plugin that waits for packets may sleep until more of them come,
with the last ones before it, so here other traffic comes before and after the capture, as on a wire: from :data:`AFTER`
to another host. Asked to leave, a daemon writes its last buffer twice, so it is killed when the test has what it wants.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from tests.support.exporters import RUN, TIMEOUT_S
from tests.support.pcap import HEADER

AFTER: Final = "192.0.2.1"  # where the traffic before and after the capture comes from
_TO: Final = "192.0.2.2"
_PAUSE_S: Final = 0.2
_AFTER_PACKETS: Final = 200  # at once: packets are handed on in buffers, which hold some fifty

_HANDED_ON: Final = re.compile(rb"Purging cache - END .* QN: [1-9]")

Settings = dict[str, str | None]


def pmacctd(capture: Path, folder: Path, packets: int) -> Path:
    """pmacctd's messages about a capture, which tell of so many packets, written to a file; those after it left out."""
    written, text = folder / "pmacctd.written", folder / "pmacctd.json"
    settings: Settings = {"plugins": "print", "print_output": "json", "print_output_file": str(written)}
    settings |= {"kafka_refresh_time": None, "print_refresh_time": "3", "print_output_file_append": "true"}
    lines: list[bytes] = []

    def told() -> bool:
        whole, _, _ = written.read_bytes().rpartition(b"\n") if written.exists() else (b"", b"", b"")
        lines[:] = [line for line in whole.splitlines() if not is_after(json.loads(line))]
        return sum(int(json.loads(line)["packets"]) for line in lines) >= packets

    with pmacctd_reading(capture, folder, settings) as log:
        wait_for(told, log)
    text.write_bytes(b"\n".join(lines) + b"\n")
    return text


def is_after(message: dict[str, Any]) -> bool:
    """Tell whether a message is about the traffic after the capture."""
    return bool(message["ip_src"] == AFTER)


@contextmanager
def pmacctd_reading(capture: Path, folder: Path, changes: Settings) -> Iterator[Callable[[], bytes]]:
    """Let pmacctd count the packets of a capture, and of what follows it; yields how to read its log."""
    wire = folder / "wire"
    os.mkfifo(wire)
    settings: Settings = {"pcap_interface": None, "pcap_savefile": str(wire)}
    configuration = _configure("pmacctd.conf", folder, settings | changes)
    joined = threading.Event()
    with _feeding(capture.read_bytes(), wire, joined), _running("pmacctd", configuration) as log:
        _wait_for_plugin(log)
        joined.set()
        yield log


@contextmanager
def nfacctd_collecting(folder: Path, changes: Settings) -> Iterator[tuple[int, Callable[[], bytes]]]:
    """Run the collector on a port of its own; yields that and how to read its log. Other traffic comes in between."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind(("127.0.0.1", 0))
        port: int = sender.getsockname()[1]
    settings: Settings = {"nfacctd_ip": "127.0.0.1", "nfacctd_port": str(port)}
    with _running("nfacctd", _configure("nfacctd.conf", folder, settings | changes)) as log:
        wait_for(lambda: b"waiting for NetFlow/IPFIX data" in log(), log)
        with _sending(_netflow_v5(), port):
            _wait_for_plugin(log)
            yield port, log


def dropped_datagrams(port: int) -> int:
    """How many datagrams to a UDP port of this machine the kernel has thrown away, for want of room."""
    lines = Path("/proc/net/udp").read_text().splitlines()[1:]
    return sum(int(line.split()[-1]) for line in lines if line.split()[1].endswith(f":{port:04X}"))


def wait_for(condition: Callable[[], bool], log: Callable[[], bytes]) -> None:
    """Return when ``condition`` holds; fail, telling the log, when it does not in time."""
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline, log().decode(errors="replace")
        time.sleep(0.1)


def _wait_for_plugin(log: Callable[[], bytes]) -> None:
    """A daemon's plugin joins it some time after it has begun to read, and what it reads before that is lost."""
    wait_for(lambda: _HANDED_ON.search(log()) is not None, log)


def _configure(name: str, folder: Path, changes: Settings) -> Path:
    """Write a shipped configuration with other values; None leaves a directive out."""
    settings: Settings = {"kafka_config_file": str(RUN.parent / "librdkafka.conf")}
    settings |= changes
    shipped = (RUN.parent / name).read_text().splitlines()
    lines = [line for line in shipped if line.partition(":")[0] not in settings]
    lines += [f"{key}: {value}" for key, value in settings.items() if value is not None]
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    return path


@contextmanager
def _running(program: str, configuration: Path) -> Iterator[Callable[[], bytes]]:
    """Run a daemon, whose processes are one group, and kill them in the end."""
    path = configuration.with_suffix(".log")
    with path.open("wb") as log:
        process = subprocess.Popen(
            [RUN, program, "-f", configuration],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield path.read_bytes
        assert process.poll() is None, path.read_text()
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def _feeding(capture: bytes, wire: Path, joined: threading.Event) -> Iterator[None]:
    """Write a capture into a pipe, once somebody has joined; other packets before it and after it, until the end."""
    seconds = struct.unpack_from("<I", capture, HEADER)[0]  # when the first packet was
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28, 0, 0, 64, 17, 0, socket.inet_aton(AFTER), socket.inet_aton(_TO))
    frame = b"\2\0\0\0\0\2\2\0\0\0\0\1\x08\0" + ip + struct.pack("!HHHH", 9, 9, 8, 0)
    after = struct.pack("<IIII", seconds, 0, len(frame), len(frame)) + frame
    over = threading.Event()

    def feed() -> None:
        with suppress(BrokenPipeError), wire.open("wb", buffering=0) as pipe:
            pipe.write(capture[:HEADER])
            while not joined.wait(_PAUSE_S) and not over.is_set():
                pipe.write(after * _AFTER_PACKETS)
            pipe.write(capture[HEADER:])
            while not over.wait(_PAUSE_S):
                pipe.write(after * _AFTER_PACKETS)

    with _thread(feed, over):
        try:
            yield
        finally:  # if nobody opened the pipe, the thread waits for somebody to
            os.close(os.open(wire, os.O_RDONLY | os.O_NONBLOCK))


@contextmanager
def _sending(datagram: bytes, port: int) -> Iterator[None]:
    """Send a datagram again and again."""
    over = threading.Event()

    def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            while not over.wait(_PAUSE_S):
                sender.sendto(datagram, ("127.0.0.1", port))

    with _thread(send, over):
        yield


@contextmanager
def _thread(work: Callable[[], None], over: threading.Event) -> Iterator[None]:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(TIMEOUT_S)


def _netflow_v5() -> bytes:
    """NetFlow v5 about one flow of one packet."""
    header = struct.pack("!HHIIIIBBH", 5, 1, 1000, 1_621_090_240, 0, 0, 0, 0, 0)
    ends = socket.inet_aton(AFTER) + socket.inet_aton(_TO) + bytes(4)
    return header + ends + struct.pack("!HHIIIIHHBBBBHHBBH", 0, 0, 1, 28, 1000, 1000, 9, 9, 0, 0, 17, 0, 0, 0, 0, 0, 0)
