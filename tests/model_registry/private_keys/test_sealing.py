from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest
from nacl.pwhash import argon2id
from nacl.secret import SecretBox

from model_registry.private_keys import sealing
from model_registry.private_keys.sealing import BOX_DIGITS, Sealing, seal, unseal

SEED = bytes(range(32))


def test_the_passphrase_opens_what_it_sealed_and_no_other_does() -> None:
    how, box = seal(SEED, "correct horse")
    assert len(box) == BOX_DIGITS
    assert unseal(how, box, "correct horse") == SEED
    for wrong in ("correct hors", "correct horse ", "Correct horse", ""):
        assert unseal(how, box, wrong) is None


def test_a_changed_box_or_salt_does_not_open() -> None:
    how, box = seal(SEED, "correct horse")
    assert unseal(how, ("1" if box[0] == "0" else "0") + box[1:], "correct horse") is None
    assert unseal(how, box[:-1] + ("1" if box[-1] == "0" else "0"), "correct horse") is None
    assert unseal(msgspec.structs.replace(how, salt="00" * 16), box, "correct horse") is None


def test_nothing_repeats_when_the_same_seed_is_sealed_again() -> None:
    (first, first_box), (second, second_box) = seal(SEED, "correct horse"), seal(SEED, "correct horse")
    assert (first.salt, first_box[:48], first_box[48:]) != (second.salt, second_box[:48], second_box[48:])
    assert first.salt != second.salt
    assert first_box[:48] != second_box[:48]


def test_a_box_opens_with_pynacl_alone() -> None:
    how, box = seal(SEED, "pässword")
    key = argon2id.kdf(32, "pässword".encode(), bytes.fromhex(how.salt), how.opslimit, how.memlimit)
    assert SecretBox(key).decrypt(bytes.fromhex(box)) == SEED


def test_passphrases_of_any_bytes_can_be_used() -> None:
    text = b"not \xff text".decode(errors="surrogateescape")
    assert unseal(*seal(SEED, text), text) == SEED


def test_keys_are_sealed_with_the_moderate_limits_unless_a_test_says_otherwise() -> None:
    assert (sealing.MAX_OPSLIMIT, sealing.MAX_MEMLIMIT) == (3, 256 << 20)
    code = "from model_registry.private_keys import sealing; print(sealing.OPSLIMIT, sealing.MEMLIMIT)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.split() == ["3", str(256 << 20)]


@pytest.mark.parametrize(
    "change",
    [
        {"opslimit": 0},
        {"opslimit": 4},
        {"opslimit": 2**32},
        {"memlimit": 8191},
        {"memlimit": (256 << 20) + 1},
        {"memlimit": 2**40},
        {"salt": "00" * 15},
        {"salt": "AB" * 16},
        {"kdf": "scrypt"},
        {"box": "none"},
        {"more": 1},
    ],
)
def test_no_other_way_of_sealing_is_read(change: dict[str, object]) -> None:
    how, _ = seal(SEED, "correct horse")
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({**msgspec.to_builtins(how), **change}, Sealing)


def test_too_little_memory_is_told() -> None:
    code = """
import resource
from flows.errors import TidegateError
from model_registry.private_keys import sealing
resource.setrlimit(resource.RLIMIT_AS, (200 << 20, 200 << 20))
try:
    sealing.seal(bytes(32), "correct horse")
except TidegateError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("no memory for the passphrase: Argon2id needs 256 MiB")
