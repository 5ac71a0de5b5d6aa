from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from flows.errors import UsageError
from model_registry import canonical
from model_registry.errors import Reason, TrustError
from model_registry.manifest import MANIFEST, PROPOSED
from model_registry.proposals import list_proposals
from model_registry.registry import Registry
from model_registry.verify import verify_registry
from model_registry.writing.publishing import Published, publish
from model_registry.writing.signing import sign_proposal
from tests.support.registries import NOW, files_of, flip_a_bit, publish_edit, same
from tests.support.signers import ALICE, BOB, CAROL, EVE, ROOT, shared_registry


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """Two of Alice, Bob and Carol must sign."""
    return shared_registry(tmp_path / "registry", ALICE, BOB, CAROL, threshold=2)


def propose(registry: Registry, *, run_id: str = "run-2") -> Published:
    return publish(registry, publish_edit(registry, ("ddos_lgbm",)), ALICE, run_id=run_id, now=NOW)


def waiting(registry: Registry) -> list[str]:
    return sorted(path.name for path in (registry.path / PROPOSED).iterdir())


def test_one_signature_of_two_changes_nothing_for_readers(registry: Registry) -> None:
    published = propose(registry)
    assert (published.version, published.in_force, published.lacking) == (2, False, 1)
    assert registry.load(now=NOW).version == 1
    assert waiting(registry) == [f"{published.proposal}.json"]
    assert not verify_registry(registry, now=NOW).failures


def test_the_second_signature_puts_it_in_force(registry: Registry) -> None:
    published = propose(registry)
    assert sign_proposal(registry, published.proposal[:8], BOB, now=NOW) == ["manifest version 2"]
    loaded = registry.load(now=NOW)
    assert (loaded.version, loaded.content.models["ddos_lgbm"].champion) == (2, 2)
    signatures = json.loads((registry.path / MANIFEST).read_bytes())["signatures"]
    assert {signature["keyid"] for signature in signatures} == {ALICE.keyid, BOB.keyid}
    assert waiting(registry) == []
    assert not verify_registry(registry, now=NOW).failures


def test_three_of_three(tmp_path: Path) -> None:
    registry = shared_registry(tmp_path / "registry", ALICE, BOB, CAROL, threshold=3)
    published = propose(registry)
    assert published.lacking == 2
    assert sign_proposal(registry, published.proposal, CAROL, now=NOW) == []
    assert registry.load(now=NOW).version == 1
    assert sign_proposal(registry, published.proposal, BOB, now=NOW) == ["manifest version 2"]


def test_nobody_signs_twice_and_no_stranger_signs(registry: Registry) -> None:
    published = propose(registry)
    with pytest.raises(UsageError, match="has signed it already"):
        sign_proposal(registry, published.proposal, ALICE, now=NOW)
    for stranger in (EVE, ROOT):
        with pytest.raises(TrustError, match="not one of the targets keys") as caught:
            sign_proposal(registry, published.proposal, stranger, now=NOW)
        assert caught.value.reason is Reason.UNKNOWN_KEY
    assert registry.load(now=NOW).version == 1


def test_the_proposal_has_to_be_named_well(registry: Registry) -> None:
    with pytest.raises(UsageError, match="there are: none"):
        sign_proposal(registry, "", ALICE, now=NOW)
    first = propose(registry)
    second = publish(registry, same, BOB, run_id="run-3", now=NOW)
    with pytest.raises(UsageError, match="2 proposals are there, so name one"):
        sign_proposal(registry, "", CAROL, now=NOW)
    with pytest.raises(UsageError, match="0 proposals begin with 'xyz'") as caught:
        sign_proposal(registry, "xyz", CAROL, now=NOW)
    assert first.proposal[:12] in str(caught.value)
    assert second.proposal[:12] in str(caught.value)


def test_when_one_takes_effect_the_others_are_gone(registry: Registry) -> None:
    first = propose(registry)
    second = publish(registry, same, BOB, run_id="run-3", now=NOW)
    sign_proposal(registry, second.proposal, CAROL, now=NOW)
    assert waiting(registry) == []
    with pytest.raises(UsageError, match="0 proposals"):
        sign_proposal(registry, first.proposal, CAROL, now=NOW)


