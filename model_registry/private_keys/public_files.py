"""The public half of a key, as people hand it to whoever keeps the root: a small file, or 64 hexadecimal digits."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final, Literal

import msgspec
from nacl.bindings import crypto_core_ed25519_is_valid_point

from flows.errors import UsageError
from model_registry import canonical
from model_registry.errors import Reason, TrustError
from model_registry.files import read_given
from model_registry.keys import KeyValue, PublicKey
from model_registry.root import Holder

_MAX: Final = 4096  # bytes
_HEX: Final = re.compile(r"[0-9a-f]{64}")


class _PublicFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    keytype: Literal["ed25519"]
    scheme: Literal["ed25519"]
    keyval: KeyValue
    holder: Holder


def public_file_bytes(public: PublicKey, holder: str) -> bytes:
    """Return the file for the public half of a key. Raises UsageError for a holder that is no short ASCII text."""
    try:
        msgspec.convert(holder, Holder)
    except msgspec.ValidationError:
        raise UsageError(
            f"{ascii(holder)[:80]} cannot name the holder of a key: give up to 64 printable ASCII characters, with no "
            "space at either end"
        ) from None
    return canonical.file_bytes({**msgspec.to_builtins(public), "holder": holder})


def read_public(path_or_hex: str) -> tuple[PublicKey, str]:
    """Read the public half of a key and the name of its holder (its first digits, if the key itself is given).

    Raises UsageError for what is neither a file nor a key, and TrustError for a file or key that is malformed.
    """
    if _HEX.fullmatch(path_or_hex.lower()):
        return _checked(KeyValue(path_or_hex.lower()), "the given digits"), path_or_hex.lower()[:8]
    if not os.path.lexists(path_or_hex):
        raise UsageError(f"{path_or_hex}: neither a file nor the 64 hexadecimal digits of a public key")
    data = read_given(Path(path_or_hex), _MAX)
    content = canonical.convert(canonical.parse_file(data, path_or_hex), _PublicFile, path_or_hex)
    return _checked(content.keyval, path_or_hex), content.holder


def _checked(value: KeyValue, name: str) -> PublicKey:
    """Refuse what cannot be a key: half of all slips of the finger, and the points that anybody can sign for."""
    if not crypto_core_ed25519_is_valid_point(bytes.fromhex(value.public)):
        raise TrustError(f"{name}: no Ed25519 public key; copy it again, whole", Reason.MALFORMED)
    return PublicKey("ed25519", "ed25519", value)
