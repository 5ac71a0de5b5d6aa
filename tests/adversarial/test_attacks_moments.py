"""Attacks on the moment: files that change while they are read, checked or shown, and answers that never come.

Every test is a row of docs/attacks.md, with its description and what becomes of it.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flows.errors import TidegateError
from model_registry.errors import Reason, TrustError
from model_registry.manifest import MANIFEST
from model_registry.proposals import proposal_name
from model_registry.registry import Loaded
from model_registry.signatures import sign
from model_registry.stores import objects as object_store
from model_registry.stores.objects import ObjectStore
from model_registry.writing.rotation import RootChange
from tests.support import misbehaving
from tests.support.attack_page import hold_row
from tests.support.forging import manifest_of
from tests.support.little_s3 import BUCKET, LittleS3
from tests.support.object_store import set_aws
from tests.support.repository_simulator import POISON, REPLACE_ALICE, RepositorySimulator
from tests.support.signers import ALICE, CAROL, ROOT
from tests.support.simulated_store import Files, Operation


@pytest.fixture
def repository(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[RepositorySimulator]:
    simulator = RepositorySimulator(tmp_path)
    yield simulator
    hold_row(request.node.name, simulator.said)


def loads(
    repository: RepositorySimulator, meddle: Callable[[Operation], object], *, state: bool = False
) -> Loaded | None:
    """Load while somebody meddles; None if that was refused."""
    repository.store.meddle = meddle
    repository.store.log.clear()
    try:
        return repository.read(state=state)
    except TrustError:
        return None
    finally:
        repository.store.meddle = lambda _: None


def hold_swaps(
    repository: RepositorySimulator, before: Files, after: Files, *, oldest: int = 0, alone: bool = False
) -> None:
    """Hold that a reader under whose eyes all files, or one alone, are swapped at any access sees one of both whole."""
    manifests = [manifest_of(bytes_of(files, MANIFEST)) for files in (before, after)]
    whole = {
        manifest.version: bytes_of(files, manifest.content.rules)
        for manifest, files in zip(manifests, (before, after), strict=True)
    }
    for step in itertools.count(1):

        def swap(operation: Operation, step: int = step) -> None:
            if operation.number == step:
                swapped = {operation.name: after[operation.name]} if operation.name in after else {}
                repository.store.files = {**before, **swapped} if alone else dict(after)

        repository.store.files = dict(before)
        loaded = loads(repository, swap, state=oldest > 0)
        if loaded is not None:
            assert loaded.version >= oldest
            assert (loaded.rules, loaded.refused) == (whole[loaded.version], {}), step
        if len(repository.store.log) < step:
            assert step > 4
            return


def bytes_of(files: Files, name: str) -> bytes:
    held = files[name]
    assert isinstance(held, bytes)
    return held


def test_registry_swapped_while_it_is_loaded(repository: RepositorySimulator) -> None:
    """At every single access that file, or everything, is swapped for what was or will be: other versions and keys."""
    moments = [dict(repository.store.files)]
    repository.publish(ALICE)
    moments.append(dict(repository.store.files))
    repository.rotate(REPLACE_ALICE, ROOT, CAROL)
    repository.publish(CAROL)
    moments.append(dict(repository.store.files))
    for before, after in itertools.permutations(moments, 2):
        for alone in (False, True):
            hold_swaps(repository, before, after, alone=alone)
    repository.came_to("one registry or the other, never a mixture, or refused")


def test_registry_swapped_for_one_that_a_reader_has_left_behind(repository: RepositorySimulator) -> None:
    """The same with a reader who keeps a state, back to an older version."""
    old = dict(repository.store.files)
    repository.publish(ALICE)
    new = dict(repository.store.files)
    repository.read()
    hold_swaps(repository, new, old, oldest=2)
    hold_swaps(repository, old, new, oldest=2)
    repository.came_to("the newest, or refused")


def test_file_swapped_at_its_second_reading(repository: RepositorySimulator) -> None:
    """Each file is good when it is read first, and the thief's when it is read again."""
    repository.rotate(RootChange(), ROOT)
    good = repository.read()
    forged = sign(repository.poisoned(), ALICE).replace(b"nightly", b"at-noon")
    rules = good.content.rules
    for name, bad in ((MANIFEST, forged), (rules, POISON), ("2.root.json", b"{}\n")):
        reads = 0

        def swap(operation: Operation, name: str = name, bad: bytes = bad) -> None:
            nonlocal reads
            if (operation.kind, operation.name) == ("read", name):
                reads += 1
                if reads == 2:
                    repository.put(name, bad)

        held = repository.file(name)
        loaded = loads(repository, swap)
        repository.put(name, held)
        assert loaded is not None
        assert (loaded.version, loaded.rules, reads) == (good.version, good.rules, 1)
    repository.came_to("every file is read once: what was verified is what is used")


def test_files_that_never_stand_still(repository: RepositorySimulator) -> None:
    """The manifest is another one, and never a good one, whenever it is looked at."""
    numbers = itertools.count()

    def change(operation: Operation) -> None:
        if (operation.kind, operation.name) == ("read", MANIFEST):
            repository.put(MANIFEST, b"%d" % next(numbers))

    repository.store.meddle = change
    repository.refused(Reason.MALFORMED)
    assert next(numbers) < 100


def test_manifest_swapped_while_somebody_publishes(repository: RepositorySimulator) -> None:
    """After a publisher has read the manifest, another publisher replaces it."""
    other = dict(repository.store.files)
    repository.publish(ALICE, names=("ddos_lgbm",))
    newest = dict(repository.store.files)
    repository.store.files = other

    def replace(operation: Operation) -> None:
        if operation.kind == "swap" and repository.store.files.get(MANIFEST) == other[MANIFEST]:
            repository.store.files = dict(newest)

    repository.store.meddle = replace
    assert repository.publish(ALICE, names=("malware_lgbm",)) == 3
    loaded = repository.read()
    assert [loaded.content.models[name].champion for name in ("ddos_lgbm", "malware_lgbm")] == [2, 2]
    repository.came_to("the publisher begins again, upon the newest")


def test_manifest_swapped_while_a_publisher_finishes_a_rotation(repository: RepositorySimulator) -> None:
    """A publisher with a state finds the newest manifest among the proposals, puts it back, and reads an older one."""
    repository.rotate(RootChange(), ROOT)
    repository.publish(ALICE)
    older = repository.file()
    repository.publish(ALICE)
    newest = manifest_of(repository.file())
    repository.read()
    repository.put(proposal_name(newest), repository.file())
    repository.put(MANIFEST, b"junk")

    def swap(operation: Operation) -> None:
        if (operation.kind, operation.name) == ("read", MANIFEST) and repository.store.files[MANIFEST] != b"junk":
            repository.put(MANIFEST, older)

    repository.store.meddle = swap
    repository.refused(Reason.OLDER_VERSION, lambda: repository.publish(ALICE, state=repository.state))


def test_slow_retrieval(repository: RepositorySimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """An object store answers nothing at all, or a byte now and then."""
    monkeypatch.setattr(object_store, "PATIENCE", 0.5)
    monkeypatch.setattr(object_store, "SECONDS", 2.0)
    for act in (misbehaving.keep_silent, misbehaving.stall(bytes(1000), pause=0.2)):
        with LittleS3() as server:
            set_aws(monkeypatch, server.address)
            store = ObjectStore(f"s3://{BUCKET}/registry")
            server.play([act] * 10)
            start = time.monotonic()
            with pytest.raises(TidegateError) as caught:
                store.read(MANIFEST, 1 << 20)
            assert time.monotonic() - start < 15
    repository.note(str(caught.value))
