"""Ed25519 keys: the public half in TUF's form, with its key id, and the private half that signs.

Public keys travel in the root metadata. Private ones stay where :mod:`model_registry.private_keys` keeps them.
"""

from __future__ import annotations

import hashlib
from typing import Final, Literal, NoReturn

import msgspec
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from model_registry import canonical
from model_registry.shapes import Hex32

Role = Literal["root", "targets"]
ROLES: Final[tuple[Role, ...]] = ("root", "targets")


class KeyValue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The public half of a key, as TUF nests it."""

    public: Hex32


class PublicKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An Ed25519 public key in the form that TUF root metadata has it."""

    keytype: Literal["ed25519"]
    scheme: Literal["ed25519"]
    keyval: KeyValue

    @property
    def keyid(self) -> str:
        """SHA-256 of the key's canonical form, in hex: securesystemslib's default key id."""
        return hashlib.sha256(canonical.signed_bytes(msgspec.to_builtins(self))).hexdigest()

    def verifies(self, signature: str, data: bytes) -> bool:
        """Tell whether ``signature`` (128 hex digits) is this key's over ``data``."""
        try:
            VerifyKey(bytes.fromhex(self.keyval.public)).verify(data, bytes.fromhex(signature))
        except BadSignatureError:
            return False
        return True


class Signer:
    """A private key; it can sign, and shows nothing of itself but the public half."""

    def __init__(self, seed: bytes) -> None:
        """Take the 32 bytes of an Ed25519 seed."""
        self._key = SigningKey(seed)
        self.public = PublicKey("ed25519", "ed25519", KeyValue(self._key.verify_key.encode().hex()))
        self.keyid = self.public.keyid

    @classmethod
    def generate(cls) -> Signer:
        """Make a new key from the system's randomness."""
        return cls(SigningKey.generate().encode())

    def sign(self, data: bytes) -> str:
        """Return the signature over ``data``, in hex."""
        return self._key.sign(data).signature.hex()

    def seed(self) -> bytes:
        """Return the private half, for the file that keeps it."""
        return self._key.encode()

    def __repr__(self) -> str:
        return f"Signer({self.keyid[:12]})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a private key is neither pickled nor copied")
