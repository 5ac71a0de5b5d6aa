"""A little S3 over HTTP, in this process, that a test can have answer in other ways.

It knows one bucket, GET, HEAD, PUT with conditions, DELETE and the listing of a prefix. A test gives it acts, such as
tests.support.misbehaving has: each answers one request in its own way, and after the last of them the server behaves
again.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final, Self
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

BUCKET: Final = "bucket"

Act = Callable[["Request"], None]


class LittleS3(ThreadingHTTPServer):
    """The server, on a free port while the ``with`` block runs."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.address = f"http://127.0.0.1:{self.server_port}"
        self.objects: dict[str, bytes] = {}
        self.heeded = {"If-Match", "If-None-Match"}
        self.requests: list[str] = []
        self.sent = 0  # bytes that endless bodies had before the client hung up
        self.over = threading.Event()
        self.turn = threading.Lock()
        self._acts: Iterator[Act] = iter(())

    def play(self, acts: Iterable[Act]) -> None:
        """Answer the next requests with these acts."""
        self._acts = iter(acts)

    def next_act(self) -> Act:
        """Return the act for one more request."""
        with self.turn:
            return next(self._acts, behave)

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.over.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that hang up: that is what they should do."""


class Request(BaseHTTPRequestHandler):
    """One connection's requests."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: LittleS3

    def act(self) -> None:
        """Read a request, and answer it with the next act."""
        parts = urlsplit(self.path)
        self.key = unquote(parts.path).removeprefix(f"/{BUCKET}").removeprefix("/")
        self.query = parse_qs(parts.query)
        self.body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.server.requests.append(f"{self.command} {self.key}")
        self.server.next_act()(self)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = act  # noqa: N815 - the names that http.server calls

    def answer(self, status: int, body: bytes = b"", *, length: int | None = None, etag: str | None = None) -> None:
        """Send an answer, whose stated length may be another than the body's."""
        rest = re.fullmatch(r"bytes=(\d+)-\d+", self.headers["Range"] or "")
        if rest and status == 200:
            start, size = int(rest[1]), len(body)
            status, body = 206, body[start:]
        self.send_response(status)
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.send_header("Last-Modified", formatdate(usegmt=True))
        if etag is not None:
            self.send_header("ETag", etag)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


def etag_of(data: bytes) -> str:
    """Return the tag of a content, as S3 makes it."""
    return f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'


def behave(request: Request) -> None:
    """Answer as S3 does."""
    status, body, etag = carry_out(request)
    request.answer(status, body, etag=etag)


def carry_out(request: Request) -> tuple[int, bytes, str | None]:
    """Do what is asked, as one step; return the status, the body and the tag to answer with."""
    objects, key = request.server.objects, request.key
    with request.server.turn:
        present = objects.get(key)
        if request.command == "PUT":
            if not _condition_holds(request, present):
                return 412, error("PreconditionFailed"), None
            objects[key] = request.body
            return 200, b"", etag_of(request.body)
        if request.command == "DELETE":
            objects.pop(key, None)
            return 204, b"", None
        if "list-type" in request.query:
            return 200, listing(key for key in sorted(objects) if key.startswith(request.query["prefix"][0])), None
        return (404, error("NoSuchKey"), None) if present is None else (200, present, etag_of(present))


def _condition_holds(request: Request, present: bytes | None) -> bool:
    heeded = request.server.heeded
    if "If-None-Match" in heeded and request.headers["If-None-Match"] == "*":
        return present is None
    wanted = request.headers["If-Match"] if "If-Match" in heeded else None
    return wanted is None or (present is not None and etag_of(present) == wanted)


def error(code: str) -> bytes:
    return f"<Error><Code>{code}</Code><Message>of the test</Message></Error>".encode()


def listing(keys: Iterable[str], following: str = "") -> bytes:
    """Return a page of a listing, which says how to ask for the following one, if there is one."""
    found = "".join(
        f"<Contents><Key>{escape(key)}</Key><LastModified>{datetime.now(UTC):%FT%T.000Z}</LastModified>"
        "<Size>1</Size></Contents>"
        for key in keys
    )
    more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{following}</NextContinuationToken>"
    return f"<ListBucketResult>{more if following else ''}{found}</ListBucketResult>".encode()
