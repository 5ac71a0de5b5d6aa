"""Attacks on a registry's files: each must end `tidegate registry verify` with exit code 3, naming the file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model_registry import canonical
from model_registry.blobs import MAX_BLOB
from model_registry.errors import TrustError
from model_registry.keys import Signer, load_signer
from model_registry.registry import Registry
from model_registry.trust import make_root, sign
from model_registry.verify import verify_registry
from tests.support.command import Outcome, tidegate_command
from tests.support.registries import make_registry, publish_models

MANIFEST = "model_registry.json"
ROOT = "1.root.json"

Document = dict[str, Any]


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``registry``, ``keys``, and ``old``: the manifest before the last one."""
    folder = tmp_path_factory.mktemp("pristine")
    registry = make_registry(folder, now=datetime.now(UTC))
    shutil.copy(registry.path / MANIFEST, folder / "old")
    publish_models(registry, load_signer(folder / "keys", "targets"), ("ddos_lgbm",), now=datetime.now(UTC))
    return folder


@pytest.fixture
def folder(pristine: Path, tmp_path: Path) -> Path:
    """The same, one's own to spoil."""
    return Path(shutil.copytree(pristine, tmp_path / "copy"))


@pytest.fixture
def registry(folder: Path) -> Path:
    return folder / "registry"


@pytest.fixture
def signer(folder: Path) -> Signer:
    return load_signer(folder / "keys", "targets")


def verify(registry: Path, *options: object) -> Outcome:
    return tidegate_command("registry", "verify", "--registry", registry, *options)


def assert_refused(registry: Path, file: str, reason: str = "", *options: object) -> None:
    """Hold that verification fails for ``file``, for that reason, by the exit code, the report and the message."""
    code, out, err = verify(registry, *options)
    assert code == 3
    failed = [line for line in out.splitlines() if line.startswith(f"FAILED {file}  ")]
    assert failed, f"{file} is not named in:\n{out}"
    assert reason in failed[0]
    assert file in err
    assert "Traceback" not in out + err


def blob_of(registry: Path, what: str) -> str:
    content = Registry(registry).manifest().content
    champion = content.champion("ddos_lgbm")
    assert champion is not None
    paths = {
        "catalogue": content.catalogue,
        "rules": content.rules,
        "math": content.math,
        "ensemble": content.ensemble,
        "artifact": champion.artifact,
        "card": champion.card,
        "old artifact": content.models["ddos_lgbm"].versions[1].artifact,
    }
    return paths[what]


BLOBS = ("catalogue", "rules", "math", "ensemble", "artifact", "card")


def edit(path: Path, change: Callable[[Document], object]) -> None:
    document = json.loads(path.read_bytes())
    change(document)
    path.write_bytes(canonical.file_bytes(document))


def sign_anew(path: Path, signer: Signer, change: Callable[[Document], object]) -> None:
    """Change the signed part, and sign it well: what only the holder of the key could do."""

    def change_and_sign(document: Document) -> None:
        change(document["signed"])
        signature = signer.sign(canonical.signed_bytes(document["signed"]))
        document["signatures"] = [{"keyid": signer.keyid, "sig": signature}]

    edit(path, change_and_sign)


def test_untouched_it_is_trusted(registry: Path) -> None:
    assert verify(registry).code == 0


# --- one byte


def _files(pristine: Path) -> list[str]:
    found = (path for path in (pristine / "registry").rglob("*") if path.is_file() and path.name != ".lock")
    return sorted(str(path.relative_to(pristine / "registry")) for path in found)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_flipped_byte_is_found_and_its_file_named(pristine: Path, registry: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(_files(pristine)))
    file = registry / name
    good = file.read_bytes()
    position = data.draw(st.integers(0, len(good) - 1))
    bad = bytearray(good)
    bad[position] ^= data.draw(st.integers(1, 255))
    file.write_bytes(bad)
    try:
        failures = verify_registry(Registry(registry)).failures
        assert name in {check.file for check in failures}
    finally:
        file.write_bytes(good)


@pytest.mark.parametrize("name", [ROOT, MANIFEST])
def test_flipping_bytes_all_through_the_metadata_ends_3(registry: Path, name: str) -> None:
    file = registry / name
    good = file.read_bytes()
    for position in range(0, len(good), 97):
        file.write_bytes(good[:position] + bytes([good[position] ^ 1]) + good[position + 1 :])
        assert_refused(registry, name)


