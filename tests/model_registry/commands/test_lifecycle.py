from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from model_registry.content import Gate
from model_registry.keys import Signer
from model_registry.registry import Registry
from model_registry.signatures import add_signature, read_envelope
from model_registry.verify import verify_registry
from model_registry.writing.publishing import publish
from tests.support.command import Outcome, tidegate_command
from tests.support.registries import publish_edit, publish_models, put_model, tiny_artifact
from tests.support.signers import ALICE, BOB, CAROL, shared_registry

Command = Callable[..., Outcome]


@pytest.fixture
def run(registry: Registry, signer: Signer, tmp_path: Path) -> Command:
    """Run a registry command on the registry, in which each model has two versions."""
    publish_models(registry, signer, now=datetime.now(UTC))

    def command(*arguments: object) -> Outcome:
        return tidegate_command("registry", *arguments, "--registry", registry.path, "--keys", tmp_path / "keys")

    return command


def slots(registry: Registry, name: str = "ddos_lgbm") -> dict[str, int]:
    return {str(slot): number for slot, number in registry.manifest().content.models[name].slots().items()}


# --- promote


def test_promote_to_a_slot_and_then_to_champion(run: Command, registry: Registry) -> None:
    code, out, _ = run("promote", "ddos_lgbm", "--version", 1, "--to", "challenger")
    assert (code, out) == (0, "Version 3 is in force; ddos_lgbm: challenger is version 1.\n")
    assert slots(registry) == {"champion": 2, "challenger": 1}
    code, out, _ = run("promote", "ddos_lgbm", "--reason", "better on last week")
    assert (code, slots(registry)) == (0, {"champion": 1})
    assert registry.manifest().reason == "better on last week"
    assert registry.manifest().action == "promote"
    assert not verify_registry(registry).failures


def test_promote_in_json(run: Command) -> None:
    document = json.loads(run("promote", "ddos_lgbm", "--version", 1, "--json").out)
    assert document == {"version": 3, "in_force": True, "proposal": None, "lacking": 0}


def test_promote_what_is_not_there(run: Command) -> None:
    code, _, err = run("promote", "ddos_lgbm")
    assert (code, "has no challenger; choose by --version among 1, 2" in err) == (2, True)
    code, _, err = run("promote", "nothing", "--version", 1)
    assert (code, "there is no model 'nothing'" in err) == (2, True)


def test_a_version_that_failed_a_gate_ends_4(run: Command, registry: Registry, signer: Signer) -> None:
    failed = msgspec.structs.replace(
        put_model(registry, tiny_artifact("ddos_lgbm")), gates={"recall": Gate(passed=False, detail="0.1 < 0.9")}
    )
    publish(registry, lambda content: content.with_model("ddos_lgbm", failed, "shadow"), signer, run_id="run-3")
    code, _, err = run("promote", "ddos_lgbm", "--version", 3)
    assert (code, "did not pass recall" in err) == (4, True)
    assert slots(registry) == {"champion": 2, "shadow": 3}


def test_a_reason_that_could_mislead_is_refused(run: Command) -> None:
    code, _, err = run("promote", "ddos_lgbm", "--version", 1, "--reason", "fine\x1b[2J")
    assert (code, "reason" in err, "\x1b" in err) == (3, True, False)


def test_no_key_no_promotion(run: Command, registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "keys" / "targets.key").unlink()
    code, _, err = run("promote", "ddos_lgbm", "--version", 1)
    assert (code, "targets" in err) == (3, True)
    assert registry.manifest().version == 2


# --- rollback


def test_rollback_to_the_champion_before(run: Command, registry: Registry) -> None:
    code, out, _ = run("rollback", "ddos_lgbm", "--reason", "false alarms since noon")
    assert (code, out) == (0, "Version 3 is in force; ddos_lgbm: champion is version 1.\n")
    assert slots(registry) == {"champion": 1}
    assert (registry.manifest().action, registry.manifest().reason) == ("rollback", "false alarms since noon")
    run("rollback", "ddos_lgbm", "--version", 2, "--reason", "it was the network")
    assert slots(registry) == {"champion": 2}


def test_rollback_of_everything(run: Command, registry: Registry) -> None:
    code, out, _ = run("rollback", "--manifest", 1, "--reason", "all of it")
    assert (code, "all as in manifest version 1" in out) == (0, True)
    for name in ("anomaly_iforest", "ddos_lgbm", "malware_lgbm"):
        assert slots(registry, name) == {"champion": 1}
    assert not verify_registry(registry).failures


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("ddos_lgbm",), "--reason"),
        (("--reason", "x"), "give MODEL"),
        (("ddos_lgbm", "--manifest", 1, "--reason", "x"), "give MODEL"),
        (("--manifest", 1, "--version", 1, "--reason", "x"), "give MODEL"),
        (("--manifest", 9, "--reason", "x"), "manifest version 9 is not kept"),
        (("ddos_lgbm", "--version", 9, "--reason", "x"), "has no version 9"),
    ],
)
def test_rollback_used_wrongly(run: Command, arguments: tuple[object, ...], reason: str) -> None:
    code, _, err = run("rollback", *arguments)
    assert (code, reason in err) == (2, True)


