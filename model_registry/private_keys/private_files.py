"""Files that hold a secret: read only if nobody else may touch them, and never written over."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from flows.errors import TidegateError
from model_registry.errors import Reason, TrustError
from model_registry.files import READ, read_bounded

_MAX: Final = 4096  # bytes
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def read_private(path: Path) -> bytes | None:
    """Return what is in a file, None if there is none. Links are followed: mounted secrets are links.

    Raises TrustError if others than its owner may touch the file, or it is too long or no plain file.
    """
    try:
        handle = os.open(path, READ)
        mode = stat.S_IMODE(os.fstat(handle).st_mode)
        data = read_bounded(handle, str(path), _MAX)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise TrustError(f"{path}: cannot be read: {error.strerror}", Reason.NOT_A_FILE) from None
    if mode & 0o077:
        raise TrustError(
            f"{path}: its mode is {mode:04o}, so others than its owner may touch this secret; if nobody has, run: "
            f"chmod 600 {path}",
            Reason.PRIVATE_KEY,
        )
    return data


def write_new(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Write a file that is not there yet, durably.

    Raises TidegateError if there is one already, and if it cannot be written; then none is left.
    """
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise TidegateError(f"{path.parent}: cannot be opened: {error.strerror}") from None
    try:
        handle = os.open(path.name, _NEW, mode, dir_fd=folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(handle)
            os.fsync(folder)
        except OSError:
            os.unlink(path.name, dir_fd=folder)  # half a key; O_EXCL says that it is ours
            raise
    except FileExistsError:
        raise TidegateError(f"{path}: there is a file already, and it is not overwritten") from None
    except OSError as error:
        raise TidegateError(f"{path}: cannot be written: {error.strerror}") from None
    finally:
        os.close(folder)
