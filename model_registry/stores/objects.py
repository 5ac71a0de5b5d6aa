"""A registry's files under a prefix of an S3-compatible object store: ``s3://bucket/prefix``.

Nobody is locked out here: a file is replaced by a conditional write, which the server carries out as one step or
refuses. Settings are the usual AWS_* variables of the environment. The client is another process, so that no answer of
the server can cost this one more than a file's limit, or more than SECONDS.
"""

from __future__ import annotations

import re
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import Final

from flows.errors import TidegateError, UsageError
from model_registry.errors import ChangedError, Reason, TrustError
from model_registry.stores.base import Entry, Stored
from model_registry.stores.contained import Contained, Failure, Reply, Request

PATIENCE: Final = 30.0  # seconds that a server may be silent, at each of three tries
SECONDS: Final = 120.0  # that an answer may take as a whole, however many the tries

_CLIENT: Final = "model_registry.stores.object_client"
_URL: Final = re.compile(r"s3://[A-Za-z0-9][\w.-]*(/[A-Za-z0-9_][\w.=+-]*)*/?", re.ASCII)
_ASK_AGAIN: Final = "check AWS_ENDPOINT_URL and the network, and try again"
_ADVICE: Final = {
    Failure.MISSING: "there is no such bucket; make it first",
    Failure.DENIED: "the server refuses; check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and that they may also list",
    Failure.SLOW: f"it took too long; {_ASK_AGAIN}",
    Failure.ENDED: f"the server answers more than anyone could hold, or an AWS_* variable is garbled; {_ASK_AGAIN}",
}


