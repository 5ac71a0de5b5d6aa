"""Vectors whose roots, or whose circumstances, a verifier must refuse."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from model_registry.errors import Reason
from model_registry.manifest import MANIFEST
from model_registry.root import Root, root_name
from model_registry.signatures import sign
from tests.support.registries import DAY, NOW
from tests.support.signers import ALICE, EVE, ROOT, shared_root
from tests.vectors.building import (
    ROOT_FILE,
    Document,
    built,
    document_of,
    fresh,
    signed_file,
    with_document,
    with_signed,
)
from tests.vectors.registries import NEXT_ROOT, short_lived, three_versions, two_of_three
from tests.vectors.vector import Files, Vector

SECOND = root_name(2)


def bad_roots() -> Iterator[Vector]:
    """Yield them."""
    yield from _signatures()
    yield from _successors()
    yield from _shapes()
    yield from _circumstances()


def _bad(name: str, shows: str, files: Files, reason: Reason, file: str = ROOT_FILE) -> Vector:
    return Vector(name=f"root-{name}", shows=shows, files=files, refused=(file, reason))


def _signatures() -> Iterator[Vector]:
    files = fresh()
    signed = document_of(files, ROOT_FILE)["signed"]
    missing = {path: data for path, data in files.items() if path != ROOT_FILE}
    yield _bad("missing", "no first root", missing, Reason.MISSING)
    unsigned = {**files, ROOT_FILE: signed_file(signed)}
    yield _bad("unsigned", "a root that nobody has signed", unsigned, Reason.UNDER_SIGNED)
    shared = built(two_of_three)
    one = {**shared, ROOT_FILE: signed_file(document_of(shared, ROOT_FILE)["signed"], ROOT)}
    yield _bad("under-signed", "a root with one signature of two", one, Reason.UNDER_SIGNED)
    beside = {**files, ROOT_FILE: signed_file(signed, ROOT, ALICE)}
    yield _bad("signed-by-a-targets-key", "a signature by a key of another role beside", beside, Reason.UNKNOWN_KEY)
    document = document_of(files, ROOT_FILE)
    document["signed"]["expires"] = "2999-01-01T00:00:00Z"
    changed = with_document(files, ROOT_FILE, document)
    yield _bad("bad-signature", "an expiry put off after signing", changed, Reason.BAD_SIGNATURE)


def _successors() -> Iterator[Vector]:
    for name, shows, root, signers, reason in (
        ("signed-by-new-keys-only", "a second root that the first does not introduce", _second(), [NEXT_ROOT], None),
        ("signed-by-old-keys-only", "a second root whose own keys have not signed", _second(), [ROOT], None),
        ("skips-a-version", "2.root.json holds version 3", _second(3), [ROOT, NEXT_ROOT], Reason.WRONG_ROOT),
    ):
        files = {**fresh(), SECOND: sign(root, *signers)}
        yield _bad(name, shows, files, reason or Reason.UNDER_SIGNED, SECOND)
    gap = {**fresh(), root_name(3): sign(_second(3), ROOT, NEXT_ROOT)}
    yield _bad("leaves-a-gap", "3.root.json where there is no second", gap, Reason.UNACCOUNTED, root_name(3))


def _second(version: int = 2) -> Root:
    root = shared_root(ALICE, threshold=1, roots=(NEXT_ROOT,))
    return msgspec.structs.replace(root, version=version)


def _shapes() -> Iterator[Vector]:
    changes: dict[str, tuple[str, Callable[[Document], object]]] = {
        "unknown-field": ("a field that the schema does not have", lambda root: root.update(comment="")),
        "no-date": ("an expiry on a day that does not exist", lambda root: root.update(expires="2031-02-30T00:00:00Z")),
        "wrong-key-id": ("a key under another's key id", _swap_keys),
        "other-kind-of-key": ("a key that is not Ed25519", lambda root: _key(root).update(keytype="rsa")),
        "role-without-its-key": ("a role that names a key that is not there", _name_eve),
        "role-names-a-key-twice": ("a role that names a key twice", lambda root: _keyids(root).append(ALICE.keyid)),
        "threshold-out-of-reach": ("two signatures of one key", lambda root: root["roles"]["root"].update(threshold=2)),
        "holders-lacking": ("a key without a holder", lambda root: root["holders"].pop(ALICE.keyid)),
        "consistent-snapshot": ("TUF's other naming of files", lambda root: root.update(consistent_snapshot=True)),
    }
    for name, (shows, change) in changes.items():
        yield _bad(name, shows, with_signed(fresh(), ROOT_FILE, change, ROOT), Reason.MALFORMED)


def _key(root: Document) -> Document:
    key: Document = root["keys"][ALICE.keyid]
    return key


def _keyids(root: Document) -> list[str]:
    keyids: list[str] = root["roles"]["targets"]["keyids"]
    return keyids


def _swap_keys(root: Document) -> None:
    _key(root)["keyval"]["public"] = EVE.public.keyval.public


def _name_eve(root: Document) -> None:
    _keyids(root)[0] = EVE.keyid


def _circumstances() -> Iterator[Vector]:
    expired = {**fresh(), ROOT_FILE: sign(short_lived(), ROOT)}
    now = NOW + 10 * DAY
    yield Vector(
        name="root-expired",
        shows="the last root expires now",
        files=expired,
        refused=(ROOT_FILE, Reason.EXPIRED),
        now=now,
    )
    yield Vector(
        name="root-of-another-registry",
        shows="the root that is given is another than the registry's",
        files=fresh(),
        refused=(ROOT_FILE, Reason.WRONG_ROOT),
        root="threshold/1.root.json",
    )
    yield Vector(
        name="min-version-above",
        shows="an older manifest than the oldest that is accepted",
        files=built(three_versions),
        refused=(MANIFEST, Reason.OLDER_VERSION),
        min_version=4,
    )
