"""A registry's files in a folder on disk.

No symbolic link inside the folder is ever followed, and only plain files are read. Writers take turns by a lock
file; a file is replaced by a rename, so readers, who take no lock, find the old one or the new one.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from flows.errors import TidegateError
from model_registry.errors import ChangedError, Reason, TrustError
from model_registry.files import READ, TEMPORARY, read_bounded, write_into
from model_registry.stores.base import Entry, Stored

LOCK: Final = ".lock"
_LARGEST: Final = 64 << 20  # bytes of any file of a registry


class FolderStore:
    """One folder, with the folders directly in it. It need not exist yet."""

    locks = True

    def __init__(self, path: Path) -> None:
        self.path = path

    def __str__(self) -> str:
        return str(self.path)

    def read(self, name: str, limit: int) -> Stored:
        """See :class:`~model_registry.stores.base.Store`."""
        folder, _, file = name.rpartition("/")
        try:
            with self._opened(folder) as handle:
                data = read_bounded(os.open(file, READ | os.O_NOFOLLOW, dir_fd=handle), name, limit)
        except FileNotFoundError:
            raise TrustError(f"{name}: missing in {self.path}", Reason.MISSING) from None
        except OSError as error:
            reason = _reason(error, self.path / (folder if _is_link(self.path / folder) else name))
            raise TrustError(f"{name}: cannot be read as a plain file: {reason}", Reason.NOT_A_FILE) from None
        return Stored(data, _tag(data))

    def has(self, name: str) -> bool:
        """See :class:`~model_registry.stores.base.Store`; a dangling link counts."""
        return os.path.lexists(self.path / name)

    def entries(self, folder: str = "") -> list[Entry]:
        """See :class:`~model_registry.stores.base.Store`. Raises TrustError if the folder is a link or no folder."""
        try:
            with self._opened(folder) as handle, os.scandir(handle) as found:
                return sorted(entry for entry in map(_entry, found) if entry is not None)
        except FileNotFoundError:
            return []
        except OSError as error:
            path = self.path / folder
            raise TrustError(
                f"{folder or path}: cannot be listed as a folder: {_reason(error, path)}", Reason.NOT_A_FILE
            ) from None

    def put(self, name: str, data: bytes) -> None:
        """See :class:`~model_registry.stores.base.Store`; its folder is made if it is missing."""
        folder, _, file = name.rpartition("/")
        try:
            if folder:
                (self.path / folder).mkdir(exist_ok=True)
            with self._opened(folder) as handle:
                write_into(handle, file, data)
        except OSError as error:
            reason = _reason(error, self.path / folder)
            raise TidegateError(f"{self.path / name}: cannot be written: {reason}; nothing was changed") from None

    def swap(self, name: str, data: bytes, tag: str | None) -> None:
        """See :class:`~model_registry.stores.base.Store`; only inside :meth:`writing`, which keeps others out."""
        present = _tag(self.read(name, _LARGEST).data) if self.has(name) else None
        if present != tag:
            raise ChangedError(f"{self.path / name}: changed since it was read; try again")
        self.put(name, data)

    def remove(self, name: str) -> None:
        """See :class:`~model_registry.stores.base.Store`."""
        folder, _, file = name.rpartition("/")
        try:
            with self._opened(folder) as handle:
                os.unlink(file, dir_fd=handle)
        except FileNotFoundError:
            return
        except OSError as error:
            raise TidegateError(f"{self.path / name}: cannot be deleted: {error.strerror}") from None

    def remove_leftovers(self) -> list[str]:
        """See :class:`~model_registry.stores.base.Store`."""
        found = []
        for folder in ("", *(entry.name for entry in self.entries() if entry.kind == "folder")):
            prefix = f"{folder}/" if folder else ""
            found += [
                prefix + entry.name
                for entry in self.entries(folder)
                if entry.kind == "file" and entry.name.startswith(".") and entry.name.endswith(TEMPORARY)
            ]
        for name in found:
            self.remove(name)
        return found

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the folder's lock, waiting for it: one writer at a time, and none that a crash could leave behind."""
        path = self.path / LOCK
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        except OSError as error:
            raise TidegateError(f"{path}: cannot be locked: {_reason(error, path)}") from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Hold the lock together with other readers; where there is none to hold, nobody has ever written."""
        try:
            handle = os.open(self.path / LOCK, READ | os.O_NOFOLLOW)
        except OSError:
            yield
            return
        try:
            fcntl.flock(handle, fcntl.LOCK_SH)
            yield
        finally:
            os.close(handle)

    @contextmanager
    def _opened(self, folder: str) -> Iterator[int]:
        """Open a folder; the registry's own may be a link, one inside it never."""
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | (os.O_NOFOLLOW if folder else 0)
        handle = os.open(self.path / folder, flags)
        try:
            yield handle
        finally:
            os.close(handle)


def _tag(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _reason(error: OSError, path: Path) -> str:
    return "it is a symbolic link" if _is_link(path) else error.strerror or str(error)


def _is_link(path: Path) -> bool:
    return os.path.islink(path)  # noqa: PTH114  (Path.is_symlink raises for a path that is too long)


def _kind(entry: os.DirEntry[str]) -> Literal["file", "folder", "link", "other"]:
    if entry.is_symlink():
        return "link"
    if entry.is_dir(follow_symlinks=False):
        return "folder"
    return "file" if entry.is_file(follow_symlinks=False) else "other"


def _entry(entry: os.DirEntry[str]) -> Entry | None:
    """Describe what lies in a folder; None if it has gone since."""
    try:
        modified = datetime.fromtimestamp(entry.stat(follow_symlinks=False).st_mtime, UTC)
        return Entry(entry.name, _kind(entry), modified)
    except FileNotFoundError:
        return None
