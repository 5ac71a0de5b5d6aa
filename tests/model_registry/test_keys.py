from __future__ import annotations

import hashlib
import json
import stat
from pathlib import Path

import pytest
from securesystemslib.signer import (  # type: ignore[attr-defined]  # it re-exports without saying so
    Key,
    Signature,
)

from flows.errors import TidegateError, UsageError
from model_registry.errors import TrustError
from model_registry.keys import Signer, create_keys, key_file, load_signer

SEED = bytes(range(32))


def test_the_key_id_is_the_digest_of_the_canonical_key() -> None:
    public = Signer(SEED).public
    hexadecimal = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"  # of this seed, by RFC 8032
    assert public.keyval.public == hexadecimal
    canonical = f'{{"keytype":"ed25519","keyval":{{"public":"{hexadecimal}"}},"scheme":"ed25519"}}'
    assert public.keyid == hashlib.sha256(canonical.encode()).hexdigest()


def test_signatures_verify_over_their_data_only() -> None:
    signer = Signer(SEED)
    signature = signer.sign(b"data")
    assert signer.public.verifies(signature, b"data")
    assert not signer.public.verifies(signature, b"date")
    assert not Signer.generate().public.verifies(signature, b"data")
    assert not signer.public.verifies("00" * 64, b"data")


def test_securesystemslib_verifies_our_signatures() -> None:
    signer = Signer.generate()
    key = Key.from_dict(
        signer.keyid,
        {"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": signer.public.keyval.public}},
    )
    key.verify_signature(Signature(signer.keyid, signer.sign(b"data")), b"data")


def test_created_keys_are_private_and_can_be_loaded(tmp_path: Path) -> None:
    signers = create_keys(tmp_path / "keys")
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    for role, signer in signers.items():
        path = key_file(tmp_path / "keys", role)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert json.loads(path.read_bytes())["encryption"] == "none"
        assert load_signer(tmp_path / "keys", role).keyid == signer.keyid
    assert signers["root"].keyid != signers["targets"].keyid


@pytest.mark.parametrize("role", ["root", "targets"])
def test_keys_are_never_overwritten(tmp_path: Path, role: str) -> None:
    present = tmp_path / f"{role}.key"
    present.write_bytes(b"mine")
    with pytest.raises(TidegateError, match="not overwritten"):
        create_keys(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [present.name]
    assert present.read_bytes() == b"mine"
    with pytest.raises(TidegateError, match="not overwritten"):
        Signer.generate().write(present)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601, 0o777])
def test_a_key_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    create_keys(tmp_path)
    key_file(tmp_path, "targets").chmod(mode)
    with pytest.raises(TrustError, match=r"targets\.key: its mode is .*chmod 600"):
        load_signer(tmp_path, "targets")


def test_a_missing_key_is_wrong_usage_and_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="keys init"):
        load_signer(tmp_path, "targets")


@pytest.mark.parametrize(
    "change",
    [{"private": "00" * 32}, {"private": "AB" * 32}, {"encryption": "rot13"}, {"extra": 1}, {"public": "00" * 31}],
)
def test_a_malformed_key_file_is_refused_without_showing_the_key(tmp_path: Path, change: dict[str, object]) -> None:
    create_keys(tmp_path)
    path = key_file(tmp_path, "root")
    document = json.loads(path.read_bytes())
    path.write_text(json.dumps(document | change, indent=1, sort_keys=True) + "\n")
    with pytest.raises(TrustError, match=r"root\.key") as caught:
        load_signer(tmp_path, "root")
    assert document["private"] not in str(caught.value)


def test_a_key_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "keys").write_bytes(b"")
    with pytest.raises(TidegateError, match="cannot be made"):
        create_keys(tmp_path / "keys")
    with pytest.raises(TrustError, match="cannot be read"):
        load_signer(tmp_path / "keys", "root")


def test_a_signer_shows_nothing_of_its_private_half() -> None:
    signer = Signer(SEED)
    assert SEED.hex() not in repr(signer)
    assert SEED.hex() not in str(vars(signer))
