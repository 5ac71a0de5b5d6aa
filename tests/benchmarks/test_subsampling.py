"""What a share costs is told line by line, and a figure that no gate would pass is called so."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.subsampling import COLUMNS, Cost, lines
from detection.verdict import Kind
from training.evaluation import Evaluation, LabelRecall, Measures

GOOD = Measures(
    rows=1000,
    positives=500,
    threshold=0.5,
    recall=0.98,
    fpr=0.001,
    fpr_upper95=0.002,
    precision=0.99,
    roc_auc=0.99,
    pr_auc=0.995,
    calibration_error=0.01,
    abstained=0,
)


def told(found: Evaluation) -> list[list[str]]:
    lined = lines(0.25, 2, Cost(1000, 5000, 90.0, 3 << 30, found, hidden=("quiet",)), first=360.0)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lined]


def test_a_line_for_each_model_and_one_for_verdicts() -> None:
    models = {"ddos_lgbm": GOOD, "malware_lgbm": replace(GOOD, fpr=0.006)}
    labels = {"flood": LabelRecall(500, 0.98, Kind.DDOS), "quiet": LabelRecall(9, 0.0, Kind.MALWARE)}

    table = told(Evaluation(models, GOOD, GOOD, labels))

    assert all(len(line) == len(COLUMNS) for line in table)
    assert table[0][:8] == ["0.25", "2", "1,000", "5,000", "1", "1.5", "0.25", "3.0"]
    assert table[0][8:] == ["ddos_lgbm", "98.00 %", "0.100 %", "0.9950", "passed"]
    assert table[1][8:] == ["malware_lgbm", "98.00 %", "0.600 %", "0.9950", "quality: NOT passed"]
    assert table[2][8:] == ["verdicts", "98.00 %", "0.100 %", "0.9950", "passed"]


def test_an_attack_that_is_not_found_is_named() -> None:
    table = told(Evaluation({}, GOOD, GOOD, {"flood": LabelRecall(500, 0.4, Kind.DDOS)}))

    assert "every attack: NOT passed" in table[0][-1]
    assert "on flood" in table[0][-1]
