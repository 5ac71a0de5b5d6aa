"""Model cards say what was measured, what it is worth, and nothing that a capture's labels put in."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from markdown_it import MarkdownIt

from detection.verdict import Kind
from flows.catalogue import NAMES
from model_registry.artifact import Calibration
from tests.support.models import make_artifact
from tests.support.real import REPOSITORY
from training import anomaly, card_texts, ddos, malware
from training.card_figures import MOST_LABELS
from training.cards import model_card
from training.datasets import NO_TRUTH, Dataset, Origin
from training.datasets.captures import ABOUT as REAL
from training.datasets.simulated import ABOUT as SIMULATED
from training.evaluation import Evaluation, LabelRecall, Measures
from training.gates import GateResult
from training.intervals import Intervals, exact_interval
from training.markdown import WIDTH
from training.recipes import BY_NAME

SHA256 = "ab" * 32
SECTIONS = [
    "Intended use",
    "Data",
    "Protocol",
    "At the operating point",
    "Where attacks are rarer",
    "Attack by attack",
    "Calibration",
    "Gates",
    "Limits",
]
MEASURES = Measures(
    rows=6000,
    positives=2000,
    threshold=0.75,
    recall=0.9,
    fpr=0.001,
    fpr_upper95=0.002,
    precision=0.99,
    roc_auc=0.97,
    pr_auc=0.96,
    calibration_error=0.0125,
    intervals=Intervals((0.8, 0.95), (0.0005, 0.004), (0.9, 0.999), (0.95, 0.98), None),
)
FLOOD = {"syn-flood": LabelRecall(2000, 0.9, Kind.DDOS), "crowd": LabelRecall(100, 1.0, Kind.BENIGN)}
GATES = {"trial/quality": GateResult(True, "recall 0.9000 (at least 0.9)"), "x/y": GateResult(False, "not measured")}


def data(about: str = SIMULATED, names: tuple[str, ...] = ("one", "two", "three"), **columns: object) -> Dataset:
    """Three captures of four flows, one for each part; the last flow of each has no truth."""
    rows: dict[str, Any] = {
        "features": np.zeros((12, len(NAMES)), np.float32),
        "truth": np.array([Kind.BENIGN, Kind.BENIGN, Kind.DDOS, NO_TRUTH] * 3, np.int8),
        "attack": np.array(["", "crowd", "syn-flood", "Background"] * 3),
        "capture": np.repeat(np.arange(3, dtype=np.int16), 4),
        "part": np.repeat(np.arange(3, dtype=np.int8), 4),
        "weight": np.ones(12, np.float32),
    }
    return Dataset(**rows | columns, origin=Origin(names, about))


def card(
    name: str = "ddos_lgbm",
    measures: Measures = MEASURES,
    *,
    alone: dict[str, LabelRecall] = FLOOD,
    together: dict[str, LabelRecall] = FLOOD,
    gates: dict[str, GateResult] = GATES,
    given: Dataset | None = None,
) -> str:
    artifact = make_artifact(
        name=name,
        algorithm="isolation_forest" if name == anomaly.NAME else "lightgbm",
        calibration=Calibration(1.5, -0.25),
    )
    evaluation = Evaluation({name: measures}, MEASURES, MEASURES, together, {name: alone})
    return model_card(BY_NAME[name], artifact, evaluation, gates, data=given or data(), data_sha256=SHA256)


def section(text: str, title: str) -> str:
    """A section of a card, its lines joined, so that it does not matter where they were wrapped."""
    return " ".join(text.split(f"## {title}\n")[1].split("\n## ")[0].split())


def outline(text: str) -> list[str]:
    """The blocks of a card, as a reader with tables, HTML and links sees them."""
    return [token.type for token in MarkdownIt("commonmark").enable("table").parse(text)]


@pytest.mark.parametrize("name", BY_NAME)
def test_every_model_has_a_card_with_every_section(name: str) -> None:
    text = card(name)

    assert text.startswith(f"# {name}\n\n{card_texts.PURPOSE[name][:40]}")
    assert re.findall("^## (.*)$", text, re.MULTILINE) == SECTIONS
    assert "html_block" not in outline(text)
    assert all(len(line) <= WIDTH for line in text.splitlines() if not line.startswith("|"))
    assert text == card(name)


def test_the_data_are_told_by_their_digest_and_counted_by_part() -> None:
    told = section(card(), "Data")

    assert f"SHA-256: `{SHA256}`" in told
    assert "| part | captures | benign | ddos | malware | anomaly | no truth |" in told
    for part in ("train", "validation", "test"):
        assert f"| {part} | 1 | 2 | 1 | 0 | 0 | 1 |" in told
    assert "* `one`: 4 * `two`: 4 * `three`: 4 " in told
    assert told.endswith(" ".join(SIMULATED.split()))


def test_the_protocol_tells_how_parts_were_cut() -> None:
    within = data(part=np.array([0, 0, 1, 2] * 3, np.int8))

    assert "whole captures, the latest for the test" in section(card(), "Protocol")
    assert "cut forward in time" in section(card(given=within), "Protocol")


def test_the_protocol_tells_what_was_learned_from_and_how_the_threshold_was_set() -> None:
    boosted, isolated = (section(card(name), "Protocol") for name in ("malware_lgbm", "anomaly_iforest"))

    assert "benign and malware flows of the training part" in boosted
    assert "at most 0.1 % of its benign flows" in boosted
    assert "benign flows of the training part alone" in isolated
    assert "at most 0.05 % of its benign flows" in isolated


def test_figures_stand_beside_their_intervals() -> None:
    told = section(card(), "At the operating point")

    assert "A probability of 0.75000 or more counts as ddos." in told
    assert "2,000 are ddos and 4,000 benign" in told
    for row in (
        "| recall: ddos flows that are found | 0.90000 | 0.80000 to 0.95000 |",
        "| false-positive rate: benign flows that are flagged | 0.00100 | 0.00050 to 0.00400 |",
        "| the same, one-sided upper bound, flows as independent | 0.00200 | |",
        "| precision: ddos among what is flagged | 0.99000 | 0.90000 to 0.99900 |",
        "| area under the ROC curve | 0.97000 | 0.95000 to 0.98000 |",
        "| area under precision and recall | 0.96000 | cannot be told |",
    ):
        assert row in told
    assert "too narrow" in told


def test_precision_is_told_for_rarer_attacks_with_the_worst_and_the_best_ends() -> None:
    share, rows = 0.001, section(card(), "Where attacks are rarer")
    value, worst, best = (
        share * recall / (share * recall + (1 - share) * fpr)
        for recall, fpr in ((0.9, 0.001), (0.8, 0.004), (0.95, 0.0005))
    )

    assert f"| 1 in 1,000 | {value:.5f} | {worst:.5f} to {best:.5f} |" in rows
    assert rows.count("| 1 in ") == 3


def test_what_could_not_be_measured_is_said() -> None:
    unknown = Measures(0, 0, 0.75, None, None, None, None, None, None, None)
    text = card(measures=unknown, alone={}, together={})

    assert section(text, "At the operating point").count("cannot be told") == 11  # six figures, five intervals
    assert "| 1 in 100 | cannot be told | cannot be told to cannot be told |" in section(
        text, "Where attacks are rarer"
    )
    assert section(text, "Attack by attack") == "The test part names no attack of this kind."


def test_each_attack_is_told_by_the_model_and_by_the_verdict() -> None:
    low, high = exact_interval(1800, 2000)
    told = section(card(together={"syn-flood": LabelRecall(2000, 0.95, Kind.DDOS)}), "Attack by attack")

    assert f"| `syn-flood` | ddos | 2,000 | 0.90000 | {low:.5f} to {high:.5f} | 0.95000 |" in told
    assert "| `crowd` | benign | 100 | 1.00000 | 0.96378 to 1.00000 | |" in told


def test_of_many_labels_the_largest_attacks_are_told_first_and_the_rest_counted() -> None:
    many = {f"attack-{rows}": LabelRecall(rows, 0.5, Kind.DDOS) for rows in range(1, MOST_LABELS + 10)}
    told = section(card(alone={"crowd": LabelRecall(9999, 1.0, Kind.BENIGN), **many}), "Attack by attack")

    assert re.findall(r"\| `attack-(\d+)`", told) == [str(rows) for rows in range(MOST_LABELS + 9, 9, -1)]
    assert told.endswith(f"The first {MOST_LABELS} of {len(many) + 1} labels.")


def test_gates_and_calibration_are_told() -> None:
    text = card()

    assert "`trial/quality`: passed: recall 0.9000 (at least 0.9)" in section(text, "Gates")
    assert "`x/y`: **FAILED**: not measured" in section(text, "Gates")
    assert "1 / (1 + exp(-(1.5 * raw - 0.25)))" in section(text, "Calibration")
    assert "0.01250" in section(text, "Calibration")


@pytest.mark.parametrize("word", ["`|\n\n# Trust me\n\n|`", "<script>", "[x](http://x)", "\x1b[2J", "* x", "a" * 5000])
def test_names_from_captures_cannot_become_a_part_of_the_card(word: str) -> None:
    calm, loud = (
        card(
            alone={name: LabelRecall(10, 0.5, Kind.DDOS)},
            gates={"trial/finds_every_attack": GateResult(True, f"lowest recall 0.5 on {name} (at least 0.5)")},
            given=data(f"Not learned from: {name}.", (name, "b", "c")),
        )
        for name in ("calm", word)
    )

    assert outline(loud) == outline(calm)
    assert all(line.isprintable() for line in loud.splitlines())


def test_limits_are_those_of_the_model_and_of_where_its_flows_come_from() -> None:
    texts = {name: section(card(name), "Limits") for name in BY_NAME}
    real = section(card(given=data(REAL)), "Limits")

    assert len(set(texts.values())) == len(BY_NAME)
    assert all("Simulator and detector come from the same house" in text for text in texts.values())
    assert "Simulator" not in real
    assert "believes the captures' labels" in real
    for word in ("Evasion", "Networks change", "One-way flows", "threshold belongs to ordinary life"):
        assert word in real


def test_every_figure_in_the_limits_stands_on_the_page_about_them() -> None:
    page = (REPOSITORY / "docs" / "evaluation.md").read_text()
    told = " ".join(text for name in BY_NAME for text in card_texts.limits(name, data().origin))
    figures = re.findall(r"\d+\.\d+(?: %)?", told)

    assert figures
    assert [figure for figure in figures if figure not in page] == []


def test_what_the_limits_say_is_kept_from_a_model_is_kept_from_it() -> None:
    assert {"pair_interval", "pair_size", "pair_byte_ratio"} <= set(malware.RECIPE.unused)
    assert not {name for name in NAMES if name.startswith("pair_")} & set(anomaly.CAME)
    assert not {name for name in NAMES if name.startswith(("in_", "pair_"))} & set(anomaly.BEGAN)
    assert "in_flows_10s" not in ddos.RECIPE.unused


def test_a_model_without_intervals_has_a_card_too() -> None:
    assert "| 0.90000 | cannot be told |" in card(measures=replace(MEASURES, intervals=None))
