"""Rollback: attacks with what was once signed.

Every test is a row of docs/attacks.md, with its description and what becomes of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from model_registry import seen
from model_registry.errors import Reason
from model_registry.manifest import MANIFEST
from model_registry.signatures import sign
from model_registry.writing.publishing import publish
from model_registry.writing.rotation import RootChange
from tests.support.attack_page import hold_row
from tests.support.forging import manifest_of
from tests.support.registries import NOW, same
from tests.support.repository_simulator import REPLACE_ALICE, RepositorySimulator
from tests.support.signers import ALICE, BOB, CAROL, ROOT


@pytest.fixture
def repository(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[RepositorySimulator]:
    simulator = RepositorySimulator(tmp_path)
    yield simulator
    hold_row(request.node.name, simulator.said)


def test_older_manifest(repository: RepositorySimulator) -> None:
    """The manifest of before is put back; its signatures are good."""
    old = repository.file()
    repository.publish(ALICE)
    repository.read()
    repository.put(MANIFEST, old)
    repository.refused(Reason.OLDER_VERSION)


def test_older_manifest_for_a_reader_without_a_state(repository: RepositorySimulator) -> None:
    """The same, and the reader keeps nothing, but was told the oldest version to take."""
    old = repository.file()
    repository.publish(ALICE)
    repository.put(MANIFEST, old)
    repository.refused(Reason.OLDER_VERSION, lambda: repository.read(state=False, min_version=2))


def test_older_registry_as_a_whole(repository: RepositorySimulator) -> None:
    """Every file is put back as it was, before a rotation."""
    old = dict(repository.store.files)
    repository.publish(ALICE)
    repository.rotate(REPLACE_ALICE, ROOT, CAROL)
    repository.read()
    repository.store.files = old
    repository.refused(Reason.OLDER_VERSION)


def test_older_root(repository: RepositorySimulator) -> None:
    """The newest root is taken away; the manifest is good under the one before, too."""
    repository.rotate(RootChange(add=[("targets", BOB.public, "Bob")]), ROOT)
    repository.read()
    del repository.store.files["2.root.json"]
    repository.refused(Reason.OLDER_VERSION)


def test_older_manifest_after_a_key_was_added(repository: RepositorySimulator) -> None:
    """A targets key came to the others; a manifest from before is put back, signed by a key that still counts."""
    old = repository.file()
    repository.publish(ALICE)
    repository.read()
    repository.rotate(RootChange(add=[("targets", BOB.public, "Bob")]), ROOT)
    repository.put(MANIFEST, old)
    repository.refused(Reason.OLDER_VERSION)


def test_older_manifest_after_a_key_was_removed(repository: RepositorySimulator) -> None:
    """One of two targets keys was revoked; a manifest from before is put back, signed by the other."""
    repository.begin(ALICE, BOB)
    old = repository.file()
    repository.publish(ALICE)
    repository.read()
    repository.rotate(RootChange(remove=[("targets", BOB.keyid)]), ROOT)
    repository.put(MANIFEST, old)
    repository.refused(Reason.OLDER_VERSION)


def test_older_manifest_after_a_key_came_back(repository: RepositorySimulator) -> None:
    """A targets key was replaced, and later put in its place again; a manifest that it signed before is put back."""
    old = repository.file()
    repository.rotate(REPLACE_ALICE, ROOT, CAROL)
    repository.read()
    back = RootChange(add=[("targets", ALICE.public, "Alice")], remove=[("targets", CAROL.keyid)])
    repository.rotate(back, ROOT, ALICE)
    repository.put(MANIFEST, old)
    repository.refused(Reason.OLDER_VERSION)


def test_older_manifest_after_going_back(repository: RepositorySimulator) -> None:
    """After people restored version 1, a later manifest is put back: an honest pipeline built it upon a thief's."""
    repository.begin(ALICE, BOB)
    repository.put(MANIFEST, sign(repository.poisoned(), ALICE))
    publish(repository.registry, same, BOB, run_id="nightly", now=NOW)
    fouled = repository.file()
    del repository.store.files["history/2.json"], repository.store.files["history/3.json"]
    repository.rotate(REPLACE_ALICE, ROOT, CAROL, restore=1)
    repository.read()
    repository.put(MANIFEST, fouled)
    repository.refused(Reason.OLDER_VERSION)


def test_two_readers_with_one_state(repository: RepositorySimulator) -> None:
    """Two readers at once share a state; the slower one writes what it saw after the faster one saw a newer version."""
    root = repository.registry.trusted_roots(now=NOW).root
    old = repository.file()
    repository.publish(ALICE)
    repository.read()
    seen.remember(repository.state, root, manifest_of(old))
    repository.put(MANIFEST, old)
    repository.refused(Reason.OLDER_VERSION)
