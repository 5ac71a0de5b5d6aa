"""One test per attack on the chain from the first root to the manifest."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from securesystemslib.formats import encode_canonical
from securesystemslib.signer import (  # type: ignore[attr-defined]  # it re-exports without saying so
    Key,
    Signature,
)

from model_registry import canonical
from model_registry.content import Content
from model_registry.errors import Reason, TrustError
from model_registry.keys import Signer
from model_registry.manifest import Hashes, Manifest, Previous, RootRef, Target
from model_registry.root import Role, Root, make_root
from model_registry.shapes import format_time
from model_registry.signatures import sign
from model_registry.trust import TrustedMetadata

NOW = datetime(2030, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
ROOT, TARGETS, STRANGER, NEXT_ROOT, NEXT_TARGETS = (Signer(bytes([seed]) * 32) for seed in range(5))
BLOB = "ab" * 32
PATH = f"blobs/{BLOB}"

Document = dict[str, Any]


def root_bytes(*signers: Signer, version: int = 1, expires: datetime = NOW + DAY) -> bytes:
    return sign(make_root(ROOT.public, TARGETS.public, version=version, expires=expires), *(signers or (ROOT,)))


def next_root(version: int = 2, root: Signer = NEXT_ROOT, *, expires: datetime = NOW + DAY) -> Root:
    return make_root(root.public, NEXT_TARGETS.public, version=version, expires=expires)


def manifest(version: int = 1, expires: datetime = NOW + DAY, root: Root | None = None) -> Manifest:
    return Manifest(
        type="targets",
        spec_version="1.0.31",
        version=version,
        expires=format_time(expires),
        targets={PATH: Target(3, Hashes(BLOB))},
        published=format_time(NOW),
        run_id="run-1",
        action="train",
        reason="",
        previous=None if version == 1 else Previous(version - 1, "0" * 64),
        root=RootRef.of(root or make_root(ROOT.public, TARGETS.public, version=1, expires=NOW + DAY)),
        content=Content(models={}, catalogue=PATH, rules=PATH, math=PATH, ensemble=PATH),
    )


def trusted(root: bytes | None = None, now: datetime = NOW) -> TrustedMetadata:
    return TrustedMetadata(root_bytes() if root is None else root, "1.root.json", reference_time=now)


def edited(data: bytes, edit: Callable[[Document], object]) -> bytes:
    document = json.loads(data)
    edit(document)
    return canonical.file_bytes(document)


def resigned(signed: Root | Manifest, edit: Callable[[Document], object], signer: Signer) -> bytes:
    """Change the signed part in a way its types do not allow, and sign it well."""
    document = msgspec.to_builtins(signed, str_keys=True)
    edit(document)
    signature = {"keyid": signer.keyid, "sig": signer.sign(canonical.signed_bytes(document))}
    return canonical.file_bytes({"signed": document, "signatures": [signature]})


def test_root_then_manifest() -> None:
    chain = trusted()
    assert chain.root.version == 1
    assert chain.update_manifest(sign(manifest(7), TARGETS)).version == 7


def test_a_stock_library_verifies_the_same_signatures() -> None:
    data = json.loads(sign(manifest(), TARGETS))
    root = json.loads(root_bytes())["signed"]
    (keyid,) = root["roles"]["targets"]["keyids"]
    (signature,) = data["signatures"]
    key = Key.from_dict(keyid, root["keys"][keyid])
    key.verify_signature(Signature.from_dict(signature), str(encode_canonical(data["signed"])).encode())


def test_the_root_defines_the_four_roles_of_tuf() -> None:
    roles = json.loads(root_bytes())["signed"]["roles"]
    assert set(roles) == {"root", "targets", "snapshot", "timestamp"}
    assert all(len(role["keyids"]) >= role["threshold"] >= 1 for role in roles.values())


# --- the first root


def test_a_first_root_must_be_signed_by_itself() -> None:
    with pytest.raises(TrustError, match=r"^1.root.json: signed by 0 of the root keys of 1.root.json, 1 needed"):
        trusted(edited(root_bytes(), lambda document: document["signatures"].clear()))
    with pytest.raises(TrustError, match=r"^1.root.json: signed by the key .* not one of the root keys"):
        trusted(root_bytes(STRANGER))
    with pytest.raises(TrustError, match="not one of the root keys"):
        trusted(root_bytes(ROOT, TARGETS))


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (lambda root: root.update(_type="targets"), "_type"),
        (lambda root: root.update(version=0), "version"),
        (lambda root: root.update(version=True), "version"),
        (lambda root: root.update(version="1"), "version"),
        (lambda root: root.update(spec_version="2.0.0"), "spec_version"),
        (lambda root: root.update(expires="2030-02-30T00:00:00Z"), "not a time"),
        (lambda root: root.update(expires="2030-13-01T00:00:00Z"), "expires"),
        (lambda root: root.update(expires="2030-01-01T24:00:00Z"), "expires"),
        (lambda root: root.update(expires="2030-01-01"), "expires"),
        (lambda root: root.update(consistent_snapshot=True), "consistent_snapshot"),
        (lambda root: root.update(extra=1), "unknown field `extra`"),
        (lambda root: root.pop("keys"), "missing required field `keys`"),
        (lambda root: root["roles"].pop("snapshot"), "missing required field `snapshot`"),
        (lambda root: root["roles"]["root"].update(threshold=0), "threshold"),
        (lambda root: root["roles"]["root"].update(threshold=2), "asks for 2 of 1 keys"),
        (lambda root: root["roles"]["root"]["keyids"].append(ROOT.keyid), "names a key twice"),
        (lambda root: root["roles"]["targets"].update(keyids=[STRANGER.keyid]), "a key that is not there"),
        (lambda root: root["keys"][ROOT.keyid].update(scheme="rsa"), "scheme"),
        (lambda root: root["keys"][ROOT.keyid]["keyval"].update(public="AB" * 32), "public"),
        (lambda root: root["keys"].update({"cd" * 32: root["keys"][ROOT.keyid]}), "does not belong to its key"),
        (lambda root: root["keys"].update({"CD" * 32: root["keys"][ROOT.keyid]}), "keys"),
    ],
)
def test_a_malformed_root_is_refused_though_signed(edit: Callable[[Document], object], reason: str) -> None:
    root = make_root(ROOT.public, TARGETS.public, version=1, expires=NOW + DAY)
    with pytest.raises(TrustError, match=r"^1.root.json: ") as caught:
        trusted(resigned(root, edit, ROOT))
    assert reason in str(caught.value)


def test_a_threshold_needs_as_many_different_keys() -> None:
    root = make_root(ROOT.public, TARGETS.public, version=1, expires=NOW + DAY)
    two = Role(keyids=[ROOT.keyid, TARGETS.keyid], threshold=2)
    root = msgspec.structs.replace(root, roles=msgspec.structs.replace(root.roles, root=two))
    assert trusted(sign(root, ROOT, TARGETS)).root == root
    with pytest.raises(TrustError, match="signed by 1 of the root keys"):
        trusted(sign(root, ROOT))
    with pytest.raises(TrustError, match="signed twice"):
        trusted(sign(root, ROOT, ROOT))


# --- its successors


def test_a_new_root_needs_the_old_and_the_new_keys() -> None:
    chain = trusted()
    for signers, missing in (([NEXT_ROOT], "1.root.json"), ([ROOT], "2.root.json")):
        with pytest.raises(TrustError, match=f"^2.root.json: signed by 0 of the root keys of {missing}, 1 needed"):
            chain.update_root(sign(next_root(), *signers), "2.root.json")
        assert chain.root.version == 1
    chain.update_root(sign(next_root(), ROOT, NEXT_ROOT), "2.root.json")
    assert chain.root.version == 2


def test_a_new_root_signed_by_anyone_else_too_is_refused() -> None:
    with pytest.raises(TrustError, match="not one of"):
        trusted().update_root(sign(next_root(), ROOT, NEXT_ROOT, STRANGER), "2.root.json")


@pytest.mark.parametrize("version", [1, 3])
def test_roots_follow_one_by_one(version: int) -> None:
    with pytest.raises(TrustError, match=f"^2.root.json: holds version {version} where 2 must follow"):
        trusted().update_root(sign(next_root(version), ROOT, NEXT_ROOT), "2.root.json")


def test_after_a_rotation_the_old_targets_key_signs_nothing_any_more() -> None:
    chain = trusted()
    chain.update_root(sign(next_root(), ROOT, NEXT_ROOT), "2.root.json")
    with pytest.raises(TrustError, match=r"not one of the targets keys of 2.root.json"):
        chain.update_manifest(sign(manifest(), TARGETS))
    assert chain.update_manifest(sign(manifest(), NEXT_TARGETS)).version == 1


def test_a_later_root_can_be_the_first_that_is_trusted() -> None:
    # It bears its predecessor's signature too, which nobody can check without the predecessor.
    chain = trusted(sign(next_root(), ROOT, NEXT_ROOT))
    assert chain.root.version == 2


def test_an_expired_root_may_introduce_its_successor_and_nothing_else() -> None:
    chain = trusted(root_bytes(expires=NOW - DAY))
    with pytest.raises(TrustError, match=r"^1.root.json: expired on 2029-12-31T00:00:00Z"):
        chain.update_manifest(sign(manifest(), TARGETS))
    chain.update_root(sign(next_root(), ROOT, NEXT_ROOT), "2.root.json")
    assert chain.update_manifest(sign(manifest(root=next_root()), NEXT_TARGETS)).version == 1


def test_a_manifest_names_the_root_that_it_was_made_under() -> None:
    with pytest.raises(TrustError, match=r"made under 2\.root\.json, which is not there") as caught:
        trusted().update_manifest(sign(manifest(root=next_root()), TARGETS))
    assert caught.value.reason is Reason.WRONG_ROOT
    other = make_root(ROOT.public, TARGETS.public, version=1, expires=NOW + 2 * DAY)
    with pytest.raises(TrustError, match=r"made under another 1\.root\.json") as caught:
        trusted().update_manifest(sign(manifest(root=other), TARGETS))
    assert caught.value.reason is Reason.WRONG_ROOT
    chain = trusted()
    renewed = make_root(ROOT.public, TARGETS.public, version=2, expires=NOW + DAY)
    chain.update_root(sign(renewed, ROOT), "2.root.json")
    assert chain.update_manifest(sign(manifest(), TARGETS)).version == 1  # made under the root before, and still good


def test_no_root_follows_the_manifest() -> None:
    chain = trusted()
    chain.update_manifest(sign(manifest(), TARGETS))
    with pytest.raises(RuntimeError):
        chain.update_root(sign(next_root(), ROOT, NEXT_ROOT), "2.root.json")


# --- the manifest


def test_an_unsigned_manifest_is_refused() -> None:
    with pytest.raises(TrustError, match=r"^model_registry.json: signed by 0 of the targets keys of 1.root.json"):
        trusted().update_manifest(sign(manifest()))


@pytest.mark.parametrize("signers", [[STRANGER], [ROOT], [TARGETS, STRANGER], [TARGETS, ROOT]])
def test_a_manifest_signed_by_any_other_key_is_refused(signers: list[Signer]) -> None:
    with pytest.raises(TrustError, match="not one of the targets keys"):
        trusted().update_manifest(sign(manifest(), *signers))


def test_a_signature_counts_once() -> None:
    with pytest.raises(TrustError, match=r"^model_registry.json: signed twice by the key"):
        trusted().update_manifest(sign(manifest(), TARGETS, TARGETS))


def test_a_signature_over_something_else_is_refused() -> None:
    other = json.loads(sign(manifest(2), TARGETS))["signatures"]
    with pytest.raises(TrustError, match="is not over this content"):
        trusted().update_manifest(edited(sign(manifest(), TARGETS), lambda document: document.update(signatures=other)))


@pytest.mark.parametrize(
    "edit",
    [
        lambda signature: signature.update(sig=signature["sig"].upper()),
        lambda signature: signature.update(keyid=signature["keyid"].upper()),
        lambda signature: signature.update(sig=signature["sig"][:-2]),
        lambda signature: signature.update(sig=""),
        lambda signature: signature.update(sig=None),
        lambda signature: signature.update(method="ed25519"),
        lambda signature: signature.pop("sig"),
    ],
)
def test_a_malformed_signature_is_refused(edit: Callable[[Document], object]) -> None:
    data = edited(sign(manifest(), TARGETS), lambda document: edit(document["signatures"][0]))
    with pytest.raises(TrustError, match=r"^model_registry.json: "):
        trusted().update_manifest(data)


def test_a_root_cannot_stand_in_for_a_manifest_nor_a_manifest_for_a_root() -> None:
    with pytest.raises(TrustError, match="not one of the targets keys"):
        trusted().update_manifest(root_bytes())
    with pytest.raises(TrustError, match=r"^2.root.json: "):
        trusted().update_root(sign(manifest(2), ROOT), "2.root.json")


def test_signatures_come_before_the_schema() -> None:
    data = edited(sign(manifest(), TARGETS), lambda document: document["signed"].update(version=[]))
    with pytest.raises(TrustError, match="is not over this content"):
        trusted().update_manifest(data)


def test_expiry_is_compared_with_one_reference_time() -> None:
    data = sign(manifest(expires=NOW), TARGETS)
    with pytest.raises(TrustError, match=r"^model_registry.json: expired on 2030-01-01T00:00:00Z; publish"):
        trusted(now=NOW).update_manifest(data)
    assert trusted(now=NOW - timedelta(seconds=1)).update_manifest(data).version == 1
    assert trusted(now=NOW).update_manifest(data, allow_expired=True).version == 1


def test_a_manifest_older_than_accepted_is_refused() -> None:
    data = sign(manifest(4), TARGETS)
    with pytest.raises(TrustError, match=r"^model_registry.json: version 4 is older than 5"):
        trusted().update_manifest(data, min_version=5)
    assert trusted().update_manifest(data, min_version=4).version == 4


@pytest.mark.parametrize("version", [3, 4])
def test_the_next_manifest_must_be_newer(version: int) -> None:
    chain = trusted()
    chain.update_manifest(sign(manifest(4), TARGETS))
    with pytest.raises(TrustError, match=f"version {version} does not follow 4"):
        chain.update_manifest(sign(manifest(version), TARGETS))


# --- every byte


@pytest.mark.parametrize("mask", [0x01, 0x20, 0x80])
def test_no_byte_of_root_or_manifest_can_be_changed(mask: int) -> None:
    root, data = root_bytes(), sign(manifest(), TARGETS)
    for position in range(len(root)):
        changed = root[:position] + bytes([root[position] ^ mask]) + root[position + 1 :]
        with pytest.raises(TrustError, match=r"^1.root.json: "):
            trusted(changed)
    for position in range(len(data)):
        changed = data[:position] + bytes([data[position] ^ mask]) + data[position + 1 :]
        with pytest.raises(TrustError, match=r"^model_registry.json: "):
            trusted(root).update_manifest(changed)
