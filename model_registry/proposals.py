"""Proposals: manifests and roots that wait for signatures, so that several people sign without sharing a machine.

A proposal is a metadata file ``proposed/<SHA-256 of what is signed>.json``. Every signature on it is good, and a root
bears one by a key of the root before it; but they are too few. One that can no longer take effect, because another
did, is stale: it harms nobody, and whoever writes next deletes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from flows.errors import UsageError
from model_registry import canonical
from model_registry.errors import Reason, TrustError
from model_registry.keys import Role
from model_registry.manifest import HISTORY, MANIFEST, PROPOSED, RESTORE, Manifest, Previous, RootRef
from model_registry.registry import MAX_PROPOSALS, Current, Registry
from model_registry.root import Root, root_name
from model_registry.signatures import Envelope, Weight, read_envelope, signed_digest
from model_registry.stores.base import Stored
from model_registry.trust import TrustedMetadata, weigh_manifest, weigh_root

_OVERTAKEN: Final = "another has taken effect since; propose it again"
_NOTHING: Final = "what it follows is not in force; propose it again"


@dataclass(frozen=True)
class Proposal:
    """What is signed, by whom so far, under which root, as which file; and why it is stale, if it is."""

    signed: Manifest | Root
    weight: Weight
    under: Root
    data: bytes
    tag: str
    stale: str

    @property
    def file(self) -> str:
        """Its name in the registry."""
        return proposal_name(self.signed)

    @property
    def digest(self) -> str:
        """The SHA-256 of what is signed, which names it."""
        return signed_digest(self.signed)

    @property
    def role(self) -> Role:
        """The role whose keys sign it."""
        return self.signed.type

    @property
    def title(self) -> str:
        """What it is, in words."""
        return f"{'root' if isinstance(self.signed, Root) else 'manifest'} version {self.signed.version}"


def proposal_name(signed: Manifest | Root) -> str:
    """Return where in the registry a proposal lies."""
    return f"{PROPOSED}/{signed_digest(signed)}.json"


def list_proposals(registry: Registry, trusted: TrustedMetadata, current: Current | None) -> list[Proposal]:
    """Return every proposal, roots first, without files that are none. Raises TrustError for too many files."""
    return look_through_proposals(registry, trusted, current)[0]


def look_through_proposals(
    registry: Registry, trusted: TrustedMetadata, current: Current | None
) -> tuple[list[Proposal], dict[str, TrustError]]:
    """Return every proposal, roots first, and by its name every file that is none. Raises TrustError for too many."""
    names = registry.proposed()
    if len(names) > MAX_PROPOSALS:
        raise TrustError(
            f"{PROPOSED}: holds {len(names)} files, of at most {MAX_PROPOSALS}; delete those that nobody will sign",
            Reason.OVERSIZED,
        )
    roots: list[Proposal] = []
    manifests: dict[str, tuple[Stored, Envelope]] = {}
    refused: dict[str, TrustError] = {}
    for name in names:
        try:
            stored = registry.store.read(name, canonical.MAX_METADATA)
            envelope = read_envelope(stored.data, name)
            if envelope.signed.get("_type") == "root":
                roots.append(_read_root(trusted, stored, envelope, name))
            else:
                manifests[name] = stored, envelope
        except TrustError as error:
            refused[name] = error
    proposals = list(roots)
    follows = _what_is_followed(registry, current) if manifests else ()
    for name, (stored, envelope) in manifests.items():
        try:
            proposals.append(_read_manifest(trusted, roots, follows, current, stored, envelope, name))
        except TrustError as error:
            refused[name] = error
    return proposals, refused


def find_proposal(proposals: Sequence[Proposal], refused: Mapping[str, TrustError], digest: str) -> Proposal:
    """Return the proposal whose digest begins so.

    Raises UsageError if there is not exactly one, and TrustError if a file of that name is none.
    """
    found = [proposal for proposal in proposals if proposal.digest.startswith(digest)]
    if len(found) != 1:
        for name, error in refused.items():
            if digest and name.startswith(f"{PROPOSED}/{digest}"):
                raise error
        names = ", ".join(f"{proposal.digest[:12]} ({proposal.title})" for proposal in proposals) or "none"
        begin = f"begin with {digest!r}" if digest else "are there, so name one"
        raise UsageError(f"{len(found)} proposals {begin}; there are: {names}")
    return found[0]


def _what_is_followed(registry: Registry, current: Current | None) -> tuple[Previous | None, ...]:
    """Return what a proposed manifest may name as the one before: one thing, or nothing if that cannot be trusted."""
    if current is not None:
        return (current.previous,)
    begun = registry.store.has(MANIFEST) or registry.store.entries(HISTORY)
    return () if begun else (None,)


def _read_root(trusted: TrustedMetadata, stored: Stored, envelope: Envelope, name: str) -> Proposal:
    """Read a proposed root: the next one, or one whose number another has taken."""
    version = envelope.signed.get("version")
    before = next((root for root in trusted.roots[:-1] if root.version + 1 == version), trusted.root)
    root, weight = weigh_root(envelope, name, before)
    if not set(weight.keyids) & set(before.roles.root.keyids):
        raise TrustError(
            f"{name}: signed by none of the root keys of {root_name(before.version)}, so nobody has proposed it; "
            f"delete it",
            Reason.UNDER_SIGNED,
        )
    return _named(name, Proposal(root, weight, root, *stored, "" if before is trusted.root else _OVERTAKEN))


def _read_manifest(
    trusted: TrustedMetadata,
    proposed: Sequence[Proposal],
    follows: Sequence[Previous | None],
    current: Current | None,
    stored: Stored,
    envelope: Envelope,
    name: str,
) -> Proposal:
    """Read a proposed manifest: for the last root, for a proposed one, or for one that was replaced."""
    ref = envelope.signed.get("root")
    for proposal in proposed:
        if ref == msgspec.to_builtins(RootRef.of(proposal.under)):
            manifest, weight = weigh_manifest(envelope, name, proposal.under)
            goes_on = manifest.previous in follows or manifest.action == RESTORE
            stale = proposal.stale or ("" if goes_on else _OVERTAKEN)
            return _named(name, Proposal(manifest, weight, proposal.under, *stored, stale))
    made_under = next((root for root in trusted.roots if ref == msgspec.to_builtins(RootRef.of(root))), None)
    if made_under is None:
        raise TrustError(f"{name}: made under a root that is neither there nor proposed; delete it", Reason.WRONG_ROOT)
    try:
        manifest, weight = weigh_manifest(envelope, name, trusted.root)
    except TrustError as error:
        if error.reason is not Reason.UNKNOWN_KEY or made_under is trusted.root:
            raise
        manifest, weight = weigh_manifest(envelope, name, made_under)
        stale = f"signed by keys of {root_name(made_under.version)}, which has been replaced; propose it again"
        return _named(name, Proposal(manifest, weight, made_under, *stored, stale))
    stale = "" if manifest.previous in follows else (_OVERTAKEN if follows else _NOTHING)
    before = made_under.version if current is None else current.manifest.root.version
    if before > made_under.version:
        stale = f"made under {root_name(made_under.version)}, older than what it follows; propose it again"
    elif manifest.action == RESTORE and made_under is trusted.root and before < made_under.version:
        stale = ""  # of a rotation that was interrupted, whose root accepts the manifest in force as well
    return _named(name, Proposal(manifest, weight, trusted.root, *stored, stale))


def _named(name: str, proposal: Proposal) -> Proposal:
    if name != proposal.file:
        raise TrustError(f"{name}: does not bear the name of its digest", Reason.WRONG_DIGEST)
    if not proposal.weight.keyids:
        raise TrustError(f"{name}: signed by nobody, so nobody has proposed it; delete it", Reason.UNDER_SIGNED)
    return proposal
