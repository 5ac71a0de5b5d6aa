"""The manifests that were in force before: each named, by its SHA-256, by the one that followed it.

So the signatures of the manifest in force vouch for all that came before it, even where a key that signed then has
been revoked since. Each kept manifest must nevertheless bear the signatures that one of the roots asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from model_registry import canonical
from model_registry.errors import Reason, TrustError
from model_registry.manifest import Manifest, Previous, history_name
from model_registry.root import Root
from model_registry.signatures import read_envelope
from model_registry.stores.base import Store
from model_registry.trust import weigh_manifest


@dataclass(frozen=True)
class Kept:
    """A manifest that is or was in force, its file, and who signed it: holders by key id, under which root."""

    manifest: Manifest
    data: bytes
    signers: dict[str, str]
    root_version: int

    @property
    def sha256(self) -> str:
        """The SHA-256 of its file, in hex."""
        return hashlib.sha256(self.data).hexdigest()


def walk_history(store: Store, roots: Sequence[Root], manifest: Manifest, data: bytes) -> Iterator[Kept]:
    """Yield the manifest in force, already verified, and those before it, newest first, as far as they are kept.

    Raises TrustError for one that is not what its successor names, or that no root accepts.
    """
    kept = read_kept(data, history_name(manifest.version), roots)
    yield kept
    while (previous := kept.manifest.previous) is not None and store.has(history_name(previous.version)):
        kept = read_previous(store, previous, roots)
        yield kept


def read_previous(store: Store, previous: Previous, roots: Sequence[Root]) -> Kept:
    """Read the kept manifest that another one names. Raises TrustError."""
    name = history_name(previous.version)
    data = store.read(name, canonical.MAX_METADATA).data
    if hashlib.sha256(data).hexdigest() != previous.sha256:
        raise TrustError(f"{name}: not the manifest that its successor names; restore it", Reason.WRONG_DIGEST)
    kept = read_kept(data, name, roots)
    if kept.manifest.version != previous.version:
        raise TrustError(f"{name}: holds version {kept.manifest.version}", Reason.MALFORMED)
    return kept


def read_kept(data: bytes, name: str, roots: Sequence[Root]) -> Kept:
    """Read a manifest signed as the newest root asks that knows its signers. Raises TrustError if none does."""
    refused: TrustError | None = None
    envelope = read_envelope(data, name)
    for root in reversed(roots):
        try:
            manifest, weight = weigh_manifest(envelope, name, root)
        except TrustError as error:
            if error.reason is not Reason.UNKNOWN_KEY:
                raise
            refused = refused or error
            continue
        if weight.complete:
            signers = {keyid: root.holders[keyid] for keyid in weight.keyids}
            return Kept(manifest, data, signers, root.version)
    raise refused or TrustError(f"{name}: signed by too few keys of every root", Reason.UNDER_SIGNED)
