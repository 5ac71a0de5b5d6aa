"""Attacks on manifest and roots: each must end `tidegate registry verify` with exit code 3, naming the file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from model_registry import canonical
from model_registry.blobs import MAX_BLOB
from model_registry.errors import TrustError
from model_registry.keys import Signer
from model_registry.private_keys.key_files import load_signer
from model_registry.registry import Registry
from model_registry.root import make_root
from model_registry.signatures import sign, signed_digest
from tests.support.registries import make_registry
from tests.support.tampering import MANIFEST, ROOT, Document, assert_refused, blob_of, edit, sign_anew, verify

# --- the manifest


def test_an_unsigned_manifest(registry: Path) -> None:
    edit(registry / MANIFEST, lambda document: document["signatures"].clear())
    assert_refused(registry, MANIFEST, "signed by 0 of the targets keys")


def test_a_manifest_signed_by_a_stranger_or_by_the_root_key(registry: Path, folder: Path) -> None:
    for stranger in (Signer.generate(), load_signer(folder / "keys", "root")):
        sign_anew(registry / MANIFEST, stranger, lambda _: None)
        assert_refused(registry, MANIFEST, "not one of the targets keys")


def test_a_strangers_signature_under_our_key_id(registry: Path) -> None:
    stranger = Signer.generate()

    def forge(document: Document) -> None:
        document["signatures"][0]["sig"] = stranger.sign(canonical.signed_bytes(document["signed"]))

    edit(registry / MANIFEST, forge)
    assert_refused(registry, MANIFEST, "is not over this content")


def test_a_strangers_signature_beside_ours(registry: Path) -> None:
    stranger = Signer.generate()

    def add(document: Document) -> None:
        signature = stranger.sign(canonical.signed_bytes(document["signed"]))
        document["signatures"].append({"keyid": stranger.keyid, "sig": signature})
        document["signatures"].sort(key=lambda one: one["keyid"])

    edit(registry / MANIFEST, add)
    assert_refused(registry, MANIFEST, "not one of the targets keys")


def test_a_duplicated_signature(registry: Path) -> None:
    edit(registry / MANIFEST, lambda document: document["signatures"].append(document["signatures"][0]))
    assert_refused(registry, MANIFEST, "signed twice")


def test_an_older_manifest(registry: Path, folder: Path) -> None:
    assert Registry(registry).load(state_dir=folder / "state").version == 2
    shutil.copy(folder / "old", registry / MANIFEST)
    assert_refused(registry, MANIFEST, "version 1 is older than 2", "--state", folder / "state")
    assert_refused(registry, MANIFEST, "version 1 is older than 2", "--min-version", 2)


def test_an_older_manifest_with_its_number_raised(registry: Path, folder: Path) -> None:
    shutil.copy(folder / "old", registry / MANIFEST)
    edit(registry / MANIFEST, lambda document: document["signed"].update(version=3))
    assert_refused(registry, MANIFEST, "is not over this content")


def test_an_expired_manifest(registry: Path, signer: Signer) -> None:
    sign_anew(registry / MANIFEST, signer, lambda signed: signed.update(expires="2020-01-01T00:00:00Z"))
    assert_refused(registry, MANIFEST, "expired on 2020-01-01T00:00:00Z")


def test_an_expiry_put_off(registry: Path) -> None:
    edit(registry / MANIFEST, lambda document: document["signed"].update(expires="2999-01-01T00:00:00Z"))
    assert_refused(registry, MANIFEST, "is not over this content")


@pytest.mark.parametrize("name", [ROOT, MANIFEST])
@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda data: data[: len(data) // 2], "not JSON"),
        (lambda data: data[:-1], "not in the defined layout"),
        (lambda data: data + b" ", "not in the defined layout"),
        (lambda _: b"", "not JSON"),
        (lambda data: json.dumps(json.loads(data)).encode(), "not in the defined layout"),
        (lambda data: data.replace(b'"version": ', b'"version": 1,\n  "version": ', 1), "stands twice"),
        (lambda data: data.replace(b'"_type"', b'"_type": "x",\n  "_type"', 1), "stands twice"),
        (lambda data: data.replace(b'"signed": {', b'"signed": {},\n "signed": {', 1), "stands twice"),
        (lambda _: b'{"signed":' * 100_000, "nested deeper"),
        (lambda _: b"[" * 1_000_000, "nested deeper"),
        (lambda data: data + b" " * canonical.MAX_METADATA, "longer than"),
        (lambda data: data.replace(b'"spec_version": "1.0.31"', b'"spec_version": 1.0'), "the number 1.0"),
        (lambda data: data.replace(b'"spec_version": "1.0.31"', b'"spec_version": NaN'), "the number NaN"),
        (lambda data: data.replace(b'"spec_version": "1.0.31"', b'"spec_version": "\\u0031.0.31"'), "defined layout"),
        (lambda data: b"\xef\xbb\xbf" + data, "not JSON in the defined layout"),
    ],
)
def test_other_spellings_of_metadata(registry: Path, name: str, spoil: Callable[[bytes], bytes], reason: str) -> None:
    file = registry / name
    file.write_bytes(spoil(file.read_bytes()))
    assert_refused(registry, name, reason)


@pytest.mark.parametrize("name", [ROOT, MANIFEST])
def test_upper_case_hex(registry: Path, name: str) -> None:
    edit(
        registry / name,
        lambda document: document["signatures"][0].update(sig=document["signatures"][0]["sig"].upper()),
    )
    assert_refused(registry, name, "sig")


@pytest.mark.parametrize("name", [ROOT, MANIFEST])
def test_metadata_behind_a_link_removed_or_huge(registry: Path, folder: Path, name: str) -> None:
    (registry / name).rename(folder / "elsewhere")
    assert_refused(registry, name, "missing")
    (registry / name).symlink_to(folder / "elsewhere")
    assert_refused(registry, name, "symbolic link")
    (registry / name).unlink()
    with (registry / name).open("wb") as file:
        file.truncate(1 << 40)
    assert_refused(registry, name, "longer than")


def test_a_target_of_another_length_than_any_blob_may_have(registry: Path, signer: Signer) -> None:
    rules = blob_of(registry, "rules")
    sign_anew(registry / MANIFEST, signer, lambda signed: signed["targets"][rules].update(length=MAX_BLOB + 1))
    assert_refused(registry, MANIFEST, "length")


# --- the roots


def test_a_registry_replaced_as_a_whole_is_found_only_by_a_root_of_ones_own(
    registry: Path, folder: Path, tmp_path: Path
) -> None:
    shutil.copy(registry / ROOT, folder / "pinned.json")
    forged = make_registry(tmp_path / "forged", now=datetime.now(UTC)).path
    assert "taken from the registry itself" in verify(forged).out
    assert_refused(forged, ROOT, "not the same as the root that was given", "--root", folder / "pinned.json")
    with pytest.raises(TrustError, match="not one of the targets keys"):
        Registry(forged).load(root=folder / "pinned.json")


def test_a_second_root_that_nobody_introduced(registry: Path) -> None:
    stranger = Signer.generate()
    expires = datetime.now(UTC) + timedelta(days=1)
    forged = make_root(stranger.public, stranger.public, version=2, expires=expires)
    (registry / "2.root.json").write_bytes(sign(forged, stranger))
    assert_refused(registry, "2.root.json", "signed by 0 of the root keys of 1.root.json")
    with pytest.raises(TrustError, match=r"^2.root.json: "):
        Registry(registry).load()


def test_a_root_that_leaves_a_gap(registry: Path) -> None:
    shutil.copy(registry / ROOT, registry / "3.root.json")
    assert_refused(registry, "3.root.json", "no trusted root leads to it")


def test_nobody_is_told_to_delete_what_only_lacks_its_root(registry: Path) -> None:
    (registry / ROOT).write_bytes(b"")
    assert_refused(registry, MANIFEST, "not verified, because no trusted root leads to it; restore")
    assert "delete" not in verify(registry).out


def test_a_root_with_its_threshold_lowered(registry: Path, folder: Path) -> None:
    # Two of two root keys are asked for; one holder alone must not be able to change that.
    first, second = load_signer(folder / "keys", "root"), load_signer(folder / "keys", "targets")
    expires = datetime.now(UTC) + timedelta(days=1)
    root = make_root(first.public, second.public, version=1, expires=expires)
    both = msgspec.structs.replace(root.roles.root, keyids=[first.keyid, second.keyid], threshold=2)
    strict = msgspec.structs.replace(root, roles=msgspec.structs.replace(root.roles, root=both))
    (registry / ROOT).write_bytes(sign(strict, first, second))
    sign_anew(registry / MANIFEST, second, lambda signed: signed["root"].update(sha256=signed_digest(strict)))
    (registry / "history" / "2.json").unlink()  # the copy of what has just been replaced
    assert verify(registry).code == 0
    lowered = msgspec.structs.replace(root, version=2)
    (registry / "2.root.json").write_bytes(sign(lowered, first))
    assert_refused(registry, "2.root.json", "signed by 1 of the root keys of 1.root.json, 2 needed")
    (registry / "2.root.json").write_bytes(sign(lowered, first, first))
    assert_refused(registry, "2.root.json", "signed twice")


def test_an_expired_root(registry: Path, folder: Path) -> None:
    root_signer = load_signer(folder / "keys", "root")
    sign_anew(registry / ROOT, root_signer, lambda signed: signed.update(expires="2020-01-01T00:00:00Z"))
    assert_refused(registry, ROOT, "expired on 2020-01-01T00:00:00Z")


def test_a_root_under_another_number(registry: Path, folder: Path) -> None:
    root_signer = load_signer(folder / "keys", "root")
    sign_anew(registry / ROOT, root_signer, lambda signed: signed.update(version=2))
    assert_refused(registry, ROOT, "holds version 2")


def test_a_given_root_that_is_not_one(registry: Path, folder: Path) -> None:
    (folder / "given").write_bytes(b"{}\n")
    code, out, _ = verify(registry, "--root", folder / "given")
    assert (code, f"FAILED {folder / 'given'}" in out) == (3, True)
