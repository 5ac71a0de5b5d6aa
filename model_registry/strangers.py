"""Finding files of a registry that nothing verified refers to, and saying what they are."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Final

from model_registry.blobs import FOLDER, GRACE, read_blob
from model_registry.errors import Reason, TrustError
from model_registry.manifest import HISTORY, MANIFEST, PROPOSED
from model_registry.stores.base import Entry, Store
from model_registry.stores.folder import LOCK

_MAX_KEY: Final = 64 * 1024  # bytes; a longer file is not looked into for a private key
_ROOT: Final = re.compile(r"[1-9][0-9]*\.root\.json")
_MARKS: Final = (b"PRIVATE KEY", b'"private"')  # PEM and OpenSSH files, and Tidegate's own


def look_for_strangers(
    store: Store, accounted: Collection[str], folders: Sequence[str], now: datetime
) -> Iterator[tuple[str, TrustError]]:
    """Yield every file in these folders that is not accounted for, and why it should not be there."""
    for folder in folders:
        try:
            entries = store.entries(folder)
        except TrustError as error:
            yield folder or str(store), error
            continue
        for entry in entries:
            name = f"{folder}/{entry.name}" if folder else entry.name
            if name not in accounted:
                if not _young(store, entry, name, now):
                    yield name, _describe(store, entry, name)
            elif name in {FOLDER, HISTORY, PROPOSED} and entry.kind != "folder":
                yield name, TrustError(f"{name}: not a folder", Reason.NOT_A_FILE)
            elif name == LOCK and (entry.kind != "file" or _holds_something(store)):
                yield name, TrustError(f"{name}: must be a plain and empty file; delete it", Reason.UNACCOUNTED)


def _young(store: Store, entry: Entry, name: str, now: datetime) -> bool:
    """Tell whether a blob may belong to a publication that is under way, where nobody can be kept from publishing."""
    if store.locks or not name.startswith(f"{FOLDER}/") or now - entry.modified >= GRACE:
        return False
    try:
        read_blob(store, name)
    except TrustError:
        return False
    return not _holds_key(store, name)


def _describe(store: Store, entry: Entry, name: str) -> TrustError:
    if name == MANIFEST or _ROOT.fullmatch(name):
        return TrustError(
            f"{name}: not verified, because no trusted root leads to it; restore the roots before it",
            Reason.UNACCOUNTED,
        )
    if entry.kind == "link":
        return TrustError(f"{name}: a symbolic link, which does not belong here; delete it", Reason.NOT_A_FILE)
    if entry.kind == "file" and _holds_key(store, name):
        return TrustError(
            f"{name}: a private key in the registry: move it away, and replace the key, for others may have read it",
            Reason.PRIVATE_KEY,
        )
    remedy = "delete it"
    if name.startswith((f"{FOLDER}/", f"{HISTORY}/")) or entry.name.endswith(".tmp"):
        remedy = "left by a crash, or put there; `tidegate registry gc` deletes it"
    return TrustError(f"{name}: nothing in the manifest accounts for it; {remedy}", Reason.UNACCOUNTED)


def _holds_key(store: Store, name: str) -> bool:
    try:
        data = store.read(name, _MAX_KEY).data
    except TrustError:
        return False
    return any(mark in data for mark in _MARKS)


def _holds_something(store: Store) -> bool:
    try:
        return bool(store.read(LOCK, 0).data)
    except TrustError:
        return True
