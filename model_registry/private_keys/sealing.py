"""A private key sealed by a passphrase: Argon2id makes the key of a secret box (XSalsa20-Poly1305) that holds the seed.

How the key was made stands beside the box. Whoever can plant a key file chooses those numbers, so that when reading
they are bounded by what is used for writing: a quarter of a gigabyte, and about a second.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from nacl import exceptions
from nacl.pwhash import argon2id
from nacl.secret import SecretBox
from nacl.utils import random

from flows.errors import TidegateError

OPSLIMIT: int = argon2id.OPSLIMIT_MODERATE
MEMLIMIT: int = argon2id.MEMLIMIT_MODERATE  # bytes

MAX_OPSLIMIT: Final = OPSLIMIT
MAX_MEMLIMIT: Final = MEMLIMIT

BOX_DIGITS: Final = 2 * (SecretBox.NONCE_SIZE + SecretBox.MACBYTES + 32)  # of a sealed seed, in hex


class Sealing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a box was sealed: all that is needed to open it, but the passphrase."""

    kdf: Literal["argon2id"]
    opslimit: Annotated[int, msgspec.Meta(ge=argon2id.OPSLIMIT_MIN, le=MAX_OPSLIMIT)]
    memlimit: Annotated[int, msgspec.Meta(ge=argon2id.MEMLIMIT_MIN, le=MAX_MEMLIMIT)]
    salt: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{32}\Z")]
    box: Literal["xsalsa20poly1305"]


def seal(seed: bytes, passphrase: str) -> tuple[Sealing, str]:
    """Return how the seed was sealed, and the box in hex. The same seed never gives the same box twice."""
    sealing = Sealing("argon2id", OPSLIMIT, MEMLIMIT, random(argon2id.SALTBYTES).hex(), "xsalsa20poly1305")
    return sealing, bytes(_box(sealing, passphrase).encrypt(seed)).hex()


def unseal(sealing: Sealing, box: str, passphrase: str) -> bytes | None:
    """Return the seed in a box, or None if the passphrase is not the one."""
    try:
        return _box(sealing, passphrase).decrypt(bytes.fromhex(box))
    except exceptions.CryptoError:
        return None


def _box(sealing: Sealing, passphrase: str) -> SecretBox:
    text = passphrase.encode(errors="surrogateescape")  # the very bytes that a variable or a file had
    try:
        key = argon2id.kdf(SecretBox.KEY_SIZE, text, bytes.fromhex(sealing.salt), sealing.opslimit, sealing.memlimit)
    except exceptions.RuntimeError:
        raise TidegateError(
            f"no memory for the passphrase: Argon2id needs {sealing.memlimit >> 20} MiB; free some, or raise the limit"
        ) from None
    return SecretBox(key)
