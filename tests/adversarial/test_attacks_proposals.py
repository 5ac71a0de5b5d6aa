"""Attacks on what waits for signatures: forged proposals.

Every test is a row of docs/attacks.md, with its description and what becomes of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from model_registry.errors import Reason, TrustError
from model_registry.keys import Signer
from model_registry.manifest import MANIFEST, RESTORE
from model_registry.private_keys.key_files import write_key
from model_registry.proposals import list_proposals
from model_registry.writing.rotation import RootChange, next_root
from model_registry.writing.signing import sign_proposal
from tests.support.attack_page import hold_row
from tests.support.command import tidegate_command
from tests.support.forging import changed, made_under, root_of
from tests.support.planting import join, next_manifest, plant, propose
from tests.support.registries import NOW
from tests.support.repository_simulator import LAST, NEXT_ROOT, REPLACE_ALICE, RepositorySimulator
from tests.support.signers import ALICE, BOB, CAROL, EVE, ROOT, YEAR


@pytest.fixture
def repository(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[RepositorySimulator]:
    """Two must sign, manifests as well as roots."""
    simulator = RepositorySimulator(tmp_path)
    simulator.begin(ALICE, BOB, threshold=2, roots=(ROOT, NEXT_ROOT), root_threshold=2)
    yield simulator
    hold_row(request.node.name, simulator.said)


def test_junk_among_the_proposals(repository: RepositorySimulator) -> None:
    """A file of junk under the name of a proposal."""
    file = f"proposed/{'0' * 64}.json"
    repository.put(file, b"junk")
    assert repository.read().version == 1
    repository.named(file, Reason.LAYOUT)


def test_proposal_that_nobody_signed(repository: RepositorySimulator) -> None:
    """The thief's manifest waits for signatures, and bears none."""
    file = plant(repository, next_manifest(repository))
    repository.named(file, Reason.UNDER_SIGNED)


def test_proposal_by_a_stranger(repository: RepositorySimulator) -> None:
    """The thief's manifest waits for signatures, with one by a key of his own."""
    file = plant(repository, next_manifest(repository), EVE)
    repository.named(file, Reason.UNKNOWN_KEY)


def test_root_that_a_stranger_proposes(repository: RepositorySimulator) -> None:
    """A next root with the thief's key waits for signatures, with one by that key: it looks as if somebody asked."""
    change = RootChange(add=[("root", EVE.public, "Eve"), ("targets", EVE.public, "Eve")])
    root = next_root(root_of(repository.pin.read_bytes()), change, expires=NOW + YEAR)
    repository.named(plant(repository, root, EVE), Reason.UNDER_SIGNED)


def test_signature_moved_to_another_proposal(repository: RepositorySimulator) -> None:
    """Alice's signature on her proposal is put under the thief's."""
    honest = propose(repository)
    moved = msgspec.json.decode(repository.file(honest))["signatures"]
    forged = plant(repository, next_manifest(repository))
    repository.put(forged, changed(repository.file(forged), lambda document: document.update(signatures=moved)))
    repository.named(forged, Reason.BAD_SIGNATURE)


def test_proposal_under_the_name_of_another(repository: RepositorySimulator) -> None:
    """Where people expect the proposal whose digest they were told, another lies, well signed by one of them."""
    honest = propose(repository)
    forged = plant(repository, next_manifest(repository), ALICE)
    repository.put(honest, repository.file(forged))
    del repository.store.files[forged]
    repository.refused(Reason.WRONG_DIGEST, lambda: join(repository, honest, BOB))


def test_shown_one_proposal_and_signing_another(repository: RepositorySimulator) -> None:
    """Between showing and signing, the proposal is swapped for another that was signed by the same person."""
    honest = propose(repository)
    trusted, current = repository.registry.current(now=NOW)
    (shown,) = list_proposals(repository.registry, trusted, current)
    forged = plant(repository, next_manifest(repository), ALICE)
    repository.put(honest, repository.file(forged))
    repository.refused(
        Reason.WRONG_DIGEST,
        lambda: sign_proposal(repository.registry, shown.digest, BOB, now=NOW),
    )


def test_proposal_that_lowers_the_version(repository: RepositorySimulator) -> None:
    """One of two signers proposes a version that is no higher than the one it follows."""
    lower = msgspec.structs.replace(next_manifest(repository), version=1)
    repository.named(plant(repository, lower, ALICE), Reason.MALFORMED)


def test_proposal_that_leaps_to_the_last_version(repository: RepositorySimulator) -> None:
    """Fast-forward: one of two signers proposes the last version there can be, and the other has to notice."""
    leap = msgspec.structs.replace(next_manifest(repository), version=LAST)
    repository.refused(Reason.MALFORMED, lambda: join(repository, plant(repository, leap, ALICE), BOB))


def test_restoration_that_leaps_to_the_last_version(repository: RepositorySimulator) -> None:
    """The same, and the proposal says that it goes back, which alone may leap; yet no root comes with it."""
    leap = msgspec.structs.replace(next_manifest(repository), version=LAST, action=RESTORE)
    repository.refused(Reason.MALFORMED, lambda: join(repository, plant(repository, leap, ALICE), BOB))


def test_proposal_made_under_an_older_root(repository: RepositorySimulator) -> None:
    """One of two signers proposes what is good but made under an older root: in force, every reader would refuse it."""
    first = repository.root
    repository.rotate(RootChange(thresholds={"root": 1}), ROOT, NEXT_ROOT)
    repository.publish(ALICE, BOB)
    repository.read()
    older = made_under(first, next_manifest(repository))
    repository.refused(Reason.OLDER_VERSION, lambda: join(repository, plant(repository, older, ALICE), BOB))


def test_proposal_that_never_expires(repository: RepositorySimulator) -> None:
    """Freeze: one of two signers proposes a manifest for centuries, and the other has to notice."""
    lasting = msgspec.structs.replace(next_manifest(repository), expires="2999-01-01T00:00:00Z")
    plant(repository, lasting, ALICE)
    assert "2999-01-01" in shown_to(repository, BOB)
    repository.came_to("possible; whoever signs is shown when it expires")


def test_proposal_with_nothing_to_compare_it_with(repository: RepositorySimulator) -> None:
    """The manifest is spoilt, so that no differences can be shown, and people are asked to sign for a new root."""
    repository.put(MANIFEST, b"junk")
    manifest = repository.rotate(REPLACE_ALICE, ROOT, CAROL, restore=1).proposals[1]
    assert "ddos_lgbm" in shown_to(repository, BOB, manifest)
    repository.came_to("possible; whoever signs is shown all that is in it")


def test_root_that_expired_while_it_waited(repository: RepositorySimulator) -> None:
    """The thief keeps a proposed root back until it has expired, and then asks for the signature that it lacks."""
    (renewal,) = repository.rotate(RootChange(), ROOT).proposals
    repository.now += YEAR
    with pytest.raises(TrustError) as caught:
        join(repository, renewal, NEXT_ROOT)
    assert caught.value.reason is Reason.EXPIRED
    repository.note(str(caught.value))


def shown_to(repository: RepositorySimulator, signer: Signer, file: str = "") -> str:
    """Return what the holder of a targets key is shown who signs a proposal."""
    keys, folder = repository.folder / "keys", repository.folder / "registry"
    repository.move_to(folder)
    keys.mkdir()
    write_key(keys / "targets.key", signer, None)
    digest = file.removeprefix("proposed/").removesuffix(".json")
    outcome = tidegate_command("registry", "sign", digest, "--yes", "--registry", folder, "--keys", keys)
    assert outcome.code == 0, outcome.err
    return outcome.out
