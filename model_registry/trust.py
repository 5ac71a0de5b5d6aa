"""Who may say what: from the first trusted root, over its successors, to the manifest.

:class:`TrustedMetadata` holds what has been verified so far. It is pure logic: its caller reads the files, in this
order, and hands over their bytes.

* The first root (``1.root.json``, or one that the operator gave) is trusted because somebody says so. It still must
  be signed by its own root keys.
* Each successor (``2.root.json``, …) must bear the next version number, and be signed by the root keys of its
  predecessor *and* by its own, each at their threshold. An expired root may introduce its successor, but an expired
  last root introduces nothing more.
* The manifest must be signed by the targets keys of the last root, at their threshold; then it is read; then its
  version and expiry are looked at. Once it is accepted, no root can follow.

A signature counts once, by a key of the role. One signature too many is refused as well as one too few: an unknown
key id, a key that signs twice and a signature that does not verify are never passed over. (One exception: a first
root later than version 1 bears signatures of predecessors that this verifier never sees.)

All expiries are compared with one ``reference_time``, fixed when the first root is loaded. Whatever is wrong is a
TrustError whose message begins with the file's name.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from model_registry import canonical
from model_registry.errors import TrustError
from model_registry.keys import Hex32, Hex64, PublicKey, Signer
from model_registry.manifest import (
    MANIFEST,
    SPEC_VERSION,
    Manifest,
    Positive,
    UtcTime,
    format_time,
    parse_manifest,
    parse_time,
)


class Role(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The keys that may sign for a role, and how many of them must."""

    keyids: list[Hex32]
    threshold: Positive


