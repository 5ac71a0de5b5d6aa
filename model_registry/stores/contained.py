"""Another process for what a stranger's answer could crash, hang or fill: the client of object stores.

That client reads the text of an error to its end and believes the length it is said to have, so a hostile server could
end the process that uses it, or fill its memory. Here it ends a process of its own instead, which may use so much
memory and so much time and no more, and whoever asked is told. Messages are MessagePack behind their length, over a
socket that is the process's standard input.
"""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal, TypeVar

import msgspec

_LENGTH: Final = struct.Struct(">Q")


class Failure(StrEnum):
    """Why a request was not carried out."""

    MISSING = "missing"  # the file, or the bucket
    CHANGED = "changed"  # the condition does not hold
    CHANGED_OR_DONE = "changed or done"  # nor does it at a second try, but the first may have been carried out
    OVERSIZED = "oversized"
    STRANGE = "strange"  # a key that no client of ours could have written
    DENIED = "denied"
    SETTINGS = "settings"
    OTHER = "other"  # as the detail says; perhaps it was carried out
    SLOW = "slow"  # it did not answer in time, and was ended
    ENDED = "ended"  # it ended by itself, mostly for want of memory


class Request(msgspec.Struct, array_like=True):
    """What the process is to do, and with what."""

    operation: Literal["read", "has", "list", "put", "create", "replace", "remove"]
    name: str
    limit: int = 0
    data: bytes = b""
    tag: str = ""


class Reply(msgspec.Struct, array_like=True):
    """What came of a request."""

    failure: Failure | None = None
    detail: str = ""
    data: bytes = b""
    tag: str = ""
    listed: tuple[tuple[str, datetime], ...] = ()


Message = TypeVar("Message", Request, Reply)


def send(connection: socket.socket, message: Request | Reply) -> None:
    """Write one message. Raises OSError if nobody reads any more."""
    data = msgspec.msgpack.encode(message)
    connection.sendall(_LENGTH.pack(len(data)) + data)


def receive(connection: socket.socket, kind: type[Message]) -> Message | None:
    """Read one message; None if the other side has ended."""
    head = _exactly(connection, _LENGTH.size)
    data = head and _exactly(connection, *_LENGTH.unpack(head))
    return msgspec.msgpack.decode(data, type=kind) if data else None


def _exactly(connection: socket.socket, length: int) -> bytearray | None:
    data = bytearray(length)
    view = memoryview(data)
    while view:
        count = connection.recv_into(view)
        if not count:
            return None
        view = view[count:]
    return data


class Contained:
    """A process that runs a module: started when it is first asked, and again after it had to be ended."""

    def __init__(self, module: str, *arguments: str, seconds: float) -> None:
        """Name the module with its arguments, and how long it may take to answer."""
        # -P: what lies in the present folder is not imported.
        self._command = [sys.executable, "-P", "-m", module, *arguments]
        self._seconds = seconds
        self._connection: socket.socket | None = None
        self._end: Callable[[], object] = lambda: None
        self._turn = threading.Lock()

    def ask(self, request: Request) -> Reply:
        """Return what came of a request; those of several threads take turns."""
        with self._turn:
            connection = self._connection or self._start()
            self._connection = None  # one that is left without its answer, as by Ctrl-C, is not asked again
            try:
                send(connection, request)
                reply = receive(connection, Reply) or Reply(Failure.ENDED)
            except TimeoutError:
                reply = Reply(Failure.SLOW)
            except ConnectionError:
                reply = Reply(Failure.ENDED)
            if reply.failure in (Failure.SLOW, Failure.ENDED):
                self._end()
            else:
                self._connection = connection
            return reply

    def _start(self) -> socket.socket:
        self._end()
        connection, theirs = socket.socketpair()
        connection.settimeout(self._seconds)
        with theirs:
            process = subprocess.Popen(
                self._command,
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=os.environ | {"TOKIO_WORKER_THREADS": "1"},
                start_new_session=True,  # Ctrl-C is for the process that asks
            )
        self._end = weakref.finalize(self, _end, process, connection)
        return connection


def _end(process: subprocess.Popen[bytes], connection: socket.socket) -> None:
    connection.close()
    process.kill()
    process.wait()
