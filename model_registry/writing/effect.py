"""What every writer does: see what is there, and put a manifest in force by the one step that readers see.

Each step can be the last before a crash. Until the swap the old manifest is in force, from then on the new one, and
whatever was not tidied is tidied by the next that takes effect.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

from flows.errors import TidegateError
from model_registry import canonical, seen
from model_registry.errors import ChangedError, TrustError
from model_registry.manifest import HISTORY, MANIFEST, RESTORE, Manifest, history_name
from model_registry.proposals import look_through_proposals
from model_registry.registry import Current, Registry
from model_registry.stores.base import Store
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


def present(
    registry: Registry, root: Path | None, now: datetime, state_dir: Path | None = None
) -> tuple[TrustedMetadata, Current | None]:
    """Return the roots and the manifest to build upon, None before the first; finish a rotation that was interrupted.

    Either may have expired. ``state_dir`` remembers what was seen. Raises TrustError if one of them cannot be trusted,
    or is older than that, or if the manifest is gone.
    """
    trusted = registry.trusted_roots(root, now)
    stored = registry.stored_manifest()
    remembered = None if state_dir is None else seen.recall(state_dir)
    if stored is None and remembered is None and not registry.store.entries(HISTORY):
        return trusted, None
    current = registry.accept(trusted, stored, state_dir=state_dir, allow_expired=True)
    if current.in_place and (waiting := _restoration(registry, trusted, current)) is not None:
        take_effect(registry.store, *waiting, current.tag)
    elif not current.in_place:
        take_effect(registry.store, current.manifest, current.data, current.tag)
    else:
        if state_dir is not None:
            seen.remember(state_dir, trusted.root, current.manifest)
        return trusted, current
    return present(registry, root, now, state_dir)


def _restoration(registry: Registry, trusted: TrustedMetadata, current: Current) -> tuple[Manifest, bytes] | None:
    """Return what people went back to with the last root, if that root is there and its manifest is not.

    The manifest from before may be good under the new root, too, so nothing else tells that they were interrupted.
    """
    if current.manifest.root.version == trusted.root.version:
        return None
    waiting = registry.interrupted(trusted.root)
    return waiting if waiting is not None and waiting[0].action == RESTORE else None


def was_in_force(store: Store, version: int, data: bytes) -> bool:
    """Tell whether a manifest is or was in force, by what is kept."""
    return _kept(store, version) == data


def take_effect(store: Store, manifest: Manifest, data: bytes, tag: str | None) -> None:
    """Put a verified manifest in force: replace what had this tag (None: nothing yet), and keep what it followed.

    Raises ChangedError if the present manifest is another by now.
    """
    if tag is not None and manifest.previous is not None:
        _keep(store, manifest.previous.version, manifest.previous.sha256)
    store.swap(MANIFEST, data, tag)
    with suppress(TidegateError):  # it is in force, whatever becomes of its copy: whoever follows keeps it before that
        store.put(history_name(manifest.version), data)


def tidy_proposals(registry: Registry, root: Path | None, now: datetime) -> None:
    """Delete the proposals that can no longer take effect. What is left over harms nobody, so this never fails."""
    with suppress(TidegateError):
        if registry.proposed():
            trusted, current = present(registry, root, now)
            proposals, _ = look_through_proposals(registry, trusted, current)
            # Manifests before roots: one for a root that nobody has proposed could not be told from a stranger's.
            for proposal in reversed(proposals):
                if proposal.stale:
                    registry.store.remove(proposal.file)


def _keep(store: Store, version: int, sha256: str) -> None:
    """Keep the manifest in force, if it is the one with this digest and is not kept already."""
    kept = _kept(store, version)
    if kept is None or hashlib.sha256(kept).hexdigest() != sha256:
        present = store.read(MANIFEST, canonical.MAX_METADATA).data
        if hashlib.sha256(present).hexdigest() == sha256:
            store.put(history_name(version), present)


def _kept(store: Store, version: int) -> bytes | None:
    try:
        return store.read(history_name(version), canonical.MAX_METADATA).data
    except TrustError:  # missing, or nothing that could be a manifest
        return None