# --- publish, sign, gc


def test_publish_renews_the_expiry(run: Command, registry: Registry) -> None:
    before = registry.manifest()
    code, out, _ = run("publish", "--days", 200)
    assert (code, "Version 3 is in force" in out) == (0, True)
    assert registry.manifest().content == before.content
    assert registry.manifest().expires > before.expires


def test_before_the_first_training_there_is_nothing_to_change(tmp_path: Path) -> None:
    places = ("--registry", tmp_path / "r", "--keys", tmp_path / "k")
    assert tidegate_command("keys", "init", "--unencrypted", *places).code == 0
    for command in (("publish",), ("promote", "ddos_lgbm", "--version", 1)):
        code, _, err = tidegate_command("registry", *command, *places)
        assert (code, "`tidegate train` does that first" in err) == (2, True)


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """Two of three must sign; Alice has proposed a new version of ddos_lgbm."""
    now = datetime.now(UTC)
    registry = shared_registry(tmp_path / "shared", ALICE, BOB, CAROL, threshold=2, now=now)
    monkeypatch.setenv("TIDEGATE_REGISTRY", str(registry.path))
    monkeypatch.setenv("TIDEGATE_KEYS", str(tmp_path / "none"))  # not those that a demo left in var/keys
    publish(registry, publish_edit(registry, ("ddos_lgbm",)), ALICE, run_id="run-2", action="train", now=now)
    return registry


def as_holder(monkeypatch: pytest.MonkeyPatch, holder: Signer, *arguments: object) -> Outcome:
    monkeypatch.setattr("model_registry.private_keys.environment._taken", {})
    monkeypatch.setenv("TIDEGATE_TARGETS_KEY", holder.seed().hex())
    return tidegate_command("registry", *arguments)


def test_a_proposal_is_listed_shown_and_signed(shared: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = json.loads(tidegate_command("registry", "list", "--json").out)
    (proposal,) = listed["proposals"]
    assert proposal["what"] == "manifest version 2"
    assert f"tidegate registry sign {proposal['proposal'][:12]}" in tidegate_command("registry", "list").out
    code, out, _ = as_holder(monkeypatch, BOB, "sign", "--yes")
    assert code == 0
    assert "train by run run-2" in out
    assert "ddos_lgbm" in out
    assert "version 1" in out
    assert out.endswith("Signed manifest version 2. In force now: manifest version 2.\n")
    assert shared.load().version == 2
    assert not verify_registry(shared).failures


def test_signing_asks_first(shared: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    for nobody in (None, io.StringIO("y\n")):
        monkeypatch.setattr("sys.stdin", nobody)
        code, out, err = as_holder(monkeypatch, BOB, "sign")
        assert (code, "manifest version 2" in out, "give --yes" in err) == (2, True, True)
    assert shared.load().version == 1


def test_what_was_interrupted_after_its_last_signature_is_finished(
    shared: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    (file,) = (shared.path / "proposed").iterdir()
    file.write_bytes(add_signature(read_envelope(file.read_bytes(), file.name), BOB))
    assert shared.load().version == 1
    code, out, _ = as_holder(monkeypatch, CAROL, "sign")
    assert (code, out) == (0, "Nothing more had to be signed. In force now: manifest version 2.\n")
    assert shared.load().version == 2
    assert "0 proposals are there" in as_holder(monkeypatch, CAROL, "sign").err


def test_the_wrong_holder_signs_nothing(shared: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    code, _, err = as_holder(monkeypatch, ALICE, "sign", "--yes")
    assert (code, "has signed it already" in err) == (2, True)
    code, _, err = as_holder(monkeypatch, Signer.generate(), "sign", "--yes")
    assert (code, "gives none of the targets keys" in err) == (3, True)
    assert shared.load().version == 1


@pytest.mark.usefixtures("shared")
def test_promoting_with_one_key_of_two_proposes(monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, _ = as_holder(monkeypatch, CAROL, "promote", "malware_lgbm", "--version", 1, "--to", "shadow")
    assert (code, "Version 2 is proposed" in out, "It needs 1 more: tidegate registry sign" in out) == (0, True, True)
    document = json.loads(as_holder(monkeypatch, CAROL, "publish", "--json").out)
    assert (document["in_force"], document["lacking"], len(document["proposal"])) == (False, 1, 64)


@pytest.mark.usefixtures("run")
def test_gc_tells_what_goes(registry: Registry) -> None:
    (registry.path / "blobs" / ("a" * 64)).write_bytes(b"left")
    code, out, _ = run_gc(registry, "--dry-run")
    assert (code, "1 file would be deleted" in out, (registry.path / "blobs" / ("a" * 64)).exists()) == (0, True, True)
    document: dict[str, Any] = json.loads(run_gc(registry, "--json", "--keep", 1).out)
    assert [file["file"] for file in document["files"]] == ["history/1.json", f"blobs/{'a' * 64}"]
    assert run_gc(registry).out == "0 files deleted\n"


def run_gc(registry: Registry, *arguments: object) -> Outcome:
    return tidegate_command("registry", "gc", *arguments, "--registry", registry.path)
