from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from flows.errors import UsageError
from model_registry.errors import Reason, TrustError
from model_registry.keys import Signer
from model_registry.manifest import MANIFEST, PROPOSED, Manifest, Previous
from model_registry.proposals import list_proposals
from model_registry.registry import Registry
from model_registry.signatures import sign, signed_digest
from model_registry.trust import read_manifest
from model_registry.verify import verify_registry
from model_registry.writing.collection import collect
from model_registry.writing.publishing import publish
from model_registry.writing.rotation import Restore, RootChange, Rotated, find_kept, rotate
from model_registry.writing.signing import sign_proposal
from tests.support.registries import DAY, NOW, files_of, publish_models, same
from tests.support.signers import ALICE, BOB, CAROL, EVE, ROOT, shared_registry

NEXT_ROOT = Signer(bytes([99]) * 32)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return shared_registry(tmp_path / "registry", ALICE)


def replace(old: Signer, new: Signer) -> RootChange:
    return RootChange(add=[("targets", new.public, "new")], remove=[("targets", old.keyid)])


def turn(registry: Registry, change: RootChange, *signers: Signer, restore: int | None = None) -> Rotated:
    back = None if restore is None else Restore(restore, find_kept(registry, restore, now=NOW).sha256)
    return rotate(registry, change, signers, run_id="by-hand", reason="test", restore=back, now=NOW)


def test_a_new_targets_key_takes_over_at_once(registry: Registry) -> None:
    before = registry.load(now=NOW)
    rotated = turn(registry, replace(ALICE, BOB), ROOT, BOB)
    assert rotated.in_force == ["root version 2", "manifest version 2"]
    after = registry.load(now=NOW)
    assert (after.version, after.content) == (2, before.content)
    with pytest.raises(TrustError, match=r"not one of the targets keys of 2\.root\.json"):
        publish(registry, same, ALICE, run_id="run-2", now=NOW)
    assert publish_models(registry, BOB) == 3
    assert not verify_registry(registry, now=NOW).failures


def test_a_new_root_key_leaves_the_manifest_as_it_is(registry: Registry) -> None:
    manifest = (registry.path / MANIFEST).read_bytes()
    change = RootChange(add=[("root", NEXT_ROOT.public, "new")], remove=[("root", ROOT.keyid)])
    assert turn(registry, change, ROOT, NEXT_ROOT).in_force == ["root version 2"]
    assert (registry.path / MANIFEST).read_bytes() == manifest
    with pytest.raises(TrustError, match="no root key at hand"):
        turn(registry, replace(ALICE, BOB), ROOT, BOB)
    assert turn(registry, replace(ALICE, BOB), NEXT_ROOT, BOB).in_force
    assert not verify_registry(registry, now=NOW).failures


def test_a_root_is_renewed_even_after_it_has_expired(registry: Registry) -> None:
    late = NOW + 400 * DAY
    with pytest.raises(TrustError, match="keys rotate --renew"):
        publish(registry, same, ALICE, run_id="run-2", now=late)
    rotated = rotate(registry, RootChange(), [ROOT], run_id="by-hand", now=late)
    assert rotated.in_force == ["root version 2"]
    assert publish(registry, same, ALICE, run_id="run-2", now=late).in_force
    assert registry.load(now=late).version == 2


@pytest.mark.parametrize("signers", [[], [ALICE], [EVE]])
def test_only_root_keys_make_a_root(registry: Registry, signers: list[Signer]) -> None:
    before = files_of(registry)
    with pytest.raises(TrustError, match="no root key at hand"):
        turn(registry, RootChange(), *signers)
    assert files_of(registry) == before


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (RootChange(remove=[("targets", ALICE.keyid)]), "would ask for 1 of 0 keys"),
        (RootChange(remove=[("targets", EVE.keyid)]), "is none of the targets keys"),
        (RootChange(add=[("targets", ALICE.public, "again")]), "is one of the targets keys already"),
        (RootChange(thresholds={"targets": 2}), "would ask for 2 of 1 keys"),
        (RootChange(thresholds={"root": 0}), "would ask for 0 of 1 keys"),
    ],
)
def test_what_makes_no_root(registry: Registry, change: RootChange, reason: str) -> None:
    before = files_of(registry)
    with pytest.raises(UsageError, match=reason):
        turn(registry, change, ROOT, ALICE)
    assert files_of(registry) == before


def test_a_manifest_that_nobody_could_sign_anew_stops_the_rotation(registry: Registry) -> None:
    before = files_of(registry)
    with pytest.raises(UsageError, match="first add the new keys"):
        turn(registry, replace(ALICE, BOB), ROOT)
    assert files_of(registry) == before
    # The way that the message names:
    assert turn(registry, RootChange(add=[("targets", BOB.public, "Bob")]), ROOT).in_force == ["root version 2"]
    publish(registry, same, BOB, run_id="run-2", now=NOW)
    assert turn(registry, RootChange(remove=[("targets", ALICE.keyid)]), ROOT).in_force == ["root version 3"]
    assert registry.load(now=NOW).version == 2


# --- several people


@pytest.fixture
def shared(tmp_path: Path) -> Registry:
    """Two of three must sign, roots as well as manifests."""
    roots = (ROOT, NEXT_ROOT, EVE)
    return shared_registry(tmp_path / "shared", ALICE, BOB, threshold=2, roots=roots, root_threshold=2)


def proposals(registry: Registry) -> dict[str, str]:
    trusted, current = registry.current(now=NOW)
    found = list_proposals(registry, trusted, current)
    return {"manifest" if isinstance(one.signed, Manifest) else "root": one.digest for one in found}


@pytest.mark.parametrize("last", ["root", "manifest"])
def test_root_and_manifest_wait_for_each_other(shared: Registry, last: str) -> None:
    rotated = turn(shared, replace(ALICE, CAROL), ROOT, CAROL)
    assert (rotated.in_force, len(rotated.proposals)) == ([], 2)
    assert shared.load(now=NOW).version == 1
    digests = proposals(shared)
    steps = {"root": NEXT_ROOT, "manifest": BOB}
    first = "manifest" if last == "root" else "root"
    assert sign_proposal(shared, digests[first], steps[first], now=NOW) == []
    assert shared.load(now=NOW).version == 1
    assert not (shared.path / "2.root.json").exists()
    assert not verify_registry(shared, now=NOW).failures
    effects = sign_proposal(shared, digests[last], steps[last], now=NOW)
    assert effects == ["root version 2", "manifest version 2"]
    assert shared.load(now=NOW).version == 2
    assert not verify_registry(shared, now=NOW).failures


def test_a_lower_threshold_needs_the_old_one(shared: Registry) -> None:
    rotated = turn(shared, RootChange(thresholds={"root": 1}), ROOT)
    assert rotated.in_force == []
    (digest,) = proposals(shared).values()
    assert sign_proposal(shared, digest, EVE, now=NOW) == ["root version 2"]
    assert turn(shared, RootChange(), ROOT).in_force == ["root version 3"]


def test_a_rotation_overtaken_by_a_publication_has_to_be_proposed_again(shared: Registry) -> None:
    turn(shared, replace(ALICE, CAROL), ROOT, CAROL)
    digests = proposals(shared)
    published = publish(shared, same, ALICE, run_id="run-2", now=NOW)
    kept = {path: path.read_bytes() for path in (shared.path / PROPOSED).iterdir()}
    sign_proposal(shared, published.proposal, BOB, now=NOW)
    for path, data in kept.items():
        path.write_bytes(data)
    with pytest.raises(TrustError, match="another has taken effect since"):
        sign_proposal(shared, digests["manifest"], BOB, now=NOW)


# --- after a theft


