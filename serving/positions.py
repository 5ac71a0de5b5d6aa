"""How far logs were sent, in one small file that survives any crash: read, locked, written anew at once.

A log's entry belongs to a cluster and a topic, so that another Kafka gets the log from its start. Before lines are
sent, the entry says since when; after a crash, that tells where in the topic to look for what was sent and not noted.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self

import msgspec

from flows.errors import TidegateError, UsageError
from model_registry.files import write_atomically
from serving.config import Settings
from serving.tailing import Position

POSITION_FILE: Final = "replay-positions.json"


class PositionError(TidegateError):
    """The position file cannot be used."""


class Entry(msgspec.Struct):
    """How far one log was sent to one topic."""

    cluster: str
    topic: str
    path: str
    id: str  # tells this log's messages from those of others in the topic
    position: Position | None = None
    sending_since_ms: int | None = None  # when lines after the position may have been sent, ms since 1970


class _Document(msgspec.Struct, forbid_unknown_fields=True):
    version: Literal[1] = 1
    logs: list[Entry] = []


def default_position_file(settings: Settings) -> Path:
    """In the folder for state, if there is one, else in ``var``."""
    return (settings.state or Path("var")) / POSITION_FILE


class Positions:
    """The position file, locked while the context is open. Entries are changed in place, and then saved."""

    def __init__(self, path: Path) -> None:
        """Lock and read the file, which need not exist yet.

        Raises:
            UsageError: it is something else.
            PositionError: another process has it, or it cannot be read or made.
        """
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise PositionError(f"{path} cannot be made: {error.strerror}; give another --position-file") from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise PositionError(
                f"{path} is in use by another `tidegate replay --follow`; give one of them another --position-file"
            ) from None
        for leftover in path.parent.glob(f".{path.name}.*.tmp"):  # of a crash while writing
            leftover.unlink(missing_ok=True)
        self._document = self._read()

    def entry(self, cluster: str, topic: str, path: Path) -> Entry:
        """The entry of a log, a new one if it was never sent there."""
        name = str(path.absolute())
        for entry in self._document.logs:
            if (entry.cluster, entry.topic, entry.path) == (cluster, topic, name):
                return entry
        self._document.logs.append(entry := Entry(cluster, topic, name, secrets.token_hex(6)))
        return entry

    def save(self) -> None:
        """Write all entries durably. Raises TidegateError when that cannot be."""
        write_atomically(self._path, msgspec.json.format(msgspec.json.encode(self._document)) + b"\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._lock)

    def _read(self) -> _Document:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_Document)
        except FileNotFoundError:
            return _Document()
        except OSError as error:
            reason: Exception = PositionError(
                f"{self._path} cannot be read: {error.strerror}; check its permissions, or give another --position-file"
            )
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            reason = UsageError(
                f"{self._path} is no position file ({error}); give another --position-file, or remove it to send the "
                "logs from their start"
            )
        os.close(self._lock)
        raise reason
