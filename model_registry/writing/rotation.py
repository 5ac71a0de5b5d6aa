"""Rotating keys: the next root, and the present manifest signed anew where the next root would not accept it.

A revocation is a rotation without the revoked key. The next root is signed by the old and by the new root keys; what
lacks signatures of people elsewhere becomes a proposal. The manifest signed anew is ready before the new root takes
effect, so at no moment does a reader find a root and no manifest that it accepts.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec

from flows.errors import UsageError
from model_registry import canonical
from model_registry.errors import Reason, TrustError
from model_registry.history import read_kept
from model_registry.keys import ROLES, PublicKey, Role, Signer
from model_registry.manifest import RESTORE, ROTATE, history_name
from model_registry.proposals import proposal_name
from model_registry.registry import Current, Registry
from model_registry.root import Role as RoleKeys
from model_registry.root import Root, compose_root
from model_registry.signatures import sign
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
    restore: int | None = None,
    valid_for: timedelta = ROOT_VALIDITY,
    now: datetime | None = None,
) -> Rotated:
    """Sign the next root by those of ``signers`` that count for it, and put it in force or propose it.

    Without changes it renews the root's expiry. ``restore`` is the version of a kept manifest whose content comes into
    force again, in place of a present one that is not to be trusted, because a key was stolen.

    Raises UsageError for a change that makes no root, and when the manifest must be signed anew and no targets key is
    at hand; TrustError if no root key is, or if the present manifest cannot be trusted and nothing is to be restored.
    """
    moment = now or datetime.now(UTC)

    def work() -> Rotated:
        trusted, current = _base(registry, restore, moment)
        successor = next_root(trusted.root, change, expires=moment + valid_for)
        counting = {*trusted.root.roles.root.keyids, *successor.roles.root.keyids}
        files = {proposal_name(successor): sign(successor, *_among(signers, counting))}
        weigh_root(files[proposal_name(successor)], proposal_name(successor), trusted.root)
        if not _among(signers, counting):
            raise TrustError(f"{proposal_name(successor)}: no root key at hand signs it", Reason.UNDER_SIGNED)
        if current is not None and (restore is not None or not accepts(successor, current)):
            manifest = compose_manifest(
                registry,
                current.manifest.content,
                current,
                run_id=run_id,
                action=ROTATE if restore is None else RESTORE,
                reason=reason,
                now=moment,
                expires=moment + MANIFEST_VALIDITY,
            )
            if restore is not None:
                manifest = msgspec.structs.replace(manifest, version=_free_version(registry, restore))
            files[proposal_name(manifest)] = sign(manifest, *_targets_signers(signers, successor))
            write_blobs(registry, manifest)
        # The root first: a manifest for a root that nobody has proposed would be signed by unknown keys.
        for name, data in files.items():
            registry.store.put(name, data)
        in_force = put_in_force(registry, None, moment)
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


def _base(registry: Registry, restore: int | None, now: datetime) -> tuple[TrustedMetadata, Current | None]:
    """Return the roots, and the manifest whose content goes on: the present one, or the kept one to be restored."""
    if restore is None:
        return present(registry, None, now)
    trusted = registry.trusted_roots(None, now)
    name = history_name(restore)
    data = registry.store.read(name, canonical.MAX_METADATA).data
    kept = read_kept(data, name, trusted.roots)
    if kept.manifest.version != restore:
        raise TrustError(f"{name}: holds version {kept.manifest.version}", Reason.MALFORMED)
    return trusted, Current(kept.manifest, data, tag="", in_place=False)


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
