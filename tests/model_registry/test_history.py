from __future__ import annotations

from pathlib import Path

import pytest

from model_registry.errors import Reason, TrustError
from model_registry.history import Kept, walk_history
from model_registry.keys import Signer
from model_registry.manifest import MANIFEST
from model_registry.registry import Registry
from model_registry.verify import verify_registry
from model_registry.writing.publishing import publish
from model_registry.writing.rotation import RootChange, rotate
from tests.support.registries import NOW, publish_models, same
from tests.support.signers import ALICE, BOB, ROOT, shared_registry


def history(registry: Registry) -> list[Kept]:
    trusted, current = registry.current(now=NOW)
    return list(walk_history(registry.store, trusted.roots, current.manifest, current.data))


def test_every_version_is_kept_with_who_signed_it_and_why(registry: Registry, signer: Signer) -> None:
    publish(registry, same, signer, run_id="run-2", action="refresh", reason="the old one expires soon", now=NOW)
    publish_models(registry, signer)
    kept = history(registry)
    assert [one.manifest.version for one in kept] == [3, 2, 1]
    assert [one.manifest.action for one in kept] == ["publish", "refresh", "publish"]
    assert kept[1].manifest.reason == "the old one expires soon"
    assert [one.signers for one in kept] == [{signer.keyid: "targets"}] * 3
    assert kept[0].manifest.previous is not None
    assert kept[0].manifest.previous.sha256 == kept[1].sha256


def test_it_reaches_back_over_rotations(tmp_path: Path) -> None:
    registry = shared_registry(tmp_path / "registry", ALICE)
    change = RootChange(add=[("targets", BOB.public, "Bob")], remove=[("targets", ALICE.keyid)])
    rotate(registry, change, [ROOT, BOB], run_id="by-hand", reason="Alice has left", now=NOW)
    kept = history(registry)
    assert [(one.manifest.action, *one.signers, one.root_version) for one in kept] == [
        ("rotate", BOB.keyid, 2),
        ("publish", ALICE.keyid, 1),
    ]
    assert kept[0].manifest.reason == "Alice has left"


def test_a_rewritten_past_is_found(registry: Registry, signer: Signer) -> None:
    publish_models(registry, signer)
    publish_models(registry, signer)
    # Well signed, and still not what the manifest in force says came before it.
    other = (registry.path / "history" / "1.json").read_bytes()
    (registry.path / "history" / "2.json").write_bytes(other)
    with pytest.raises(TrustError, match=r"^history/2.json: not the manifest that its successor names") as caught:
        history(registry)
    assert caught.value.reason is Reason.WRONG_DIGEST
    failures = {failure.file for failure in verify_registry(registry, now=NOW).failures}
    assert failures == {"history/2.json", "history/1.json"}  # nothing leads to the first any more
    assert registry.load(now=NOW).version == 3


def test_a_gap_is_found(registry: Registry, signer: Signer) -> None:
    publish_models(registry, signer)
    publish_models(registry, signer)
    (registry.path / "history" / "2.json").unlink()
    (failure,) = verify_registry(registry, now=NOW).failures
    assert (failure.file, failure.reason) == ("history/1.json", Reason.UNACCOUNTED)


def test_the_manifest_in_force_is_kept_too(registry: Registry, signer: Signer) -> None:
    publish_models(registry, signer)
    present = (registry.path / MANIFEST).read_bytes()
    assert (registry.path / "history" / "2.json").read_bytes() == present
    (registry.path / "history" / "2.json").write_bytes(present.replace(b"run-1", b"run-9"))
    (failure,) = verify_registry(registry, now=NOW).failures
    assert failure.detail == "not the same as the manifest in force"
    (registry.path / "history" / "2.json").unlink()
    assert not verify_registry(registry, now=NOW).failures
    publish_models(registry, signer)
    assert (registry.path / "history" / "2.json").read_bytes() == present
