"""The manifest ``model_registry.json``: what one version of the registry binds together.

It is TUF *targets* metadata. ``targets`` gives the length and SHA-256 of every blob, for any TUF library;
``content`` beside it says what the blobs are (:mod:`model_registry.content`). ``action`` and ``reason`` say why this
version was published, and ``previous`` names the manifest that it followed by the SHA-256 of its file, so that the
newest signatures vouch for the whole history.

Whoever constructs a :class:`Manifest` from a file has verified its signatures first (:mod:`model_registry.trust`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec

from model_registry import canonical
from model_registry.blobs import MAX_BLOB
from model_registry.content import Content, check_slots
from model_registry.errors import Reason, TrustError
from model_registry.shapes import BlobPath, Hex32, Name, Positive, SpecVersion, Text, UtcTime, parse_time

MANIFEST: Final = "model_registry.json"
HISTORY: Final = "history"  # the folder of every manifest that was ever in force, by version
PROPOSED: Final = "proposed"  # the folder of manifests and roots that wait for signatures
ROTATE: Final = "rotate"  # the action of a manifest that is signed anew for the next root
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
    content: Content


def history_name(version: int) -> str:
    """Return where in the registry a manifest is kept, by its version."""
    return f"{HISTORY}/{version}.json"


def parse_manifest(signed: Mapping[str, Any], name: str = MANIFEST) -> Manifest:
    """Read the signed part of a manifest in the file ``name``, already verified.

    Raises TrustError for anything the schema does not have, and for parts that contradict each other.
    """
    manifest = canonical.convert(signed, Manifest, name)
    parse_time(manifest.expires, name)
    if manifest.previous is not None and manifest.previous.version >= manifest.version:
        raise TrustError(
            f"{name}: version {manifest.version} says that it followed {manifest.previous.version}", Reason.MALFORMED
        )
    check_slots(manifest.content, name)
    _check_targets(manifest, name)
    return manifest


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
