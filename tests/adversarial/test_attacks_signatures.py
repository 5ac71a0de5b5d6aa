"""Attacks on who signed: what is not signed, signed by the wrong key, too often, too seldom, or in another key id.

Every test is a row of docs/attacks.md, with its description and the message of the refusal.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from model_registry.errors import Reason
from model_registry.manifest import MANIFEST
from model_registry.root import Root
from model_registry.signatures import sign
from model_registry.writing.rotation import RootChange, next_root
from tests.support.attack_page import hold_row
from tests.support.forging import changed, root_of, signed_by
from tests.support.registries import DAY, NOW
from tests.support.repository_simulator import RepositorySimulator
from tests.support.signers import ALICE, BOB, EVE, ROOT


@pytest.fixture
def repository(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[RepositorySimulator]:
    simulator = RepositorySimulator(tmp_path)
    yield simulator
    hold_row(request.node.name, simulator.said)


def signature(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["signatures"][0]
    return found


# --- the manifest


def test_arbitrary_content(repository: RepositorySimulator) -> None:
    """The manifest's rules are replaced by the thief's, and the signature is left."""
    poisoned = msgspec.to_builtins(repository.poisoned(), str_keys=True)
    repository.put(MANIFEST, changed(repository.file(), lambda document: document.update(signed=poisoned)))
    repository.refused(Reason.BAD_SIGNATURE)


def test_no_signature_at_all(repository: RepositorySimulator) -> None:
    """The thief's manifest without signatures."""
    repository.put(MANIFEST, sign(repository.poisoned()))
    repository.refused(Reason.UNDER_SIGNED)


def test_unknown_key(repository: RepositorySimulator) -> None:
    """The thief's manifest, signed by a key of his own."""
    repository.put(MANIFEST, sign(repository.poisoned(), EVE))
    repository.refused(Reason.UNKNOWN_KEY)


def test_unknown_key_under_a_known_key_id(repository: RepositorySimulator) -> None:
    """The same, with our key's id on his signature."""
    forged = sign(repository.poisoned(), EVE)
    repository.put(MANIFEST, changed(forged, lambda document: signature(document).update(keyid=ALICE.keyid)))
    repository.refused(Reason.BAD_SIGNATURE)


def test_extra_signature(repository: RepositorySimulator) -> None:
    """A stranger's signature is added to ours."""
    repository.put(MANIFEST, signed_by(repository.file(), ALICE, EVE))
    repository.refused(Reason.UNKNOWN_KEY)


def test_root_key_signs_a_manifest(repository: RepositorySimulator) -> None:
    """Wrong role: a stolen root key signs the thief's manifest."""
    repository.put(MANIFEST, sign(repository.poisoned(), ROOT))
    repository.refused(Reason.UNKNOWN_KEY)


def test_too_few_signatures(repository: RepositorySimulator) -> None:
    """Two must sign; the thief has one of the keys."""
    repository.begin(ALICE, BOB, threshold=2)
    repository.put(MANIFEST, sign(repository.poisoned(), ALICE))
    repository.refused(Reason.UNDER_SIGNED)


def test_one_key_signs_twice(repository: RepositorySimulator) -> None:
    """The same, and the one key signs twice."""
    repository.begin(ALICE, BOB, threshold=2)
    repository.put(MANIFEST, sign(repository.poisoned(), ALICE, ALICE))
    repository.refused(Reason.SIGNED_TWICE)


def test_one_key_under_two_spellings_of_its_id(repository: RepositorySimulator) -> None:
    """The same, and the second time the key's id is spelt in capitals."""
    repository.begin(ALICE, BOB, threshold=2)
    forged = sign(repository.poisoned(), ALICE)
    again = json.loads(forged)["signatures"][0] | {"keyid": ALICE.keyid.upper()}
    repository.put(MANIFEST, changed(forged, lambda document: document["signatures"].append(again)))
    repository.refused(Reason.MALFORMED)


# --- the root


def test_targets_key_signs_a_root(repository: RepositorySimulator) -> None:
    """Wrong role: a stolen targets key signs a next root that adds the thief's key."""
    repository.put("2.root.json", sign(with_eve(repository), ALICE))
    repository.refused(Reason.UNKNOWN_KEY)


def test_root_that_introduces_itself(repository: RepositorySimulator) -> None:
    """A next root of the thief's keys alone, signed by them."""
    root = next_root(
        with_eve(repository),
        RootChange(add=[("root", EVE.public, "Eve")], remove=[("root", ROOT.keyid)]),
        expires=NOW + DAY,
    )
    repository.put("2.root.json", sign(msgspec.structs.replace(root, version=2), EVE))
    repository.refused(Reason.UNDER_SIGNED)


def test_threshold_lowered_by_one_holder(repository: RepositorySimulator) -> None:
    """Two root keys must sign; one holder signs a next root that asks for one."""
    repository.begin(ALICE, roots=(ROOT, BOB), root_threshold=2)
    root = root_of(repository.pin.read_bytes())
    lowered = next_root(root, RootChange(thresholds={"root": 1}), expires=NOW + DAY)
    repository.put("2.root.json", sign(lowered, ROOT))
    repository.refused(Reason.UNDER_SIGNED)


def test_one_key_with_two_entries(repository: RepositorySimulator) -> None:
    """A root names one key under two ids, so that its holder would count twice."""
    root = msgspec.to_builtins(with_eve(repository), str_keys=True)
    other = "0" * 64
    root["keys"][other] = root["keys"][EVE.keyid]
    root["holders"][other] = "nobody"
    root["roles"]["targets"] = {"keyids": sorted([EVE.keyid, other]), "threshold": 2}
    forged = changed(sign(with_eve(repository), ROOT), lambda document: document.update(signed=root))
    repository.put("2.root.json", signed_by(forged, ROOT))
    repository.refused(Reason.MALFORMED)


def with_eve(repository: RepositorySimulator) -> Root:
    """Return the next root, with the thief's key among the targets keys."""
    root = root_of(repository.pin.read_bytes())
    return next_root(root, RootChange(add=[("targets", EVE.public, "Eve")]), expires=NOW + DAY)