class Roles(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """TUF's four top-level roles. Tidegate signs with the first two; a TUF root must define the others too."""

    root: Role
    targets: Role
    snapshot: Role
    timestamp: Role


class Root(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename={"type": "_type"}):
    """The signed part of ``N.root.json``.

    ``consistent_snapshot`` is false: a blob's name is its digest already, so TUF need not put the digest before it.
    """

    type: Literal["root"]
    spec_version: Annotated[str, msgspec.Meta(pattern=r"\A1\.[0-9]{1,4}\.[0-9]{1,4}\Z")]
    version: Positive
    expires: UtcTime
    consistent_snapshot: Literal[False]
    keys: dict[Hex32, PublicKey]
    roles: Roles


class Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One signature over the canonical form of ``signed``."""

    keyid: Hex32
    sig: Hex64


class Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A TUF metadata file."""

    signed: dict[str, Any]
    signatures: list[Signature]


def root_name(version: int) -> str:
    """Return the file name of a root by its version."""
    return f"{version}.root.json"


def make_root(root: PublicKey, targets: PublicKey, *, version: int, expires: datetime) -> Root:
    """Return a root with one key for each role; snapshot and timestamp go to the targets key."""
    automatic = Role(keyids=[targets.keyid], threshold=1)
    return Root(
        type="root",
        spec_version=SPEC_VERSION,
        version=version,
        expires=format_time(expires),
        consistent_snapshot=False,
        keys={root.keyid: root, targets.keyid: targets},
        roles=Roles(
            root=Role(keyids=[root.keyid], threshold=1), targets=automatic, snapshot=automatic, timestamp=automatic
        ),
    )


def sign(signed: Root | Manifest, *signers: Signer) -> bytes:
    """Return the bytes of the metadata file that holds ``signed`` and a signature by each of the signers."""
    document = msgspec.to_builtins(signed, str_keys=True)
    payload = canonical.signed_bytes(document)
    signatures = [{"keyid": signer.keyid, "sig": signer.sign(payload)} for signer in signers]
    return canonical.file_bytes({"signed": document, "signatures": signatures})


class TrustedMetadata:
    """What has been verified so far; see the module's description for the order and the rules."""

    def __init__(self, first_root: bytes, name: str, *, reference_time: datetime, version: int | None = None) -> None:
        """Trust the file ``name`` with these bytes as the first root, of this version if one is given.

        Raises TrustError.
        """
        self.reference_time = reference_time
        self.manifest: Manifest | None = None
        envelope = _open(first_root, name)
        root = _parse_root(envelope, name)
        if version is not None and root.version != version:
            raise TrustError(f"{name}: holds version {root.version} where {version} must be")
        ignored = frozenset(signature.keyid for signature in envelope.signatures if root.version > 1)
        _check_signatures(envelope, name, [_Quorum.of(root, "root")], ignored=ignored)
        self.root = root

    def update_root(self, data: bytes, name: str) -> None:
        """Accept the next root. Raises TrustError, and RuntimeError after the manifest was accepted."""
        if self.manifest is not None:
            raise RuntimeError("a root cannot follow the manifest")
        envelope = _open(data, name)
        root = _parse_root(envelope, name)
        if root.version != self.root.version + 1:
            raise TrustError(f"{name}: holds version {root.version} where {self.root.version + 1} must follow")
        _check_signatures(envelope, name, [_Quorum.of(self.root, "root"), _Quorum.of(root, "root")])
        self.root = root

    def update_manifest(self, data: bytes, *, min_version: int = 0, allow_expired: bool = False) -> Manifest:
        """Accept the manifest. Raises TrustError; an expired one is accepted with ``allow_expired``, to be renewed."""
        self.check_root_expiry()
        envelope = _open(data, MANIFEST)
        _check_signatures(envelope, MANIFEST, [_Quorum.of(self.root, "targets")])
        manifest = parse_manifest(envelope.signed)
        if manifest.version < min_version:
            raise TrustError(
                f"{MANIFEST}: version {manifest.version} is older than {min_version}, the oldest that is accepted; "
                f"somebody may have put back an old manifest"
            )
        if self.manifest is not None and manifest.version <= self.manifest.version:
            raise TrustError(f"{MANIFEST}: version {manifest.version} does not follow {self.manifest.version}")
        if not allow_expired:
            expires = parse_time(manifest.expires, MANIFEST)
            _check_expiry(expires, self.reference_time, MANIFEST, "publish a new version")
        self.manifest = manifest
        return manifest

    def check_root_expiry(self) -> None:
        """Raise TrustError if the last root has expired."""
        name = root_name(self.root.version)
        _check_expiry(parse_time(self.root.expires, name), self.reference_time, name, "sign a new root")


@dataclass(frozen=True, slots=True)
class _Quorum:
    """Who has to sign: the keys of a role by key id, how many of them, and a name for messages."""

    keys: dict[str, PublicKey]
    threshold: int
    name: str

    @classmethod
    def of(cls, root: Root, role: Literal["root", "targets"]) -> _Quorum:
        members: Role = getattr(root.roles, role)
        keys = {keyid: root.keys[keyid] for keyid in members.keyids}
        return cls(keys, members.threshold, f"the {role} keys of {root_name(root.version)}")


def _open(data: bytes, name: str) -> Envelope:
    return canonical.convert(canonical.parse_file(data, name), Envelope, name)


def _parse_root(envelope: Envelope, name: str) -> Root:
    root = canonical.convert(envelope.signed, Root, name)
    parse_time(root.expires, name)
    for keyid, key in root.keys.items():
        if keyid != key.keyid:
            raise TrustError(f"{name}: the key id {keyid[:12]} does not belong to its key")
    for role_name in Roles.__struct_fields__:
        role: Role = getattr(root.roles, role_name)
        if len(set(role.keyids)) != len(role.keyids):
            raise TrustError(f"{name}: the role {role_name} names a key twice")
        if not set(role.keyids) <= root.keys.keys():
            raise TrustError(f"{name}: the role {role_name} names a key that is not there")
        if role.threshold > len(role.keyids):
            raise TrustError(f"{name}: the role {role_name} asks for {role.threshold} of {len(role.keyids)} keys")
    return root


def _check_signatures(
    envelope: Envelope, name: str, quorums: list[_Quorum], *, ignored: Set[str] = frozenset()
) -> None:
    keys = {keyid: key for quorum in quorums for keyid, key in quorum.keys.items()}
    payload = canonical.signed_bytes(envelope.signed, name)
    signed: set[str] = set()
    for signature in envelope.signatures:
        if signature.keyid in signed:
            raise TrustError(f"{name}: signed twice by the key {signature.keyid[:12]}, which counts once")
        signed.add(signature.keyid)
        if (key := keys.get(signature.keyid)) is None:
            if signature.keyid in ignored:
                continue
            allowed = " or ".join(quorum.name for quorum in quorums)
            raise TrustError(f"{name}: signed by the key {signature.keyid[:12]}, which is not one of {allowed}")
        if not key.verifies(signature.sig, payload):
            raise TrustError(f"{name}: the signature by the key {signature.keyid[:12]} is not over this content")
    for quorum in quorums:
        count = len(signed & quorum.keys.keys())
        if count < quorum.threshold:
            raise TrustError(f"{name}: signed by {count} of {quorum.name}, {quorum.threshold} needed")


def _check_expiry(expires: datetime, now: datetime, name: str, remedy: str) -> None:
    if now >= expires:
        raise TrustError(f"{name}: expired on {format_time(expires)}; {remedy}")
