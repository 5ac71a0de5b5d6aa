"""Attacks on a registry's bytes, blobs and folder: each must end `tidegate registry verify` with 3, naming the file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model_registry import canonical
from model_registry.keys import Signer
from model_registry.registry import Registry
from model_registry.verify import verify_registry
from tests.support.tampering import BLOBS, MANIFEST, ROOT, Document, assert_refused, blob_of, sign_anew, verify


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


def test_a_files_name_cannot_command_the_terminal(registry: Path) -> None:
    (registry / "\x1b[2Jnothing to see\n").write_bytes(b"extra")
    code, out, err = verify(registry)
    assert (code, "\x1b" in out + err, "\\x1b[2Jnothing to see" in out) == (3, False, True)


@pytest.mark.parametrize(
    "name",
    ["README.txt", ".hidden", "2.root.json.bak", "02.root.json", "blobs/notes.txt", f"blobs/{'0' * 64}", "x.tmp"],
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
