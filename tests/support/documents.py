"""A registry's documents without a registry: one root, and manifests under it, to change and to sign again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from flows.catalogue import catalogue_digest
from model_registry.content import Content, Gate, Model, ModelVersion, TrainingData
from model_registry.keys import Signer
from model_registry.manifest import Hashes, Manifest, Previous, RootRef, Target
from model_registry.shapes import SPEC_VERSION, format_time
from model_registry.signatures import Envelope, add_signature
from tests.support.registries import DAY, MODELS, NOW
from tests.support.signers import ALICE, ROOT, shared_root

Document = dict[str, Any]

FIRST_ROOT: Final = shared_root(ALICE, threshold=1)


def signed_file(document: Document, signer: Signer) -> bytes:
    """The metadata file that holds a document, whatever it is, and a good signature."""
    return add_signature(Envelope(document, []), signer)


def root_document(version: int = 1) -> Document:
    """A root's signed part; every version has the same keys."""
    return _document(msgspec.structs.replace(FIRST_ROOT, version=version))


def root_file(version: int = 1) -> bytes:
    """A root, signed by its root key."""
    return signed_file(root_document(version), ROOT)


def manifest_document(versions: int = 1, models: Sequence[str] = MODELS) -> Document:
    """A manifest's signed part: models of so many versions each."""
    content = Content(
        models={name: _model(name, versions) for name in models},
        catalogue=f"blobs/{catalogue_digest()}",
        rules=_blob("rules"),
        math=_blob("math"),
        ensemble=_blob("ensemble"),
    )
    targets = {path: Target(1000, Hashes(path.removeprefix("blobs/"))) for path in content.references()}
    manifest = Manifest(
        type="targets",
        spec_version=SPEC_VERSION,
        version=3,
        expires=format_time(NOW + DAY),
        targets=targets,
        published=format_time(NOW),
        run_id="run-1",
        action="publish",
        reason="a better model",
        previous=Previous(2, "ab" * 32),
        root=RootRef.of(FIRST_ROOT),
        content=content,
    )
    return _document(manifest)


def manifest_file(versions: int = 1) -> bytes:
    """A manifest, signed by the targets key."""
    return signed_file(manifest_document(versions), ALICE)


def _model(name: str, versions: int) -> Model:
    return Model(
        versions={number: _version(f"{name} {number}") for number in range(1, versions + 1)},
        champion=versions,
        challenger=1,
    )


def _version(what: str) -> ModelVersion:
    return ModelVersion(
        artifact=_blob(f"artifact of {what}"),
        card=_blob(f"card of {what}"),
        catalogue=catalogue_digest(),
        threshold="0.75",
        metrics={"recall": "0.991", "fpr": "0.0008"},
        gates={"recall": Gate(passed=True, detail="0.991 >= 0.95")},
        data=TrainingData(sha256="ab" * 32, rows=12345),
        created=format_time(NOW),
        run_id="run-1",
        code_version="0.1.0",
    )


def _blob(what: str) -> str:
    return f"blobs/{hashlib.sha256(what.encode()).hexdigest()}"


def _document(signed: msgspec.Struct) -> Document:
    document: Document = msgspec.to_builtins(signed, str_keys=True)
    return document
