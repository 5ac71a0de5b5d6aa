"""Mix-and-match between registries: what was signed for another one, by other people or by the same.

Every test is a row of docs/attacks.md, with its description and what becomes of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from model_registry.errors import Reason
from model_registry.keys import Signer
from model_registry.writing.rotation import RootChange
from tests.support.attack_page import hold_row
from tests.support.registries import NOW
from tests.support.repository_simulator import RepositorySimulator
from tests.support.signers import ALICE, BOB, CAROL, ROOT

OTHER_ROOT = CAROL  # of another registry


@pytest.fixture
def repository(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[RepositorySimulator]:
    simulator = RepositorySimulator(tmp_path)
    yield simulator
    hold_row(request.node.name, simulator.said)


def other_registry(folder: Path) -> RepositorySimulator:
    (folder / "other").mkdir()
    simulator = RepositorySimulator(folder / "other")
    simulator.begin(BOB, roots=(OTHER_ROOT,))
    return simulator


def staging_area(repository: RepositorySimulator, root: Signer) -> RepositorySimulator:
    """Return another registry that Alice publishes in as well, with more versions."""
    (repository.folder / "staging").mkdir()
    staging = RepositorySimulator(repository.folder / "staging")
    staging.begin(ALICE, BOB, roots=(root,))
    for _ in range(3):
        staging.publish(ALICE)
    return staging


def test_manifest_of_another_registry(repository: RepositorySimulator) -> None:
    """The manifest of another registry, with its blobs, under our roots."""
    other = other_registry(repository.folder)
    repository.store.files = {**other.store.files, "1.root.json": repository.file("1.root.json")}
    repository.refused(Reason.UNKNOWN_KEY)


def test_root_of_another_registry(repository: RepositorySimulator) -> None:
    """The second root of another registry after our first."""
    other = other_registry(repository.folder)
    other.rotate(RootChange(), OTHER_ROOT)
    repository.put("2.root.json", other.file("2.root.json"))
    repository.refused(Reason.UNDER_SIGNED)


def test_another_registry_as_a_whole(repository: RepositorySimulator) -> None:
    """Every file is another registry's; the reader has a root of his own."""
    repository.store.files = dict(other_registry(repository.folder).store.files)
    repository.refused(Reason.UNKNOWN_KEY)


def test_another_registry_for_a_reader_without_a_root(repository: RepositorySimulator) -> None:
    """The same, and the reader takes the root from the registry, but keeps a state."""
    repository.store.files = dict(other_registry(repository.folder).store.files)
    repository.refused(Reason.WRONG_ROOT, lambda: repository.registry.load(state_dir=repository.state, now=NOW))


def test_another_registry_with_the_same_keys(repository: RepositorySimulator) -> None:
    """Two registries, as for trials and for use, share all keys; one's next root and manifest come to the other."""
    staging = staging_area(repository, ROOT)
    staging.rotate(RootChange(), ROOT)
    staging.publish(ALICE)
    repository.store.files = staging.store.files | {"1.root.json": repository.file("1.root.json")}
    assert repository.read().version == 5
    repository.came_to("possible: give every registry keys of its own")


def test_another_registry_with_the_same_targets_key(repository: RepositorySimulator) -> None:
    """They share a targets key alone, and one's manifest is put into the other."""
    staging = staging_area(repository, OTHER_ROOT)
    repository.store.files = staging.store.files | {"1.root.json": repository.file("1.root.json")}
    repository.refused(Reason.WRONG_ROOT)


def test_another_registry_for_a_reader_with_a_later_root(repository: RepositorySimulator) -> None:
    """The same, and the reader was given the second root: it does not know which first one is meant."""
    repository.rotate(RootChange(), ROOT)
    repository.pin.write_bytes(repository.file("2.root.json"))
    repository.read()
    staging = staging_area(repository, OTHER_ROOT)
    honest = {name: repository.file(name) for name in ("1.root.json", "2.root.json")}
    repository.store.files = {**staging.store.files, **honest}
    assert repository.read().version == 4
    repository.came_to("possible: give every registry keys of its own, and readers the first root")
