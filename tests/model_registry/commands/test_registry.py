from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from model_registry.content import Content, Gate
from model_registry.keys import Signer
from model_registry.registry import Registry
from model_registry.writing.publishing import publish
from tests.support.command import tidegate_command
from tests.support.registries import MODELS, make_registry, publish_models, put_model, tiny_artifact

# --- registry list


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_list_reports_the_true_number_of_models(tmp_path: Path, count: int) -> None:
    registry = make_registry(tmp_path, MODELS[:count], now=datetime.now(UTC))
    document = json.loads(tidegate_command("registry", "list", "--json", "--registry", registry.path).out)
    assert document["count"] == count
    assert [row["name"] for row in document["models"]] == list(MODELS[:count])
    plain = tidegate_command("registry", "list", "--registry", registry.path).out
    assert f"{count} model{'' if count == 1 else 's'}; manifest version 1" in plain
    assert sum(any(name in line for name in MODELS) for line in plain.splitlines()) == count


def test_list_counts_versions_apart_from_models(registry: Registry, signer: Signer) -> None:
    publish_models(registry, signer, ("ddos_lgbm",), now=datetime.now(UTC))
    document = json.loads(tidegate_command("registry", "list", "--json", "--registry", registry.path).out)
    assert (document["count"], document["version"]) == (3, 2)
    assert {row["name"]: (row["versions"], row["champion"]) for row in document["models"]} == {
        "anomaly_iforest": (1, 1),
        "ddos_lgbm": (2, 2),
        "malware_lgbm": (1, 1),
    }


def test_list_shows_threshold_metrics_fingerprint_and_time(registry: Registry) -> None:
    champion = registry.manifest().content.champion("ddos_lgbm")
    assert champion is not None
    plain = tidegate_command("registry", "list", "--registry", registry.path).out
    (line,) = [line for line in plain.splitlines() if "ddos_lgbm" in line]
    for text in ("0.75", "recall 0.991", "fpr 0.0008", champion.fingerprint[:12], champion.created):
        assert text in line


def test_list_shows_a_model_without_champion(registry: Registry, signer: Signer) -> None:
    def retire(content: Content) -> Content:
        model = msgspec.structs.replace(content.models["ddos_lgbm"], champion=None)
        return msgspec.structs.replace(content, models={**content.models, "ddos_lgbm": model})

    publish(registry, retire, signer, run_id="run-2")
    document = json.loads(tidegate_command("registry", "list", "--json", "--registry", registry.path).out)
    row = document["models"][1]
    assert (row["name"], row["champion"], row["threshold"], row["fingerprint"]) == ("ddos_lgbm", None, None, None)
    assert tidegate_command("registry", "list", "--registry", registry.path).code == 0
    code, _, err = tidegate_command("registry", "show", "ddos_lgbm", "--registry", registry.path)
    assert (code, "has no champion; choose by --version among 1" in err) == (2, True)


def test_list_of_an_untrusted_registry(registry: Registry) -> None:
    (registry.path / "model_registry.json").write_bytes(b"{}\n")
    code, out, err = tidegate_command("registry", "list", "--registry", registry.path)
    assert (code, out) == (3, "")
    assert err.startswith("tidegate: model_registry.json: ")


@pytest.mark.parametrize("command", [("list",), ("show", "ddos_lgbm")])
def test_what_is_shown_can_be_held_to_a_root_of_ones_own(
    registry: Registry, tmp_path: Path, command: tuple[str, ...]
) -> None:
    other = make_registry(tmp_path / "other", now=datetime.now(UTC))
    places = ("--registry", registry.path, "--root")
    assert tidegate_command("registry", *command, *places, registry.path / "1.root.json").code == 0
    code, out, err = tidegate_command("registry", *command, *places, other.path / "1.root.json")
    assert (code, out, "[unknown-key]" in err) == (3, "", True)


