"""Publishing: one manifest after the other, each whole or not at all.

Verify the present manifest, let the caller edit its content, make sure of every blob that serving will read, sign,
verify the result as a reader would, write new blobs, and last put the manifest in its place if it has all its
signatures, or else among the proposals, where others sign it (:mod:`model_registry.proposals`).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec

from flows.errors import TidegateError
from model_registry import canonical, seen
from model_registry.blobs import read_blob
from model_registry.content import EMPTY, Content, check_slots
from model_registry.errors import Reason, TrustError
from model_registry.keys import Signer
from model_registry.manifest import MANIFEST, RESTORE, Hashes, Manifest, RootRef, Target
from model_registry.proposals import list_proposals, proposal_name
from model_registry.registry import Current, Registry
from model_registry.root import Root
from model_registry.shapes import LAST_VERSION, SPEC_VERSION, format_time
from model_registry.signatures import Weight, read_envelope, sign, signed_digest
from model_registry.trust import TrustedMetadata, check_expiry, weigh_manifest
from model_registry.writing.effect import exclusively, present, take_effect, tidy_proposals, was_in_force

MANIFEST_VALIDITY: Final = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Published:
    """What became of a publication: in force as this version, or proposed as it and waiting for signatures.

    ``proposal`` is the SHA-256 of what is signed, which names the proposal. ``lacking`` is the number of signatures
    that are still needed.
    """

    version: int
    proposal: str
    lacking: int

    @property
    def in_force(self) -> bool:
        """Whether it has taken effect."""
        return not self.lacking


def publish(
    registry: Registry,
    edit: Callable[[Content], Content],
    signer: Signer,
    *,
    run_id: str,
    action: str = "publish",
    reason: str = "",
    valid_for: timedelta = MANIFEST_VALIDITY,
    root: Path | None = None,
    state_dir: Path | None = None,
    now: datetime | None = None,
) -> Published:
    """Publish ``edit(present content)`` as the next version; the first is 1.

    The first publication's edit starts from :data:`model_registry.content.EMPTY`. ``edit`` may be called again, with
    newer content, if somebody else publishes meanwhile. A present manifest that has expired is renewed so; one that
    cannot be verified is not built upon, nor is one older than ``state_dir`` remembers. ``action`` and ``reason`` are
    kept in the manifest.

    Raises TrustError for that, for a signer that the root does not know, and for content that a reader would refuse
    (a blob missing or changed, a slot without its version); then nothing has changed.
    """
    now = now or datetime.now(UTC)

    attempted: list[tuple[Manifest, bytes]] = []

    def work() -> Published:
        for manifest, data in attempted:
            # An object store may report a conflict where ours took effect, and others have built upon it since.
            if was_in_force(registry.store, manifest.version, data):
                return Published(manifest.version, signed_digest(manifest), 0)
        trusted, current = present(registry, root, now, state_dir)
        trusted.check_root_expiry()
        content = edit(EMPTY if current is None else current.manifest.content)
        manifest = compose_manifest(
            registry,
            content,
            current,
            trusted.root,
            run_id=run_id,
            action=action,
            reason=reason,
            now=now,
            expires=now + valid_for,
        )
        data = sign(manifest, signer)
        weight = verified(data, trusted.root, now)
        write_blobs(registry, manifest)
        if weight.complete:
            attempted.append((manifest, data))
            take_effect(registry.store, manifest, data, None if current is None else current.tag)
            tidy_proposals(registry, root, now)
            if state_dir is not None:
                with suppress(TidegateError):  # it is in force, and whoever publishes next remembers it
                    seen.remember(state_dir, trusted.root, manifest)
        else:
            _propose(registry, trusted, current, manifest, weight, data)
        return Published(manifest.version, signed_digest(manifest), sum(weight.lacking.values()))

    published = exclusively(registry, work)
    registry.pending.clear()
    return published


def compose_manifest(
    registry: Registry,
    content: Content,
    current: Current | None,
    root: Root,
    *,
    run_id: str,
    action: str,
    reason: str,
    now: datetime,
    expires: datetime,
) -> Manifest:
    """Return the manifest that would follow, under this root.

    Raises TrustError if its blobs are not there as they should be, or if no version can follow.
    """
    if current is not None and current.manifest.version == LAST_VERSION and action != RESTORE:
        raise TrustError(
            f"{MANIFEST}: version {LAST_VERSION} is the last there can be, so a thief of a targets key has published "
            f"it; replace that key and go back: tidegate keys rotate targets --restore VERSION",
            Reason.MALFORMED,
        )
    canonical.convert(msgspec.to_builtins(content, str_keys=True), Content, "the content to publish")
    check_slots(content, MANIFEST)
    known = {} if current is None else current.manifest.targets
    return Manifest(
        type="targets",
        spec_version=SPEC_VERSION,
        version=1 if current is None else min(current.manifest.version + 1, LAST_VERSION),
        expires=format_time(expires),
        targets=_look_up(registry, content, known),
        published=format_time(now),
        run_id=run_id,
        action=action,
        reason=reason,
        previous=None if current is None else current.previous,
        root=RootRef.of(root),
        content=content,
    )


def verified(data: bytes, root: Root, now: datetime) -> Weight:
    """Verify a manifest just signed as a reader would, however many signatures it has yet. Raises TrustError."""
    manifest, weight = weigh_manifest(read_envelope(data, MANIFEST), MANIFEST, root)
    check_expiry(manifest.expires, now, MANIFEST, "publish it with a later expiry")
    return weight


def write_blobs(registry: Registry, manifest: Manifest) -> None:
    """Write those of the pending blobs that a manifest refers to."""
    for path in sorted(manifest.targets.keys() & registry.pending.keys()):
        registry.store.put(path, registry.pending[path])


def _propose(
    registry: Registry,
    trusted: TrustedMetadata,
    current: Current | None,
    manifest: Manifest,
    weight: Weight,
    data: bytes,
) -> None:
    """Put a manifest among the proposals, in place of those of its kind that nobody else has signed."""
    overtaken = [
        proposal.file
        for proposal in list_proposals(registry, trusted, current)
        if isinstance(proposal.signed, Manifest)
        and proposal.signed.action == manifest.action
        and proposal.weight.keyids == weight.keyids
    ]
    name = proposal_name(manifest)
    registry.store.put(name, data)
    for file in overtaken:
        if file != name:
            registry.store.remove(file)


def _look_up(registry: Registry, content: Content, known: dict[str, Target]) -> dict[str, Target]:
    """Return the length and digest of every blob referred to.

    What serving will read, and what the manifest before did not have, is read and verified. The other blobs, of
    versions in no slot, are as they were when they were signed.
    """
    in_use = content.in_use()
    targets = {}
    for path, what in content.references().items():
        try:
            if path in registry.pending:
                length = len(registry.pending[path])
            elif path not in known:
                # Written once more, so that who collects what nothing refers to any more finds it young.
                registry.pending[path] = read_blob(registry.store, path)
                length = len(registry.pending[path])
            elif path in in_use:
                length = len(read_blob(registry.store, path))
            else:
                length = known[path].length
        except TrustError as error:
            raise TrustError(f"{error.message} (it is {what}; nothing was published)", error.reason) from None
        targets[path] = Target(length, Hashes(path.removeprefix("blobs/")))
    return targets
