"""A store in memory that is honest until a test meddles with it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from typing import Literal, NamedTuple

from model_registry.errors import ChangedError, Reason, TrustError
from model_registry.stores.base import Entry, Stored

Held = bytes | Iterable[bytes]  # a file, or one that comes in pieces, perhaps without an end
Files = dict[str, Held]
Kind = Literal["read", "has", "entries", "put", "swap", "remove"]


class Operation(NamedTuple):
    """What is about to be done; ``number`` counts all operations from 1."""

    kind: Kind
    name: str
    number: int


class SimulatedStore:
    """Keeps what lay in it after every write (``moments``), all operations (``log``) and the bytes it gave out.

    ``meddle`` is called before every operation, and may change ``files`` or raise.
    """

    locks = True

    def __init__(self, files: Mapping[str, Held] | None = None) -> None:
        self.files: Files = dict(files or {})
        self.moments: list[Files] = []
        self.log: list[Operation] = []
        self.meddle: Callable[[Operation], object] = lambda _: None
        self.delivered = 0
        self._lock = threading.RLock()

    def __str__(self) -> str:
        return "the registry"

    def read(self, name: str, limit: int) -> Stored:
        self._begin("read", name)
        if name not in self.files:
            raise TrustError(f"{name}: missing in {self}", Reason.MISSING)
        held = self.files[name]
        data = b""
        for piece in [held] if isinstance(held, bytes) else held:
            self.delivered += len(piece)
            data += piece
            if len(data) > limit:
                raise TrustError(f"{name}: longer than the {limit} bytes it may have", Reason.OVERSIZED)
        return Stored(data, _tag(data))

    def has(self, name: str) -> bool:
        self._begin("has", name)
        return name in self.files

    def entries(self, folder: str = "") -> list[Entry]:
        self._begin("entries", folder)
        prefix = f"{folder}/" if folder else ""
        below = [name.removeprefix(prefix).partition("/") for name in self.files if name.startswith(prefix)]
        now = datetime.now(UTC)
        return sorted({Entry(name, "folder" if rest else "file", now) for name, _, rest in below})

    def put(self, name: str, data: bytes) -> None:
        self._begin("put", name)
        self._keep({**self.files, name: data})

    def swap(self, name: str, data: bytes, tag: str | None) -> None:
        self._begin("swap", name)
        held = self.files.get(name)
        if (None if held is None else _tag(held if isinstance(held, bytes) else b"".join(held))) != tag:
            raise ChangedError(f"{name}: changed since it was read; try again")
        self._keep({**self.files, name: data})

    def remove(self, name: str) -> None:
        self._begin("remove", name)
        self._keep({other: held for other, held in self.files.items() if other != name})

    def remove_leftovers(self) -> list[str]:
        return []

    @contextmanager
    def writing(self) -> Iterator[None]:
        with self._lock:
            yield

    def reading(self) -> AbstractContextManager[None]:
        return nullcontext()

    def _begin(self, kind: Kind, name: str) -> None:
        self.log.append(Operation(kind, name, len(self.log) + 1))
        self.meddle(self.log[-1])

    def _keep(self, files: Files) -> None:
        self.files = files
        self.moments.append(dict(files))


def _tag(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
