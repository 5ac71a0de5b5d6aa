"""Reading and writing the registry's files so that neither a crash nor a planted link can mislead.

A file is opened once, never through a symbolic link, and read up to a bound: what is verified is what is used,
whatever happens on disk meanwhile. Writing goes through a temporary file and a rename, both made durable.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Literal, NamedTuple

from flows.errors import TidegateError
from model_registry.errors import TrustError

LOCK: Final = ".lock"
_TEMPORARY: Final = ".tmp"

_READ: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # without NONBLOCK, opening a planted FIFO would hang


class Entry(NamedTuple):
    """Something that lies in a folder."""

    name: str
    kind: Literal["file", "folder", "link", "other"]


class Folder:
    """One directory of the registry; its files are named by plain names, never by paths."""

    def __init__(self, path: Path, shown: str = "", *, follow: bool = False) -> None:
        """Name a directory; ``shown`` goes before file names in messages. It need not exist yet.

        With ``follow``, the directory itself may be a symbolic link; what is in it never.
        """
        self.path = path
        self._shown = shown
        self._flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)

    def read(self, name: str, limit: int) -> bytes:
        """Return the whole of the regular file ``name``.

        Raises TrustError if it is missing, a link or anything but a plain file, or longer than ``limit`` bytes.
        """
        try:
            with self._opened() as folder:
                return read_bounded(os.open(name, _READ | os.O_NOFOLLOW, dir_fd=folder), self._shown + name, limit)
        except FileNotFoundError:
            raise TrustError(f"{self._shown}{name}: missing in {self.path}") from None
        except OSError as error:
            raise TrustError(
                f"{self._shown}{name}: cannot be read as a plain file: {_reason(error, self.path / name)}"
            ) from None

    def has(self, name: str) -> bool:
        """Tell whether anything of that name is there, a dangling link included."""
        return os.path.lexists(self.path / name)

    def entries(self) -> list[Entry]:
        """List what lies in the folder, by name; nothing if it is missing. Raises TrustError if it is a link."""
        try:
            with self._opened() as folder, os.scandir(folder) as found:
                return sorted(Entry(entry.name, _kind(entry)) for entry in found)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise TrustError(f"{self.path}: cannot be listed as a folder: {_reason(error, self.path)}") from None

    def write(self, name: str, data: bytes) -> None:
        """Put ``data`` under ``name``, at once and durably: after a crash the old file or the new one is there."""
        write_atomically(self.path / name, data)

    def remove(self, name: str) -> None:
        """Delete ``name``, if it is there."""
        (self.path / name).unlink(missing_ok=True)

    def remove_leftovers(self) -> None:
        """Delete the half-written files that a crash in :meth:`write` left. Only for the holder of the lock."""
        for entry in self.entries():
            if entry.kind == "file" and entry.name.startswith(".") and entry.name.endswith(_TEMPORARY):
                self.remove(entry.name)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder's lock, waiting for it: one writer at a time. Readers need none."""
        try:
            handle = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        except OSError as error:
            raise TidegateError(f"{self.path / LOCK}: cannot be locked: {_reason(error, self.path / LOCK)}") from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    @contextmanager
    def _opened(self) -> Iterator[int]:
        handle = os.open(self.path, self._flags)
        try:
            yield handle
        finally:
            os.close(handle)


def read_bounded(handle: int, name: str, limit: int) -> bytes:
    """Read and close an open file. Raises TrustError unless it is regular and at most ``limit`` bytes long."""
    with os.fdopen(handle, "rb", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise TrustError(f"{name}: not a plain file")
        chunks = []
        left = limit + 1
        while left and (chunk := file.read(min(left, 1 << 20))):
            chunks.append(chunk)
            left -= len(chunk)
    if not left:
        raise TrustError(f"{name}: longer than the {limit} bytes it may have")
    return b"".join(chunks)


def read_given(path: Path, limit: int) -> bytes:
    """Read a file that the user names; links are followed, as mounted settings are links. Raises TrustError."""
    try:
        return read_bounded(os.open(path, _READ), str(path), limit)
    except OSError as error:
        raise TrustError(f"{path}: cannot be read: {error.strerror}") from None


def write_atomically(path: Path, data: bytes) -> None:
    """Write through a temporary file beside it, a rename, and an fsync of both. Raises TidegateError if it cannot."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}{_TEMPORARY}")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise TidegateError(f"{path}: cannot be written: {error.strerror}; nothing was changed") from None


def _reason(error: OSError, path: Path) -> str:
    return "it is a symbolic link" if path.is_symlink() else error.strerror or str(error)


def _kind(entry: os.DirEntry[str]) -> Literal["file", "folder", "link", "other"]:
    if entry.is_symlink():
        return "link"
    if entry.is_dir(follow_symlinks=False):
        return "folder"
    return "file" if entry.is_file(follow_symlinks=False) else "other"
