"""Collecting what nobody needs any more: old manifests, stale proposals, and blobs that nothing refers to.

Whatever a manifest that is kept refers to is kept. In a folder no publication can be under way while files are
deleted. In an object store one can, so there a blob that nothing refers to is only deleted after a day: publishing
writes every blob that the manifest before did not have, and does not take that long.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from model_registry.blobs import FOLDER, GRACE
from model_registry.errors import Reason, TrustError
from model_registry.history import walk_history
from model_registry.manifest import HISTORY, MANIFEST, Manifest, history_name
from model_registry.proposals import list_proposals
from model_registry.registry import Current, Registry
from model_registry.trust import TrustedMetadata
from model_registry.writing.effect import exclusively, present

KEPT_MANIFESTS: Final = 100


@dataclass(frozen=True)
class Unneeded:
    """A file that is not needed, and why not."""

    file: str
    why: str


def collect(
    registry: Registry, *, keep: int = KEPT_MANIFESTS, dry_run: bool = False, now: datetime | None = None
) -> list[Unneeded]:
    """Delete what is not needed, and return it; with ``dry_run`` only return it.

    ``keep`` is how many manifests stay, the one in force included. Raises TrustError if the registry cannot be
    trusted: then nothing is deleted.
    """
    moment = now or datetime.now(UTC)

    def work() -> list[Unneeded]:
        trusted, current = present(registry, None, moment)
        if current is None:
            raise TrustError(f"{MANIFEST}: missing in {registry.location}; nothing was deleted", Reason.MISSING)
        found = list(_unneeded(registry, trusted, current, keep, moment))
        if dry_run:
            return found
        left = [Unneeded(name, "half-written, left by a crash") for name in registry.store.remove_leftovers()]
        for unneeded in found:
            registry.store.remove(unneeded.file)
        return left + found

    return exclusively(registry, work)


def _unneeded(
    registry: Registry, trusted: TrustedMetadata, current: Current, keep: int, now: datetime
) -> Iterator[Unneeded]:
    """Yield what can go, history first and the oldest of it first, so that a crash leaves no gap in it."""
    chain = [kept.manifest for kept in walk_history(registry.store, trusted.roots, current.manifest, current.data)]
    kept = {history_name(manifest.version) for manifest in chain[:keep]}
    needed = {path for manifest in chain[:keep] for path in manifest.targets}
    before = {history_name(manifest.version): manifest for manifest in reversed(chain[keep:])}
    for file in before:
        yield Unneeded(file, f"older than the {keep} manifests that are kept")
    for entry in registry.store.entries(HISTORY):
        file = f"{HISTORY}/{entry.name}"
        if entry.kind == "file" and file not in kept and file not in before:
            yield Unneeded(file, "nothing in force leads to it")
    # Manifests before roots, as whoever tidies does.
    for proposal in reversed(list_proposals(registry, trusted, current)):
        if proposal.stale:
            yield Unneeded(proposal.file, f"stale: {proposal.stale}")
        elif isinstance(proposal.signed, Manifest):
            needed |= proposal.signed.targets.keys()
    for entry in registry.store.entries(FOLDER):
        file = f"{FOLDER}/{entry.name}"
        young = not registry.store.locks and now - entry.modified < GRACE
        if entry.kind == "file" and file not in needed and not entry.name.startswith(".") and not young:
            yield Unneeded(file, "no manifest that is kept refers to it")
