"""Registries that several people sign for: keys by seed, roots with thresholds, and a first manifest."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from model_registry.keys import Signer
from model_registry.registry import Registry
from model_registry.root import Role, Root, make_root
from model_registry.signatures import sign
from model_registry.writing.publishing import publish
from model_registry.writing.signing import sign_proposal
from tests.support.registries import DAY, MODELS, NOW, publish_edit

ROOT, ALICE, BOB, CAROL, EVE = (Signer(bytes([seed]) * 32) for seed in range(1, 6))
YEAR: Final = 365 * DAY


def shared_root(*targets: Signer, threshold: int, roots: tuple[Signer, ...] = (ROOT,), root_threshold: int = 1) -> Root:
    """Return a first root with these keys and thresholds."""
    plain = make_root(roots[0].public, targets[0].public, version=1, expires=NOW + YEAR)
    keys = {signer.keyid: signer.public for signer in (*roots, *targets)}
    role = Role(sorted(signer.keyid for signer in targets), threshold)
    return msgspec.structs.replace(
        plain,
        keys=keys,
        holders={signer.keyid: f"holder {signer.keyid[:4]}" for signer in (*roots, *targets)},
        roles=msgspec.structs.replace(
            plain.roles,
            root=Role(sorted(signer.keyid for signer in roots), root_threshold),
            targets=role,
            snapshot=role,
            timestamp=role,
        ),
    )


def shared_registry(
    folder: Path,
    *targets: Signer,
    threshold: int = 1,
    roots: tuple[Signer, ...] = (ROOT,),
    root_threshold: int = 1,
    now: datetime = NOW,
) -> Registry:
    """Make a registry with version 1 of three models in force, signed by as many of ``targets`` as must sign."""
    folder.mkdir(parents=True, exist_ok=True)
    root = shared_root(*targets, threshold=threshold, roots=roots, root_threshold=root_threshold)
    (folder / "1.root.json").write_bytes(sign(root, *roots[:root_threshold]))
    registry = Registry(folder)
    published = publish(registry, publish_edit(registry, MODELS), targets[0], run_id="run-1", now=now)
    for signer in targets[1:threshold]:
        sign_proposal(registry, published.proposal, signer, now=now)
    return registry
