"""What every writer does: see what is there, and put a manifest in force by the one step that readers see.

Each step can be the last before a crash. Until the swap the old manifest is in force, from then on the new one, and
whatever was not tidied is tidied by the next that takes effect.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

from flows.errors import TidegateError
from model_registry import canonical
from model_registry.errors import ChangedError
from model_registry.manifest import MANIFEST, PROPOSED, Manifest, history_name
from model_registry.registry import Current, Registry
from model_registry.store import Store
from model_registry.trust import TrustedMetadata

_TRIES: Final = 200  # with waits of up to a second: others have then published for minutes without a pause

T = TypeVar("T")


def exclusively(registry: Registry, work: Callable[[], T]) -> T:
    """Do ``work``, which reads and then writes, with nobody else writing in between.

    In a folder the others wait. In an object store nobody can be kept out, but what was read is only replaced if it
    is still there; so whoever is overtaken begins again. Raises TidegateError after a few minutes of that, and
    TrustError where there is no registry.
    """
    registry.require()
    for attempt in range(_TRIES):
        try:
            with registry.store.writing():
                return work()
        except ChangedError:
            time.sleep(random.uniform(0, min(1.0, 0.01 * 2**attempt)))  # noqa: S311  (spreads writers, hides nothing)
    raise TidegateError(
        f"{registry.location}: others have published all the time; nothing was changed, try again later"
    )


def present(registry: Registry, root: Path | None, now: datetime) -> tuple[TrustedMetadata, Current | None]:
    """Return the roots and the manifest to build upon, None before the first; finish a rotation that was interrupted.

    Either may have expired. Raises TrustError if one of them cannot be trusted.
    """
    trusted = registry.trusted_roots(root, now)
    if not registry.store.has(MANIFEST):
        return trusted, None
    current = registry.accept(trusted, registry.store.read(MANIFEST, canonical.MAX_METADATA), allow_expired=True)
    if not current.in_place:
        take_effect(registry.store, current.manifest, current.data, current.tag)
        return present(registry, root, now)
    return trusted, current


def was_in_force(store: Store, version: int, data: bytes) -> bool:
    """Tell whether a manifest is or was in force, by what is kept. Raises TrustError if that cannot be read."""
    name = history_name(version)
    return store.has(name) and store.read(name, canonical.MAX_METADATA).data == data


def take_effect(store: Store, manifest: Manifest, data: bytes, tag: str | None) -> None:
    """Put a verified manifest in force: replace what had this tag (None: nothing yet), and keep what it followed.

    Raises ChangedError if the present manifest is another by now.
    """
    previous = manifest.previous
    if previous is not None and tag is not None and not store.has(history_name(previous.version)):
        present = store.read(MANIFEST, canonical.MAX_METADATA).data
        if hashlib.sha256(present).hexdigest() == previous.sha256:
            store.put(history_name(previous.version), present)
    store.swap(MANIFEST, data, tag)
    store.put(history_name(manifest.version), data)
    for entry in store.entries(PROPOSED):  # all of them would have followed the manifest that has just been replaced
        store.remove(f"{PROPOSED}/{entry.name}")
