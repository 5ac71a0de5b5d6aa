"""Blobs: files called by their own SHA-256, so that a name says exactly which bytes it stands for."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from flows.errors import TidegateError
from model_registry.errors import TrustError
from model_registry.files import Folder

FOLDER: Final = "blobs"
MAX_BLOB: Final = 64 * 1024 * 1024  # bytes; a forest of 300 trees with 63 leaves takes about 1 MB

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


class BlobStore:
    """The folder ``blobs`` of a registry."""

    def __init__(self, registry: Path) -> None:
        """Name the registry's folder; nothing need be there yet."""
        self.folder = Folder(registry / FOLDER, f"{FOLDER}/")

    def read(self, path: str, length: int | None = None) -> bytes:
        """Return a blob's bytes, verified; at most ``length`` are read, if that is known from a manifest.

        Raises TrustError if the path has another form, or the blob is missing, of another length or changed.
        """
        match = _PATH.fullmatch(path)
        if match is None:
            raise TrustError(f"{path[:100]!a}: not the path of a blob")
        data = self.folder.read(match[1], MAX_BLOB if length is None else length)
        if length is not None and len(data) != length:
            raise TrustError(f"{path}: has {len(data)} bytes, and {length} were signed")
        if hashlib.sha256(data).hexdigest() != match[1]:
            raise TrustError(f"{path}: changed, its content has another SHA-256 than its name; restore it")
        return data

    def write(self, data: bytes) -> None:
        """Keep a blob, replacing what else may stand under its name. Raises TidegateError if it cannot be written."""
        try:
            self.folder.path.mkdir(exist_ok=True)
        except OSError as error:
            raise TidegateError(f"{self.folder.path}: cannot be made: {error.strerror}") from None
        self.folder.write(BlobRef.of(data).sha256, data)

    def sweep(self, keep: Container[str]) -> None:
        """Delete the blobs whose paths are not in ``keep``, and half-written ones: what a crash may leave."""
        self.folder.remove_leftovers()
        for entry in self.folder.entries():
            path = f"{FOLDER}/{entry.name}"
            if entry.kind == "file" and _PATH.fullmatch(path) and path not in keep:
                self.folder.remove(entry.name)
