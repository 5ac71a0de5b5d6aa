from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows.errors import TidegateError, UsageError
from model_registry.errors import Reason, TrustError
from model_registry.keys import ROLES, Role, Signer
from model_registry.private_keys.key_files import (
    StoredKey,
    create_keys,
    keep_apart,
    key_file,
    load_signer,
    public_file,
    stored_keys,
    write_key,
)
from model_registry.private_keys.public_files import read_public

SEED = bytes(range(32))
PASSPHRASE = "correct horse"

Give = Callable[[str], None]


@pytest.fixture
def give(monkeypatch: pytest.MonkeyPatch) -> Give:
    """Give a passphrase."""
    return lambda passphrase: monkeypatch.setenv("TIDEGATE_PASSPHRASE", passphrase)


def change(path: Path, **fields: Any) -> None:
    """Change fields of a key file, in its layout."""
    document = json.loads(path.read_bytes()) | fields
    path.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")


# --- making


def test_keys_are_encrypted_by_their_passphrase_and_can_be_loaded(tmp_path: Path, give: Give) -> None:
    signers = create_keys(tmp_path / "keys", passphrase=PASSPHRASE)
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    assert list(signers) == ["root", "targets"]
    assert signers["root"].keyid != signers["targets"].keyid
    give(PASSPHRASE)
    for role, signer in signers.items():
        path = key_file(tmp_path / "keys", role)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert json.loads(path.read_bytes())["encryption"]["kdf"] == "argon2id"
        assert load_signer(tmp_path / "keys", role).keyid == signer.keyid
    for file in (tmp_path / "keys").iterdir():
        for signer in signers.values():
            assert signer.seed().hex() not in file.read_text()


def test_keys_without_a_passphrase_say_so(tmp_path: Path) -> None:
    signers = create_keys(tmp_path)
    for role, signer in signers.items():
        document = json.loads(key_file(tmp_path, role).read_bytes())
        assert (document["encryption"], document["private"]) == ("none", signer.seed().hex())
        assert load_signer(tmp_path, role).keyid == signer.keyid


@pytest.mark.parametrize(("holder", "shown"), [(None, "targets"), ("Ada, 2nd floor", "Ada, 2nd floor")])
def test_the_public_half_lies_beside_the_key(tmp_path: Path, holder: str | None, shown: str) -> None:
    signers = create_keys(tmp_path, roles=["targets"], passphrase=PASSPHRASE, holder=holder)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["targets.key", "targets.pub"]
    assert stat.S_IMODE(public_file(tmp_path, "targets").stat().st_mode) == 0o644
    assert read_public(str(public_file(tmp_path, "targets"))) == (signers["targets"].public, shown)


def test_nothing_is_written_for_a_holder_that_is_no_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot name the holder"):
        create_keys(tmp_path / "keys", holder="two\nlines")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["root.key", "root.pub", "targets.key", "targets.pub"])
def test_keys_are_never_overwritten(tmp_path: Path, name: str) -> None:
    present = tmp_path / name
    present.write_bytes(b"mine")
    with pytest.raises(TidegateError, match="not overwritten"):
        create_keys(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert present.read_bytes() == b"mine"
    with pytest.raises(TidegateError, match="not overwritten"):
        write_key(present, Signer(SEED), None)
    assert present.read_bytes() == b"mine"


def test_a_key_is_not_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "new.key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(TidegateError, match="not overwritten"):
        write_key(tmp_path / "new.key", Signer(SEED), None)
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "keys").write_bytes(b"")
    with pytest.raises(TidegateError, match="cannot be made"):
        create_keys(tmp_path / "keys")
    with pytest.raises(TrustError, match="cannot be read"):
        load_signer(tmp_path / "keys", "root")
    with pytest.raises(TidegateError, match="cannot be listed"):
        stored_keys(tmp_path / "keys")


@pytest.mark.parametrize("inside", ["registry", "registry/keys", "registry/../registry/keys"])
def test_keys_do_not_go_into_the_registry(tmp_path: Path, inside: str) -> None:
    with pytest.raises(UsageError, match="do not belong into the registry"):
        keep_apart(tmp_path / inside, str(tmp_path / "registry"))
    keep_apart(tmp_path / "keys", tmp_path / "registry")
    keep_apart(tmp_path / inside, "s3://bucket/registry")


# --- listing


def test_stored_keys_are_listed_without_a_passphrase(tmp_path: Path) -> None:
    signer = create_keys(tmp_path, roles=["targets"], passphrase=PASSPHRASE)["targets"]
    write_key(tmp_path / "spare.key", Signer(SEED), None)
    (tmp_path / "notes.txt").write_bytes(b"")
    assert stored_keys(tmp_path) == [
        StoredKey(tmp_path / "spare.key", Signer(SEED).public, encrypted=False),
        StoredKey(tmp_path / "targets.key", signer.public, encrypted=True),
    ]
    assert stored_keys(tmp_path / "nowhere") == []


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601, 0o777, 0o610])
def test_a_key_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    create_keys(tmp_path)
    key_file(tmp_path, "targets").chmod(mode)
    for read in (lambda: load_signer(tmp_path, "targets"), lambda: stored_keys(tmp_path)):
        with pytest.raises(TrustError, match=r"targets\.key: its mode is .*chmod 600") as caught:
            read()
        assert caught.value.reason is Reason.PRIVATE_KEY


# --- loading


def test_a_missing_key_is_wrong_usage_and_says_the_three_ways_to_give_one(tmp_path: Path) -> None:
    for keyids in (None, ["00" * 32]):
        with pytest.raises(UsageError) as caught:
            load_signer(tmp_path, "targets", keyids)
        for way in ("keys init", "--keys", "TIDEGATE_TARGETS_KEY ", "TIDEGATE_TARGETS_KEY_COMMAND"):
            assert way in str(caught.value)


