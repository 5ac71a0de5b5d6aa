"""Freeze and fast-forward: attacks that keep readers from what is new, by hiding it or by running ahead of it.

Every test is a row of docs/attacks.md, with its description and what becomes of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from model_registry.errors import Reason, TrustError
from model_registry.manifest import MANIFEST
from model_registry.signatures import sign
from tests.support.attack_page import hold_row
from tests.support.forging import changed, manifest_of
from tests.support.registries import DAY, NOW
from tests.support.repository_simulator import BEFORE_LAST, LAST, REPLACE_ALICE, RepositorySimulator
from tests.support.signers import ALICE, CAROL, ROOT


@pytest.fixture
def repository(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[RepositorySimulator]:
    simulator = RepositorySimulator(tmp_path)
    yield simulator
    hold_row(request.node.name, simulator.said)


def test_hidden_new_versions(repository: RepositorySimulator) -> None:
    """Freeze: new versions are kept from a reader, who is shown the present one until it expires."""
    repository.now = NOW + 90 * DAY - timedelta(seconds=1)
    assert repository.read().version == 1
    repository.now = NOW + 90 * DAY
    with pytest.raises(TrustError) as caught:
        repository.read()
    assert caught.value.reason is Reason.EXPIRED
    repository.note(str(caught.value))


def test_expired_root(repository: RepositorySimulator) -> None:
    """Freeze: new roots are kept from a reader."""
    repository.now = NOW + 365 * DAY
    with pytest.raises(TrustError) as caught:
        repository.read()
    assert caught.value.reason is Reason.EXPIRED
    repository.note(str(caught.value))


def test_expiry_put_off(repository: RepositorySimulator) -> None:
    """Freeze: a later expiry is written into the present manifest."""
    later = changed(repository.file(), lambda document: document["signed"].update(expires="2999-01-01T00:00:00Z"))
    repository.put(MANIFEST, later)
    repository.refused(Reason.BAD_SIGNATURE)


def test_manifest_taken_away(repository: RepositorySimulator) -> None:
    """Denial: the manifest is deleted. Whoever decides already goes on with what it has verified."""
    del repository.store.files[MANIFEST]
    repository.refused(Reason.MISSING)


def test_fast_forward(repository: RepositorySimulator) -> None:
    """With the targets key the thief publishes the last version there can be, so that nothing can follow."""
    repository.put(
        MANIFEST, sign(msgspec.structs.replace(repository.poisoned(), version=LAST, previous=BEFORE_LAST), ALICE)
    )
    assert repository.read().version == LAST
    with pytest.raises(TrustError, match="version"):
        repository.publish(ALICE)
    repository.came_to("possible; the next row mends it")


def test_recovery_from_fast_forward(repository: RepositorySimulator) -> None:
    """The key is replaced, an older manifest restored, and readers take it; then the thief's is put back."""
    good = repository.read()
    repository.put(
        MANIFEST, sign(msgspec.structs.replace(repository.poisoned(), version=LAST, previous=BEFORE_LAST), ALICE)
    )
    thiefs = repository.file()
    assert repository.read().version == LAST
    repository.rotate(REPLACE_ALICE, ROOT, CAROL, restore=1)
    assert (repository.read().version, repository.read().content) == (2, good.content)
    assert repository.publish(CAROL) == manifest_of(repository.file()).version == 3
    assert repository.read().version == 3
    repository.put(MANIFEST, thiefs)
    repository.refused(Reason.UNKNOWN_KEY)
