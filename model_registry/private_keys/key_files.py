"""The folder of private keys: one file for each, readable by its owner alone, apart from the registry.

``<role>.key`` holds a private key, sealed by a passphrase unless it was made without one, and its public half in the
open, so that the right key is found without a passphrase. ``<role>.pub`` beside it is the public half alone, to hand
to whoever keeps the root. No message ever quotes a key file, not even a broken one.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from flows.errors import TidegateError, UsageError
from model_registry import canonical
from model_registry.errors import Reason, TrustError
from model_registry.keys import ROLES, KeyValue, PublicKey, Role, Signer
from model_registry.private_keys.passphrases import forget_passphrase, known_passphrase
from model_registry.private_keys.private_files import read_private, write_new
from model_registry.private_keys.provided_keys import provided_signer, variables
from model_registry.private_keys.public_files import public_file_bytes
from model_registry.private_keys.sealing import BOX_DIGITS, Sealing, seal, unseal
from model_registry.shapes import Hex32

_ATTEMPTS: Final = 3  # at the passphrase
_SEED_DIGITS: Final = 64


class _KeyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    keytype: Literal["ed25519"]
    scheme: Literal["ed25519"]
    encryption: Sealing | Literal["none"]
    private: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]+\Z")]
    public: Hex32

    def __post_init__(self) -> None:
        if len(self.private) != (_SEED_DIGITS if self.encryption == "none" else BOX_DIGITS):
            raise ValueError("the private half has another length than its encryption gives")


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A private key file, as far as it can be read without a passphrase."""

    path: Path
    public: PublicKey
    encrypted: bool


def key_file(keys: Path, role: Role) -> Path:
    """Return where, in the folder ``keys``, the private key of a role lies."""
    return keys / f"{role}.key"


def public_file(keys: Path, role: Role) -> Path:
    """Return where, in the folder ``keys``, the public half of that key lies, to be handed on."""
    return keys / f"{role}.pub"


def root_copy(keys: Path) -> Path:
    """Return where, in the folder ``keys``, the root lies that was made together with them."""
    return keys / "root.json"


def pinned_root(keys: Path) -> Path | None:
    """Return that root if it is there: who signs trusts it, and not what the registry says is its first root."""
    path = root_copy(keys)
    return path if path.exists() else None


def keep_apart(keys: Path, registry: str | Path) -> None:
    """Raise UsageError if the folder ``keys`` lies in a registry, where everybody may read."""
    # realpath, because resolve raises where links go round in circles
    if "://" not in str(registry) and Path(os.path.realpath(keys)).is_relative_to(os.path.realpath(registry)):
        raise UsageError(f"{keys}: private keys do not belong into the registry {registry}; name another folder")


def write_key(path: Path, signer: Signer, passphrase: str | None) -> None:
    """Keep a private key in a new file, sealed by the passphrase; None stores it as it is, and the file says so.

    Raises TidegateError if there is a file already, or it cannot be written.
    """
    encryption: Sealing | Literal["none"] = "none"
    private = signer.seed().hex()
    if passphrase is not None:
        encryption, private = seal(signer.seed(), passphrase)
    content = _KeyFile("ed25519", "ed25519", encryption, private, signer.public.keyval.public)
    write_new(path, canonical.file_bytes(msgspec.to_builtins(content)))


def create_keys(
    keys: Path, *, roles: Sequence[Role] = ROLES, passphrase: str | None = None, holder: str | None = None
) -> dict[Role, Signer]:
    """Make a key for each role, and keep its halves in the folder ``keys`` (made with mode 0700 if it is missing).

    ``holder`` says in the public half who has the key; without it the role's name does. Raises UsageError for a holder
    that is no short text, and TidegateError if one of the files is there already; then nothing was written.
    """
    signers = {role: Signer.generate() for role in roles}
    public = {role: public_file_bytes(signer.public, holder or role) for role, signer in signers.items()}
    for role in roles:
        for path in (key_file(keys, role), public_file(keys, role)):
            if os.path.lexists(path):
                raise TidegateError(f"{path}: there is a key already, and it is not overwritten")
    try:
        keys.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise TidegateError(f"{keys}: cannot be made: {error.strerror}") from None
    for role, signer in signers.items():
        write_key(key_file(keys, role), signer, passphrase)
        write_new(public_file(keys, role), public[role], mode=0o644)
    return signers