@pytest.mark.parametrize("what", BLOBS)
def test_flipping_bytes_all_through_a_blob_ends_3(registry: Path, what: str) -> None:
    name = blob_of(registry, what)
    file = registry / name
    good = file.read_bytes()
    for position in {0, len(good) // 3, len(good) // 2, len(good) - 1}:
        file.write_bytes(good[:position] + bytes([good[position] ^ 1]) + good[position + 1 :])
        assert_refused(registry, name, "another SHA-256")


@pytest.mark.parametrize("name", [ROOT, MANIFEST])
def test_flipping_every_digit_of_a_signature_ends_3(registry: Path, name: str) -> None:
    file = registry / name
    good = json.loads(file.read_bytes())
    signature = good["signatures"][0]["sig"]
    for position in range(0, len(signature), 8):
        digit = "0" if signature[position] != "0" else "1"
        changed = signature[:position] + digit + signature[position + 1 :]
        file.write_bytes(canonical.file_bytes(good | {"signatures": [good["signatures"][0] | {"sig": changed}]}))
        assert_refused(registry, name, "is not over this content")


# --- blobs


def test_swapped_blobs(registry: Path) -> None:
    first, second = registry / blob_of(registry, "artifact"), registry / blob_of(registry, "old artifact")
    names = [str(path.relative_to(registry)) for path in (first, second)]
    first.rename(registry / "aside")
    second.rename(first)
    (registry / "aside").rename(second)
    for name in names:
        assert_refused(registry, name)


@pytest.mark.parametrize("what", BLOBS)
def test_a_removed_blob(registry: Path, what: str) -> None:
    name = blob_of(registry, what)
    (registry / name).unlink()
    assert_refused(registry, name, "missing")


@pytest.mark.parametrize("what", BLOBS)
def test_a_truncated_and_a_lengthened_blob(registry: Path, what: str) -> None:
    name = blob_of(registry, what)
    good = (registry / name).read_bytes()
    (registry / name).write_bytes(good[:-1])
    assert_refused(registry, name, f"has {len(good) - 1} bytes, and {len(good)} were signed")
    (registry / name).write_bytes(good + b"\n")
    assert_refused(registry, name, "longer than")


def test_an_oversized_blob_is_not_read_to_its_end(registry: Path) -> None:
    name = blob_of(registry, "rules")
    with (registry / name).open("r+b") as file:
        file.truncate(1 << 40)
    assert_refused(registry, name, "longer than")


def test_a_blob_behind_a_link_even_with_the_right_content(registry: Path, folder: Path) -> None:
    name = blob_of(registry, "artifact")
    (registry / name).rename(folder / "elsewhere")
    (registry / name).symlink_to(folder / "elsewhere")
    assert_refused(registry, name, "symbolic link")


def test_the_blobs_folder_behind_a_link(registry: Path, folder: Path) -> None:
    (registry / "blobs").rename(folder / "elsewhere")
    (registry / "blobs").symlink_to(folder / "elsewhere")
    assert_refused(registry, "blobs", "not a folder")


def test_an_old_artifact_signed_in_place_of_anothers(registry: Path, signer: Signer) -> None:
    def point_elsewhere(signed: Document) -> None:
        models = signed["content"]["models"]
        models["malware_lgbm"]["versions"]["1"]["artifact"] = models["ddos_lgbm"]["versions"]["2"]["artifact"]
        signed["targets"] = {
            path: target for path, target in signed["targets"].items() if path in json.dumps(signed["content"])
        }

    artifact = blob_of(registry, "artifact")
    sign_anew(registry / MANIFEST, signer, point_elsewhere)
    assert_refused(registry, artifact, "its name is ddos_lgbm, but the manifest says malware_lgbm")


# --- files that do not belong there


@pytest.mark.parametrize(
    "name", ["README.txt", ".hidden", "2.root.json.bak", "3.root.json", "blobs/notes.txt", f"blobs/{'0' * 64}", "x.tmp"]
)
def test_an_extra_file(registry: Path, name: str) -> None:
    (registry / name).write_bytes(b"extra")
    assert_refused(registry, name, "nothing in the manifest accounts for it")


@pytest.mark.parametrize("name", ["folder", "blobs/folder"])
def test_an_extra_folder(registry: Path, name: str) -> None:
    (registry / name).mkdir()
    assert_refused(registry, name, "nothing in the manifest accounts for it")


@pytest.mark.parametrize("name", ["link", "blobs/link"])
def test_an_extra_link(registry: Path, name: str) -> None:
    (registry / name).symlink_to("/etc/hostname")
    assert_refused(registry, name, "a symbolic link")


@pytest.mark.parametrize("name", ["targets.key", "blobs/targets.key", f"blobs/{'a' * 64}"])
def test_a_private_key(registry: Path, folder: Path, name: str) -> None:
    shutil.copy(folder / "keys" / "targets.key", registry / name)
    assert_refused(registry, name, "a private key in the registry")


def test_a_private_key_in_another_form(registry: Path) -> None:
    (registry / "id_ed25519").write_bytes(b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blbn\n")
    assert_refused(registry, "id_ed25519", "a private key in the registry")


def test_something_in_the_lock_file(registry: Path, folder: Path) -> None:
    shutil.copy(folder / "keys" / "targets.key", registry / ".lock")
    assert_refused(registry, ".lock", "empty")


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


def test_a_root_with_its_threshold_lowered(registry: Path, folder: Path) -> None:
    # Two of two root keys are asked for; one holder alone must not be able to change that.
    first, second = load_signer(folder / "keys", "root"), load_signer(folder / "keys", "targets")
    expires = datetime.now(UTC) + timedelta(days=1)
    root = make_root(first.public, second.public, version=1, expires=expires)
    both = msgspec.structs.replace(root.roles.root, keyids=[first.keyid, second.keyid], threshold=2)
    strict = msgspec.structs.replace(root, roles=msgspec.structs.replace(root.roles, root=both))
    (registry / ROOT).write_bytes(sign(strict, first, second))
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