def test_going_back_before_a_theft(registry: Registry, tmp_path: Path) -> None:
    state = tmp_path / "state"
    for _ in range(3):
        publish_models(registry, ALICE)
    good = registry.load(now=NOW, state_dir=state)
    # The thief publishes the highest version there can be, so that nothing seems newer ever again.
    stolen = registry.manifest(now=NOW)
    last = msgspec.structs.replace(stolen, version=2**53, previous=Previous(2**53 - 1, "0" * 64))
    (registry.path / MANIFEST).write_bytes(sign(last, ALICE))
    assert registry.load(now=NOW, state_dir=state).version == 2**53
    with pytest.raises(TrustError):
        publish(registry, same, ALICE, run_id="run-2", now=NOW)

    rotated = turn(registry, replace(ALICE, BOB), ROOT, BOB, restore=good.version)
    assert rotated.in_force == ["root version 2", "manifest version 5"]
    after = registry.load(now=NOW, state_dir=state)
    assert (after.version, after.content) == (5, good.content)
    assert not verify_registry(registry, now=NOW).failures
    assert publish_models(registry, BOB) == 6


def test_going_back_uses_no_version_twice(registry: Registry) -> None:
    for _ in range(2):
        publish_models(registry, ALICE)
    rotated = turn(registry, replace(ALICE, BOB), ROOT, BOB, restore=1)
    assert rotated.in_force == ["root version 2", "manifest version 4"]
    # What came after the restored manifest is evidence: named as what nothing leads to, and deleted by gc alone.
    failures = {failure.file: failure.reason for failure in verify_registry(registry, now=NOW).failures}
    assert failures["history/2.json"] is failures["history/3.json"] is Reason.UNACCOUNTED
    collect(registry, now=NOW)
    assert not verify_registry(registry, now=NOW).failures
    assert publish_models(registry, BOB) == 5


@pytest.mark.parametrize("left", [b"", b"junk", None])
def test_going_back_when_the_manifest_is_spoilt_or_gone(registry: Registry, left: bytes | None) -> None:
    good = registry.load(now=NOW)
    if left is None:
        (registry.path / MANIFEST).unlink()
    else:
        (registry.path / MANIFEST).write_bytes(left)
    with pytest.raises(TrustError):
        registry.load(now=NOW)
    assert turn(registry, replace(ALICE, BOB), ROOT, BOB, restore=1).in_force == [
        "root version 2",
        "manifest version 2",
    ]
    assert registry.load(now=NOW).content == good.content


def test_going_back_together(shared: Registry) -> None:
    good = shared.load(now=NOW)
    (shared.path / MANIFEST).write_bytes(b"junk")
    rotated = turn(shared, replace(ALICE, CAROL), ROOT, CAROL, restore=1)
    assert rotated.in_force == []
    root, manifest = (name.removeprefix("proposed/").removesuffix(".json") for name in rotated.proposals)
    assert sign_proposal(shared, root, NEXT_ROOT, now=NOW) == []
    assert sign_proposal(shared, manifest, BOB, now=NOW) == ["root version 2", "manifest version 2"]
    assert shared.load(now=NOW).content == good.content


def test_only_a_kept_manifest_comes_back(registry: Registry) -> None:
    with pytest.raises(TrustError, match=r"history/7.json: missing"):
        turn(registry, replace(ALICE, BOB), ROOT, BOB, restore=7)


# --- interrupted


def test_between_the_new_root_and_its_manifest_readers_take_the_manifest_that_waits(registry: Registry) -> None:
    before = {name: data for name, data in files_of(registry).items() if name != ".lock"}
    turn(registry, replace(ALICE, BOB), ROOT, BOB)
    after = files_of(registry)
    # As a crash after the root would have left it:
    (registry.path / MANIFEST).write_bytes(before[MANIFEST])
    (registry.path / "history" / "2.json").unlink()
    proposed = registry.path / PROPOSED
    proposed.mkdir(exist_ok=True)
    root = registry.trusted_roots(now=NOW).root
    digest = signed_digest(read_manifest(after[MANIFEST], MANIFEST, root))
    (proposed / f"{digest}.json").write_bytes(after[MANIFEST])
    assert registry.load(now=NOW).version == 2
    assert not verify_registry(registry, now=NOW).failures
    assert publish_models(registry, BOB) == 3  # and it finishes the rotation first
    assert not verify_registry(registry, now=NOW).failures
    assert registry.load(now=NOW + timedelta(days=1)).version == 3
