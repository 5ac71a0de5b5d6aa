"""What a registry asks of the place where its files are: a folder on disk, or a prefix in an object store.

Files have names such as ``model_registry.json`` or ``blobs/0a1b…``: at most one folder deep. Whatever a store
returns is untrusted bytes; a store only promises to read a file once and never more of it than a limit, and to
replace a file in one step and only if it is still the one that was read.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import datetime
from typing import Literal, NamedTuple, Protocol


class Stored(NamedTuple):
    """A file as it was read at once: its bytes, and a tag that another content would not have."""

    data: bytes
    tag: str


class Entry(NamedTuple):
    """Something that lies in a folder of the store."""

    name: str  # without its folder
    kind: Literal["file", "folder", "link", "other"]
    modified: datetime  # UTC


class Store(Protocol):
    """See the module's description. ``str()`` gives the location, for messages."""

    locks: bool
    """Whether :meth:`writing` keeps other writers out."""

    def read(self, name: str, limit: int) -> Stored:
        """Return the whole of a file. Raises TrustError if it is missing, no plain file, or over ``limit`` bytes."""

    def has(self, name: str) -> bool:
        """Tell whether anything of that name is there."""

    def entries(self, folder: str = "") -> list[Entry]:
        """List what lies directly in a folder (the registry itself by default), by name; nothing if it is missing."""

    def put(self, name: str, data: bytes) -> None:
        """Write a file whatever is there, at once and durably. Raises TidegateError if it cannot be written."""

    def swap(self, name: str, data: bytes, tag: str | None) -> None:
        """Write a file only if the present one still has this tag (None: if there is none yet), as one step.

        Raises ChangedError if it has not, and TidegateError if it cannot be written.
        """

    def remove(self, name: str) -> None:
        """Delete a file, if it is there."""

    def remove_leftovers(self) -> list[str]:
        """Delete half-written files that a crash left, inside :meth:`writing`; return their names."""

    def writing(self) -> AbstractContextManager[None]:
        """Enter before writing: where the store can lock, one writer at a time. Readers need none of it."""

    def reading(self) -> AbstractContextManager[None]:
        """Enter to look at several files that belong together: where the store can lock, no writer is at work."""
