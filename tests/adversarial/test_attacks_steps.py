"""What a reader finds, and what a crash leaves, at every step of a rotation: an attacker chooses his moment.

Every test is a row of docs/attacks.md, with its description and what becomes of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from flows.errors import TidegateError
from model_registry.keys import Signer
from model_registry.manifest import MANIFEST, PROPOSED
from model_registry.seen import LOCK_FILE
from model_registry.signatures import sign
from model_registry.writing.effect import take_effect
from model_registry.writing.rotation import RootChange
from tests.support.attack_page import hold_row
from tests.support.forging import manifest_of, registry_in
from tests.support.planting import join
from tests.support.registries import NOW
from tests.support.repository_simulator import NEXT_ROOT, REPLACE_ALICE, RepositorySimulator
from tests.support.signers import ALICE, BOB, CAROL, ROOT
from tests.support.simulated_store import Operation, SimulatedStore

REMOVE_BOB = RootChange(remove=[("targets", BOB.keyid)])


@pytest.fixture
def repository(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[RepositorySimulator]:
    simulator = RepositorySimulator(tmp_path)
    yield simulator
    hold_row(request.node.name, simulator.said)


class PowerCutError(Exception):
    """The machine stops."""


def test_reader_at_every_step_of_a_rotation(repository: RepositorySimulator) -> None:
    """Not an attack, but its best moment: a reader comes in after every single write of a rotation."""
    for spoil in ("", "junk", "gone"):
        repository.begin(ALICE)
        if spoil == "junk":
            repository.put(MANIFEST, b"junk")
        elif spoil == "gone":
            del repository.store.files[MANIFEST]
        repository.store.moments.clear()
        repository.rotate(REPLACE_ALICE, ROOT, CAROL, restore=1 if spoil else None)
        rotated = [files for files in repository.store.moments if "2.root.json" in files]
        assert len(rotated) > 3
        for files in rotated if spoil else repository.store.moments:
            loaded = registry_in(SimulatedStore(files)).load(root=repository.pin, now=NOW)
            assert loaded.version == (2 if files in rotated else 1)
    repository.came_to("the old manifest or the new one, at every step")


def test_crash_at_every_step_of_a_rotation(repository: RepositorySimulator) -> None:
    """The rotation stops after any of its writes, and somebody publishes next."""
    for spoil in ("", "junk", "gone"):
        for step in range(1, 12):
            repository.begin(ALICE)
            repository.publish(ALICE)
            if spoil == "junk":
                repository.put(MANIFEST, b"junk")
            elif spoil == "gone":
                del repository.store.files[MANIFEST]
            if not stopped(repository, step, restore=2 if spoil else None):
                break
            rotated = "2.root.json" in repository.store.files
            if rotated or not spoil:
                assert repository.publish(CAROL if rotated else ALICE) == (4 if rotated else 3), (spoil, step)
                assert repository.read().version == (4 if rotated else 3)
        else:
            pytest.fail("the rotation never ended")
    repository.came_to("the rotation is finished, or has not begun")


def test_threshold_that_is_raised(repository: RepositorySimulator) -> None:
    """Not an attack either: from one signature to two, which the manifest in force does not bear."""
    change = RootChange(add=[("targets", BOB.public, "Bob")], thresholds={"targets": 2})
    rotated = repository.rotate(change, ROOT, ALICE)
    waiting = {name for name in repository.store.files if name.startswith(PROPOSED)}
    assert (rotated.in_force, set(rotated.proposals)) == ([], waiting)
    assert len(waiting) == 2
    assert repository.read().version == 1
    repository.came_to("root and manifest wait for the second signature")


def test_publication_in_the_middle_of_a_rotation(repository: RepositorySimulator) -> None:
    """In an object store nobody is locked out: a publisher is just as far as the rotation, and a moment faster."""
    current = repository.registry.current(now=NOW)[1]
    manifest = msgspec.structs.replace(manifest_of(current.data), version=2, previous=current.previous)
    data = sign(manifest, ALICE)

    def publish(operation: Operation) -> None:
        if (operation.kind, operation.name) == ("swap", MANIFEST):
            repository.store.meddle = lambda _: None
            take_effect(repository.store, manifest, data, current.tag)

    repository.store.meddle = publish
    with suppress(TidegateError):
        repository.rotate(REPLACE_ALICE, ROOT, CAROL)
    assert repository.read().version in {1, 2, 3}
    repository.came_to("one of both takes effect, and readers have a manifest")


def test_publication_while_a_root_waits(repository: RepositorySimulator) -> None:
    """Whoever may publish does so again and again, while people sign the next root one after the other."""
    repository.begin(ALICE, roots=(ROOT, NEXT_ROOT), root_threshold=2)
    (renewal,) = repository.rotate(RootChange(), ROOT).proposals
    repository.publish(ALICE)
    assert renewal in repository.store.files
    assert join(repository, renewal, NEXT_ROOT) == ["root version 2"]
    repository.came_to("the root still waits, and takes effect")


def test_crash_at_every_step_of_going_back(repository: RepositorySimulator) -> None:
    """The same while people go back, and the pipeline's key, which signed upon a thief's version, stays."""
    for step in range(1, 12):
        fouled(repository)
        if not stopped(repository, step, restore=1, change=REMOVE_BOB, signers=(ROOT, ALICE)):
            break
        if "2.root.json" in repository.store.files:
            repository.publish(ALICE, names=())
            assert repository.read().content.models["ddos_lgbm"].champion == 1, step
    else:
        pytest.fail("the rotation never ended")
    repository.came_to("what people went back to is in force, or the rotation has not begun")


def test_publication_in_the_middle_of_going_back(repository: RepositorySimulator) -> None:
    """The same in an object store: the pipeline publishes between the new root and the manifest gone back to."""
    fouled(repository)

    def publish(operation: Operation) -> None:
        if (operation.kind, operation.name) == ("swap", MANIFEST):
            repository.store.meddle = lambda _: None
            repository.publish(ALICE, names=())

    repository.store.meddle = publish
    with suppress(TidegateError):
        repository.rotate(REMOVE_BOB, ROOT, ALICE, restore=1)
    assert repository.read().content.models["ddos_lgbm"].champion == 1
    repository.came_to("what people went back to is in force")


def test_going_back_while_others_must_sign(repository: RepositorySimulator) -> None:
    """Two must sign, and the keys that stay have signed the manifest in force, so that the next root accepts it."""
    repository.begin(ALICE, CAROL, BOB, threshold=2)
    repository.publish(BOB, ALICE)
    repository.publish(ALICE, CAROL, names=())
    rotated = repository.rotate(REMOVE_BOB, ROOT, ALICE, restore=1)
    assert (rotated.in_force, len(rotated.proposals)) == ([], 2)
    assert join(repository, rotated.proposals[1], CAROL) == ["root version 2", "manifest version 4"]
    assert repository.read().content.models["ddos_lgbm"].champion == 1
    repository.came_to("the root waits for the manifest that people go back to")


def test_state_that_cannot_be_written(repository: RepositorySimulator) -> None:
    """Not an attack either: a publisher's state cannot be written, and it must not seem that publishing failed."""
    state = repository.folder / "pipeline"
    (state / LOCK_FILE).mkdir(parents=True)
    try:
        repository.publish(ALICE, state=state)
    except TidegateError:
        assert repository.read().version == 1
    repository.came_to("the publication takes effect, or an error says truly that it did not")


def fouled(repository: RepositorySimulator) -> None:
    """Begin anew: Bob's key is stolen, the thief publishes version 2, and Alice's pipeline version 3 upon it."""
    repository.begin(ALICE, BOB)
    repository.publish(BOB)
    repository.publish(ALICE, names=())


def stopped(
    repository: RepositorySimulator,
    step: int,
    restore: int | None,
    change: RootChange = REPLACE_ALICE,
    signers: tuple[Signer, ...] = (ROOT, CAROL),
) -> bool:
    """Rotate until this many writes are done, and tell whether there would have been more."""
    writes = 0

    def count(operation: Operation) -> None:
        nonlocal writes
        writes += operation.kind in {"put", "swap", "remove"}
        if writes > step:
            raise PowerCutError

    repository.store.meddle = count
    try:
        repository.rotate(change, *signers, restore=restore)
    except PowerCutError:
        return True
    finally:
        repository.store.meddle = lambda _: None
    return False
