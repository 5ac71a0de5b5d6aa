"""``tidegate evaluate``: what it tells people, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from model_registry.manifest import MANIFEST
from model_registry.registry import Registry
from tests.support.evaluating import labelled_flows, run, write
from tests.support.serving import artifact_path, flow, serving_registry


def test_lines_that_are_no_flows_are_told_once_for_each_file(registry: Registry, tmp_path: Path) -> None:
    good = flow(label="Benign")
    one, two = write(tmp_path / "one", [good, b"{", b"", b"{}", good]), write(tmp_path / "two", [good, good])
    code, out, err = run(registry, "--json", "--format", "canonical", one, two)

    assert (code, json.loads(out)["final"]["rows"]) == (0, 4)
    assert err.startswith(f"{one}: 2 undecodable lines, the first is line 2: ")
    assert err.count("\n") == 1


def test_people_get_tables_that_no_label_can_paint_on(registry: Registry, tmp_path: Path) -> None:
    flows = labelled_flows((9, "benign", "Benign"), (2, "ddos", "DDoS\x1b[31m\u202e"))
    flows += [flow(20.0, "ddos", f"10.0.1.{host}", label="DDoS") for host in range(40)]
    code, out, err = run(registry, write(tmp_path / "rude", flows))

    assert (code, err) == (0, "")
    for text in ("ddos_lgbm", "final", "cannot be told", "DDoS?[31m?", "10.0.1.7", "0.000 s"):
        assert text in out
    assert "the first 25 of 41; --json has all of them" in out
    assert "\x1b" not in out
    assert "\u202e" not in out


def test_what_cannot_be_told_reads_so_in_the_tables(registry: Registry, tmp_path: Path) -> None:
    code, out, _ = run(registry, f"malware:{write(tmp_path / 'infected', [flow(0.0), flow(1.0)])}")

    assert code == 0
    assert "false alerts per home host and day: cannot be told" in out


def test_progress_is_for_terminals(registry: Registry, capture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr("training.cli._progress", shown.append)
    run(registry, capture)

    assert shown == [f"{capture.name}: 25 flows", ""]


@pytest.mark.parametrize("label", ["", "Background", "Unknown", "Malicious"])
def test_without_any_truth_the_user_is_told_how_to_give_one(registry: Registry, tmp_path: Path, label: str) -> None:
    code, out, err = run(registry, write(tmp_path / "unlabelled", [flow(label=label)]))

    assert (code, out) == (2, "")
    assert "benign:PATH" in err


def test_a_file_of_nothing_has_no_truth(registry: Registry, tmp_path: Path) -> None:
    assert run(registry, write(tmp_path / "empty", [])).code == 2


def test_wrong_usage_ends_with_2(registry: Registry, capture: Path) -> None:
    assert run(registry).code == 2
    assert run(registry, capture.with_name("none")).code == 2
    assert run(registry, capture.parent).code == 2
    assert run(registry, "--format", "no-such", capture).code == 2
    assert run(registry, "--min-version", "-1", capture).code == 2
    code, _, err = run(registry, "--home", "10.0.0.0/8,nowhere", capture)
    assert code == 2
    assert "nowhere" in err


def test_what_is_not_trusted_ends_with_3(tmp_path: Path, capture: Path) -> None:
    registry = serving_registry(tmp_path)
    assert run(registry, "--min-version", "2", capture).code == 3
    assert run(registry, "--root", registry.path / "1.root.json", "--state", tmp_path / "state", capture).code == 0
    manifest = registry.path / MANIFEST
    manifest.write_bytes(manifest.read_bytes().replace(b"ddos", b"DDOS", 1))
    code, out, err = run(registry, capture)
    assert (code, out) == (3, "")
    assert MANIFEST in err


def test_a_refused_model_is_told_and_not_measured(tmp_path: Path, capture: Path) -> None:
    registry = serving_registry(tmp_path)
    artifact_path(registry, "ddos_lgbm").unlink()
    code, out, err = run(registry, "--json", capture)

    assert code == 0
    assert "evaluating without ddos_lgbm: " in err
    assert set(json.loads(out)["models"]) == {"malware_lgbm", "anomaly_iforest"}


def test_a_registry_with_nothing_to_decide_by_is_not_evaluated(tmp_path: Path, capture: Path) -> None:
    code, out, err = run(serving_registry(tmp_path, models=(), rules=b"[]\n"), capture)

    assert (code, out) == (3, "")
    assert "nothing to decide by" in err


def test_labels_that_nobody_understands_are_told(registry: Registry, tmp_path: Path) -> None:
    file = write(tmp_path / "odd.ndjson", labelled_flows((3, "benign", "Benign"), (2, "ddos", "Zebra")))
    outcome = run(registry, file, "--json")
    assert outcome.code == 0
    assert json.loads(outcome.out)["final"]["rows"] == 3
    assert "2 rows of nothing, for labels that are not understood: 'Zebra' (2)" in outcome.err


def test_what_is_known_of_a_published_capture_is_told_and_decides_nothing(registry: Registry, tmp_path: Path) -> None:
    name = "ctu-botnet-4_LABELS-ARE-PLACEHOLDERS.conn.log.labeled"
    file = write(tmp_path / name, labelled_flows((3, "benign", "Benign")))
    outcome = run(registry, file, "--json")
    assert json.loads(outcome.out)["final"]["rows"] == 3
    assert "is known as ctu-botnet-4, malware as a whole: give malware:PATH" in outcome.err
    assert run(registry, f"malware:{file}", "--json").err == ""
