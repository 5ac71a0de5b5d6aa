from __future__ import annotations

from pathlib import Path

import pytest

from model_registry.errors import TrustError
from model_registry.keys import Signer
from model_registry.manifest import MANIFEST
from model_registry.registry import Registry
from model_registry.verify import verify_registry
from model_registry.writing.collection import collect
from model_registry.writing.creation import create_registry
from model_registry.writing.publishing import publish
from model_registry.writing.signing import sign_proposal
from tests.support.registries import NOW, RULES, files_of, flip_a_bit, publish_edit, publish_models, same
from tests.support.signers import ALICE, BOB, CAROL, shared_registry


def gone(registry: Registry, **options: int) -> list[str]:
    return [one.file for one in collect(registry, now=NOW, keep=options.get("keep", 100))]


def test_a_registry_in_order_loses_nothing(registry: Registry, signer: Signer) -> None:
    for _ in range(3):
        publish_models(registry, signer)
    before = files_of(registry)
    assert gone(registry) == []
    assert files_of(registry) == before


def test_what_a_crash_left_is_deleted(registry: Registry) -> None:
    before = files_of(registry)
    orphan = registry.path / "blobs" / ("a" * 64)
    for path in (orphan, registry.path / f".{MANIFEST}.1-2.tmp", registry.path / "blobs" / ".b.1-2.tmp"):
        path.write_bytes(b"left")
    (registry.path / "history" / "9.json").write_bytes(b"left")
    assert len(verify_registry(registry, now=NOW).failures) == 4
    assert sorted(gone(registry)) == sorted(
        [f".{MANIFEST}.1-2.tmp", "blobs/.b.1-2.tmp", f"blobs/{'a' * 64}", "history/9.json"]
    )
    assert files_of(registry) == before
    assert not verify_registry(registry, now=NOW).failures


def test_old_manifests_go_and_with_them_what_only_they_refer_to(registry: Registry, signer: Signer) -> None:
    old = registry.manifest(now=NOW).content.rules
    rules = registry.put_blob(b"rules: [new]\n").path
    publish(registry, lambda content: content.with_blobs(rules=rules), signer, run_id="run-2", now=NOW)
    publish(registry, same, signer, run_id="run-3", now=NOW)
    assert gone(registry, keep=3) == []
    assert gone(registry, keep=2) == ["history/1.json", old]
    assert not verify_registry(registry, now=NOW).failures
    assert gone(registry, keep=1) == ["history/2.json"]
    assert registry.load(now=NOW).rules == b"rules: [new]\n"
    assert not verify_registry(registry, now=NOW).failures


def test_a_dry_run_deletes_nothing(registry: Registry, signer: Signer) -> None:
    publish_models(registry, signer)
    before = files_of(registry)
    found = collect(registry, keep=1, dry_run=True, now=NOW)
    assert [one.file for one in found] == ["history/1.json"]
    assert "older than the 1 manifests" in found[0].why
    assert files_of(registry) == before


def test_what_waiting_proposals_refer_to_stays_and_stale_ones_go(tmp_path: Path) -> None:
    registry = shared_registry(tmp_path / "registry", ALICE, BOB, CAROL, threshold=2)
    waiting = publish(registry, publish_edit(registry, ("new_model",)), ALICE, run_id="run-2", now=NOW)
    assert gone(registry) == []
    kept = registry.path / "proposed" / f"{waiting.proposal}.json"
    data = kept.read_bytes()
    other = publish(registry, same, BOB, run_id="run-3", now=NOW)
    sign_proposal(registry, other.proposal, CAROL, now=NOW)
    kept.write_bytes(data)
    found = collect(registry, now=NOW)
    assert found[0].file == f"proposed/{waiting.proposal}.json"
    assert all(one.file.startswith("blobs/") for one in found[1:])
    assert len(found) > 1
    assert not verify_registry(registry, now=NOW).failures


@pytest.mark.parametrize("damaged", [MANIFEST, "1.root.json", "history/1.json"])
def test_nothing_is_deleted_from_a_registry_that_cannot_be_trusted(
    registry: Registry, signer: Signer, damaged: str
) -> None:
    publish_models(registry, signer)
    (registry.path / "blobs" / ("a" * 64)).write_bytes(b"left")
    flip_a_bit(registry.path / damaged)
    before = files_of(registry)
    with pytest.raises(TrustError):
        collect(registry, keep=1, now=NOW)
    assert files_of(registry) == before


def test_before_the_first_publication_nothing_is_deleted(tmp_path: Path) -> None:
    create_registry(tmp_path / "registry", tmp_path / "keys", now=NOW)
    registry = Registry(tmp_path / "registry")
    (registry.path / "stray").write_bytes(b"")
    with pytest.raises(TrustError, match="nothing was deleted"):
        collect(registry, now=NOW)
    assert {"1.root.json", "stray"} <= set(files_of(registry))


def test_without_its_manifest_nothing_is_deleted(registry: Registry) -> None:
    (registry.path / MANIFEST).unlink()
    before = files_of(registry)
    with pytest.raises(TrustError, match=r"missing .* restore it from history/"):
        collect(registry, now=NOW)
    assert {name: data for name, data in files_of(registry).items() if name != ".lock"} == {
        name: data for name, data in before.items() if name != ".lock"
    }


def test_no_link_is_followed_and_no_folder_deleted(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(RULES)
    (registry.path / "blobs" / ("b" * 64)).symlink_to(tmp_path / "elsewhere")
    (registry.path / "blobs" / ("c" * 64)).mkdir()
    assert gone(registry) == []
    assert (tmp_path / "elsewhere").read_bytes() == RULES
