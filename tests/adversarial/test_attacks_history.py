"""Attacks on the past: kept manifests replaced, removed and invented. `tidegate registry verify` names them.

Every test is a row of docs/attacks.md, with its description and what becomes of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from model_registry.errors import Reason
from model_registry.history import walk_history
from model_registry.signatures import sign
from model_registry.writing.collection import collect
from model_registry.writing.rotation import RootChange
from tests.support.attack_page import hold_row
from tests.support.forging import changed, manifest_of
from tests.support.registries import NOW
from tests.support.repository_simulator import RepositorySimulator
from tests.support.signers import ALICE, BOB, CAROL, ROOT

FIRST, SECOND = "history/1.json", "history/2.json"


@pytest.fixture
def repository(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[RepositorySimulator]:
    """Three versions by Alice, whose key is then replaced."""
    simulator = RepositorySimulator(tmp_path)
    simulator.publish(ALICE)
    simulator.publish(ALICE)
    replace = RootChange(add=[("targets", CAROL.public, "Carol")], remove=[("targets", ALICE.keyid)])
    simulator.rotate(replace, ROOT, CAROL)
    assert simulator.read().version == 4
    yield simulator
    hold_row(request.node.name, simulator.said)


def walk(repository: RepositorySimulator) -> list[int]:
    trusted, current = repository.registry.current(now=NOW)
    kept = walk_history(repository.store, trusted.roots, current.manifest, current.data)
    return [one.manifest.version for one in kept]


def test_kept_manifest_changed(repository: RepositorySimulator) -> None:
    """A kept manifest says another reason than it was signed with."""
    repository.put(SECOND, changed(repository.file(SECOND), lambda document: document["signed"].update(reason="none")))
    repository.named(SECOND, Reason.WRONG_DIGEST)


def test_kept_manifest_signed_anew_by_a_revoked_key(repository: RepositorySimulator) -> None:
    """The same, and the thief of the key that signed it then signs it again."""
    manifest = manifest_of(repository.file(SECOND))
    repository.put(SECOND, sign(msgspec.structs.replace(manifest, reason="none"), ALICE))
    repository.named(SECOND, Reason.WRONG_DIGEST)


def test_rollback_to_a_forged_past(repository: RepositorySimulator) -> None:
    """The same, for whoever lists the history or rolls back by it."""
    assert walk(repository) == [4, 3, 2, 1]
    manifest = manifest_of(repository.file(SECOND))
    repository.put(SECOND, sign(msgspec.structs.replace(manifest, reason="none"), ALICE))
    repository.refused(Reason.WRONG_DIGEST, lambda: walk(repository))


def test_kept_manifest_of_another_number(repository: RepositorySimulator) -> None:
    """A kept manifest is put in the place of another."""
    repository.put(SECOND, repository.file(FIRST))
    repository.named(SECOND, Reason.WRONG_DIGEST)


def test_kept_manifest_removed(repository: RepositorySimulator) -> None:
    """One in the middle is deleted: nothing vouches any more for those before it."""
    del repository.store.files[SECOND]
    repository.named(FIRST, Reason.UNACCOUNTED)


def test_oldest_manifests_removed(repository: RepositorySimulator) -> None:
    """The oldest is deleted, as `tidegate registry gc` does, too."""
    del repository.store.files[FIRST]
    assert walk(repository) == [4, 3, 2]
    repository.came_to("possible: the history says that earlier versions are no longer kept")


def test_invented_manifest(repository: RepositorySimulator) -> None:
    """A manifest that was never in force is put among those that were, signed with a revoked key."""
    repository.put("history/9.json", sign(msgspec.structs.replace(manifest_of(repository.file()), version=9), ALICE))
    repository.named("history/9.json", Reason.UNACCOUNTED)


def test_copy_of_the_present_manifest_changed(repository: RepositorySimulator) -> None:
    """The kept copy of the manifest in force is another file than that."""
    repository.put("history/4.json", repository.file(SECOND))
    repository.named("history/4.json", Reason.WRONG_DIGEST)


def test_signature_taken_away(repository: RepositorySimulator) -> None:
    """Two signed where one is enough; the thief takes one signature away, and the next version names that file."""
    repository.begin(ALICE, BOB, threshold=2)
    repository.rotate(RootChange(thresholds={"targets": 1}), ROOT)

    def take(document: dict[str, Any]) -> None:
        document["signatures"] = [one for one in document["signatures"] if one["keyid"] == ALICE.keyid]

    repository.put("model_registry.json", changed(repository.file(), take))
    assert repository.read().version == 1
    repository.publish(ALICE)
    assert walk(repository) == [2, 1]
    assert collect(repository.registry, now=NOW) == []
    repository.came_to("possible, and harmless: the history keeps the file that was followed")
