"""Reading and writing single files so that neither a crash nor a planted link can mislead.

A file is opened once and read up to a bound: what is verified is what is used, whatever happens on disk meanwhile.
Writing goes through a temporary file and a rename, both made durable.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from threading import get_ident
from typing import Final

from flows.errors import TidegateError
from model_registry.errors import Reason, TrustError

TEMPORARY: Final = ".tmp"
READ: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # without NONBLOCK, opening a planted FIFO would hang


def read_bounded(handle: int, name: str, limit: int) -> bytes:
    """Read and close an open file. Raises TrustError unless it is regular and at most ``limit`` bytes long."""
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise TrustError(f"{name}: not a plain file", Reason.NOT_A_FILE)
    with os.fdopen(handle, "rb", buffering=0) as file:
        chunks = []
        left = limit + 1
        while left and (chunk := file.read(min(left, 1 << 20))):
            chunks.append(chunk)
            left -= len(chunk)
    if not left:
        raise TrustError(f"{name}: longer than the {limit} bytes it may have", Reason.OVERSIZED)
    return b"".join(chunks)


def read_given(path: Path, limit: int) -> bytes:
    """Read a file that the user names; links are followed, as mounted settings are links. Raises TrustError."""
    try:
        return read_bounded(os.open(path, READ), str(path), limit)
    except FileNotFoundError:
        raise TrustError(f"{path}: cannot be read: there is no such file", Reason.MISSING) from None
    except OSError as error:
        raise TrustError(f"{path}: cannot be read: {error.strerror}", Reason.NOT_A_FILE) from None


def write_atomically(path: Path, data: bytes) -> None:
    """Replace a file at once and durably, or leave it as it was. Raises TidegateError if it cannot be written."""
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            write_into(folder, path.name, data)
        finally:
            os.close(folder)
    except OSError as error:
        raise TidegateError(f"{path}: cannot be written: {error.strerror}; nothing was changed") from None


def write_into(folder: int, name: str, data: bytes) -> None:
    """Replace ``name`` in an open folder: a temporary file beside it, a rename, an fsync of both. Raises OSError."""
    temporary = f".{name}.{os.getpid()}-{get_ident()}{TEMPORARY}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(temporary, flags, 0o644, dir_fd=folder), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        os.fsync(folder)
    except OSError:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise
