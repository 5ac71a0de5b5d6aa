"""Vectors whose blobs, artifact, history, proposals or other files a verifier must refuse."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from model_registry.artifact import artifact_to_bytes
from model_registry.errors import Reason
from tests.support.models import repacked
from tests.support.registries import RULES
from tests.support.signers import EVE
from tests.vectors.building import (
    Document,
    artifact_path,
    built,
    document_of,
    fresh,
    signed_file,
    with_artifact,
    with_manifest,
)
from tests.vectors.model import demanding_forest, demanding_model
from tests.vectors.registries import three_versions
from tests.vectors.vector import Files, Vector

RULES_BLOB = f"blobs/{hashlib.sha256(RULES).hexdigest()}"


def bad_files() -> Iterator[Vector]:
    """Yield them."""
    yield from _blobs()
    yield from _artifacts()
    yield from _histories()
    yield from _strangers()


def _blobs() -> Iterator[Vector]:
    files = fresh()

    def bad(name: str, shows: str, changed: Files, reason: Reason, file: str = RULES_BLOB, **more: Any) -> Vector:
        return Vector(name=f"blob-{name}", shows=shows, files=changed, refused=(file, reason), **more)

    missing = {path: data for path, data in files.items() if path != RULES_BLOB}
    link = {"file": RULES_BLOB, "link": "../1.root.json"}
    yield bad("missing", "a blob that is not there", missing, Reason.MISSING)
    yield bad("link", "a symbolic link for a blob", missing, Reason.NOT_A_FILE, make=(link,))
    yield bad("changed", "one bit of a blob", {**files, RULES_BLOB: b"rules: {}\n"}, Reason.WRONG_DIGEST)
    yield bad("short", "a blob cut short", {**files, RULES_BLOB: RULES[:-1]}, Reason.WRONG_LENGTH)
    yield bad("long", "a blob with more bytes than were signed", {**files, RULES_BLOB: RULES + b"\n"}, Reason.OVERSIZED)
    longer = with_manifest(files, lambda signed: signed["targets"][RULES_BLOB].update(length=len(RULES) + 1))
    yield bad("signed-too-long", "a signed length that the blob does not have", longer, Reason.WRONG_LENGTH)
    catalogue = document_of(files)["signed"]["content"]["catalogue"]

    def exchange(signed: Document) -> None:
        signed["content"]["catalogue"] = RULES_BLOB
        del signed["targets"][catalogue]

    other = {path: data for path, data in with_manifest(files, exchange).items() if path != catalogue}
    yield bad("other-catalogue", "another feature catalogue than the reader's", other, Reason.WRONG_CATALOGUE)


def _artifacts() -> Iterator[Vector]:
    files, model = fresh(), demanding_model()
    forest = demanding_forest()

    def array(values: Any, index: int, value: Any) -> Any:
        changed = values.copy()
        changed[index] = value
        return changed

    def scalars(**changes: Any) -> bytes:
        metadata = {"format": 1, "name": model.name, "algorithm": model.algorithm, "slope": 1.5, "intercept": -0.25}
        metadata |= {"threshold": model.threshold, "catalogue": model.catalogue} | changes
        return repacked(model, metadata=np.frombuffer(json.dumps(metadata).encode(), np.uint8))

    scores = np.nextafter(model.golden_scores, np.inf)
    data = artifact_to_bytes(model)
    for name, shows, artifact in (
        ("no-container", "text for an artifact", b"no container\n"),
        ("cut-short", "a container whose last byte is missing", data[:-1]),
        ("lacks-an-array", "no array forest.value", repacked(model, forest__value=None)),
        ("other-array", "an array that no model has", repacked(model, other=np.zeros(1, np.float32))),
        ("remarks", "remarks in the header", _with_header(data, lambda text: '{"__metadata__": {}, ' + text[1:])),
        ("array-twice", "every array twice in the header", _with_header(data, lambda text: f"{text[:-1]}, {text[1:]}")),
        ("other-type", "float64 for float32", repacked(model, forest__threshold=forest.threshold.astype(np.float64))),
        ("cycle", "a child that is its own parent", repacked(model, forest__left=array(forest.left, 2, 2))),
        ("shared-node", "a node with two parents", repacked(model, forest__left=array(forest.left, 2, 4))),
        ("no-such-feature", "feature 120", repacked(model, forest__feature=array(forest.feature, 0, 120))),
        (
            "nan-threshold",
            "a threshold that is not a number",
            repacked(model, forest__threshold=array(forest.threshold, 0, np.nan)),
        ),
        ("infinite-leaf", "an infinite leaf", repacked(model, forest__value=array(forest.value, 1, np.inf))),
        ("uneven-profile", "counts that differ in their sums", repacked(model, profile__score_counts=np.array([3, 5]))),
        ("slope-zero", "a slope of 0", scalars(slope=0.0)),
        ("unknown-scalar", "a scalar that no model has", scalars(comment="")),
        ("other-name", "the artifact of another model", scalars(name="malware_lgbm")),
        ("other-threshold", "another threshold than the manifest's", scalars(threshold=0.5)),
        ("own-catalogue", "another catalogue than the manifest says", scalars(catalogue="0" * 64)),
    ):
        yield _refused(f"artifact-{name}", shows, with_artifact(files, artifact), Reason.ARTIFACT)
    golden = artifact_to_bytes(dataclasses.replace(model, golden_scores=scores))
    shows = "golden scores that are a bit too high"
    yield _refused("artifact-golden-vectors", shows, with_artifact(files, golden), Reason.GOLDEN_VECTORS)
    other = with_artifact(files, scalars(catalogue="0" * 64), lambda version: version.update(catalogue="0" * 64))
    yield _refused("artifact-other-catalogue", "a model of another catalogue", other, Reason.WRONG_CATALOGUE)


def _with_header(data: bytes, change: Callable[[str], str]) -> bytes:
    end = 8 + int.from_bytes(data[:8], "little")
    header = change(data[8:end].decode().strip()).encode()
    return len(header).to_bytes(8, "little") + header + data[end:]


def _refused(name: str, shows: str, files: Files, reason: Reason) -> Vector:
    return Vector(name=name, shows=shows, files=files, refused=(artifact_path(files), reason))


def _histories() -> Iterator[Vector]:
    files = built(three_versions)
    for name, shows, changed, file, reason in (
        (
            "changed",
            "a kept manifest with a byte more",
            files["history/2.json"] + b" ",
            "history/2.json",
            Reason.WRONG_DIGEST,
        ),
        (
            "exchanged",
            "the first manifest in place of the second",
            files["history/1.json"],
            "history/2.json",
            Reason.WRONG_DIGEST,
        ),
        (
            "not-in-force",
            "another manifest is in force",
            files["history/2.json"],
            "history/3.json",
            Reason.WRONG_DIGEST,
        ),
    ):
        yield Vector(name=f"history-{name}", shows=shows, files={**files, file: changed}, refused=(file, reason))
    forged = signed_file(document_of(fresh())["signed"], EVE)

    def follow(signed: Document) -> None:
        previous = {"version": 1, "sha256": hashlib.sha256(forged).hexdigest()}
        signed.update(version=2, previous=previous)

    after = {**with_manifest(fresh(), follow), "history/1.json": forged}
    shows = "it follows a manifest that a stranger has signed"
    yield Vector(name="history-forged", shows=shows, files=after, refused=("history/1.json", Reason.UNKNOWN_KEY))


def _strangers() -> Iterator[Vector]:
    stray = {"file": "notes.txt", "text": "to do\n"}
    beside = {"file": "proposed/notes.json", "text": "{}\n"}
    key = {"file": "targets.json", "text": '{"private": "nothing"}\n'}
    lock = {"file": ".lock", "text": "held\n"}
    orphan = f"blobs/{hashlib.sha256(b'orphan').hexdigest()}"
    for name, shows, file, reason, make in (
        ("other-file", "a file that nothing refers to", "notes.txt", Reason.UNACCOUNTED, stray),
        ("beside-proposals", "a file that bears no proposal's name", beside["file"], Reason.UNACCOUNTED, beside),
        ("private-key", "a file that looks like a private key", "targets.json", Reason.PRIVATE_KEY, key),
        ("full-lock", "a lock that is not empty", ".lock", Reason.UNACCOUNTED, lock),
        ("orphan", "a blob that nothing refers to", orphan, Reason.UNACCOUNTED, {"file": orphan, "text": "orphan"}),
    ):
        yield Vector(name=f"stranger-{name}", shows=shows, files=fresh(), refused=(file, reason), make=(make,))