def test_a_stale_proposal_is_not_signed(registry: Registry) -> None:
    first = propose(registry)
    kept = (registry.path / PROPOSED / f"{first.proposal}.json").read_bytes()
    second = publish(registry, same, BOB, run_id="run-3", now=NOW)
    sign_proposal(registry, second.proposal, CAROL, now=NOW)
    (registry.path / PROPOSED / f"{first.proposal}.json").write_bytes(kept)  # as a crash would have left it
    with pytest.raises(TrustError, match="another has taken effect since"):
        sign_proposal(registry, first.proposal, CAROL, now=NOW)
    assert not verify_registry(registry, now=NOW).failures
    assert registry.load(now=NOW).version == 2


def test_proposing_again_replaces_ones_own_and_nobody_elses(registry: Registry) -> None:
    ours = propose(registry)
    again = propose(registry, run_id="run-3")
    assert waiting(registry) == [f"{again.proposal}.json"]
    assert ours.proposal != again.proposal
    theirs = publish(registry, same, BOB, run_id="run-4", action="refresh", now=NOW)
    once_more = propose(registry, run_id="run-5")
    assert waiting(registry) == sorted([f"{once_more.proposal}.json", f"{theirs.proposal}.json"])


def test_nobody_signs_what_they_could_not_verify(registry: Registry) -> None:
    published = propose(registry)
    trusted, current = registry.current(now=NOW)
    (proposal,) = list_proposals(registry, trusted, current)
    artifact = proposal.signed.content.models["ddos_lgbm"].versions[2].artifact  # type: ignore[union-attr]  # a manifest
    flip_a_bit(registry.path / artifact)
    before = files_of(registry)
    with pytest.raises(TrustError, match="another SHA-256"):
        sign_proposal(registry, published.proposal, BOB, now=NOW)
    assert files_of(registry) == before


def test_an_expired_proposal_is_not_signed(registry: Registry) -> None:
    published = propose(registry)
    with pytest.raises(TrustError, match=f"^{PROPOSED}/{published.proposal}.json: expired"):
        sign_proposal(registry, published.proposal, BOB, now=NOW + timedelta(days=91))


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("junk.json", b"junk", Reason.UNACCOUNTED),
        ("0" * 64 + ".json", b"junk", Reason.LAYOUT),
        ("0" * 64 + ".json", canonical.file_bytes({"signatures": [], "signed": {"_type": "root"}}), Reason.MALFORMED),
        ("0" * 64 + ".json", canonical.file_bytes({"signatures": [], "signed": {}}), Reason.WRONG_ROOT),
    ],
)
def test_what_is_no_proposal_is_named(registry: Registry, name: str, content: bytes, reason: Reason) -> None:
    (registry.path / PROPOSED).mkdir(exist_ok=True)
    (registry.path / PROPOSED / name).write_bytes(content)
    (failure,) = verify_registry(registry, now=NOW).failures
    assert (failure.file, failure.reason) == (f"{PROPOSED}/{name}", reason)
    assert registry.load(now=NOW).version == 1


def test_a_proposal_under_anothers_name_or_without_signatures_is_named(registry: Registry) -> None:
    published = propose(registry)
    file = registry.path / PROPOSED / f"{published.proposal}.json"
    good = file.read_bytes()
    file.rename(file.with_name("a" * 64 + ".json"))
    failure = verify_registry(registry, now=NOW).failures[0]
    assert failure.reason is Reason.WRONG_DIGEST
    file.with_name("a" * 64 + ".json").unlink()
    file.write_bytes(canonical.file_bytes(json.loads(good) | {"signatures": []}))
    failure = verify_registry(registry, now=NOW).failures[0]
    assert (failure.reason, "signed by nobody" in failure.detail) == (Reason.UNDER_SIGNED, True)


def test_a_flood_of_proposals_is_refused_and_harms_no_reader(registry: Registry) -> None:
    (registry.path / PROPOSED).mkdir(exist_ok=True)
    for number in range(17):
        (registry.path / PROPOSED / f"{number:064}.json").write_bytes(b"{}")
    failures = verify_registry(registry, now=NOW).failures
    assert [failure.reason for failure in failures] == [Reason.OVERSIZED]
    assert registry.load(now=NOW).version == 1
