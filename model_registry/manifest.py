"""The manifest ``model_registry.json``: what one version of the registry binds together.

It is TUF *targets* metadata. ``targets`` gives the length and SHA-256 of every blob, for any TUF library;
``content`` beside it says what the blobs are (:mod:`model_registry.content`). ``action`` and ``reason`` say why this
version was published. ``previous`` names the manifest that it followed by the SHA-256 of its file, so that the newest
signatures vouch for the whole history. ``root`` names the root that it was made under, so that what was signed before
a rotation is known to be older than all that came after it.

Whoever constructs a :class:`Manifest` from a file has verified its signatures first (:mod:`model_registry.trust`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec

from model_registry import canonical
from model_registry.blobs import MAX_BLOB, is_blob_path
from model_registry.content import Content, check_slots
from model_registry.errors import Reason, TrustError
from model_registry.root import Root
from model_registry.shapes import BlobPath, Hex32, Name, Positive, SpecVersion, Text, UtcTime, parse_time
from model_registry.signatures import signed_digest

MANIFEST: Final = "model_registry.json"
HISTORY: Final = "history"  # the folder of every manifest that was ever in force, by version
PROPOSED: Final = "proposed"  # the folder of manifests and roots that wait for signatures
ROTATE: Final = "rotate"  # the action of a manifest that is signed anew for the next root
FARTHEST: Final = 2**20  # versions that a restoration may pass over, so that none leaps to the last there can be
RESTORE: Final = "restore"  # the action of a rotation that goes back to a kept manifest, and so follows no other


class Hashes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A target's digests, as TUF has them."""

    sha256: Hex32


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What TUF says of a target: its length in bytes and its digests."""

    length: Annotated[int, msgspec.Meta(ge=0, le=MAX_BLOB)]
    hashes: Hashes


class Previous(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The manifest that came before: its version, and the SHA-256 of its whole file, signatures included."""

    version: Positive
    sha256: Hex32


class RootRef(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A root: its version, and the SHA-256 of what is signed of it, which does not depend on who has signed."""

    version: Positive
    sha256: Hex32

    @classmethod
    def of(cls, root: Root) -> RootRef:
        """Return the reference to a root."""
        return cls(root.version, signed_digest(root))


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename={"type": "_type"}):
    """The signed part of ``model_registry.json``. ``run_id`` is the run that published this version."""

    type: Literal["targets"]
    spec_version: SpecVersion
    version: Positive
    expires: UtcTime
    targets: dict[BlobPath, Target]
    published: UtcTime
    run_id: Name
    action: Name
    reason: Text
    previous: Previous | None
    root: RootRef
    content: Content


def history_name(version: int) -> str:
    """Return where in the registry a manifest is kept, by its version."""
    return f"{HISTORY}/{version}.json"


def parse_manifest(signed: Mapping[str, Any], name: str = MANIFEST) -> Manifest:
    """Read the signed part of a manifest in the file ``name``, already verified.

    Raises TrustError for anything the schema does not have, and for parts that contradict each other.
    """
    _check_paths(signed, name)
    manifest = canonical.convert(signed, Manifest, name)
    parse_time(manifest.expires, name)
    if not _follows(manifest):
        before = "none" if manifest.previous is None else str(manifest.previous.version)
        raise TrustError(f"{name}: version {manifest.version} says that it followed {before}", Reason.MALFORMED)
    check_slots(manifest.content, name)
    _check_targets(manifest, name)
    return manifest


def _follows(manifest: Manifest) -> bool:
    """Tell whether a version may come after the one before: the first after none, and where people go back a later."""
    if manifest.previous is None:
        return manifest.version == 1
    ahead = manifest.version - manifest.previous.version
    return 1 <= ahead <= FARTHEST if manifest.action == RESTORE else ahead == 1


def _check_paths(signed: Mapping[str, Any], name: str) -> None:
    """Refuse a target outside the blobs by its own reason; what else is no path of a blob is malformed."""
    targets = signed.get("targets")
    for path in targets if isinstance(targets, dict) else ():
        if not is_blob_path(path):
            raise TrustError(f"{name}: the target {path[:100]!a} is not the path of a blob", Reason.BLOB_PATH)


def _check_targets(manifest: Manifest, name: str) -> None:
    references = manifest.content.references()
    for path, what in references.items():
        if path not in manifest.targets:
            raise TrustError(f"{name}: {path}, {what}, is not among its targets", Reason.MALFORMED)
    for path, target in manifest.targets.items():
        if path not in references:
            raise TrustError(f"{name}: nothing refers to the target {path}", Reason.MALFORMED)
        if path != f"blobs/{target.hashes.sha256}":
            raise TrustError(f"{name}: the target {path} does not bear the name of its digest", Reason.MALFORMED)
