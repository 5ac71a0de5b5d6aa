"""Rollback by the hands of honest people: whoever writes is shown an older registry, and signs upon that.

Every test is a row of docs/attacks.md, with its description and what becomes of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from model_registry.errors import Reason
from model_registry.keys import Signer
from model_registry.manifest import HISTORY, MANIFEST
from model_registry.private_keys.key_files import write_key
from tests.support.attack_page import hold_row
from tests.support.command import tidegate_command
from tests.support.repository_simulator import NEXT_ROOT, REPLACE_ALICE, RepositorySimulator
from tests.support.signers import ALICE, BOB, CAROL, ROOT


@pytest.fixture
def repository(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[RepositorySimulator]:
    simulator = RepositorySimulator(tmp_path)
    yield simulator
    hold_row(request.node.name, simulator.said)


def test_publisher_who_is_shown_an_older_registry(repository: RepositorySimulator) -> None:
    """Every file is put back as it was, and the pipeline publishes upon that: another manifest with the old number."""
    old = dict(repository.store.files)
    repository.publish(ALICE, names=("ddos_lgbm",))
    repository.read()
    repository.store.files = old
    assert repository.publish(ALICE, names=("malware_lgbm",)) == 2
    repository.refused(Reason.OLDER_VERSION)


def test_publisher_who_is_shown_no_manifest(repository: RepositorySimulator) -> None:
    """The manifest is deleted, so that the pipeline would begin anew with version 1 and forget all that was."""
    repository.publish(ALICE)
    repository.read()
    del repository.store.files[MANIFEST]
    kept = repository.file("history/1.json")
    repository.refused(Reason.MISSING, lambda: repository.publish(ALICE, names=("ddos_lgbm",)))
    assert repository.file("history/1.json") == kept


def test_publisher_with_a_state_who_is_shown_an_older_registry(repository: RepositorySimulator) -> None:
    """The same, and the pipeline keeps a state, as readers do."""
    old = dict(repository.store.files)
    repository.publish(ALICE)
    repository.read()
    repository.store.files = old
    repository.refused(Reason.OLDER_VERSION, lambda: repository.publish(ALICE, state=repository.state))


def test_publisher_with_a_state_who_is_shown_an_empty_registry(repository: RepositorySimulator) -> None:
    """The history is deleted as well, and the pipeline keeps a state."""
    repository.publish(ALICE)
    repository.read()
    empty(repository)
    repository.refused(Reason.MISSING, lambda: repository.publish(ALICE, state=repository.state))


def test_publisher_without_a_state_who_is_shown_an_empty_registry(repository: RepositorySimulator) -> None:
    """The same, and the pipeline keeps none; but readers do."""
    repository.publish(ALICE)
    repository.read()
    empty(repository)
    assert repository.publish(ALICE) == 1
    repository.refused(Reason.OLDER_VERSION)


def test_proposer_who_is_shown_an_older_registry(repository: RepositorySimulator) -> None:
    """Two must sign, so what the pipeline publishes is only proposed; it keeps a state, and has seen version 2."""
    repository.begin(ALICE, BOB, threshold=2)
    old = dict(repository.store.files)
    state = repository.folder / "pipeline"
    repository.publish(ALICE, BOB, state=state)
    repository.publish(ALICE, BOB, state=state)
    repository.read()
    repository.store.files = old
    repository.refused(Reason.OLDER_VERSION, lambda: repository.publish(ALICE, state=state))


def test_root_keeper_who_is_shown_an_older_registry(repository: RepositorySimulator) -> None:
    """A targets key is replaced, and the old content is signed anew for the new root: it is newer than all before."""
    old = dict(repository.store.files)
    repository.publish(ALICE)
    repository.read()
    repository.store.files = old
    rotate = ("keys", "rotate", "targets", "--unencrypted")
    refused_command(repository, rotate, {"root": ROOT, "targets": ALICE})


def test_signer_who_is_shown_an_older_registry(repository: RepositorySimulator) -> None:
    """The same, and it is a second keeper of the root who has seen more, and is asked to sign."""
    repository.begin(ALICE, roots=(ROOT, NEXT_ROOT), root_threshold=2)
    old = dict(repository.store.files)
    repository.publish(ALICE)
    repository.read()
    repository.store.files = old
    root, _ = repository.rotate(REPLACE_ALICE, ROOT, CAROL).proposals
    digest = root.removeprefix("proposed/").removesuffix(".json")
    refused_command(repository, ("registry", "sign", digest, "--yes"), {"root": NEXT_ROOT})


def empty(repository: RepositorySimulator) -> None:
    for name in [MANIFEST, *(name for name in repository.store.files if name.startswith(HISTORY))]:
        del repository.store.files[name]


def refused_command(repository: RepositorySimulator, command: tuple[str, ...], signers: dict[str, Signer]) -> None:
    """Hold that a command of somebody with a root of their own and a state refuses the older registry."""
    folder, keys = repository.folder / "registry", repository.folder / "keys"
    repository.move_to(folder)
    keys.mkdir()
    for role, signer in signers.items():
        write_key(keys / f"{role}.key", signer, None)
    options = ("--registry", folder, "--keys", keys, "--root", repository.pin, "--state", repository.state)
    outcome = tidegate_command(*command, *options)
    assert outcome.code == 3, outcome
    assert not (folder / "2.root.json").exists()
    repository.note(outcome.err.splitlines()[-1].removeprefix("tidegate: "))
