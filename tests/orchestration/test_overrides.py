"""A person's word against a gate: signed, about exactly one result, for a while, and told wherever the models are."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import msgspec
import pytest

from model_registry.errors import GateError, TrustError
from model_registry.keys import Signer
from model_registry.private_keys.key_files import load_signer
from model_registry.shapes import Text
from orchestration.definitions import defs
from orchestration.defs.models import checks as model_checks
from orchestration.evidence import published
from orchestration.headless import RELEASE
from orchestration.overrides import FOLDER, find_override, override_path, write_override
from orchestration.storage import digest_of
from orchestration.trial import trial_from_json
from tests.support.command import Outcome, tidegate_command
from tests.support.pipeline import Workshop
from tests.support.registries import files_of
from training.gates import LIMITS, GateResult, Limits

GATE = "trial/quality_of_ddos_lgbm"
KEY = dg.AssetCheckKey(dg.AssetKey("trial"), "quality_of_ddos_lgbm")
REASON = "The test part lacks the new sensor's floods"


@pytest.fixture
def failed(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    """A pipeline whose latest trial failed one gate, and is compared with the champion."""
    monkeypatch.setitem(LIMITS, "ddos_lgbm", Limits(recall=1.01, fpr=0.005, calibration_error=0.05))
    assert not workshop.check("trial")
    workshop.compare()
    return workshop


def gates(workshop: Workshop, *arguments: object) -> Outcome:
    return tidegate_command("gates", *arguments, "--dagster-home", workshop.home)


def override(
    workshop: Workshop, gate: str = GATE, *more: object, reason: str = REASON, by: str = "Ann Example"
) -> Outcome:
    places = ("--store", workshop.store, "--registry", workshop.registry.path, "--keys", workshop.keys)
    return gates(workshop, "override", gate, "--by", by, "--reason", reason, *places, *more)


def digest(workshop: Workshop) -> str:
    return digest_of(trial_from_json((workshop.store / "trial.json").read_bytes()))


def signer(workshop: Workshop) -> Signer:
    root = workshop.registry.trusted_roots().root
    return load_signer(workshop.keys, "targets", root.role("targets").keyids)


def refused(workshop: Workshop, error: type[Exception], match: str) -> None:
    before = files_of(workshop.registry)
    with pytest.raises(error, match=match):
        workshop.sign()
    assert files_of(workshop.registry) == before


def test_the_gates_are_listed_with_what_they_said_last(failed: Workshop) -> None:
    told = json.loads(gates(failed, "list", "--json").out)["gates"]

    assert len(told) == len(defs.resolve_asset_graph().asset_check_keys)
    results = {one["gate"]: one for one in told}
    assert results[GATE]["result"] == "FAILED"
    assert "(at least 1.01)" in results[GATE]["measured"]
    assert results[GATE]["sha256"] == digest(failed)
    assert results["daily_flows/in_schema"]["result"] == "no result"
    assert {one["result"] for name, one in results.items() if name not in (GATE, "daily_flows/in_schema")} == {"passed"}
    assert GATE in gates(failed, "list").out


def test_an_overridden_model_is_published_with_its_gate_failed_and_the_word_beside_it(failed: Workshop) -> None:
    refused(failed, GateError, r"failed: recall .*tidegate gates override trial/quality_of_ddos_lgbm")

    outcome = override(failed, GATE, "--yes")
    failed.sign()

    assert outcome.code == 0, outcome.err
    assert "(at least 1.01)" in outcome.err
    content = failed.registry.load().content
    for name in content.models:
        version = content.champion(name)
        assert version is not None
        gate = version.gates[GATE]
        assert not gate.passed
        assert gate.detail.endswith(f"OVERRIDDEN by Ann Example on {datetime.now(UTC):%Y-%m-%d}: {REASON}")
        card = failed.registry.target(failed.registry.manifest(), version.card).decode()
        assert "**FAILED**" in card
        assert REASON in " ".join(card.split())
    with failed.instance() as instance:
        event = instance.get_latest_materialization_event(RELEASE)
    assert event is not None
    assert event.asset_materialization is not None
    assert event.asset_materialization.metadata["overridden"].value == [GATE]
    shown = tidegate_command("registry", "show", "ddos_lgbm", "--registry", failed.registry.path)
    assert REASON in " ".join(shown.out.split())


@pytest.mark.parametrize(("measured", "reason"), [(40, 700), (1000, 0), (5000, 700), (5000, 0), (1000, 3)])
def test_what_is_published_of_a_gate_fits_the_manifest_and_keeps_the_whole_word(measured: int, reason: int) -> None:
    word = f"OVERRIDDEN by {'A' * 100} on 2026-03-01: {'r' * reason}" if reason else ""

    told = published("m" * measured, word)

    assert msgspec.convert(told, Text) == told
    assert told.endswith(word)
    assert told.startswith("m" * min(measured, 150))


def test_a_reason_that_leaves_no_room_for_what_was_measured_is_refused_at_once(failed: Workshop) -> None:
    outcome = override(failed, GATE, "--yes", reason="r" * 780)

    assert outcome.code == 3
    assert "too long to be published" in outcome.err
    assert not (failed.store / FOLDER).exists() or not list((failed.store / FOLDER).iterdir())


def test_a_word_is_about_one_result_and_not_about_the_next(failed: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    assert override(failed, GATE, "--yes").code == 0
    monkeypatch.setattr(model_checks, "every_attack", lambda *_: GateResult(False, "misses one"))
    assert not failed.check("trial")

    refused(failed, GateError, "finds_every_attack of trial failed: misses one")


def test_other_bytes_are_not_covered(failed: Workshop) -> None:
    assert override(failed, GATE, "--yes").code == 0
    path = override_path(failed.store, "trial", KEY.name, digest(failed))

    other = path.with_name(override_path(failed.store, "trial", KEY.name, "0" * 64).name)
    path.rename(other)

    root = failed.registry.trusted_roots().root
    with pytest.raises(TrustError, match="another check or other bytes"):
        find_override(failed.store, root, "trial", KEY.name, "0" * 64, datetime.now(UTC))
    refused(failed, GateError, "quality_of_ddos_lgbm of trial failed")


def expired(workshop: Workshop) -> None:
    until = datetime.now(UTC) - timedelta(seconds=1)
    write_override(workshop.store, KEY, digest(workshop), by="Ann", reason=REASON, signer=signer(workshop), until=until)


def by_a_stranger(workshop: Workshop) -> None:
    until = datetime.now(UTC) + timedelta(days=1)
    write_override(
        workshop.store, KEY, digest(workshop), by="Eve", reason=REASON, signer=Signer.generate(), until=until
    )


def by_the_root_key(workshop: Workshop) -> None:
    root = workshop.registry.trusted_roots().root
    key = load_signer(workshop.keys, "root", root.role("root").keyids)
    until = datetime.now(UTC) + timedelta(days=1)
    write_override(workshop.store, KEY, digest(workshop), by="Ann", reason=REASON, signer=key, until=until)


def changed(workshop: Workshop) -> None:
    assert override(workshop, GATE, "--yes").code == 0
    path = override_path(workshop.store, "trial", KEY.name, digest(workshop))
    path.write_bytes(path.read_bytes().replace(b"Ann Example", b"Bob Example"))


def without_a_signature(workshop: Workshop) -> None:
    assert override(workshop, GATE, "--yes").code == 0
    path = override_path(workshop.store, "trial", KEY.name, digest(workshop))
    document = json.loads(path.read_bytes())
    path.write_text(json.dumps({**document, "signatures": []}, indent=1, sort_keys=True) + "\n")


def the_manifest(workshop: Workshop) -> None:
    """Another document that the right key has signed."""
    path = override_path(workshop.store, "trial", KEY.name, digest(workshop))
    path.parent.mkdir()
    path.write_bytes((workshop.registry.path / "model_registry.json").read_bytes())


def not_json(workshop: Workshop) -> None:
    path = override_path(workshop.store, "trial", KEY.name, digest(workshop))
    path.parent.mkdir()
    path.write_bytes(b"yes, do it")


@pytest.mark.parametrize(
    ("forge", "reason"),
    [
        (expired, "expired"),
        (by_a_stranger, "unknown-key"),
        (by_the_root_key, "unknown-key"),
        (changed, "bad-signature"),
        (without_a_signature, "under-signed"),
        (the_manifest, "malformed"),
        (not_json, "layout"),
    ],
)
def test_a_word_that_does_not_count_stops_the_release_and_is_named(
    failed: Workshop, forge: Callable[[Workshop], None], reason: str
) -> None:
    forge(failed)

    refused(failed, TrustError, rf"{FOLDER}/[0-9a-f]{{32}}\.json.*\[{reason}\]")


def test_what_did_not_fail_cannot_be_overridden(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = override(workshop, GATE, "--yes")
    assert (outcome.code, "passed; only a gate that failed" in outcome.err) == (2, True)

    def crash(*_: object) -> GateResult:
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(model_checks, "integrity", crash)
        assert not workshop.check("ddos_lgbm")
    outcome = override(workshop, "ddos_lgbm/integrity", "--yes")
    assert (outcome.code, "no result; only a gate that failed" in outcome.err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ({"gate": "trial/nonsense"}, 2, "there is no gate 'trial/nonsense'"),
        ({"reason": ""}, 3, "the override"),
        ({"by": "\u202eAnn"}, 3, "the override"),
    ],
)
def test_a_word_without_a_gate_a_reason_or_a_name_is_refused(
    failed: Workshop, arguments: dict[str, str], code: int, said: str
) -> None:
    gate = arguments.pop("gate", GATE)
    outcome = override(failed, gate, "--yes", **arguments)

    assert (outcome.code, said in outcome.err) == (code, True), outcome.err
    assert not (failed.store / FOLDER).exists()


def test_nobody_is_taken_at_his_word_without_being_asked(failed: Workshop, tmp_path: Path) -> None:
    outcome = override(failed)
    assert (outcome.code, "nobody is there to be asked" in outcome.err) == (2, True)

    outcome = tidegate_command("gates", "list", "--dagster-home", tmp_path / "nowhere")
    assert (outcome.code, "Dagster has no records there" in outcome.err) == (2, True)
