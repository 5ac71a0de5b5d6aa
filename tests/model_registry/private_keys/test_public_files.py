from __future__ import annotations

import json
from pathlib import Path

import pytest

from flows.errors import UsageError
from model_registry.errors import Reason, TrustError
from model_registry.keys import Signer
from model_registry.private_keys.key_files import write_key
from model_registry.private_keys.public_files import public_file_bytes, read_public

PUBLIC = Signer(bytes(range(32))).public


def test_what_is_written_is_read(tmp_path: Path) -> None:
    file = tmp_path / "ada.pub"
    file.write_bytes(public_file_bytes(PUBLIC, "Ada L."))
    assert read_public(str(file)) == (PUBLIC, "Ada L.")
    assert json.loads(file.read_bytes()) == {
        "holder": "Ada L.",
        "keytype": "ed25519",
        "keyval": {"public": PUBLIC.keyval.public},
        "scheme": "ed25519",
    }


def test_the_digits_alone_will_do_and_name_the_holder() -> None:
    digits = PUBLIC.keyval.public
    assert read_public(digits) == read_public(digits.upper()) == (PUBLIC, digits[:8])


@pytest.mark.parametrize("holder", ["", " ", " Ada", "Ada ", "A\nda", "Ad\x1ba", "Adä", "a" * 65])
def test_a_holder_is_a_short_printable_text(tmp_path: Path, holder: str) -> None:
    with pytest.raises(UsageError, match="cannot name the holder"):
        public_file_bytes(PUBLIC, holder)
    document = json.loads(public_file_bytes(PUBLIC, "Ada")) | {"holder": holder}
    (tmp_path / "ada.pub").write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
    with pytest.raises(TrustError, match=r"ada\.pub: "):
        read_public(str(tmp_path / "ada.pub"))


@pytest.mark.parametrize(
    "digits",
    [
        "00" * 32,  # a point of small order: anybody can sign for it
        "01" + "00" * 31,
        "02" + "00" * 31,  # no point of the curve
        "ff" * 32,
    ],
)
def test_digits_that_are_no_public_key_are_refused(tmp_path: Path, digits: str) -> None:
    document = json.loads(public_file_bytes(PUBLIC, "Ada")) | {"keyval": {"public": digits}}
    (tmp_path / "ada.pub").write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
    for given in (digits, str(tmp_path / "ada.pub")):
        with pytest.raises(TrustError, match="no Ed25519 public key") as caught:
            read_public(given)
        assert caught.value.reason is Reason.MALFORMED
        assert digits not in str(caught.value)


@pytest.mark.parametrize("given", ["nowhere.pub", "", PUBLIC.keyval.public[:-1], PUBLIC.keyval.public + "0"])
def test_what_is_neither_a_file_nor_a_key_is_wrong_usage(given: str) -> None:
    with pytest.raises(UsageError, match="neither a file nor"):
        read_public(given)


def test_a_private_key_file_is_no_public_half_and_is_not_quoted(tmp_path: Path) -> None:
    signer = Signer.generate()
    write_key(tmp_path / "root.key", signer, None)
    with pytest.raises(TrustError, match=r"root\.key: ") as caught:
        read_public(str(tmp_path / "root.key"))
    assert signer.seed().hex() not in str(caught.value)


def test_a_file_that_is_too_long_is_refused(tmp_path: Path) -> None:
    (tmp_path / "big.pub").write_bytes(b" " * 5000)
    with pytest.raises(TrustError, match=r"big\.pub: longer"):
        read_public(str(tmp_path / "big.pub"))