def test_the_registry_is_found_by_the_environment(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEGATE_REGISTRY", str(registry.path))
    assert "3 models" in tidegate_command("registry", "list").out


# --- registry show


def test_show_prints_all_of_one_version(registry: Registry) -> None:
    champion = registry.manifest().content.champion("malware_lgbm")
    assert champion is not None
    code, out, _ = tidegate_command("registry", "show", "malware_lgbm", "--registry", registry.path)
    assert code == 0
    for text in (
        "malware_lgbm version 1 (champion)",
        "12345 rows",
        champion.data.sha256,
        champion.artifact,
        champion.catalogue,
        "0.991 >= 0.95",
        "passed",
        "run-1",
        "A model for tests.",
    ):
        assert text in out


def test_show_json(registry: Registry) -> None:
    code, out, _ = tidegate_command("registry", "show", "malware_lgbm", "--registry", registry.path, "--json")
    document = json.loads(out)
    assert code == 0
    assert (document["name"], document["version"], document["slots"]) == ("malware_lgbm", 1, ["champion"])
    assert document["gates"] == {"recall": {"passed": True, "detail": "0.991 >= 0.95"}}
    assert document["data"]["rows"] == 12345
    assert document["card"].startswith("# malware_lgbm")
    assert document["artifact"] == f"blobs/{document['fingerprint']}"


def test_show_an_older_version_and_a_gate_not_passed(registry: Registry, signer: Signer) -> None:
    def edit(content: Content) -> Content:
        version = msgspec.structs.replace(
            put_model(registry, tiny_artifact("ddos_lgbm")),
            gates={"recall": Gate(passed=False, detail="0.2 [bold]< 0.95")},
        )
        return content.with_model("ddos_lgbm", version)

    publish(registry, edit, signer, run_id="run-2")
    new = tidegate_command("registry", "show", "ddos_lgbm", "--registry", registry.path).out
    assert "NOT PASSED: 0.2 [bold]< 0.95" in new
    old = tidegate_command("registry", "show", "ddos_lgbm", "--version", 1, "--registry", registry.path).out
    assert "ddos_lgbm version 1\n" in old
    assert "NOT PASSED" not in old


def test_show_what_is_not_there(registry: Registry) -> None:
    code, _, err = tidegate_command("registry", "show", "nothing", "--registry", registry.path)
    assert (code, f"there are: {', '.join(MODELS)}" in err) == (2, True)
    code, _, err = tidegate_command("registry", "show", "ddos_lgbm", "--version", 9, "--registry", registry.path)
    assert (code, "has no version 9; there are: 1" in err) == (2, True)


def test_a_model_card_cannot_command_the_terminal(registry: Registry, signer: Signer) -> None:
    def edit(content: Content) -> Content:
        card = registry.put_blob(b"\x1b[2J# card\xff\n")
        return content.with_model(
            "ddos_lgbm", msgspec.structs.replace(put_model(registry, tiny_artifact("ddos_lgbm")), card=card.path)
        )

    publish(registry, edit, signer, run_id="run-2")
    code, out, _ = tidegate_command("registry", "show", "ddos_lgbm", "--registry", registry.path)
    assert (code, "\x1b" in out, "# card" in out) == (0, False, True)


# --- registry verify


def test_verify_names_every_file_and_says_where_the_root_came_from(registry: Registry) -> None:
    code, out, err = tidegate_command("registry", "verify", "--registry", registry.path)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    present = [str(path.relative_to(registry.path)) for path in registry.path.rglob("*") if path.is_file()]
    for file in present:
        if file != ".lock":
            assert sum(line.startswith("ok") and line.split()[1] == file for line in lines) == 1
    assert "golden vectors replayed" in out
    assert "The root was taken from the registry itself" in lines[-1]


def test_verify_with_a_root_of_ones_own(registry: Registry, tmp_path: Path) -> None:
    pinned = tmp_path / "pinned.json"
    pinned.write_bytes((registry.path / "1.root.json").read_bytes())
    code, out, _ = tidegate_command("registry", "verify", "--registry", registry.path, "--root", pinned)
    assert code == 0
    assert "taken from the registry" not in out
    assert f"ok     {pinned}" in out


def test_verify_json(registry: Registry) -> None:
    code, out, _ = tidegate_command("registry", "verify", "--registry", registry.path, "--json")
    document = json.loads(out)
    assert code == 0
    assert (document["ok"], document["version"], document["root_from_registry"]) == (True, 1, True)
    assert {check["ok"] for check in document["checks"]} == {True}
    (registry.path / "stray").write_bytes(b"")
    code, out, err = tidegate_command("registry", "verify", "--registry", registry.path, "--json")
    document = json.loads(out)
    assert (code, document["ok"]) == (3, False)
    assert [check["file"] for check in document["checks"] if not check["ok"]] == ["stray"]
    assert "stray" in err


def test_verify_where_there_is_no_registry(tmp_path: Path) -> None:
    code, out, _ = tidegate_command("registry", "verify", "--registry", tmp_path / "nowhere")
    assert (code, "FAILED 1.root.json" in out) == (3, True)


def test_verify_before_the_first_publication(tmp_path: Path) -> None:
    tidegate_command("keys", "init", "--unencrypted", "--keys", tmp_path / "k", "--registry", tmp_path / "r")
    code, out, _ = tidegate_command("registry", "verify", "--registry", tmp_path / "r")
    assert (code, "FAILED model_registry.json  missing" in out) == (3, True)


def test_an_expired_registry_can_be_listed_and_is_not_trusted(tmp_path: Path) -> None:
    registry = make_registry(tmp_path, now=datetime.now(UTC) - timedelta(days=91))
    assert "3 models" in tidegate_command("registry", "list", "--registry", registry.path).out
    code, out, _ = tidegate_command("registry", "verify", "--registry", registry.path)
    assert (code, "FAILED model_registry.json  expired on" in out) == (3, True)
