"""Attacks by too much: files without an end, brackets without a bottom, numbers without a bound, floods of files.

Every test is a row of docs/attacks.md, with its description and what becomes of it.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from model_registry import canonical
from model_registry.errors import Reason
from model_registry.manifest import MANIFEST
from model_registry.writing.rotation import RootChange
from tests.support.attack_page import hold_row
from tests.support.forging import manifest_of, registry_in
from tests.support.repository_simulator import RepositorySimulator
from tests.support.signers import ALICE, ROOT
from tests.support.simulated_store import SimulatedStore

HUGE = 1 << 40  # bytes, of a file with a hole in it


@pytest.fixture
def repository(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[RepositorySimulator]:
    """Two versions, in a folder."""
    simulator = RepositorySimulator(tmp_path)
    simulator.publish(ALICE)
    simulator.read()
    simulator.move_to(tmp_path / "registry")
    yield simulator
    hold_row(request.node.name, simulator.said)


def rules_of(repository: RepositorySimulator) -> str:
    return manifest_of(repository.file()).content.rules


def test_oversized_manifest(repository: RepositorySimulator) -> None:
    """The manifest is a terabyte long."""
    os.truncate(repository.registry.path / MANIFEST, HUGE)
    repository.refused(Reason.OVERSIZED)


def test_oversized_root(repository: RepositorySimulator) -> None:
    """A next root is a terabyte long."""
    (repository.registry.path / "2.root.json").touch()
    os.truncate(repository.registry.path / "2.root.json", HUGE)
    repository.refused(Reason.OVERSIZED)


def test_oversized_blob(repository: RepositorySimulator) -> None:
    """The rules are a terabyte long: no more is read than was signed."""
    os.truncate(repository.registry.path / rules_of(repository), HUGE)
    repository.refused(Reason.OVERSIZED)


def test_endless_data(repository: RepositorySimulator) -> None:
    """Manifest, root or blob never end, wherever they come from."""
    for name, limit in ((MANIFEST, canonical.MAX_METADATA), ("2.root.json", canonical.MAX_METADATA)):
        endless(repository, name, limit)
    rules = rules_of(repository)
    endless(repository, rules, len(repository.file(rules)))


def endless(repository: RepositorySimulator, name: str, limit: int) -> None:
    store = SimulatedStore(repository.store.files)
    store.files[name] = itertools.repeat(bytes(1000))
    registry = registry_in(store)
    usual = sum(len(held) for held in repository.store.files.values() if isinstance(held, bytes))
    repository.refused(Reason.OVERSIZED, lambda: registry.load(root=repository.pin, now=repository.now))
    assert store.delivered <= usual + limit + 1000


def test_deep_nesting(repository: RepositorySimulator) -> None:
    """The manifest is a hundred thousand brackets, as would crash a parser that calls itself."""
    (repository.registry.path / MANIFEST).write_bytes(b'{"signed":' * 100_000)
    repository.refused(Reason.LAYOUT)


def test_number_with_a_million_digits(repository: RepositorySimulator) -> None:
    """The manifest's version has more digits than anybody could read in a second."""
    digits = b"9" * (canonical.MAX_METADATA - 100_000)
    manifest = repository.file().replace(b'"version": 2\n', b'"version": ' + digits + b"\n")
    (repository.registry.path / MANIFEST).write_bytes(manifest)
    repository.refused(Reason.LAYOUT)


def test_flood_of_proposals(repository: RepositorySimulator) -> None:
    """Hundreds of files of junk under names of proposals."""
    (repository.registry.path / "proposed").mkdir(exist_ok=True)
    for number in range(300):
        (repository.registry.path / "proposed" / f"{number:064}.json").write_bytes(b"junk")
    assert repository.read().version == 2
    repository.named("proposed", Reason.OVERSIZED)


def test_flood_that_takes_time(repository: RepositorySimulator) -> None:
    """The manifest is spoilt after a rotation, and a reader might look through proposals as large as may be."""
    repository.registry = registry_in(repository.store)
    repository.rotate(RootChange(), ROOT)
    repository.read()
    repository.put(MANIFEST, b"junk")
    numbers = [0] * (canonical.MAX_METADATA // 8)
    large = canonical.file_bytes({"signatures": [], "signed": {"_type": "targets", "numbers": numbers}})
    for number in range(64):
        repository.put(f"proposed/{number:064}.json", large)
    start = time.perf_counter()
    repository.refused(Reason.LAYOUT)
    assert time.perf_counter() - start < 10
