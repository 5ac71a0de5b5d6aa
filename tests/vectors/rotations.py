"""Vectors of rotations: of which root a manifest must be, and what of one that was interrupted."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from model_registry.errors import Reason
from model_registry.manifest import MANIFEST, history_name
from tests.support.registries import DAY, NOW
from tests.support.signers import ALICE, BOB
from tests.vectors.building import (
    Document,
    built,
    document_of,
    fresh,
    proposal_file,
    signed_file,
    with_manifest,
)
from tests.vectors.registries import renewed, restored, root_rotated, targets_rotated
from tests.vectors.vector import Files, Vector


def rotations() -> Iterator[Vector]:
    """Yield them."""
    yield from _finished()
    yield from _interrupted()
    yield from _made_under()


def _finished() -> Iterator[Vector]:
    shows = "a second root with another targets key, and the manifest signed anew"
    yield Vector(name="targets-rotated", shows=shows, files=built(targets_rotated), version=2)
    shows = "the next manifest after that goes back to the first of three, and bears a number that was free"
    yield Vector(name="restored", shows=shows, files=built(restored), version=4)
    files = built(root_rotated)
    shows = "a second and a third root with other root keys, each signed by the old and by the new"
    yield Vector(name="root-rotated", shows=f"{shows}; the manifest is of the first", files=files, version=1)
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
        files=built(renewed),
        version=1,
        now=NOW + 20 * DAY,
    )


def _interrupted() -> Iterator[Vector]:
    rotated = built(targets_rotated)
    old, new = fresh()[MANIFEST], rotated[MANIFEST]
    kept = {path: data for path, data in rotated.items() if path not in {MANIFEST, history_name(2)}}
    there = "the second root is there, and the manifest signed anew still waits among the proposals"
    waiting = {**kept, proposal_file(new): new}
    yield Vector(name="rotation-interrupted", shows=there, files={**waiting, MANIFEST: old}, version=2)
    shows = f"{there}; in its place is none"
    yield Vector(name="rotation-interrupted-manifest-missing", shows=shows, files=waiting, version=2)
    signed = document_of(rotated)["signed"]
    signed["root"] = document_of(fresh())["signed"]["root"]
    other = signed_file(signed, BOB)
    yield Vector(
        name="rotation-interrupted-by-another-root",
        shows="what waits is signed by the second root's targets key, and says that it was made under the first",
        files={**kept, MANIFEST: old, proposal_file(other): other},
        refused=(MANIFEST, Reason.UNKNOWN_KEY),
    )


def _made_under() -> Iterator[Vector]:
    files, rotated = fresh(), built(root_rotated)

    def bad(name: str, shows: str, base: Files, change: Callable[[Document], object]) -> Vector:
        changed = with_manifest(base, lambda signed: change(signed["root"]), ALICE)
        return Vector(name=f"made-under-{name}", shows=shows, files=changed, refused=(MANIFEST, Reason.WRONG_ROOT))

    shows = "the manifest was made under a second root, which is not there"
    yield bad("a-missing-root", shows, files, lambda root: root.update(version=2, sha256="0" * 64))
    shows = "the manifest was made under another first root"
    yield bad("another-root", shows, files, lambda root: root.update(sha256="0" * 64))
    shows = "the manifest was made under another second root than the second of three"
    yield bad("another-older-root", shows, rotated, lambda root: root.update(version=2))
