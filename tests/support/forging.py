"""Metadata files read without verification, changed, and signed by whoever has a key; and a registry in any store."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec

from model_registry import canonical
from model_registry.keys import Signer
from model_registry.manifest import MANIFEST, Manifest, RootRef, parse_manifest
from model_registry.registry import Registry
from model_registry.root import Root, parse_root
from model_registry.signatures import read_envelope
from model_registry.stores.base import Store


def registry_in(store: Store) -> Registry:
    """Return the registry in a store."""
    return Registry(store)


def manifest_of(data: bytes) -> Manifest:
    """Read a manifest, whoever signed it."""
    return parse_manifest(read_envelope(data, MANIFEST).signed)


def root_of(data: bytes) -> Root:
    """Read a root, whoever signed it."""
    return parse_root(read_envelope(data, "root").signed, "root")


def made_under(root: Root, manifest: Manifest) -> Manifest:
    """Return a manifest that says that it was made under this root."""
    return msgspec.structs.replace(manifest, root=RootRef.of(root))


def changed(data: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    """Return a metadata file with something changed in its document, signatures and all."""
    document = json.loads(data)
    change(document)
    return canonical.file_bytes(document)


def with_signatures(data: bytes, *signatures: dict[str, str]) -> bytes:
    """Return a metadata file with these signatures instead of its own."""
    return canonical.file_bytes(json.loads(data) | {"signatures": list(signatures)})


def signed_by(data: bytes, *signers: Signer) -> bytes:
    """Return a metadata file signed by these alone, whatever it says."""
    payload = canonical.signed_bytes(json.loads(data)["signed"])
    signatures = [{"keyid": signer.keyid, "sig": signer.sign(payload)} for signer in signers]
    return with_signatures(data, *sorted(signatures, key=lambda signature: signature["keyid"]))
