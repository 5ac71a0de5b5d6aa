"""The HTTP endpoints: alive, ready, metrics, models, statistics, and a page for people.

A handler only reads what the pipeline left in memory, so it answers however busy the pipeline is; ``/health``
touches nothing at all. Standard library only.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from socket import AF_INET, AF_INET6
from socketserver import TCPServer
from types import TracebackType
from typing import Any, Final, Self

from flows.errors import TidegateError
from serving.metrics import Metrics
from serving.status import Status

_JSON: Final = "application/json"
_TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
_HTML: Final = "text/html; charset=utf-8"

Answer = tuple[HTTPStatus, str, bytes]
Endpoints = dict[str, Callable[[], Answer]]

log = logging.getLogger(__name__)


class ListenError(TidegateError):
    """The HTTP endpoints cannot listen where the settings say."""


def process_endpoints(status: Status, metrics: Metrics) -> Endpoints:
    """What every long-running process answers."""
    return {
        "/health": lambda: _json(HTTPStatus.OK, {"alive": True}),
        "/ready": lambda: _ready(status),
        "/metrics": lambda: (HTTPStatus.OK, _TEXT, metrics.exposition()),
    }


def serving_endpoints(status: Status, metrics: Metrics) -> Endpoints:
    """What a process that decides answers."""
    page = files("serving").joinpath("status_page/index.html").read_bytes()
    return {
        "/": lambda: (HTTPStatus.OK, _HTML, page),
        **process_endpoints(status, metrics),
        "/models": lambda: _json(HTTPStatus.OK, status.models()),
        "/detections/stats": lambda: _json(HTTPStatus.OK, status.stats.document()),
    }


class HealthServer:
    """Serves the endpoints from a thread of its own while the context is open."""

    def __init__(self, listen: tuple[str, int], endpoints: Endpoints) -> None:
        """Bind ``listen``; port 0 takes a free one. Raises ListenError when that is not possible."""
        try:
            self._server = _Server(listen, endpoints)
        except OSError as error:
            raise ListenError(
                f"cannot listen on {listen[0]}:{listen[1]}: {error.strerror}; "
                "stop what uses it, or set TIDEGATE_LISTEN (--listen) to another HOST:PORT"
            ) from None
        self._thread = threading.Thread(target=self._server.serve_forever, name="http", daemon=True)

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _json(status: HTTPStatus, document: dict[str, Any]) -> Answer:
    return status, _JSON, json.dumps(document).encode()


def _ready(status: Status) -> Answer:
    ready, document = status.ready()
    return _json(HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE, document)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # an idle keep-alive connection must not hold up leaving

    def __init__(self, listen: tuple[str, int], routes: Endpoints) -> None:
        self.address_family = AF_INET6 if ":" in listen[0] else AF_INET
        self.routes = routes
        super().__init__(listen, _Handler)

    def server_bind(self) -> None:
        """Bind without the base class's look-up of this host's full name, which can take seconds where DNS is slow."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002  (the base class's signature)
        """A client that went away in mid-answer is its own affair; anything else is our fault, and logged."""
        error = sys.exception()
        if not isinstance(error, ConnectionError | TimeoutError):
            log.error("an HTTP answer failed", exc_info=error)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "tidegate"
    sys_version = ""
    timeout = 10  # s; a silent client does not keep its thread for longer
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave in one segment
    server: _Server

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):  # the base class looks a method up by name, and would answer 501 in HTML
            return self._refuse_method
        raise AttributeError(name)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what is not HTTP, or more than the base class takes, in JSON like everything else."""
        self.close_connection = True
        reason = message or explain or HTTPStatus(code).phrase
        self._send(*_json(HTTPStatus(code), {"error": reason}), with_body=True, headers={"Connection": "close"})

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the base class's name)
        """Probes come every few seconds; a line for each would bury the log."""

    def _answer(self, *, with_body: bool) -> None:
        path = self.path.partition("?")[0]
        route = self.server.routes.get(path)
        if route is None:
            known = ", ".join(self.server.routes)
            answer = _json(HTTPStatus.NOT_FOUND, {"error": f"no such path; there are: {known}"})
        else:
            answer = route()
        self._send(*answer, with_body=with_body)

    def _refuse_method(self) -> None:
        self.close_connection = True  # what the refused request carries is not read
        answer = _json(HTTPStatus.METHOD_NOT_ALLOWED, {"error": "only GET and HEAD are answered here"})
        self._send(*answer, with_body=True, headers={"Allow": "GET, HEAD", "Connection": "close"})

    def _send(
        self,
        status: HTTPStatus,
        content_type: str,
        body: bytes,
        *,
        with_body: bool,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(body)
        self.wfile.flush()
