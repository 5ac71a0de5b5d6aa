"""Vectors with manifests and roots that wait for signatures."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import msgspec

from model_registry.errors import Reason
from model_registry.manifest import MANIFEST
from model_registry.registry import MAX_PROPOSALS
from model_registry.signatures import sign
from tests.support.signers import ALICE, BOB, CAROL, EVE, shared_root
from tests.vectors.building import built, document_of, fresh, proposal_file, signed_file
from tests.vectors.registries import proposed, rotation_proposed, targets_rotated, two_of_three
from tests.vectors.vector import Vector


def proposals() -> Iterator[Vector]:
    """Yield them."""
    yield from _accepted()
    yield from _manifests()
    yield from _roots()


def _accepted() -> Iterator[Vector]:
    shows = "a manifest with one of two signatures, which waits and counts for nothing"
    yield Vector(name="proposal", shows=shows, files=built(proposed), version=1)
    shows = "a root with one of two signatures, and a manifest for that root"
    yield Vector(name="proposal-root", shows=shows, files=built(rotation_proposed), version=1)
    first = fresh()
    signed = document_of(first)["signed"]
    previous = {"version": 1, "sha256": hashlib.sha256(first[MANIFEST]).hexdigest()}
    stale = signed_file({**signed, "version": 2, "previous": previous}, ALICE)
    shows = "a manifest that waits, made under the first root and signed by a key that was replaced since"
    files = {**built(targets_rotated), proposal_file(stale): stale}
    yield Vector(name="proposal-stale", shows=shows, files=files, version=2)


def _manifests() -> Iterator[Vector]:
    files = built(proposed)
    (name,) = (path for path in files if path.startswith("proposed/"))
    rest = {path: data for path, data in files.items() if path != name}
    signed = document_of(files, name)["signed"]
    misnamed = f"proposed/{'0' * 64}.json"
    for what, shows, file, data, reason in (
        ("misnamed", "a proposal under another digest", misnamed, files[name], Reason.WRONG_DIGEST),
        ("unsigned", "a proposal that nobody has signed", name, signed_file(signed), Reason.UNDER_SIGNED),
        (
            "strangers",
            "a proposal that a stranger has signed",
            name,
            signed_file(signed, CAROL, EVE),
            Reason.UNKNOWN_KEY,
        ),
    ):
        yield Vector(name=f"proposal-{what}", shows=shows, files={**rest, file: data}, refused=(file, reason))
    many = tuple({"file": f"proposed/{number:064x}.json", "text": "{}\n"} for number in range(MAX_PROPOSALS + 1))
    shows = "more proposals than there may be"
    refused = ("proposed", Reason.OVERSIZED)
    yield Vector(name="proposal-too-many", shows=shows, files=fresh(), refused=refused, make=many)
    nowhere = signed_file({**signed, "root": {"version": 2, "sha256": "0" * 64}}, BOB)
    yield Vector(
        name="proposal-for-no-root",
        shows="a proposed manifest for a root that is neither there nor proposed",
        files={**rest, proposal_file(nowhere): nowhere},
        refused=(proposal_file(nowhere), Reason.WRONG_ROOT),
    )


def _roots() -> Iterator[Vector]:
    root = msgspec.structs.replace(shared_root(BOB, CAROL, threshold=2, roots=(EVE,)), version=2)
    own = sign(root, EVE)
    yield Vector(
        name="proposal-root-by-its-own-key",
        shows="a proposed root that only its own key has signed",
        files={**built(two_of_three), proposal_file(own): own},
        refused=(proposal_file(own), Reason.UNDER_SIGNED),
    )
