"""Ed25519 keys: their TUF form and key ids, and the private key files.

A private key stays in a file of its own, readable by its owner alone, in a folder apart from the registry. It is
stored unencrypted, and the file says so. Public keys travel in the root metadata.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from flows.errors import TidegateError, UsageError
from model_registry import canonical
from model_registry.errors import TrustError
from model_registry.files import read_bounded

Role = Literal["root", "targets"]
ROLES: Final[tuple[Role, ...]] = ("root", "targets")

Hex32 = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Hex64 = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{128}\Z")]

_MAX_KEY_FILE: Final = 4096


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

    def write(self, path: Path) -> None:
        """Keep the private key in a new file of mode 0600. Raises TidegateError if there is a file already."""
        document = {
            "keytype": "ed25519",
            "scheme": "ed25519",
            "encryption": "none",
            "private": self._key.encode().hex(),
            "public": self.public.keyval.public,
        }
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            raise TidegateError(f"{path}: there is a key already, and it is not overwritten") from None
        except OSError as error:
            raise TidegateError(f"{path}: cannot be written: {error.strerror}") from None
        with os.fdopen(handle, "wb") as file:
            file.write(canonical.file_bytes(document))
            file.flush()
            os.fsync(handle)


class _KeyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    keytype: Literal["ed25519"]
    scheme: Literal["ed25519"]
    encryption: Literal["none"]
    private: Hex32
    public: Hex32


def key_file(keys: Path, role: Role) -> Path:
    """Return where, in the folder ``keys``, the private key of a role lies."""
    return keys / f"{role}.key"


def load_signer(keys: Path, role: Role) -> Signer:
    """Read the private key of a role from the folder ``keys``.

    Raises UsageError if it is not there, TrustError if others than its owner may touch the file or it is malformed.
    """
    path = key_file(keys, role)
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise UsageError(
            f"{path}: no private key there; name its folder by --keys, or make one by `tidegate keys init`"
        ) from None
    except OSError as error:
        raise TrustError(f"{path}: cannot be read: {error.strerror}") from None
    mode = os.fstat(handle).st_mode
    data = read_bounded(handle, str(path), _MAX_KEY_FILE)
    if stat.S_IMODE(mode) & 0o077:
        raise TrustError(
            f"{path}: its mode is {stat.S_IMODE(mode):04o}, so others than its owner may touch this private key; "
            f"if nobody has, run: chmod 600 {path}"
        )
    content = canonical.convert(canonical.parse_file(data, str(path)), _KeyFile, str(path))
    signer = Signer(bytes.fromhex(content.private))
    if signer.public.keyval.public != content.public:
        raise TrustError(f"{path}: its public half does not belong to its private half; restore the file")
    return signer


def create_keys(keys: Path) -> dict[Role, Signer]:
    """Make a key for each role, and keep them in the folder ``keys`` (made with mode 0700 if it is missing).

    Raises TidegateError, having written nothing, if one of the files is there already.
    """
    for role in ROLES:
        if os.path.lexists(key_file(keys, role)):
            raise TidegateError(f"{key_file(keys, role)}: there is a key already, and it is not overwritten")
    try:
        keys.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise TidegateError(f"{keys}: cannot be made: {error.strerror}") from None
    signers = {role: Signer.generate() for role in ROLES}
    for role, signer in signers.items():
        signer.write(key_file(keys, role))
    return signers
