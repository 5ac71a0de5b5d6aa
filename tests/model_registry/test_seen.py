from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from flows.errors import TidegateError
from model_registry.errors import Reason, TrustError
from model_registry.keys import Signer
from model_registry.manifest import MANIFEST, Previous
from model_registry.registry import Registry
from model_registry.seen import recall, remember
from model_registry.signatures import sign
from model_registry.writing.rotation import Restore, RootChange, find_kept, rotate
from tests.support.registries import (
    NOW,
    files_of,
    make_registry,
    publish_models,
)
from tests.support.signers import ALICE, BOB, ROOT, shared_registry


def test_an_older_manifest_than_seen_is_refused(registry: Registry, signer: Signer, tmp_path: Path) -> None:
    state = tmp_path / "state"
    old = (registry.path / MANIFEST).read_bytes()
    publish_models(registry, signer)
    assert registry.load(now=NOW, state_dir=state).version == 2
    assert registry.load(now=NOW, state_dir=state).version == 2
    (registry.path / MANIFEST).write_bytes(old)
    with pytest.raises(TrustError, match=r"^model_registry.json: version 1 is older than 2"):
        registry.load(now=NOW, state_dir=state)
    assert registry.load(now=NOW).version == 1  # nothing remembers without a state
    with pytest.raises(TrustError, match="is older than 2"):
        registry.load(now=NOW, min_version=2)


REPLACE = RootChange(add=[("targets", BOB.public, "Bob")], remove=[("targets", ALICE.keyid)])


@pytest.fixture
def shared(tmp_path: Path) -> Registry:
    """Alice has published three versions."""
    registry = shared_registry(tmp_path / "shared", ALICE)
    for _ in range(2):
        publish_models(registry, ALICE)
    return registry


def test_after_a_rotation_a_lower_version_is_newer(shared: Registry, tmp_path: Path) -> None:
    back = Restore(1, find_kept(shared, 1, now=NOW).sha256)
    assert shared.load(now=NOW, state_dir=tmp_path).version == 3
    (shared.path / "history" / "2.json").unlink()  # as a thief may, so that a number is borne twice
    rotate(shared, REPLACE, [ROOT, BOB], run_id="by-hand", restore=back, now=NOW)
    assert shared.load(now=NOW, state_dir=tmp_path).version == 2


def test_what_was_signed_before_a_rotation_is_older_whatever_its_version(shared: Registry, tmp_path: Path) -> None:
    rotate(shared, RootChange(add=[("targets", BOB.public, "Bob")]), [ROOT], run_id="by-hand", now=NOW)
    old = shared.manifest(now=NOW)
    publish_models(shared, ALICE)
    assert shared.load(now=NOW, state_dir=tmp_path).version == 4
    leap = msgspec.structs.replace(old, version=9, action="restore", previous=Previous(8, "0" * 64))
    (shared.path / MANIFEST).write_bytes(sign(leap, ALICE))
    with pytest.raises(TrustError, match=r"version 9, made under 1\.root\.json, is older than 4, made under 2\.root"):
        shared.load(now=NOW, state_dir=tmp_path)


def test_another_manifest_of_the_version_seen_is_refused(shared: Registry, tmp_path: Path) -> None:
    assert shared.load(now=NOW, state_dir=tmp_path).version == 3
    other = msgspec.structs.replace(shared.manifest(now=NOW), reason="another")
    (shared.path / MANIFEST).write_bytes(sign(other, ALICE))
    with pytest.raises(TrustError, match="another version 3 than was seen before") as caught:
        shared.load(now=NOW, state_dir=tmp_path)
    assert caught.value.reason is Reason.OLDER_VERSION


def test_a_hidden_root_is_noticed(shared: Registry, tmp_path: Path) -> None:
    rotate(shared, REPLACE, [ROOT, BOB], run_id="by-hand", now=NOW)
    assert shared.load(now=NOW, state_dir=tmp_path).version == 4
    (shared.path / "2.root.json").unlink()
    with pytest.raises(TrustError, match=r"2\.root\.json was seen before") as caught:
        shared.load(now=NOW, state_dir=tmp_path)
    assert caught.value.reason is Reason.OLDER_VERSION


def test_another_root_of_the_number_seen_is_refused(shared: Registry, tmp_path: Path) -> None:
    before = files_of(shared)
    rotate(shared, REPLACE, [ROOT, BOB], run_id="by-hand", now=NOW)
    shared.load(now=NOW, state_dir=tmp_path / "state")
    for name, data in before.items():
        (shared.path / name).write_bytes(data)
    (shared.path / "2.root.json").unlink()
    rotate(shared, RootChange(), [ROOT], run_id="by-hand", now=NOW)
    with pytest.raises(TrustError, match=r"^2\.root\.json: another registry's than was seen before") as caught:
        shared.load(now=NOW, state_dir=tmp_path / "state")
    assert caught.value.reason is Reason.WRONG_ROOT


def test_what_was_seen_never_goes_back(shared: Registry, tmp_path: Path) -> None:
    trusted, current = shared.current(now=NOW)
    old = find_kept(shared, 1, now=NOW).manifest
    with ThreadPoolExecutor(4) as pool:
        for manifest in [old, current.manifest] * 10:
            pool.submit(remember, tmp_path, trusted.root, manifest)
    seen = recall(tmp_path)
    assert seen is not None
    assert seen.manifest.version == 3


def test_another_registry_than_seen_is_refused(registry: Registry, tmp_path: Path) -> None:
    registry.load(now=NOW, state_dir=tmp_path / "state")
    other = make_registry(tmp_path / "other")
    with pytest.raises(TrustError, match=r"another registry's than was seen before.*delete .*registry-seen.json"):
        other.load(now=NOW, state_dir=tmp_path / "state")


@pytest.mark.parametrize("content", [b"", b"{}\n", b'{"manifest_version": 1}', b"\xff"])
def test_a_damaged_state_is_not_taken_for_none(registry: Registry, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "registry-seen.json").write_bytes(content)
    with pytest.raises(TrustError, match=r"registry-seen\.json"):
        registry.load(now=NOW, state_dir=tmp_path)


def test_a_state_that_cannot_be_written_is_an_error(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(TidegateError, match="TIDEGATE_STATE"):
        registry.load(now=NOW, state_dir=tmp_path / "file" / "state")