class ObjectStore:
    """One prefix of a bucket. Nothing need be there yet but the bucket."""

    locks = False

    def __init__(self, url: str) -> None:
        """Name the place; the server is asked when something is asked of it. Raises UsageError for another URL."""
        if not _URL.fullmatch(url):
            raise UsageError(
                f"{_without_secrets(url)!a}: no place for a registry; that is a folder, or s3://bucket/prefix of "
                "letters, digits and . _ - with the credentials in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            )
        self.url = url.rstrip("/")
        self._client = Contained(
            "model_registry.stores.object_client", self.url, str(PATIENCE), str(SECONDS), seconds=SECONDS
        )

    def __str__(self) -> str:
        return self.url

    def read(self, name: str, limit: int) -> Stored:
        """See :class:`~model_registry.stores.base.Store`. Raises TidegateError if the server cannot be asked."""
        reply = self._client.ask(Request("read", name, limit=limit))
        if reply.failure is Failure.MISSING:
            raise TrustError(f"{name}: missing in {self.url}", Reason.MISSING)
        if reply.failure is Failure.OVERSIZED:
            raise TrustError(f"{name}: longer than the {limit} bytes it may have", Reason.OVERSIZED)
        self._check(reply, name, "cannot be read")
        return Stored(reply.data, reply.tag)

    def has(self, name: str) -> bool:
        """See :class:`~model_registry.stores.base.Store`. Raises TidegateError if the server cannot be asked."""
        reply = self._client.ask(Request("has", name))
        if reply.failure is not Failure.MISSING:
            self._check(reply, name, "cannot be looked for")
        return reply.failure is None

    def entries(self, folder: str = "") -> list[Entry]:
        """See :class:`~model_registry.stores.base.Store`. Raises TidegateError if the server cannot be asked."""
        reply = self._client.ask(Request("list", folder))
        if reply.failure is Failure.OVERSIZED:
            raise TrustError(f"{folder or self.url}: more files than a registry may have", Reason.OVERSIZED)
        if reply.failure is Failure.STRANGE:
            raise TrustError(
                f"{folder or self.url}: in it is a key with // or .. or a control character, which is no file of a "
                "registry; delete it",
                Reason.UNACCOUNTED,
            )
        self._check(reply, folder, "cannot be listed")
        return _directly_in(folder, reply)

    def put(self, name: str, data: bytes) -> None:
        """See :class:`~model_registry.stores.base.Store`."""
        self._check(self._client.ask(Request("put", name, data=data)), name, "cannot be written")

    def swap(self, name: str, data: bytes, tag: str | None) -> None:
        """See :class:`~model_registry.stores.base.Store`.

        Where an answer was lost, or a second try may have met what the first had written, the file itself tells
        whether it was written.
        """
        if tag is None:
            reply = self._client.ask(Request("create", name, data=data))
        elif tag:
            reply = self._client.ask(Request("replace", name, data=data, tag=tag))
        else:
            raise TidegateError(f"{self.url}: the server gives no ETag, so nothing can be replaced; use another store")
        if reply.failure in (Failure.CHANGED_OR_DONE, Failure.OTHER) and self._holds(name, data):
            return
        if reply.failure in (Failure.CHANGED_OR_DONE, Failure.CHANGED):
            raise ChangedError(f"{self.url}/{name}: changed since it was read; try again")
        self._check(reply, name, "perhaps not written")
        if tag is None:
            self._insist_on_conditions(name, data)

    def remove(self, name: str) -> None:
        """See :class:`~model_registry.stores.base.Store`. Raises TidegateError if it cannot be deleted."""
        self._check(self._client.ask(Request("remove", name)), name, "cannot be deleted")

    def remove_leftovers(self) -> list[str]:
        """See :class:`~model_registry.stores.base.Store`: a server shows no file that is half written."""
        return []

    def writing(self) -> AbstractContextManager[None]:
        """See :class:`~model_registry.stores.base.Store`: nothing is locked."""
        return nullcontext()

    def reading(self) -> AbstractContextManager[None]:
        """See :class:`~model_registry.stores.base.Store`: nothing is locked."""
        return nullcontext()

    def _holds(self, name: str, data: bytes) -> bool:
        reply = self._client.ask(Request("read", name, limit=len(data)))
        return reply.failure is None and reply.data == data

    def _insist_on_conditions(self, name: str, data: bytes) -> None:
        """Refuse a server that writes although the condition is false; it writes what is there already."""
        for request in (Request("create", name, data=data), Request("replace", name, data=data, tag='"0"')):
            if self._client.ask(request).failure is None:
                raise TidegateError(
                    f"{self.url}: the server does not heed If-None-Match or If-Match, so that publishers would "
                    "overwrite each other; use a store that has conditional writes"
                )

    def _check(self, reply: Reply, name: str, what: str) -> None:
        if reply.failure is None:
            return
        if reply.failure is Failure.SETTINGS:
            raise UsageError(
                f"{self.url}: the AWS_* variables cannot be used; set both AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY, and those that are switches to true or false"
            )
        advice = _ADVICE.get(reply.failure) or f"{reply.detail}; {_ASK_AGAIN}"
        raise TidegateError(f"{self.url}/{name}".rstrip("/") + f": {what}: {advice}")


def _directly_in(folder: str, reply: Reply) -> list[Entry]:
    """Return what is directly in a folder, of all that lies in and below it."""
    files: dict[str, datetime] = {}
    folders: dict[str, datetime] = {}
    for path, modified in reply.listed:
        name, below, _ = path.removeprefix(f"{folder}/").partition("/")
        kind = folders if below else files
        kind[name] = max(modified, kind.get(name, modified))
    # An object that is called like a folder is how consoles make an empty one.
    found = [Entry(name, "file", modified) for name, modified in files.items() if name not in {folder, *folders}]
    return sorted(found + [Entry(name, "folder", modified) for name, modified in folders.items()])


def _without_secrets(url: str) -> str:
    """Return what may be shown of a URL: neither a user with a password, nor a query that may be a signature."""
    start, _, rest = url.rpartition("@")
    return ("…@" if start else "") + re.split("[?#]", rest, maxsplit=1)[0][:100]
