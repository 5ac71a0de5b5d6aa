from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from flows.errors import TidegateError
from model_registry.errors import TrustError
from model_registry.keys import Signer
from model_registry.manifest import MANIFEST
from model_registry.private_keys.key_files import load_signer
from model_registry.registry import Registry
from model_registry.root import make_root
from model_registry.signatures import sign
from model_registry.verify import verify_registry
from tests.support.registries import (
    NOW,
    make_registry,
    publish_models,
)

DAY = timedelta(days=1)


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


def _rotate(registry: Registry) -> Signer:
    """Put 2.root.json, which gives the targets role to a new key."""
    old_root = load_signer(registry.path.parent / "keys", "root")
    targets = Signer.generate()
    new = make_root(old_root.public, targets.public, version=2, expires=NOW + 365 * DAY)
    (registry.path / "2.root.json").write_bytes(sign(new, old_root))
    return targets


def test_a_rotation_of_the_targets_key_resets_the_versions_seen(registry: Registry, tmp_path: Path) -> None:
    state = tmp_path / "state"
    old_signer = load_signer(tmp_path / "keys", "targets")
    for _ in range(2):
        publish_models(registry, old_signer)
    assert registry.load(now=NOW, state_dir=state).version == 3
    targets = _rotate(registry)
    with pytest.raises(TrustError, match=r"not one of the targets keys of 2\.root\.json"):
        registry.load(now=NOW, state_dir=state)
    (registry.path / MANIFEST).unlink()
    shutil.rmtree(registry.path / "history")
    publish_models(registry, targets)
    assert registry.load(now=NOW, state_dir=state).version == 1
    assert not verify_registry(registry, now=NOW, state_dir=state).failures

    # Whoever holds the stolen old key may hide the new root; that is noticed too.
    (registry.path / "2.root.json").unlink()
    publish_after = Registry(registry.path)
    (registry.path / MANIFEST).unlink()
    publish_models(publish_after, old_signer)
    with pytest.raises(TrustError, match=r"2\.root\.json was seen before"):
        registry.load(now=NOW, state_dir=state)


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