def stored_keys(keys: Path) -> list[StoredKey]:
    """List the private keys of a folder by file name, without a passphrase; none if there is no such folder.

    Raises TrustError if others than its owner may touch one of the files, or it is malformed.
    """
    try:
        paths = sorted(path for path in keys.iterdir() if path.suffix == ".key")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise TidegateError(f"{keys}: cannot be listed as a folder of keys: {error.strerror}") from None
    return [_stored(path, content) for path in paths if (content := _read(path)) is not None]


def load_signer(keys: Path, role: Role, keyids: Collection[str] | None = None) -> Signer:
    """Return the private key of a role: from its variable, else from its command, else from the folder ``keys``.

    With ``keyids`` the key must be one of these; in the folder it may then have any file name. A key that was read
    from its variable is taken out of the environment, so that no child process inherits it, and is remembered.

    Raises UsageError if there is no key, or no passphrase for it; TrustError if it is not one of ``keyids``, others
    than its owner may touch its file, the file is malformed, or the passphrase is wrong.
    """
    provided = provided_signer(role)
    if provided is not None:
        source, signer = provided
        if keyids is not None and signer.keyid not in keyids:
            remedy = f"give the right key in {source}, or take the variable away"
            raise _unknown(source, [signer.keyid], role, keyids, remedy)
        return signer
    if keyids is None:
        return _open(key_file(keys, role), role)
    stored = stored_keys(keys)
    paths = [key.path for key in stored if key.public.keyid in keyids]
    if stored and not paths:
        raise _unknown(str(keys), [key.public.keyid for key in stored], role, keyids, "name another folder by --keys")
    usual = key_file(keys, role)
    return _open(usual if usual in paths or not paths else paths[0], role)


def _unknown(source: str, found: Sequence[str], role: Role, keyids: Collection[str], remedy: str) -> TrustError:
    return TrustError(
        f"{source}: gives none of the {role} keys that can sign here: found {', '.join(found)}; wanted "
        f"{' or '.join(sorted(keyids)) or 'none any more'}; {remedy}, or have the key added by whoever keeps the root: "
        f"tidegate keys rotate --add {role}=FILE",
        Reason.UNKNOWN_KEY,
    )


def _read(path: Path) -> _KeyFile | None:
    data = read_private(path)
    if data is None:
        return None
    try:
        return canonical.convert(canonical.parse_file(data, str(path)), _KeyFile, str(path))
    except TrustError as error:  # whose message may quote what it could not read
        raise TrustError(
            f"{path}: not a private key file as `tidegate keys init` writes it; restore it from your copy", error.reason
        ) from None


def _stored(path: Path, content: _KeyFile) -> StoredKey:
    return StoredKey(
        path, PublicKey("ed25519", "ed25519", KeyValue(content.public)), encrypted=content.encryption != "none"
    )


def _open(path: Path, role: Role) -> Signer:
    content = _read(path)
    if content is None:
        variable, command = variables(role)
        raise UsageError(
            f"{path}: no private key there; make one by `tidegate keys init`, name the folder of another by --keys, or "
            f"give the key in {variable} or by a command in {command}"
        )
    if content.encryption == "none":
        signer = Signer(bytes.fromhex(content.private))
    else:
        signer = Signer(_unlock(path, content.encryption, content.private))
    if signer.public.keyval.public != content.public:
        raise TrustError(
            f"{path}: its public half does not belong to its private half; restore it from your copy", Reason.MALFORMED
        )
    return signer


def _unlock(path: Path, sealing: Sealing, box: str) -> bytes:
    for _ in range(_ATTEMPTS):
        seed = unseal(sealing, box, known_passphrase(path))
        if seed is not None:
            return seed
        if not forget_passphrase():
            break
    raise TrustError(f"{path}: wrong passphrase; give the one that the key was made with", Reason.PRIVATE_KEY)
