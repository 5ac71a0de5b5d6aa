"""The program of tests.support.object_store, for var/moto's Python: moto's S3 over HTTP, one request after the other.

moto looks whether a condition holds and then writes, so of two requests at once both could find it true. Here a request
is carried out whole before the next one is begun: that makes a conditional write one step, as S3 promises.
"""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

from moto.server import create_backend_app
from werkzeug.serving import make_server

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def main() -> None:
    """Serve until the process is ended, having said where."""
    moto = create_backend_app("s3")
    turn = threading.Lock()

    def one_at_a_time(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        with turn:
            return list(moto(environ | {"wsgi.input": io.BytesIO(body)}, start_response))

    server = make_server("127.0.0.1", 0, one_at_a_time, threaded=True)
    sys.stdout.write(f"http://127.0.0.1:{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
