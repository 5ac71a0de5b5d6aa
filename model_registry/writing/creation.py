"""Making a registry: its first keys, and the root that trusts them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from flows.errors import TidegateError
from model_registry.errors import ChangedError
from model_registry.keys import Role, Signer
from model_registry.private_keys.key_files import create_keys, keep_apart, root_copy
from model_registry.private_keys.private_files import write_new
from model_registry.registry import open_store
from model_registry.root import make_root, root_name
from model_registry.signatures import sign
from model_registry.stores.folder import LOCK, FolderStore

ROOT_VALIDITY: Final = timedelta(days=365)


def create_registry(
    location: str | Path,
    keys: Path,
    *,
    passphrase: str | None = None,
    holder: str | None = None,
    valid_for: timedelta = ROOT_VALIDITY,
    now: datetime | None = None,
) -> dict[Role, Signer]:
    """Make new keys in the folder ``keys``, and a registry with their root and nothing else; return the signers.

    A copy of the root stays with the keys, so that their owner need not take it from the registry. The keys are
    encrypted by ``passphrase`` unless it is None; ``holder`` says for people who holds them.

    Raises UsageError if the keys would lie in the registry, and TidegateError, having written nothing, if there
    are keys or a registry already.
    """
    keep_apart(keys, location)
    store = open_store(location)
    if any(entry.name != LOCK for entry in store.entries()):
        raise TidegateError(f"{store}: there is a registry already, or something else; name an empty place")
    signers = create_keys(keys, passphrase=passphrase, holder=holder)
    root = make_root(
        signers["root"].public,
        signers["targets"].public,
        version=1,
        expires=(now or datetime.now(UTC)) + valid_for,
        holder=holder or "",
    )
    if isinstance(store, FolderStore):
        try:
            store.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TidegateError(f"{store}: cannot be made: {error.strerror}") from None
    data = sign(root, signers["root"])
    write_new(root_copy(keys), data, mode=0o644)
    try:
        store.swap(root_name(1), data, None)
    except ChangedError:
        raise TidegateError(f"{store}: somebody else has just made a registry there; name an empty place") from None
    return signers
