"""Rotating keys: the next root, and the present manifest signed anew where the next root would not accept it.

A revocation is a rotation without the revoked key. The next root is signed by the old and by the new root keys; what
lacks signatures of people elsewhere becomes a proposal. The manifest signed anew is ready before the new root takes
effect, so at no moment does a reader find a root and no manifest that it accepts.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from flows.errors import UsageError
from model_registry import canonical, seen
from model_registry.errors import Reason, TrustError
from model_registry.history import Kept, read_kept
from model_registry.keys import ROLES, PublicKey, Role, Signer
from model_registry.manifest import RESTORE, ROTATE, history_name
from model_registry.proposals import proposal_name
from model_registry.registry import Current, Registry
from model_registry.root import Role as RoleKeys
from model_registry.root import Root, compose_root, root_name
from model_registry.signatures import read_envelope, sign
from model_registry.trust import TrustedMetadata, weigh_root
from model_registry.writing.creation import ROOT_VALIDITY
from model_registry.writing.effect import exclusively, present
from model_registry.writing.publishing import MANIFEST_VALIDITY, compose_manifest, write_blobs
from model_registry.writing.signing import accepts, put_in_force


@dataclass(frozen=True)
class RootChange:
    """What the next root changes: keys added to roles, with their holders; key ids removed; thresholds by role."""

    add: Sequence[tuple[Role, PublicKey, str]] = ()
    remove: Sequence[tuple[Role, str]] = ()
    thresholds: Mapping[Role, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Restore:
    """A kept manifest to go back to: its version, and the SHA-256 of its file, by which it is known."""

    version: int
    sha256: str


@dataclass(frozen=True)
class Rotated:
    """What became of a rotation: what took effect, in words, and else which proposals wait for signatures."""

    root: Root
    in_force: list[str]
    proposals: list[str]


def rotate(
    registry: Registry,
    change: RootChange,
    signers: Sequence[Signer],
    *,
    run_id: str,
    reason: str = "",
    restore: Restore | None = None,
    valid_for: timedelta = ROOT_VALIDITY,
    root: Path | None = None,
    state_dir: Path | None = None,
    now: datetime | None = None,
) -> Rotated:
    """Sign the next root by those of ``signers`` that count for it, and put it in force or propose it.

    Without changes it renews the root's expiry. ``restore`` names a kept manifest whose content comes into force
    again, in place of a present one that is not to be trusted, because a key was stolen. ``root`` is the first root to
    trust, without it the registry's own is; ``state_dir`` remembers what was seen, as for readers.

    Raises UsageError for a change that makes no root, and when the manifest must be signed anew and no targets key is
    at hand; TrustError if no root key is, if the present manifest cannot be trusted and nothing is to be restored, or
    if what is to be restored is not what was meant.
    """
    moment = now or datetime.now(UTC)
    attempted: list[tuple[Root, bytes]] = []

    def work() -> Rotated:
        if attempted and _is_there(registry, *attempted[-1]):
            # Others have published between the new root and its manifest, which readers find among the proposals.
            effects = [f"root version {attempted[-1][0].version}", *put_in_force(registry, root, moment, state_dir)]
            return Rotated(attempted[-1][0], effects, [])
        trusted, current = _base(registry, restore, root, moment, state_dir)
        successor = next_root(trusted.root, change, expires=moment + valid_for)
        name = proposal_name(successor)
        if not _among(signers, trusted.root.roles.root.keyids):
            raise TrustError(f"{name}: no root key at hand signs it", Reason.UNDER_SIGNED)
        counting = {*trusted.root.roles.root.keyids, *successor.roles.root.keyids}
        files = {name: sign(successor, *_among(signers, counting))}
        weigh_root(read_envelope(files[name], name), name, trusted.root)
        if current is not None and (restore is not None or not accepts(successor, current)):
            manifest = compose_manifest(
                registry,
                current.manifest.content,
                current,
                successor,
                run_id=run_id,
                action=ROTATE if restore is None else RESTORE,
                reason=reason,
                now=moment,
                expires=moment + MANIFEST_VALIDITY,
            )
            if restore is not None:
                manifest = msgspec.structs.replace(manifest, version=_free_version(registry, restore.version))
            files[proposal_name(manifest)] = sign(manifest, *_targets_signers(signers, successor))
            write_blobs(registry, manifest)
        attempted.append((successor, files[name]))
        # The root first: a manifest for a root that nobody has proposed could not be told from a stranger's.
        for file, data in files.items():
            registry.store.put(file, data)
        in_force = put_in_force(registry, root, moment, state_dir)
        return Rotated(successor, in_force, [] if in_force else list(files))

    return exclusively(registry, work)


def next_root(root: Root, change: RootChange, *, expires: datetime) -> Root:
    """Return the root that follows. Raises UsageError for a change that cannot be made."""
    keys, holders = dict(root.keys), dict(root.holders)
    keyids = {role: list(root.role(role).keyids) for role in ROLES}
    for role, keyid in change.remove:
        if keyid not in keyids[role]:
            raise UsageError(f"{keyid[:12]} is none of the {role} keys; there are: {', '.join(keyids[role])}")
        keyids[role].remove(keyid)
    for role, key, holder in change.add:
        if key.keyid in keyids[role]:
            raise UsageError(f"{key.keyid[:12]} is one of the {role} keys already")
        keyids[role].append(key.keyid)
        keys[key.keyid], holders[key.keyid] = key, holder
    roles = {}
    for role in ROLES:
        threshold = change.thresholds.get(role, root.role(role).threshold)
        if not 1 <= threshold <= len(keyids[role]):
            raise UsageError(
                f"the role {role} would ask for {threshold} of {len(keyids[role])} keys; add keys, or set --threshold"
            )
        roles[role] = RoleKeys(sorted(keyids[role]), threshold)
    return compose_root(roles, keys, holders, version=root.version + 1, expires=expires)


def find_kept(registry: Registry, version: int, *, root: Path | None = None, now: datetime | None = None) -> Kept:
    """Return a kept manifest to go back to. Raises TrustError if there is none, or no root accepts its signatures.

    Its signatures may be a thief's, who has rewritten the past: whoever goes back to it has to know its SHA-256.
    """
    trusted = registry.trusted_roots(root, now)
    name = history_name(version)
    kept = read_kept(registry.store.read(name, canonical.MAX_METADATA).data, name, trusted.roots)
    if kept.manifest.version != version:
        raise TrustError(f"{name}: holds version {kept.manifest.version}", Reason.MALFORMED)
    return kept


def known(kept: Kept, restore: Restore) -> Restore:
    """Return what is to be restored. Raises TrustError if the kept manifest is another."""
    if kept.sha256 != restore.sha256:
        raise TrustError(
            f"{history_name(restore.version)}: its SHA-256 is {kept.sha256}, and not that of the one to go back to",
            Reason.WRONG_DIGEST,
        )
    return restore


def _base(
    registry: Registry, restore: Restore | None, root: Path | None, now: datetime, state_dir: Path | None
) -> tuple[TrustedMetadata, Current | None]:
    """Return the roots, and the manifest whose content goes on: the present one, or the kept one to be restored."""
    if restore is None:
        return present(registry, root, now, state_dir)
    kept = find_kept(registry, restore.version, root=root, now=now)
    known(kept, restore)
    trusted = registry.trusted_roots(root, now)
    before = None if state_dir is None else seen.recall(state_dir)
    if before is not None and state_dir is not None:
        before.check_roots(state_dir, trusted.roots)
    return trusted, Current(kept.manifest, kept.data, tag=None, in_place=False)


def _is_there(registry: Registry, root: Root, data: bytes) -> bool:
    name = root_name(root.version)
    return registry.store.has(name) and registry.store.read(name, canonical.MAX_METADATA).data == data


def _free_version(registry: Registry, restored: int) -> int:
    """Return a version after the restored one that no manifest has borne: verdicts name versions."""
    version = restored + 1
    while registry.store.has(history_name(version)):
        version += 1
    return version


def _among(signers: Sequence[Signer], keyids: Collection[str]) -> list[Signer]:
    return [signer for signer in signers if signer.keyid in keyids]


def _targets_signers(signers: Sequence[Signer], root: Root) -> list[Signer]:
    found = _among(signers, root.roles.targets.keyids)
    if not found:
        raise UsageError(
            "the manifest must be signed anew, as the next root would not accept its signatures, and none of the next "
            "root's targets keys is at hand; first add the new keys, let their holders publish, then remove the old"
        )
    return found
