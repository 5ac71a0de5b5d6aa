"""Vectors whose manifest a verifier must refuse."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from model_registry.errors import Reason
from model_registry.keys import KeyValue, PublicKey, Signer
from model_registry.manifest import MANIFEST, RESTORE
from tests.support.registries import NOW
from tests.support.signers import ALICE, EVE, ROOT
from tests.vectors.building import (
    LONG,
    ROOT_FILE,
    Document,
    artifact_path,
    built,
    digest_of,
    document_of,
    fresh,
    signed_file,
    with_document,
    with_signed,
)
from tests.vectors.model import NAME
from tests.vectors.registries import targets_rotated, two_of_three
from tests.vectors.vector import Files, Vector

GROUP_ORDER: Final = 2**252 + 27742317777372353535851937790883648493  # of Ed25519
OUTSIDE: Final = "blobs/../1.root.json"


def bad_manifests() -> Iterator[Vector]:
    """Yield them."""
    yield from _signatures()
    yield from _shapes()
    yield Vector(
        name="manifest-expired",
        shows="the second at which the manifest expires",
        files=fresh(),
        refused=(MANIFEST, Reason.EXPIRED),
        now=NOW + LONG,
    )


def _bad(name: str, shows: str, files: Files, reason: Reason, **more: Any) -> Vector:
    return Vector(name=f"manifest-{name}", shows=shows, files=files, refused=(MANIFEST, reason), **more)


def _signatures() -> Iterator[Vector]:
    files, shared, rotated = fresh(), built(two_of_three), built(targets_rotated)
    yield _bad("missing", "no manifest", _without(files), Reason.MISSING)
    yield _bad("unsigned", "a manifest that nobody has signed", _signed(files), Reason.UNDER_SIGNED)
    yield _bad("under-signed", "one signature of two", _signed(shared, ALICE), Reason.UNDER_SIGNED)
    yield _bad(
        "signed-by-the-root-key", "the only signature is of another role", _signed(files, ROOT), Reason.UNKNOWN_KEY
    )
    yield _bad("stranger-beside", "a stranger's signature beside ours", _signed(files, ALICE, EVE), Reason.UNKNOWN_KEY)
    yield _bad("revoked-key", "signed by a key that was replaced", _signed(rotated, ALICE), Reason.UNKNOWN_KEY)
    twice = document_of(files)
    twice["signatures"] *= 2
    yield _bad("signed-twice", "one signature, twice", with_document(files, MANIFEST, twice), Reason.SIGNED_TWICE)
    order = document_of(shared)
    order["signatures"].reverse()
    yield _bad("signatures-out-of-order", "not by key id", with_document(shared, MANIFEST, order), Reason.LAYOUT)
    changed = document_of(files)
    changed["signed"]["version"] = 2
    yield _bad(
        "changed", "its version raised after signing", with_document(files, MANIFEST, changed), Reason.BAD_SIGNATURE
    )
    forged = document_of(files)
    forged["signatures"][0]["sig"] = document_of(_signed(files, EVE))["signatures"][0]["sig"]
    shows = "a stranger's signature under our key id"
    yield _bad("forged", shows, with_document(files, MANIFEST, forged), Reason.BAD_SIGNATURE)
    respelt = document_of(files)
    respelt["signatures"][0]["sig"] = _respelt(respelt["signatures"][0]["sig"])
    shows = "the group's order added to the signature's second half"
    yield _bad("malleable-signature", shows, with_document(files, MANIFEST, respelt), Reason.BAD_SIGNATURE)
    shows = "a key of small order, under which anybody can sign"
    yield _bad("weak-key", shows, _signed_by_anybody(files), Reason.BAD_SIGNATURE)
    many = document_of(files)
    many["signatures"] = [{"keyid": f"{number:064x}", "sig": "0" * 128} for number in range(65)]
    yield _bad("many-signatures", "65 signatures", with_document(files, MANIFEST, many), Reason.MALFORMED)


def _signed_by_anybody(files: Files) -> Files:
    """Return the files with a targets key of small order, for which a signature of zeros fits whatever is signed."""
    point = "01" + "00" * 31
    weak = PublicKey("ed25519", "ed25519", KeyValue(point))

    def exchange(root: Document) -> None:
        root["keys"][weak.keyid] = {**root["keys"].pop(ALICE.keyid), "keyval": {"public": point}}
        root["holders"][weak.keyid] = root["holders"].pop(ALICE.keyid)
        for role in ("targets", "snapshot", "timestamp"):
            root["roles"][role]["keyids"] = [weak.keyid]

    changed = with_signed(files, ROOT_FILE, exchange, ROOT)
    manifest = document_of(files)
    manifest["signed"]["root"]["sha256"] = digest_of(changed, ROOT_FILE)
    manifest["signatures"] = [{"keyid": weak.keyid, "sig": point + "00" * 32}]
    return with_document(changed, MANIFEST, manifest)


def _without(files: Files) -> Files:
    return {path: data for path, data in files.items() if path != MANIFEST}


def _signed(files: Files, *signers: Signer) -> Files:
    return {**files, MANIFEST: signed_file(document_of(files)["signed"], *signers)}


def _respelt(signature: str) -> str:
    half = int.from_bytes(bytes.fromhex(signature[64:]), "little") + GROUP_ORDER
    return signature[:64] + half.to_bytes(32, "little").hex()


def _shapes() -> Iterator[Vector]:
    files = fresh()
    artifact = artifact_path(files)
    changes: dict[str, tuple[str, Callable[[Document], object]]] = {
        "unknown-field": ("a field that the schema does not have", lambda signed: signed.update(delegations={})),
        "missing-field": ("no run_id", lambda signed: signed.pop("run_id")),
        "wrong-type": ("another role's metadata", lambda signed: signed.update(_type="snapshot")),
        "true-for-one": ("true for a version", lambda signed: signed.update(version=True)),
        "version-zero": ("version 0", lambda signed: signed.update(version=0)),
        "version-too-large": ("a version above 2^53", lambda signed: signed.update(version=2**53 + 1)),
        "no-date": (
            "an expiry on a day that does not exist",
            lambda signed: signed.update(expires="2030-02-30T00:00:00Z"),
        ),
        "no-hour": ("an hour that does not exist", lambda signed: signed.update(published="2030-01-01T24:00:00Z")),
        "other-zone": ("a time with an offset", lambda signed: signed.update(expires="2030-02-01T00:00:00+00:00")),
        "control-character": ("an escape sequence for terminals", lambda signed: signed.update(reason="\x1b[2J")),
        "newline-in-a-name": ("a newline behind a name", lambda signed: signed.update(run_id="run-1\n")),
        "follows-itself": (
            "a version that follows its own",
            lambda signed: signed.update(previous={"version": 1, "sha256": "0" * 64}),
        ),
        "leap": (
            "version 3 after version 1",
            lambda signed: signed.update(version=3, previous={"version": 1, "sha256": "0" * 64}),
        ),
        "restored-backwards": (
            "version 1 after version 2, by going back",
            lambda signed: signed.update(action=RESTORE, previous={"version": 2, "sha256": "0" * 64}),
        ),
        "restored-too-far": (
            "2^20 + 1 versions after the one before, by going back",
            lambda signed: signed.update(
                action=RESTORE, version=2**20 + 2, previous={"version": 1, "sha256": "0" * 64}
            ),
        ),
        "first-and-not-1": ("version 2 after none", lambda signed: signed.update(version=2, previous=None)),
        "number-for-decimal": ("a number for a decimal", lambda signed: _model_version(signed).update(threshold=1)),
        "exponent-in-decimal": ("an exponent", lambda signed: _model_version(signed).update(threshold="75e-2")),
        "slot-without-version": ("a slot whose version is not there", lambda signed: _model(signed).update(shadow=2)),
        "slot-left-out": ("an empty slot left out, not null", lambda signed: _model(signed).pop("shadow")),
        "zero-before-a-number": (
            "version 01",
            lambda signed: _model(signed)["versions"].update({"01": _model_version(signed)}),
        ),
        "target-missing": ("an artifact that is no target", lambda signed: signed["targets"].pop(artifact)),
        "target-too-many": (
            "a target that nothing refers to",
            lambda signed: signed["targets"].update(_target("0" * 64)),
        ),
        "target-of-another-digest": (
            "a target with another digest than its name",
            lambda signed: signed["targets"][artifact]["hashes"].update(sha256="0" * 64),
        ),
        "target-too-long": (
            "more bytes than a blob has",
            lambda signed: signed["targets"][artifact].update(length=2**26 + 1),
        ),
        "content-out-of-blobs": (
            "a path in the content that leaves the folder of blobs",
            lambda signed: signed["content"].update(rules=OUTSIDE),
        ),
    }
    for name, (shows, change) in changes.items():
        yield _bad(name, shows, with_signed(files, MANIFEST, change, ALICE), Reason.MALFORMED)
    outside = with_signed(files, MANIFEST, lambda signed: signed["targets"].update({OUTSIDE: {}}), ALICE)
    yield _bad("target-out-of-blobs", "a target that leaves the folder of blobs", outside, Reason.BLOB_PATH)


def _model(signed: Document) -> Document:
    model: Document = signed["content"]["models"][NAME]
    return model


def _model_version(signed: Document) -> Document:
    version: Document = _model(signed)["versions"]["1"]
    return version


def _target(digest: str) -> Document:
    return {f"blobs/{digest}": {"length": 1, "hashes": {"sha256": digest}}}
