"""Metadata files and the signatures on them: signing, and weighing what has been signed.

A signature counts once, by a key of the role. One signature too many is refused as well as one too few: an unknown
key id, a key that signs twice and a signature that does not verify are never passed over. Signatures stand in the
order of their key ids, so that the same document with the same signatures has one spelling.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from model_registry import canonical
from model_registry.errors import Reason, TrustError
from model_registry.keys import PublicKey, Signer
from model_registry.shapes import Hex32, Hex64

MAX_SIGNATURES: Final = 64


class Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One signature over the canonical form of ``signed``."""

    keyid: Hex32
    sig: Hex64


class Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A TUF metadata file."""

    signed: dict[str, Any]
    signatures: list[Signature]


@dataclass(frozen=True, slots=True)
class Quorum:
    """Who has to sign: the keys of a role by key id, how many of them, and a name for messages."""

    keys: Mapping[str, PublicKey]
    threshold: int
    name: str


@dataclass(frozen=True, slots=True)
class Weight:
    """Good signatures: the key ids, and how many more each quorum needs (only those that need any)."""

    keyids: tuple[str, ...]
    lacking: Mapping[str, int]

    @property
    def complete(self) -> bool:
        """Whether every quorum is reached."""
        return not self.lacking


def read_envelope(data: bytes, name: str) -> Envelope:
    """Read a metadata file called ``name``. Raises TrustError if it is not in the defined layout."""
    envelope = canonical.convert(canonical.parse_file(data, name), Envelope, name)
    if len(envelope.signatures) > MAX_SIGNATURES:
        raise TrustError(f"{name}: more than {MAX_SIGNATURES} signatures", Reason.MALFORMED)
    return envelope


def weigh(envelope: Envelope, name: str, quorums: Sequence[Quorum], *, ignored: Set[str] = frozenset()) -> Weight:
    """Verify every signature, and count them for each quorum. Key ids in ``ignored`` count for nothing.

    Raises TrustError for a signature that does not verify, by no key of the quorums, repeated, or out of order.
    """
    keys = {keyid: key for quorum in quorums for keyid, key in quorum.keys.items()}
    before = ""
    for signature in envelope.signatures:  # the cheap questions first: whoever plants junk has no key
        keyid, short = signature.keyid, signature.keyid[:12]
        if keyid == before:
            raise TrustError(f"{name}: signed twice by the key {short}, which counts once", Reason.SIGNED_TWICE)
        if keyid < before:
            raise TrustError(f"{name}: its signatures are not in the order of their key ids", Reason.LAYOUT)
        before = keyid
        if keyid not in keys and keyid not in ignored:
            allowed = " or ".join(quorum.name for quorum in quorums)
            raise TrustError(f"{name}: signed by the key {short}, which is not one of {allowed}", Reason.UNKNOWN_KEY)
    counting = [signature for signature in envelope.signatures if signature.keyid in keys]
    payload = canonical.signed_bytes(envelope.signed, name) if counting else b""
    for signature in counting:
        if not keys[signature.keyid].verifies(signature.sig, payload):
            short = signature.keyid[:12]
            raise TrustError(f"{name}: the signature by the key {short} is not over this content", Reason.BAD_SIGNATURE)
    signed = [signature.keyid for signature in counting]
    lacking = {quorum.name: quorum.threshold - len(quorum.keys.keys() & set(signed)) for quorum in quorums}
    return Weight(tuple(signed), {who: count for who, count in lacking.items() if count > 0})


def require_quorums(weight: Weight, name: str, quorums: Sequence[Quorum]) -> None:
    """Raise TrustError if a quorum is not reached."""
    for quorum in quorums:
        if lacking := weight.lacking.get(quorum.name):
            count = quorum.threshold - lacking
            raise TrustError(
                f"{name}: signed by {count} of {quorum.name}, {quorum.threshold} needed", Reason.UNDER_SIGNED
            )


def sign(signed: msgspec.Struct, *signers: Signer) -> bytes:
    """Return the bytes of the metadata file that holds ``signed`` and a signature by each of the signers."""
    return _file(msgspec.to_builtins(signed, str_keys=True), [], signers)


def add_signature(envelope: Envelope, signer: Signer) -> bytes:
    """Return the bytes of a metadata file with one more signature."""
    return _file(envelope.signed, envelope.signatures, [signer])


def signed_digest(signed: msgspec.Struct) -> str:
    """Return the SHA-256, in hex, of the bytes that signatures are over: the same however many have signed."""
    return hashlib.sha256(canonical.signed_bytes(msgspec.to_builtins(signed, str_keys=True))).hexdigest()


def _file(document: Any, present: Sequence[Signature], signers: Sequence[Signer]) -> bytes:
    payload = canonical.signed_bytes(document)
    signatures = [*present, *(Signature(signer.keyid, signer.sign(payload)) for signer in signers)]
    signatures.sort(key=lambda signature: signature.keyid)
    return canonical.file_bytes({"signed": document, "signatures": msgspec.to_builtins(signatures)})
