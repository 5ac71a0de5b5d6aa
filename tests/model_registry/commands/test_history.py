from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from model_registry.keys import Signer
from model_registry.registry import Registry
from model_registry.writing.collection import collect
from model_registry.writing.lifecycle import roll_back
from model_registry.writing.publishing import publish
from tests.support.command import Outcome, tidegate_command
from tests.support.registries import publish_models


@pytest.fixture
def story(registry: Registry, signer: Signer) -> Registry:
    """Version 1 of three models, then another of ddos_lgbm, then back to the first, with a reason."""
    now = datetime.now(UTC)
    publish_models(registry, signer, ("ddos_lgbm",), now=now)
    publish(
        registry,
        lambda content: roll_back(content, "ddos_lgbm", 1),
        signer,
        run_id="by-hand",
        action="rollback",
        reason="too many false alarms",
        now=now,
    )
    return registry


def run(registry: Registry, *arguments: object) -> Outcome:
    return tidegate_command("registry", *arguments, "--registry", registry.path)


def test_history_tells_who_what_when_and_why(story: Registry, signer: Signer) -> None:
    code, out, err = run(story, "history")
    assert (code, err) == (0, "")
    rows = [line for line in out.splitlines() if line.strip()[:1].isdigit()]
    assert [row.split()[0] for row in rows] == ["3", "2", "1"]
    for text in ("rollback", f"targets ({signer.keyid[:8]})", "ddos_lgbm champion 2 -> 1", "too many false alarms"):
        assert text in rows[0]
    assert "ddos_lgbm champion 1 -> 2" in rows[1]
    assert "ddos_lgbm 1 of 1 passed" in rows[1]
    assert "malware_lgbm champion - -> 1" in rows[2]


def test_history_in_json(story: Registry, signer: Signer) -> None:
    versions = json.loads(run(story, "history", "--json").out)["versions"]
    assert [row["version"] for row in versions] == [3, 2, 1]
    assert versions[0]["signers"] == [{"keyid": signer.keyid, "holder": "targets"}]
    assert versions[0]["changes"] == ["ddos_lgbm champion 2 -> 1"]
    assert versions[1]["gates"] == {"ddos_lgbm": [1, 1]}
    assert versions[2]["changes"][0] == "anomaly_iforest champion - -> 1"
    newest = json.loads(run(story, "history", "--json", "--limit", 1).out)["versions"]
    assert newest == versions[:1]


def test_history_that_is_no_longer_kept(story: Registry) -> None:
    collect(story, keep=2)
    code, out, _ = run(story, "history")
    assert (code, "Versions before 2 are no longer kept." in out) == (0, True)


def test_history_of_an_untrusted_registry(story: Registry, tmp_path: Path) -> None:
    (story.path / "history" / "2.json").write_bytes((story.path / "history" / "1.json").read_bytes())
    code, _, err = run(story, "history")
    assert (code, "history/2.json: not the manifest that its successor names" in err) == (3, True)
    code, _, err = run(Registry(tmp_path / "nowhere"), "history")
    assert (code, "keys init" in err) == (3, True)


def test_diff_of_two_manifests(story: Registry) -> None:
    code, out, _ = run(story, "diff", 1, 2)
    assert code == 0
    assert any("champion" in line and "version 1" in line and "version 2" in line for line in out.splitlines())
    assert "artifact" in out
    assert run(story, "diff", 3, 3).out == "no difference\n"


def test_diff_of_two_versions_of_a_model(story: Registry) -> None:
    document = json.loads(run(story, "diff", "ddos_lgbm@1", "ddos_lgbm@2", "--json").out)
    assert {one["what"] for one in document["differences"]} == {"artifact"}
    assert {one["where"] for one in document["differences"]} == {"ddos_lgbm"}
    across = json.loads(run(story, "diff", "ddos_lgbm@1", "malware_lgbm@1", "--json").out)
    assert {one["where"] for one in across["differences"]} == {"ddos_lgbm -> malware_lgbm"}


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("1", "9", "there is no manifest version '9'; there are: 3, 2, 1"),
        ("1", "ddos_lgbm", "there is no manifest version 'ddos_lgbm'"),
        ("1", "ddos_lgbm@1", "compare two manifests"),
        ("ddos_lgbm@1", "ddos_lgbm@7", "ddos_lgbm has no version '7'; there are: 1, 2"),
        ("ddos_lgbm@1", "nothing@1", "there is no model 'nothing'"),
    ],
)
def test_diff_of_what_is_not_there(story: Registry, before: str, after: str, reason: str) -> None:
    code, _, err = run(story, "diff", before, after)
    assert (code, reason in err) == (2, True)
