"""Attacks around a rotation: revoked keys, hidden and forged roots, and those who rotate.

Every test is a row of docs/attacks.md, with its description and what becomes of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from model_registry.errors import Reason
from model_registry.history import walk_history
from model_registry.manifest import MANIFEST, Previous
from model_registry.signatures import sign
from model_registry.writing.creation import create_registry
from model_registry.writing.rotation import Restore, RootChange, next_root
from tests.support.attack_page import hold_row
from tests.support.command import tidegate_command
from tests.support.forging import made_under, manifest_of, root_of
from tests.support.registries import NOW
from tests.support.repository_simulator import NEXT_ROOT, POISON, REPLACE_ALICE, RepositorySimulator
from tests.support.signers import ALICE, CAROL, EVE, ROOT, YEAR

REPLACE_ROOT = RootChange(add=[("root", NEXT_ROOT.public, "new")], remove=[("root", ROOT.keyid)])
ADD_EVE = RootChange(add=[("targets", EVE.public, "Eve")])


@pytest.fixture
def repository(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[RepositorySimulator]:
    simulator = RepositorySimulator(tmp_path)
    yield simulator
    hold_row(request.node.name, simulator.said)


# --- keys that have been revoked


def test_revoked_targets_key(repository: RepositorySimulator) -> None:
    """The key was replaced; its thief signs one more manifest."""
    repository.rotate(REPLACE_ALICE, ROOT, CAROL)
    repository.read()
    repository.put(MANIFEST, sign(repository.poisoned(), ALICE))
    repository.refused(Reason.UNKNOWN_KEY)


def test_hidden_rotation(repository: RepositorySimulator) -> None:
    """The same, and he takes away the root that revoked it."""
    repository.rotate(REPLACE_ALICE, ROOT, CAROL)
    repository.read()
    del repository.store.files["2.root.json"]
    repository.put(MANIFEST, sign(made_under(repository.root, repository.poisoned()), ALICE))
    repository.refused(Reason.OLDER_VERSION)


def test_revoked_root_key(repository: RepositorySimulator) -> None:
    """The root key was replaced; its thief signs the root after that."""
    repository.rotate(REPLACE_ROOT, ROOT, NEXT_ROOT)
    repository.read()
    repository.put("3.root.json", sign(next_root(repository.root, ADD_EVE, expires=NOW + YEAR), ROOT))
    repository.refused(Reason.UNKNOWN_KEY)


def test_forked_roots(repository: RepositorySimulator) -> None:
    """The same, and he signs another root in place of the one that revoked his key."""
    first = repository.root
    repository.rotate(REPLACE_ROOT, ROOT, NEXT_ROOT)
    repository.read()
    forked = next_root(first, ADD_EVE, expires=NOW + YEAR)
    repository.put("2.root.json", sign(forked, ROOT))
    repository.put(MANIFEST, sign(made_under(forked, repository.poisoned()), EVE))
    repository.refused(Reason.WRONG_ROOT)


def test_forked_roots_that_lead_further(repository: RepositorySimulator) -> None:
    """The same, and he goes on to a root with a higher number than any that the reader has seen."""
    forked = next_root(repository.root, ADD_EVE, expires=NOW + YEAR)
    repository.rotate(REPLACE_ROOT, ROOT, NEXT_ROOT)
    repository.read()
    further = next_root(forked, RootChange(), expires=NOW + YEAR)
    repository.put("2.root.json", sign(forked, ROOT))
    repository.put("3.root.json", sign(further, ROOT))
    repository.put(MANIFEST, sign(made_under(further, repository.poisoned()), EVE))
    repository.refused(Reason.WRONG_ROOT)


def test_root_of_another_number(repository: RepositorySimulator) -> None:
    """A good root is put in the place of the one after it."""
    repository.rotate(RootChange(), ROOT)
    repository.put("3.root.json", repository.file("2.root.json"))
    repository.refused(Reason.WRONG_ROOT)


# --- those who rotate


def test_root_keeper_who_is_shown_a_forged_root(repository: RepositorySimulator) -> None:
    """A first root that names the keeper's key and the thief's: what its renewal signs fits after the real one, too."""
    folder, keys, now = repository.folder / "registry", repository.folder / "keys", datetime.now(UTC)
    create_registry(folder, keys, now=now)
    repository.pin.write_bytes((folder / "1.root.json").read_bytes())
    add_eve = RootChange(add=[("root", EVE.public, "Eve"), ("targets", EVE.public, "Eve")])
    forged = next_root(root_of(repository.pin.read_bytes()), add_eve, expires=now + YEAR)
    (folder / "1.root.json").write_bytes(sign(msgspec.structs.replace(forged, version=1), EVE))
    options = ("--registry", folder, "--keys", keys, "--root", repository.pin)
    outcome = tidegate_command("keys", "rotate", "--renew", *options)
    assert outcome.code in {0, 3}, outcome.err
    if outcome.code == 0:
        assert EVE.keyid not in root_of((folder / "2.root.json").read_bytes()).keys
    repository.came_to("the keeper who gives a root of his own renews that one")


def test_root_keeper_who_has_no_root_of_his_own(repository: RepositorySimulator) -> None:
    """The same, and the keeper takes the root from the registry; beside it lies a manifest made under that root."""
    add_eve = RootChange(add=[("root", EVE.public, "Eve"), ("targets", EVE.public, "Eve")])
    forged = next_root(root_of(repository.pin.read_bytes()), add_eve, expires=NOW + YEAR)
    forged = msgspec.structs.replace(forged, version=1)
    repository.put("1.root.json", sign(forged, EVE))
    repository.put(MANIFEST, sign(made_under(forged, repository.poisoned()), EVE))
    repository.rotate(RootChange(), ROOT)
    second = repository.root
    repository.put("1.root.json", repository.pin.read_bytes())
    repository.put(MANIFEST, sign(made_under(second, manifest_of(repository.file())), EVE))
    assert repository.read().rules == POISON
    repository.came_to("possible: whoever signs roots must have a root of their own, as `keys init` leaves it")


def test_forged_past_for_those_who_go_back(repository: RepositorySimulator) -> None:
    """The thief of the targets key rewrites the kept manifest that people will restore after they revoked the key."""
    repository.publish(ALICE)
    known = Restore(1, hashlib.sha256(repository.file("history/1.json")).hexdigest())
    repository.put(
        "history/1.json", sign(msgspec.structs.replace(repository.poisoned(), version=1, previous=None), ALICE)
    )
    repository.refused(Reason.WRONG_DIGEST, lambda: repository.rotate(REPLACE_ALICE, ROOT, CAROL, restore=known))


def test_forged_past_that_the_present_vouches_for(repository: RepositorySimulator) -> None:
    """The same, and he publishes on top of it, so that `tidegate registry history` shows his file's SHA-256."""
    forged = sign(msgspec.structs.replace(repository.poisoned(), version=1, previous=None), ALICE)
    repository.put("history/1.json", forged)
    previous = Previous(1, hashlib.sha256(forged).hexdigest())
    thiefs = msgspec.structs.replace(manifest_of(forged), version=2, previous=previous)
    repository.put(MANIFEST, sign(thiefs, ALICE))
    trusted, current = repository.registry.current(root=repository.pin, now=NOW)
    listed = list(walk_history(repository.store, trusted.roots, current.manifest, current.data))[-1]
    repository.rotate(REPLACE_ALICE, ROOT, CAROL, restore=Restore(listed.manifest.version, listed.sha256))
    assert repository.read().rules == POISON
    repository.came_to("possible: compare it with a copy from before the theft, not with the history")
