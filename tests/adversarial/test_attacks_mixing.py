"""Mix-and-match: files that are each what they were when they were signed, in a company in which they never were.

Every test is a row of docs/attacks.md, with its description and what becomes of it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from model_registry.content import Content, ModelVersion
from model_registry.errors import Reason
from model_registry.manifest import MANIFEST
from model_registry.signatures import sign
from model_registry.writing.publishing import publish
from model_registry.writing.rotation import RootChange
from tests.support.attack_page import hold_row
from tests.support.forging import manifest_of
from tests.support.registries import NOW, put_model, tiny_artifact
from tests.support.repository_simulator import RepositorySimulator
from tests.support.signers import ALICE, BOB, ROOT

DDOS, MALWARE = "ddos_lgbm", "malware_lgbm"


@pytest.fixture
def repository(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[RepositorySimulator]:
    simulator = RepositorySimulator(tmp_path)
    yield simulator
    hold_row(request.node.name, simulator.said)


def champion(repository: RepositorySimulator, name: str) -> ModelVersion:
    found = manifest_of(repository.file()).content.champion(name)
    assert found is not None
    return found


# --- blobs


def test_blob_of_other_content(repository: RepositorySimulator) -> None:
    """The rules are replaced by others of the same length."""
    rules = manifest_of(repository.file()).content.rules
    repository.put(rules, repository.file(rules).replace(b"1", b"2"))
    repository.refused(Reason.WRONG_DIGEST)


def test_blob_cut_off(repository: RepositorySimulator) -> None:
    """The rules are cut off."""
    rules = manifest_of(repository.file()).content.rules
    repository.put(rules, repository.file(rules)[:5])
    repository.refused(Reason.WRONG_LENGTH)


def test_blobs_of_another_moment(repository: RepositorySimulator) -> None:
    """The newest manifest with the blobs of before."""
    old = {name: held for name, held in repository.store.files.items() if name.startswith("blobs/")}
    repository.publish(ALICE)
    repository.read()
    manifest = repository.file()
    repository.store.files = {"1.root.json": repository.file("1.root.json"), MANIFEST: manifest, **old}
    repository.refused(Reason.MISSING)


def test_artifact_of_another_model(repository: RepositorySimulator) -> None:
    """A model's artifact is put where another's should be."""
    repository.put(champion(repository, MALWARE).artifact, repository.file(champion(repository, DDOS).artifact))
    repository.refused_model(MALWARE, Reason.WRONG_LENGTH)


def test_artifact_of_another_version(repository: RepositorySimulator) -> None:
    """A model's artifact is put where its next version's should be."""
    old = repository.file(champion(repository, DDOS).artifact)
    repository.publish(ALICE)
    repository.put(champion(repository, DDOS).artifact, old)
    repository.refused_model(DDOS, Reason.WRONG_DIGEST)


def test_artifact_taken_away(repository: RepositorySimulator) -> None:
    """One model's artifact is deleted, so that the others decide without it: readiness and metrics say so."""
    del repository.store.files[champion(repository, MALWARE).artifact]
    repository.refused_model(MALWARE, Reason.MISSING)


def test_artifact_signed_for_another_model(repository: RepositorySimulator) -> None:
    """Whoever signs was talked into naming one model's artifact as another's."""

    def mix_up(content: Content) -> Content:
        mixed = msgspec.structs.replace(champion(repository, MALWARE), artifact=champion(repository, DDOS).artifact)
        return content.with_model(MALWARE, mixed)

    publish(repository.registry, mix_up, ALICE, run_id="nightly", now=NOW)
    repository.refused_model(MALWARE, Reason.ARTIFACT)


def test_artifact_for_other_features(repository: RepositorySimulator) -> None:
    """A model trained on another feature catalogue is signed: its columns would be other measures than ours."""

    def publish_foreign(content: Content) -> Content:
        return content.with_model(DDOS, put_model(repository.registry, tiny_artifact(DDOS, catalogue="0" * 64)))

    publish(repository.registry, publish_foreign, ALICE, run_id="nightly", now=NOW)
    repository.refused_model(DDOS, Reason.WRONG_CATALOGUE)


def test_artifact_that_scores_otherwise(repository: RepositorySimulator) -> None:
    """A model is signed that does not give the scores that it promises, as after a change to how trees are read."""

    def publish_other(content: Content) -> Content:
        artifact = dataclasses.replace(tiny_artifact(DDOS), golden_scores=np.array([0.5, 0.5]))
        return content.with_model(DDOS, put_model(repository.registry, artifact))

    publish(repository.registry, publish_other, ALICE, run_id="nightly", now=NOW)
    repository.refused_model(DDOS, Reason.GOLDEN_VECTORS)


# --- roots and content


def test_manifest_under_roots_of_another_moment(repository: RepositorySimulator) -> None:
    """The manifest of after a rotation with the roots of before."""
    repository.rotate(RootChange(add=[("targets", BOB.public, "Bob")], remove=[("targets", ALICE.keyid)]), ROOT, BOB)
    del repository.store.files["2.root.json"]
    repository.refused(Reason.UNKNOWN_KEY)


def test_content_that_contradicts_itself(repository: RepositorySimulator) -> None:
    """A manifest whose TUF targets are not the blobs that its content names, signed with a stolen key."""
    poisoned = repository.poisoned()
    good = manifest_of(repository.file())
    repository.put(MANIFEST, sign(msgspec.structs.replace(good, content=poisoned.content), ALICE))
    repository.refused(Reason.MALFORMED)
