"""The client of object stores, as a process of its own.

Its arguments are a URL, how many seconds it waits for a silent server, and how many an answer may take as a whole. It
does what :mod:`model_registry.stores.contained` asks, by obstore and with the AWS_* variables of the environment, until
nobody asks any more.
"""

from __future__ import annotations

import os
import re
import resource
import socket
import sys
from datetime import timedelta
from typing import Final

from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    InvalidPathError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import S3Store

from model_registry.stores.contained import Failure, Reply, Request, receive, send

MEMORY: Final = 320 << 20  # bytes; the largest blob takes three times its 64 MB on its way
MAX_LISTED: Final = 100_000  # files
CHUNK: Final = 1 << 20  # bytes
RETRIES: Final = 2

# What obstore's description of an error says, in our words: its own has addresses, and those may hold a password.
_REASONS: Final = (
    (r"/latest/api/token", "no AWS_ACCESS_KEY_ID is set, and this machine has no role of its own"),
    (r"BadScheme", "plain http is not allowed; name an https address, or set AWS_ALLOW_HTTP=true"),
    (r"<Code>NoSuchBucket", "there is no such bucket"),
    (r"status code: (\d{3})", "the server answered {}"),
    (r"kind: Timeout\b", "the server does not answer in time"),
    (r"kind: Connect\b", "there is no connection to the server"),
    (r"kind: Interrupted\b", "the connection broke off"),
    (r"", "the server's answer is none of S3"),
)


def main() -> None:
    """Answer requests until the other side ends."""
    url, patience, seconds = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    store: S3Store | None = None
    with socket.socket(fileno=0) as connection:
        while (request := receive(connection, Request)) is not None:
            try:
                store = store or _open(url, patience, seconds)
            except (BaseError, ValueError):
                send(connection, Reply(Failure.SETTINGS))
                continue
            send(connection, _answer(store, request))


def _open(url: str, patience: float, seconds: float) -> S3Store:
    return S3Store.from_url(
        url,
        # Whatever the environment says of these: every server knows the plain DELETE, and conditions are the point.
        config={"conditional_put": "etag", "disable_bulk_delete": True},
        client_options={
            "allow_http": os.environ.get("AWS_ALLOW_HTTP", "").lower() == "true",
            "connect_timeout": timedelta(seconds=min(5, patience)),
            "read_timeout": timedelta(seconds=patience),
            "timeout": timedelta(seconds=seconds),
        },
        retry_config={"max_retries": RETRIES, "retry_timeout": timedelta(seconds=seconds)},
    )


def _answer(store: S3Store, request: Request) -> Reply:
    try:
        return _carry_out(store, request)
    except FileNotFoundError:
        return Reply(Failure.MISSING)
    except (AlreadyExistsError, PreconditionError) as error:
        return Reply(Failure.CHANGED_OR_DONE if re.search(r"after \d+ retries", str(error)) else Failure.CHANGED)
    except (PermissionDeniedError, UnauthenticatedError):
        return Reply(Failure.DENIED)
    except InvalidPathError:
        return Reply(Failure.STRANGE)
    except (BaseError, ValueError) as error:
        if re.search(r"status code: 40[13]\b", str(error)):  # of a listing, whose errors have no classes
            return Reply(Failure.DENIED)
        return Reply(Failure.OTHER, _reason(str(error)))


def _carry_out(store: S3Store, request: Request) -> Reply:
    match request.operation:
        case "read":
            return _read(store, request.name, request.limit)
        case "has":
            store.head(request.name)
        case "list":
            return _list(store, request.name)
        case "put":
            store.put(request.name, request.data, mode="overwrite", use_multipart=False)
        case "create":
            store.put(request.name, request.data, mode="create", use_multipart=False)
        case "replace":
            store.put(request.name, request.data, mode={"e_tag": request.tag}, use_multipart=False)
        case "remove":
            store.delete(request.name)
    return Reply()


def _read(store: S3Store, name: str, limit: int) -> Reply:
    """Read what comes, and not what the server says will come."""
    result = store.get(name)
    chunks, left = [], limit
    for chunk in result.stream(min_chunk_size=CHUNK):
        left -= len(chunk)
        if left < 0:
            return Reply(Failure.OVERSIZED)
        chunks.append(chunk)
    return Reply(data=b"".join(chunks), tag=result.meta["e_tag"] or "")


def _list(store: S3Store, folder: str) -> Reply:
    """List page by page, also what lies deeper: a listing by folders is read whole before it is returned."""
    listed = []
    for page in store.list(folder or None, chunk_size=1000):
        listed += [(item["path"], item["last_modified"]) for item in page]
        if len(listed) > MAX_LISTED:
            return Reply(Failure.OVERSIZED)
    return Reply(listed=tuple(listed))


def _reason(description: str) -> str:
    for pattern, reason in _REASONS:
        if match := re.search(pattern, description):
            return reason.format(*match.groups())
    raise AssertionError("the last pattern matches everything")


if __name__ == "__main__":
    main()
