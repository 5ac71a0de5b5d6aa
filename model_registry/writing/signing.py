"""Adding a signature to a proposal, and putting in force what has all of them.

The last signature that is needed puts a proposal in force. A new root that would leave the present manifest without
valid signatures waits until that manifest, signed anew for it, is complete as well: then both take effect, the root
first. Readers that come in between find the manifest among the proposals.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from flows.errors import UsageError
from model_registry.errors import Reason, TrustError
from model_registry.keys import Signer
from model_registry.manifest import HISTORY, MANIFEST, Manifest
from model_registry.proposals import find_proposal, list_proposals, look_through_proposals
from model_registry.registry import Current, Registry, open_artifact
from model_registry.root import Root, root_name
from model_registry.signatures import add_signature, read_envelope, signed_digest
from model_registry.trust import TrustedMetadata, check_expiry, read_manifest, weigh_manifest, weigh_root
from model_registry.writing.effect import exclusively, present, take_effect, tidy_proposals


def sign_proposal(
    registry: Registry,
    digest: str,
    signer: Signer,
    *,
    root: Path | None = None,
    state_dir: Path | None = None,
    now: datetime | None = None,
) -> list[str]:
    """Add a signature to the proposal whose digest begins so, and return what took effect by that, in words.

    ``root`` is the first root to trust, ``state_dir`` remembers what was seen, as for readers. Raises UsageError if
    no proposal or several begin so, or if the signer has signed it already; TrustError if the key does not count
    for it, if it is stale, or if what it refers to is not as it should be.
    """
    moment = now or datetime.now(UTC)

    def work() -> list[str]:
        trusted, current = _whatever_is_present(registry, root, moment, state_dir)
        proposal = find_proposal(*look_through_proposals(registry, trusted, current), digest)
        if proposal.stale:
            raise TrustError(f"{proposal.file}: {proposal.stale}", Reason.OLDER_VERSION)
        if signer.keyid in proposal.weight.keyids:
            raise UsageError(f"{proposal.file}: the key {signer.keyid[:12]} has signed it already; others must")
        check_expiry(proposal.signed.expires, moment, proposal.file, "propose it again")
        data = add_signature(read_envelope(proposal.data, proposal.file), signer)
        signed = read_envelope(data, proposal.file)
        if isinstance(proposal.signed, Manifest):
            weigh_manifest(signed, proposal.file, proposal.under)
            verify_content(registry, proposal.signed)
        else:
            weigh_root(signed, proposal.file, trusted.root)
        registry.store.swap(proposal.file, data, proposal.tag)
        return put_in_force(registry, root, moment, state_dir)

    return exclusively(registry, work)


def finish(
    registry: Registry, *, root: Path | None = None, state_dir: Path | None = None, now: datetime | None = None
) -> list[str]:
    """Put in force what has all its signatures and was interrupted before it could; return what did, in words."""
    moment = now or datetime.now(UTC)
    return exclusively(registry, lambda: put_in_force(registry, root, moment, state_dir))


def verify_content(registry: Registry, manifest: Manifest) -> None:
    """Read every blob of a manifest, and replay the golden vectors of the models in slots. Raises TrustError."""
    blobs = {path: registry.target(manifest, path) for path in manifest.targets}
    for name, model in manifest.content.models.items():
        for number in sorted(set(model.slots().values())):
            version = model.versions[number]
            open_artifact(name, version, blobs[version.artifact])


def put_in_force(registry: Registry, root: Path | None, now: datetime, state_dir: Path | None = None) -> list[str]:
    """Put in force what has all its signatures, and return what did, in words. For a writer. Raises TrustError."""
    trusted, current = _whatever_is_present(registry, root, now, state_dir)
    found = list_proposals(registry, trusted, current)
    complete = [proposal for proposal in found if proposal.weight.complete and not proposal.stale]
    manifests = {signed_digest(p.under): (p.signed, p.data) for p in complete if isinstance(p.signed, Manifest)}
    for proposal in complete:
        if not isinstance(proposal.signed, Root):
            continue
        anew = manifests.get(proposal.digest)
        # Where people go back, the root waits for what they go back to, even if it would accept the present manifest.
        goes_back = any(isinstance(p.signed, Manifest) and p.under is proposal.under for p in found)
        if anew or (not goes_back and _needs_no_manifest(registry, proposal.signed, current)):
            registry.store.swap(root_name(proposal.signed.version), proposal.data, None)
            effects = [proposal.title]
            if anew:
                _replace_manifest(registry, *anew, current)
                effects.append(f"manifest version {anew[0].version}")
            tidy_proposals(registry, root, now)
            return effects
    if anew := manifests.get(signed_digest(trusted.root)):
        _replace_manifest(registry, *anew, current)
        tidy_proposals(registry, root, now)
        return [f"manifest version {anew[0].version}"]
    return []


def _needs_no_manifest(registry: Registry, root: Root, current: Current | None) -> bool:
    """Tell whether a new root may take effect alone: the present manifest is good under it, or there is none yet."""
    if current is not None:
        return accepts(root, current)
    return not registry.store.has(MANIFEST) and not registry.store.entries(HISTORY)


def accepts(root: Root, current: Current) -> bool:
    """Tell whether a root's targets keys have signed a manifest, at their threshold."""
    try:
        read_manifest(current.data, MANIFEST, root)
    except TrustError:
        return False
    return True


def _replace_manifest(registry: Registry, manifest: Manifest, data: bytes, current: Current | None) -> None:
    """Put a manifest in force in place of the present one, or of whatever lies there that cannot be trusted."""
    stored = current or registry.stored_manifest()
    take_effect(registry.store, manifest, data, None if stored is None else stored.tag)


def _whatever_is_present(
    registry: Registry, root: Path | None, now: datetime, state_dir: Path | None
) -> tuple[TrustedMetadata, Current | None]:
    """Return the roots, and the manifest if it can be trusted: a proposal may be there to replace one that cannot.

    Raises TrustError if it is an older one than was seen: then the whole registry may be.
    """
    try:
        return present(registry, root, now, state_dir)
    except TrustError as error:
        if error.reason in {Reason.OLDER_VERSION, Reason.WRONG_ROOT}:
            raise
        return registry.trusted_roots(root, now), None
