"""Vectors that a verifier must accept."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

import msgspec

from model_registry.keys import Signer
from model_registry.manifest import MANIFEST
from model_registry.registry import Registry
from model_registry.root import Root
from model_registry.shapes import format_time
from model_registry.signatures import add_signature, read_envelope
from model_registry.writing.lifecycle import promote
from model_registry.writing.publishing import publish
from model_registry.writing.rotation import RootChange, rotate
from tests.support.registries import DAY, NOW, put_model, same, with_shared_blobs
from tests.support.signers import ALICE, BOB, CAROL, ROOT, shared_root
from tests.vectors.building import LONG, built, first_edit, fresh, proposal_file, put_in_force, start, started
from tests.vectors.model import NAME, demanding_model
from tests.vectors.vector import FRESH, Vector

NEXT_ROOT, LAST_ROOT = Signer(bytes([6]) * 32), Signer(bytes([7]) * 32)
TEXT: Final = 'quote " backslash \\ slash / tab-less; Größe 1 µs, 日本, \U0001f6a6'


def valid() -> Iterator[Vector]:
    """Yield them; the first is the one that all others are laid over."""
    yield Vector(name=FRESH, shows="version 1, one key for each role", files=fresh(), version=1)
    yield from _thresholds()
    yield from _rotations()
    yield from _histories()
    yield from _circumstances()


def _thresholds() -> Iterator[Vector]:
    files = built(two_of_three)
    yield Vector(name="threshold", shows="two of three targets keys and two of two root keys", files=files, version=1)
    all_three = add_signature(read_envelope(files[MANIFEST], MANIFEST), CAROL)
    yield Vector(
        name="more-than-the-threshold",
        shows="three good signatures where two are needed",
        files={**files, MANIFEST: all_three, "history/1.json": all_three},
        version=1,
    )
    yield Vector(
        name="proposal",
        shows="a manifest with one of two signatures, which waits and counts for nothing",
        files=built(proposed),
        version=1,
    )


def _rotations() -> Iterator[Vector]:
    rotated = built(targets_rotated)
    yield Vector(
        name="targets-rotated",
        shows="a second root with another targets key, and the manifest signed anew",
        files=rotated,
        version=2,
    )
    waiting = {**rotated, MANIFEST: fresh()[MANIFEST], proposal_file(rotated[MANIFEST]): rotated[MANIFEST]}
    del waiting["history/2.json"]
    yield Vector(
        name="rotation-interrupted",
        shows="the second root is there, and the manifest signed anew still waits among the proposals",
        files=waiting,
        version=2,
    )
    files = built(root_rotated)
    shows = "a second and a third root with other root keys, each signed by the old and by the new"
    yield Vector(name="root-rotated", shows=shows, files=files, version=1)
    yield Vector(
        name="given-root",
        shows="the root that is given is the second of three",
        files=files,
        version=1,
        root="root-rotated/2.root.json",
    )
    yield Vector(
        name="expired-root-introduces",
        shows="the first root has expired, the second has not",
        files=built(_renewed),
        version=1,
        now=NOW + 20 * DAY,
    )


def _histories() -> Iterator[Vector]:
    files = built(three_versions)
    yield Vector(name="history", shows="three manifests, the last a promotion", files=files, version=3)
    collected = {path: data for path, data in files.items() if path != "history/1.json"}
    yield Vector(name="history-collected", shows="the oldest manifest is not kept any more", files=collected, version=3)
    yield Vector(name="min-version", shows="the oldest version that is accepted", files=files, version=3, min_version=3)
    yield Vector(name="text", shows="text beyond ASCII, and characters with escapes", files=built(_text), version=1)
    yield Vector(name="no-models", shows="a manifest without models", files=built(_no_models), version=1)


def _circumstances() -> Iterator[Vector]:
    yield Vector(
        name="lock-file",
        shows="the lock of writers, an empty file",
        files=fresh(),
        version=1,
        make=({"file": ".lock", "text": ""},),
    )
    yield Vector(
        name="last-second",
        shows="the last second before the manifest expires",
        files=fresh(),
        version=1,
        now=NOW + LONG - timedelta(seconds=1),
    )
    yield Vector(
        name="seen-before-rotation",
        shows="a high version was seen, of keys that have been replaced since: it does not count",
        files=built(targets_rotated),
        version=2,
        seen={"root_version": 1, "targets_keyids": [ALICE.keyid], "manifest_version": 99},
    )


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
    change = RootChange(add=[("targets", BOB.public, "bob")], remove=[("targets", ALICE.keyid)])
    rotate(registry, change, [ROOT, BOB], run_id="run-2", reason="Alice has left", now=NOW)
    return registry


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


def short_lived(root: Root | None = None) -> Root:
    """Return a first root that expires after ten days."""
    return msgspec.structs.replace(root or shared_root(ALICE, threshold=1), expires=format_time(NOW + 10 * DAY))


def _renewed(folder: Path) -> None:
    registry = start(folder, short_lived())
    put_in_force(registry, first_edit(registry), ALICE)
    rotate(registry, RootChange(), [ROOT], run_id="run-2", now=NOW)


def _text(folder: Path) -> None:
    registry = start(folder, shared_root(ALICE, threshold=1))
    put_in_force(registry, first_edit(registry), ALICE, reason=TEXT)


def _no_models(folder: Path) -> None:
    registry = start(folder, shared_root(ALICE, threshold=1))
    put_in_force(registry, lambda content: with_shared_blobs(registry, content), ALICE)
