"""Ways in which an object store answers that would mislead, crash, hang or fill a client: acts of LittleS3."""

from __future__ import annotations

import socket
import struct
from typing import Final

from tests.support.little_s3 import Act, Request, carry_out, error, etag_of

PATIENCE_S: Final = 20  # how long a silent act holds a connection, if the test does not end before


def fail(status: int, code: str = "InternalError") -> Act:
    """Do nothing, and answer with an error."""
    return lambda request: request.answer(status, error(code))


def pour(start: bytes = b"", *, status: int = 200, length: int = 1 << 40) -> Act:
    """Answer with a body that never ends, for as long as the client listens."""

    def act(request: Request) -> None:
        request.close_connection = True
        request.answer(status, start, length=length, etag=etag_of(start))
        while not request.server.over.is_set():
            request.server.sent += request.wfile.write(bytes(1 << 16))

    return act


def pour_in_chunks(status: int) -> Act:
    """Answer with a body that never ends, and say that it has ten bytes."""

    def act(request: Request) -> None:
        request.close_connection = True
        request.send_response(status)
        request.send_header("Content-Length", "10")
        request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()
        while not request.server.over.is_set():
            request.server.sent += request.wfile.write(b"10000\r\n" + bytes(1 << 16) + b"\r\n")

    return act


def lie(body: bytes, length: int, etag: str = '"1"') -> Act:
    """Answer with another length than the body has, and close the connection."""

    def act(request: Request) -> None:
        request.close_connection = True
        request.answer(200, body, length=length, etag=etag)

    return act


def stall(body: bytes, *, pause: float = PATIENCE_S) -> Act:
    """Answer with the first half of a body, and then with one byte after each pause."""

    def act(request: Request) -> None:
        request.close_connection = True
        half = len(body) // 2
        request.answer(200, body[:half], length=len(body), etag=etag_of(body))
        for byte in body[half:]:
            if request.server.over.wait(pause):
                return
            request.wfile.write(bytes([byte]))

    return act


def keep_silent(request: Request) -> None:
    """Answer nothing at all."""
    request.close_connection = True
    request.server.over.wait(PATIENCE_S)


def lose_the_answer(request: Request) -> None:
    """Do what is asked, and reset the connection instead of answering."""
    carry_out(request)
    hang_up(request)


def hang_up(request: Request) -> None:
    """Reset the connection."""
    request.close_connection = True
    request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.connection.close()


def do_it_and_fail(request: Request) -> None:
    """Do what is asked, and answer that it failed."""
    carry_out(request)
    request.answer(500, error("InternalError"))