def test_the_key_is_chosen_by_its_public_half_and_no_other_is_opened(tmp_path: Path, give: Give) -> None:
    create_keys(tmp_path, passphrase="another passphrase")
    wanted = Signer.generate()
    write_key(tmp_path / "z-second.key", wanted, PASSPHRASE)
    give(PASSPHRASE)
    assert load_signer(tmp_path, "targets", {wanted.keyid}).keyid == wanted.keyid


def test_of_several_keys_that_would_do_the_usual_file_is_taken(tmp_path: Path) -> None:
    usual = create_keys(tmp_path)["targets"]
    write_key(tmp_path / "a.key", Signer(SEED), None)
    both = [usual.keyid, Signer(SEED).keyid]
    assert load_signer(tmp_path, "targets", both).keyid == usual.keyid
    key_file(tmp_path, "targets").unlink()
    assert load_signer(tmp_path, "targets", both).keyid == Signer(SEED).keyid


def test_a_key_that_the_root_does_not_know_is_refused_with_what_is_there_and_what_is_wanted(tmp_path: Path) -> None:
    present = create_keys(tmp_path, roles=["targets"])["targets"]
    wanted = Signer.generate()
    with pytest.raises(TrustError) as caught:
        load_signer(tmp_path, "targets", [wanted.keyid])
    assert caught.value.reason is Reason.UNKNOWN_KEY
    for text in (str(tmp_path), present.keyid, wanted.keyid, "--keys", "keys rotate --add targets="):
        assert text in str(caught.value)


@pytest.mark.parametrize("role", ROLES)
def test_a_key_in_the_environment_goes_before_the_folder(
    tmp_path: Path, role: Role, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_keys(tmp_path)
    given = Signer.generate()
    monkeypatch.setenv(f"TIDEGATE_{role.upper()}_KEY", given.seed().hex())
    assert load_signer(tmp_path, role).keyid == given.keyid
    assert load_signer(tmp_path, role, [given.keyid]).keyid == given.keyid
    with pytest.raises(TrustError, match=given.keyid) as caught:
        load_signer(tmp_path, role, ["00" * 32])
    assert caught.value.reason is Reason.UNKNOWN_KEY
    assert str(caught.value).startswith(f"TIDEGATE_{role.upper()}_KEY: ")
    assert given.seed().hex() not in str(caught.value)


# --- what is wrong with a file


@pytest.mark.parametrize(
    "fields",
    [
        {"private": "00" * 32},
        {"private": "AB" * 32},
        {"private": "00" * 72},
        {"private": "00" * 31},
        {"encryption": "rot13"},
        {"encryption": {}},
        {"encryption": None},
        {"extra": 1},
        {"public": "00" * 31},
        {"keytype": "rsa"},
    ],
)
@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
def test_a_malformed_key_file_is_refused_without_quoting_it(
    tmp_path: Path, fields: dict[str, object], passphrase: str | None, give: Give
) -> None:
    create_keys(tmp_path, passphrase=passphrase)
    give(PASSPHRASE)
    path = key_file(tmp_path, "root")
    private = json.loads(path.read_bytes())["private"]
    change(path, **fields)
    with pytest.raises(TrustError, match=r"root\.key: ") as caught:
        load_signer(tmp_path, "root")
    assert private[:8] not in str(caught.value)


@pytest.mark.parametrize(
    "data", [b"", b"{", b"\xff", b"[]", b"1234567890e7890123456789012345678901234567890", b"{}" * 4000]
)
def test_bytes_that_are_no_key_file_are_refused_without_quoting_them(tmp_path: Path, data: bytes) -> None:
    create_keys(tmp_path)
    key_file(tmp_path, "root").write_bytes(data)
    for read in (lambda: load_signer(tmp_path, "root"), lambda: stored_keys(tmp_path)):
        with pytest.raises(TrustError, match=r"root\.key: ") as caught:
            read()
        assert "1234" not in str(caught.value)


@pytest.mark.parametrize("limits", [{"memlimit": 2**33}, {"opslimit": 10**9}, {"memlimit": 10**30}])
def test_a_planted_key_file_cannot_ask_for_gigabytes_or_minutes(
    tmp_path: Path, limits: dict[str, int], give: Give
) -> None:
    create_keys(tmp_path, passphrase=PASSPHRASE)
    give(PASSPHRASE)
    path = key_file(tmp_path, "root")
    change(path, encryption=json.loads(path.read_bytes())["encryption"] | limits)
    with pytest.raises(TrustError, match="not a private key file"):
        load_signer(tmp_path, "root")


def test_a_planted_pipe_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "root.key", 0o600)
    with pytest.raises(TrustError, match="not a plain file"):
        load_signer(tmp_path, "root")


def test_a_wrong_passphrase_is_told_and_not_repeated(tmp_path: Path, give: Give) -> None:
    create_keys(tmp_path, passphrase=PASSPHRASE)
    give("wrong horse")
    with pytest.raises(TrustError, match=r"root\.key: wrong passphrase") as caught:
        load_signer(tmp_path, "root")
    assert caught.value.reason is Reason.PRIVATE_KEY
    for text in ("wrong horse", PASSPHRASE):
        assert text not in str(caught.value)


def test_a_key_whose_halves_do_not_belong_together_is_refused(tmp_path: Path, give: Give) -> None:
    signers = create_keys(tmp_path, passphrase=PASSPHRASE)
    give(PASSPHRASE)
    change(key_file(tmp_path, "root"), public=signers["targets"].public.keyval.public)
    with pytest.raises(TrustError, match="does not belong to its private half"):
        load_signer(tmp_path, "root")
