"""The page that ``tidegate evaluate --report`` writes: whole, harmless, and of the same figures as the document."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from model_registry.registry import Registry
from tests.support.evaluating import figures, labelled_flows, run, write
from tests.support.pages import Page, read_page
from tests.support.real import REPOSITORY

HOSTILE = "External-Attack $\\frac{</th><script>alert('1')</script><img src=x onerror=alert(1)>&amp;\u202e\U0001f600"
COLUMNS = [
    *("flows", "attacks", "threshold", "recall", "false-positive rate", "upper bound of it", "precision"),
    *("ROC area", "PR area", "calibration error", "abstained"),
]
KEYS = ["rows", "positives", "threshold", "recall", "fpr", "fpr_upper95", "precision", "roc_auc", "pr_auc"]


class Written(NamedTuple):
    text: str
    page: Page
    document: dict[str, Any]
    alone: list[dict[str, Any]]  # of each file by itself


@pytest.fixture(scope="module")
def written(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Written:
    folder = tmp_path_factory.mktemp("page")
    files = [
        write(
            folder / f"{name}.ndjson",
            labelled_flows(
                (benign, "benign", "Benign"),
                (2, "malware", "Benign"),
                (20 + place, "ddos", "DDoS"),
                (3 * place, "benign", "DDoS"),
                (2, "malware", "C&C-HeartBeat"),
                (9, "benign", HOSTILE),
                (3, "malware", "Background"),
                host=f"10.0.0.{place + 1}",
            ),
        )
        for place, (name, benign) in enumerate((("<b>a", 3000), ("$b_{$", 40), ("c", 50)))
    ]
    path = folder / "page.html"
    code, out, err = run(registry, *files, "--json", "--report", path)
    assert (code, err) == (0, "")
    text = path.read_text(encoding="utf-8")
    return Written(text, read_page(text), json.loads(out), [figures(registry, file) for file in files])


def expected(measures: dict[str, Any]) -> list[float | None]:
    return [None if isinstance(measures[key], str) else measures[key] for key in KEYS]


def test_the_document_is_the_same_with_a_page_and_without(written: Written, registry: Registry, tmp_path: Path) -> None:
    assert list(written.document) == ["models", "final", "labels", "hosts", "alerts_per_host_day"]
    file = write(tmp_path / "one", labelled_flows((9, "benign", "Benign"), (3, "ddos", "DDoS")))
    assert run(registry, file, "--json").out == json.dumps(figures(registry, file), indent=2) + "\n"


def test_it_needs_nothing_else_and_runs_nothing(written: Written) -> None:
    page = written.page

    assert "script" not in page.tags
    assert not page.handlers
    assert page.tags["img"] >= 8
    assert all(link.startswith(("data:image/png;base64,", "#section-")) for link in page.links)
    assert "default-src 'none'" in written.text
    assert "@import" not in written.text
    assert "url(" not in written.text
    assert len(written.text) < 4 << 20


def test_pictures_are_png_and_say_what_they_show(written: Written) -> None:
    pictures = [link.split(",", 1)[1] for link in written.page.links if link.startswith("data:")]
    assert all(base64.b64decode(data).startswith(b"\x89PNG\r\n\x1a\n") for data in pictures)
    assert written.text.count('alt="') == len(pictures)
    assert 'alt=""' not in written.text


def test_hostile_names_are_shown_as_they_are_and_are_no_markup(written: Written) -> None:
    shown = HOSTILE.replace("\u202e", "?")  # what would turn the line round
    assert shown in written.page.text
    assert "<script" not in written.text
    assert "<b>a.ndjson" in written.page.text
    assert "<b>" not in written.text


def test_figures_over_all_captures_are_the_documents(written: Written) -> None:
    values, document = written.page.values, written.document

    assert written.page.headers["The verdict, and each engine alone"][1:] == COLUMNS
    final = values["The verdict, and each engine alone"]["final verdict"]
    assert final[:9] == expected(document["final"])
    assert final[10] == document["final"]["abstained"]
    for threat, model in (("ddos", "ddos_lgbm"), ("malware", "malware_lgbm"), ("anomaly", "anomaly_iforest")):
        assert values[f"Models of {threat}"][model][:9] == expected(document["models"][model])


def test_figures_of_each_capture_are_the_documents_of_its_file_alone(written: Written) -> None:
    for scorer in ("final verdict", "ddos_lgbm", "malware_lgbm", "anomaly_iforest"):
        rows = list(written.page.values[scorer].values())
        assert len(rows) == 3
        for row, document in zip(rows, written.alone, strict=True):
            measures = document["final"] if scorer == "final verdict" else document["models"][scorer]
            assert row[:9] == expected(measures)


def test_recall_by_attack_is_the_documents(written: Written) -> None:
    table, header = written.page.values["Attack by attack"], written.page.headers["Attack by attack"]
    verdict = header.index("final verdict") - 1

    assert len(table) == len(written.document["labels"])
    for name, one in written.document["labels"].items():
        label = name.replace("\u202e", "?")
        assert (table[label][1], table[label][verdict]) == (one["rows"], one["recall"])


def test_false_alerts_and_hosts_are_the_documents(written: Written) -> None:
    lives = written.page.values["False alerts per home host and day"]

    assert lives["all that can tell"][3] == pytest.approx(written.document["alerts_per_host_day"])
    assert [lives[name][3] for name in list(lives)[:3]] == [one["alerts_per_host_day"] for one in written.alone]
    hosts = written.page.values["3 streams"]
    assert {host: row[1] for host, row in hosts.items()} == {
        host: one["first_alert_flows"] for host, one in written.document["hosts"].items()
    }


def test_an_engine_alone_is_what_its_votes_say(written: Written) -> None:
    engines = written.page.values["The verdict, and each engine alone"]
    final = written.document["final"]

    assert set(engines) == {"final verdict", "rules alone", "math alone", "ml alone"}
    assert engines["math alone"][3] == 0.0  # without baselines it never speaks
    assert engines["ml alone"][3] == final["recall"]  # and here the models alone decide


def test_precision_at_a_base_rate_is_by_bayes_rule(written: Written) -> None:
    final = written.document["final"]
    found, alarms = 0.001 * final["recall"], 0.999 * final["fpr"]

    assert written.page.values["Precision at stated base rates"]["final verdict"][1] == pytest.approx(
        found / (found + alarms)
    )


def test_a_page_that_cannot_be_written_is_refused_before_anything_is_read(registry: Registry, tmp_path: Path) -> None:
    for page, reason in (("capture.log", "must end in .html"), ("nowhere/page.html", "in a folder that is there")):
        code, _, err = run(registry, tmp_path / "absent.log", "--report", tmp_path / page)
        assert code == 2
        assert reason in err
        assert "absent" not in err
    assert not list(tmp_path.iterdir())


@pytest.mark.long
def test_plots_are_loaded_only_for_a_page() -> None:
    program = "import sys, training.cli, training.report; print({'matplotlib', 'jinja2'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "set()\n"
