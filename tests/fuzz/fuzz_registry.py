"""Fuzz target: the files of a registry. The first byte chooses which, and what the rest is: its bytes, or edits.

Edits are of a good file as a whole, or of what is signed or packed in it, which is then signed or packed again: so what
lies behind signature and container is reached.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from copy import copy
from itertools import product
from typing import Any, Final

import msgspec
import numpy as np
from safetensors import deserialize
from safetensors.numpy import save

from model_registry import canonical
from model_registry.artifact import artifact_to_bytes
from model_registry.errors import TrustError
from model_registry.history import read_kept
from model_registry.keys import Signer
from model_registry.manifest import MANIFEST
from model_registry.proposals import look_through_proposals
from model_registry.registry import Current, Registry
from model_registry.trust import TrustedMetadata, read_manifest
from tests.fuzz.edits import Arrays, Document, edit, edited_arrays, edited_document, places
from tests.support.artifact_contract import read_and_use
from tests.support.documents import FIRST_ROOT, manifest_document, root_document, root_file, signed_file
from tests.support.registries import NOW, tiny_artifact
from tests.support.signers import ALICE, BOB, ROOT, shared_root
from tests.support.simulated_store import SimulatedStore

_EDITED: Final = 0x40  # bits of the first byte
_SIGNED: Final = 0x80
_LONGEST: Final = 600  # characters of a message

_MANIFEST: Final = manifest_document(models=["ddos_lgbm"])
_FORCE: Final = signed_file(_MANIFEST, ALICE)
_OTHER_ROOT: Final = shared_root(BOB, threshold=1)
_TRUSTED: Final = TrustedMetadata(root_file(), "1.root.json", reference_time=NOW)
_CURRENT: Final = Current(read_manifest(_FORCE, MANIFEST, FIRST_ROOT), _FORCE, "", in_place=True)
_ARTIFACT: Final = artifact_to_bytes(tiny_artifact("ddos_lgbm"))
_CODES: Final = {"I64": "<i8", "I32": "<i4", "I16": "<i2", "F64": "<f8", "F32": "<f4", "U8": "u1", "BOOL": "?"}
_ARRAYS: Final[Arrays] = {
    name: np.frombuffer(tensor["data"], _CODES[tensor["dtype"]]).reshape(tensor["shape"])
    for name, tensor in deserialize(_ARTIFACT)  # type: ignore[no-untyped-call]  # has no types
}
# Of a whole file: no signature, the same twice, by nobody, and of nothing.
_SIGNATURES: Final = (edit(1, 1), edit(1, 2), edit(2, 0, b"00" * 32), edit(3, 0, b"00" * 64))
# What a manifest is refused for last, when all the rest of it is good: by field.
_LATE: Final = {
    "expires": [b"2029-12-31T23:59:59Z", b"2030-02-30T00:00:00Z", b"0000-01-01T00:00:00Z"],
    "version": [b"1", b"2", b"9007199254740993"],
    "previous": [b"null", b'{"version": 3, "sha256": ""}'],
    "root": [b"null", b'{"version": 2, "sha256": ""}'],
    "action": [b"[]", b'"\\ud800"', b"restore"],
    "champion": [b"9", b"1.0", b"true"],
}


def one_input(data: bytes) -> None:
    """Only a refusal comes out of a reader, or what has one spelling and can be used."""
    chosen, rest = (data[0], data[1:]) if data else (0, b"")
    kind = (chosen & ~_EDITED & ~_SIGNED) % len(_KINDS)
    _KINDS[kind](rest, chosen & (_EDITED | _SIGNED))


def _manifest(data: bytes, how: int) -> None:
    file = _made(_MANIFEST, ALICE, data, how)
    try:
        manifest = _trusted().update_manifest(file, min_version=3)
    except TrustError as error:
        _check(error, MANIFEST)
        return
    _check_spelling(file, manifest)
    assert manifest.content.in_use() <= manifest.content.references().keys() == manifest.targets.keys()


def _kept(data: bytes, how: int) -> None:
    """A manifest of the history, under a root that has been replaced since."""
    file = _made(_MANIFEST, ALICE, data, how)
    try:
        _check_spelling(file, read_kept(file, "history/3.json", [FIRST_ROOT, _OTHER_ROOT]).manifest)
    except TrustError as error:
        _check(error, "history/3.json")


def _first_root(data: bytes, how: int) -> None:
    file = _made(root_document(), ROOT, data, how)
    try:
        trusted = TrustedMetadata(file, "a root", reference_time=NOW)
    except TrustError as error:
        _check(error, "a root")
    else:
        _check_spelling(file, trusted.root)


def _next_root(data: bytes, how: int) -> None:
    file = _made(root_document(2), ROOT, data, how)
    trusted = _trusted()
    try:
        trusted.update_root(file, "2.root.json")
        _check_spelling(file, trusted.root)
        trusted.update_manifest(_FORCE)
    except TrustError as error:
        _check(error, "2.root.json", MANIFEST)


def _proposed_manifest(data: bytes, how: int) -> None:
    _proposal(_made(_MANIFEST, ALICE, data, how))


def _proposed_root(data: bytes, how: int) -> None:
    _proposal(_made(root_document(2), ROOT, data, how))


def _proposal(file: bytes) -> None:
    files = {f"proposed/{_digest(file)}.json": file}
    registry = Registry("nowhere")
    registry.store = SimulatedStore(files)
    proposals, refused = look_through_proposals(registry, _trusted(), _CURRENT)
    assert len(proposals) + len(refused) == 1
    for proposal in proposals:
        assert {proposal.file: proposal.data} == files
        assert proposal.weight.keyids
        _check_spelling(proposal.data, proposal.signed)
    for name, error in refused.items():
        _check(error, name)


def _artifact(data: bytes, how: int) -> None:
    read_and_use(save(edited_arrays(_ARRAYS, data)) if how else data)


_KINDS: Final = (_manifest, _kept, _first_root, _next_root, _proposed_manifest, _proposed_root, _artifact)


def _trusted() -> TrustedMetadata:
    """A registry whose first root is trusted; to read that is not tried here."""
    trusted = copy(_TRUSTED)
    trusted.roots = [*trusted.roots]
    return trusted


def _made(good: Document, signer: Signer, data: bytes, how: int) -> bytes:
    """The bytes themselves, or a good file with edits, with the signature that it had or another."""
    if how & _SIGNED:
        document = edited_document(good, data)
        try:
            return signed_file(document, signer)
        except TrustError:  # nobody can sign this, but anybody can say so
            return canonical.file_bytes({"signed": document, "signatures": [{"keyid": signer.keyid, "sig": "00" * 64}]})
    if how & _EDITED:
        return canonical.file_bytes(edited_document(json.loads(signed_file(good, signer)), data))
    return data


def _digest(file: bytes) -> str:
    """What a proposal would be called, if it is one."""
    try:
        return hashlib.sha256(canonical.signed_bytes(json.loads(file)["signed"])).hexdigest()
    except (ValueError, RecursionError, TypeError, KeyError, TrustError):
        return "ab" * 32


def _check_spelling(file: bytes, signed: msgspec.Struct) -> None:
    """Hold that a file that was accepted is what would be written of it."""
    whole = canonical.parse_file(file, "it")
    assert canonical.file_bytes(whole) == file
    document: Any = msgspec.to_builtins(signed, str_keys=True)
    assert canonical.signed_bytes(document) == canonical.signed_bytes(whole["signed"])
    assert msgspec.convert(document, type(signed), str_keys=True) == signed


def _check(error: TrustError, *names: str) -> None:
    assert str(error).startswith(names)
    assert str(error).isprintable()
    assert len(str(error)) < _LONGEST


def seeds() -> Iterator[bytes]:
    """Good files of every kind and of a neighbour's, and edits: those that stay good, and one of each way."""
    files = [_FORCE, _FORCE, root_file(), root_file(2), _FORCE, root_file(2), _ARTIFACT]
    for kind, file in enumerate(files):
        yield bytes([kind]) + file
        yield bytes([(kind + 1) % len(files)]) + file
        for bit in (_EDITED, _SIGNED):
            yield bytes([kind | bit])
            for how, value in product(range(6), (b"", b'{"a": [1, null]}')):
                yield bytes([kind | bit]) + edit(9 * how + len(value), how, value)
        for edits in _SIGNATURES:
            yield bytes([kind | _EDITED]) + edits
    yield bytes([_KINDS.index(_manifest)]) + signed_file(_MANIFEST, BOB)
    names = [name for _, name in places(_MANIFEST)]
    late = [edit(names.index(name), 0, value) for name, values in _LATE.items() for value in values]
    late.append(edit(names.index("version"), 0, b"2") + b"\n" + edit(names.index("previous") + 1, 0, b"1"))
    for kind in (_KINDS.index(_manifest), _KINDS.index(_proposed_manifest)):
        yield from (bytes([kind | _SIGNED]) + edits for edits in late)


def words() -> set[bytes]:
    """The names and values that metadata has, and the bytes of numbers that are hard on a forest."""
    found = set()
    for document in (_MANIFEST, root_document()):
        found |= set(re.findall(rb'"[^"\\]{1,80}"|[0-9]+', canonical.signed_bytes(document)))
    numbers = (np.nan, np.inf, -0.0, 1e-45, 1e9, -1e9)
    found |= {np.array([number], code).tobytes() for number in numbers for code in ("<f4", "<f8")}
    found |= {np.array([number], code).tobytes() for number in (-1, 120, 4096) for code in ("<i2", "<i4", "<i8")}
    return found | {b"\\ud800", b"\\u0000", b"9007199254740993", b"-0", b"true", b"null", b"[]", b"{}", b"\n"}
