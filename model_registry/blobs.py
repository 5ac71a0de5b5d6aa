"""Blobs: files called by their own SHA-256, so that a name says exactly which bytes it stands for."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from flows.errors import TidegateError
from model_registry.errors import Reason, TrustError
from model_registry.stores.base import Store

FOLDER: Final = "blobs"
MAX_BLOB: Final = 64 * 1024 * 1024  # bytes; a forest of 300 trees with 63 leaves takes about 1 MB
# Where nobody can be kept from publishing, a blob that nothing refers to may be part of a publication for so long.
GRACE: Final = timedelta(days=1)

_PATH: Final = re.compile(rf"{FOLDER}/([0-9a-f]{{64}})")


@dataclass(frozen=True, slots=True)
class BlobRef:
    """What identifies a blob: its path in the registry, its length in bytes and its SHA-256 in hex."""

    path: str
    length: int
    sha256: str

    @classmethod
    def of(cls, data: bytes) -> BlobRef:
        """Return the reference to these bytes. Raises TidegateError if they are too many for a blob."""
        if len(data) > MAX_BLOB:
            raise TidegateError(f"{len(data)} bytes are too many for a blob, which may have {MAX_BLOB}")
        sha256 = hashlib.sha256(data).hexdigest()
        return cls(f"{FOLDER}/{sha256}", len(data), sha256)


def is_blob_path(path: str) -> bool:
    """Tell whether this is the path of a blob."""
    return _PATH.fullmatch(path) is not None


def read_blob(store: Store, path: str, length: int | None = None) -> bytes:
    """Return a blob's bytes, verified; at most ``length`` are read, if that is known from a manifest.

    Raises TrustError if the path has another form, or the blob is missing, of another length or changed.
    """
    match = _PATH.fullmatch(path)
    if match is None:
        raise TrustError(f"{path[:100]!a}: not the path of a blob", Reason.BLOB_PATH)
    data = store.read(path, MAX_BLOB if length is None else length).data
    if length is not None and len(data) != length:
        raise TrustError(f"{path}: has {len(data)} bytes, and {length} were signed", Reason.WRONG_LENGTH)
    if hashlib.sha256(data).hexdigest() != match[1]:
        raise TrustError(
            f"{path}: changed, its content has another SHA-256 than its name; restore it", Reason.WRONG_DIGEST
        )
    return data
