"""The registries that several vectors are made of, each by our own writers."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from model_registry.keys import Signer
from model_registry.registry import Registry
from model_registry.root import Root
from model_registry.shapes import format_time
from model_registry.writing.collection import collect
from model_registry.writing.lifecycle import promote
from model_registry.writing.publishing import publish
from model_registry.writing.rotation import Restore, RootChange, find_kept, rotate
from tests.support.registries import DAY, NOW, put_model, same, with_shared_blobs
from tests.support.signers import ALICE, BOB, CAROL, ROOT, shared_root
from tests.vectors.building import first_edit, put_in_force, start, started
from tests.vectors.model import NAME, demanding_model

NEXT_ROOT, LAST_ROOT = Signer(bytes([6]) * 32), Signer(bytes([7]) * 32)
TO_BOB: Final = RootChange(add=[("targets", BOB.public, "bob")], remove=[("targets", ALICE.keyid)])
TEXT: Final = 'quote " backslash \\ slash / tab-less; Größe 1 µs, 日本, \U0001f6a6'


def two_of_three(folder: Path) -> Registry:
    """Make a registry whose root asks for two of three targets keys, and for both of two root keys."""
    root = shared_root(ALICE, BOB, CAROL, threshold=2, roots=(ROOT, NEXT_ROOT), root_threshold=2)
    registry = start(folder, root, (ROOT, NEXT_ROOT))
    put_in_force(registry, first_edit(registry), ALICE, BOB)
    return registry


def proposed(folder: Path) -> None:
    """Make a registry in which a manifest waits for a second signature."""
    publish(two_of_three(folder), same, CAROL, run_id="run-2", action="refresh", valid_for=20 * DAY, now=NOW)


def targets_rotated(folder: Path) -> Registry:
    """Make a registry in which Bob's targets key has replaced Alice's."""
    registry = started(folder)
    rotate(registry, TO_BOB, [ROOT, BOB], run_id="run-2", reason="Alice has left", now=NOW)
    return registry


def restored(folder: Path) -> None:
    """Make a registry of three manifests that went back to the first when Bob's targets key replaced Alice's."""
    registry = three_versions(folder)
    first = Restore(1, find_kept(registry, 1, now=NOW).sha256)
    rotate(registry, TO_BOB, [ROOT, BOB], run_id="run-2", reason="stolen", restore=first, now=NOW)
    collect(registry, now=NOW)


def rotation_proposed(folder: Path) -> None:
    """Make a registry in which a root waits for a second signature, and a manifest for that root."""
    registry = two_of_three(folder)
    change = RootChange(remove=[("targets", ALICE.keyid)])
    rotate(registry, change, [ROOT, BOB, CAROL], run_id="run-2", now=NOW)


def root_rotated(folder: Path) -> None:
    """Make a registry whose root key has been replaced twice."""
    registry = started(folder)
    for old, new in ((ROOT, NEXT_ROOT), (NEXT_ROOT, LAST_ROOT)):
        change = RootChange(add=[("root", new.public, "new")], remove=[("root", old.keyid)])
        rotate(registry, change, [old, new], run_id="run-2", now=NOW)


def three_versions(folder: Path) -> Registry:
    """Make a registry in which a challenger came, and became champion."""
    registry = started(folder)
    challenger = put_model(registry, demanding_model(threshold=0.8))
    put_in_force(registry, lambda content: content.with_model(NAME, challenger, "challenger"), ALICE)
    put_in_force(registry, lambda content: promote(content, NAME, None, "champion"), ALICE, action="promote")
    return registry


def short_lived() -> Root:
    """Return a first root that expires after ten days."""
    return msgspec.structs.replace(shared_root(ALICE, threshold=1), expires=format_time(NOW + 10 * DAY))


def renewed(folder: Path) -> None:
    """Make a registry whose short-lived root has been renewed."""
    registry = start(folder, short_lived())
    put_in_force(registry, first_edit(registry), ALICE)
    rotate(registry, RootChange(), [ROOT], run_id="run-2", now=NOW)


def with_text(folder: Path) -> None:
    """Make a registry whose manifest has a reason in all kinds of characters."""
    registry = start(folder, shared_root(ALICE, threshold=1))
    put_in_force(registry, first_edit(registry), ALICE, reason=TEXT)


def no_models(folder: Path) -> None:
    """Make a registry without models."""
    registry = start(folder, shared_root(ALICE, threshold=1))
    put_in_force(registry, lambda content: with_shared_blobs(registry, content), ALICE)
