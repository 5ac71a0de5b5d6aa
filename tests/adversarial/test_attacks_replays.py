"""Attacks with proposals of the past or beside the point: overtaken, replaced, given up, or for another root.

Every test is a row of docs/attacks.md, with its description and what becomes of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from model_registry.errors import Reason
from model_registry.manifest import MANIFEST
from model_registry.proposals import proposal_name
from model_registry.registry import MAX_PROPOSALS
from model_registry.writing.rotation import RootChange, next_root
from tests.support.attack_page import hold_row
from tests.support.forging import manifest_of, root_of
from tests.support.planting import join, next_manifest, plant, propose
from tests.support.registries import DAY, NOW
from tests.support.repository_simulator import NEXT_ROOT, POISON, REPLACE_ALICE, RepositorySimulator
from tests.support.signers import ALICE, BOB, CAROL, EVE, ROOT, YEAR


@pytest.fixture
def repository(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[RepositorySimulator]:
    """Two must sign, manifests as well as roots."""
    simulator = RepositorySimulator(tmp_path)
    simulator.begin(ALICE, BOB, threshold=2, roots=(ROOT, NEXT_ROOT), root_threshold=2)
    yield simulator
    hold_row(request.node.name, simulator.said)


def test_overtaken_proposal(repository: RepositorySimulator) -> None:
    """A proposal that another has overtaken is put back for more signatures."""
    overtaken = propose(repository)
    kept = repository.file(overtaken)
    repository.now += DAY
    repository.publish(BOB, ALICE)
    repository.read()
    repository.put(overtaken, kept)
    repository.refused(Reason.OLDER_VERSION, lambda: join(repository, overtaken, BOB))


def test_proposal_for_a_root_that_was_replaced(repository: RepositorySimulator) -> None:
    """A proposal with a revoked key's signature is put back; it has all that the old root asked for."""
    manifest = next_manifest(repository)
    root, anew = repository.rotate(REPLACE_ALICE, ROOT, CAROL).proposals
    join(repository, anew, BOB)
    join(repository, root, NEXT_ROOT)
    repository.read()
    repository.refused(Reason.OLDER_VERSION, lambda: join(repository, plant(repository, manifest, ALICE, BOB), CAROL))


def test_withdrawn_restoration(repository: RepositorySimulator) -> None:
    """A restored manifest, complete but for its root, was given up; it is put back while people rotate once more."""
    given_up = repository.rotate(REPLACE_ALICE, ROOT, CAROL, restore=1).proposals[1]
    join(repository, given_up, BOB)
    kept = repository.file(given_up)
    repository.publish(ALICE, BOB)
    newest = repository.read().rules
    repository.now += DAY
    root, manifest = repository.rotate(REPLACE_ALICE, ROOT, CAROL).proposals
    repository.put(given_up, kept)
    join(repository, root, NEXT_ROOT)
    if manifest in repository.store.files:
        join(repository, manifest, BOB)
    assert repository.read().rules == newest
    repository.came_to("the manifest that was signed for the new root takes effect, and no other")


def test_manifests_for_a_root_that_a_stranger_proposes(repository: RepositorySimulator) -> None:
    """Beside a rotation the thief plants a root of his own with the same number, and manifests good under it."""
    root, manifest = repository.rotate(REPLACE_ALICE, ROOT, CAROL).proposals
    change = RootChange(add=[("root", EVE.public, "Eve"), ("targets", EVE.public, "Eve")], thresholds={"targets": 1})
    plant(repository, next_root(root_of(repository.pin.read_bytes()), change, expires=NOW + YEAR), EVE)
    for number in range(MAX_PROPOSALS - 3):  # with more, nobody looks at any
        forged = msgspec.structs.replace(next_manifest(repository), action="restore", reason=f"{number}")
        plant(repository, forged, EVE)
    join(repository, manifest, BOB)
    join(repository, root, NEXT_ROOT)
    assert (repository.read().version, repository.read().rules != POISON) == (2, True)
    repository.came_to("the rotation takes effect with its own manifest")


def test_first_manifest_while_people_go_back(repository: RepositorySimulator) -> None:
    """The manifest is spoilt, people propose to restore one, and the very first is put beside: it followed none."""
    repository.publish(ALICE, BOB)
    repository.read()
    plant(repository, manifest_of(repository.file("history/1.json")), ALICE, BOB)
    repository.put(MANIFEST, b"junk")
    rotated = repository.rotate(REPLACE_ALICE, ROOT, CAROL, restore=2)
    assert rotated.in_force == []
    assert set(rotated.proposals) <= repository.store.files.keys()
    repository.came_to("what people proposed waits for their signatures")


def test_complete_proposals_in_place_of_the_manifest(repository: RepositorySimulator) -> None:
    """After a rotation, the manifest is spoilt, and a kept one waits among the proposals, where readers then look."""
    old = manifest_of(repository.file())
    repository.rotate(RootChange(thresholds={"root": 1}), ROOT, NEXT_ROOT)
    repository.publish(ALICE, BOB)
    repository.read()
    repository.put(proposal_name(old), repository.file("history/1.json"))
    repository.put(MANIFEST, b"junk")
    repository.refused(Reason.LAYOUT)


def test_kept_manifest_among_the_proposals_in_place_of_the_manifest(repository: RepositorySimulator) -> None:
    """The same with a manifest that was made under the last root, as those are that readers look for."""
    repository.rotate(RootChange(thresholds={"root": 1}), ROOT, NEXT_ROOT)
    repository.publish(ALICE, BOB)
    old = repository.file()
    repository.publish(ALICE, BOB)
    repository.read()
    repository.put(proposal_name(manifest_of(old)), old)
    repository.put(MANIFEST, b"junk")
    repository.refused(Reason.OLDER_VERSION)
