"""What must not decide: who tells of the flows, whether a victim answers, who is taken for the source, and when it is.

Models learn from all captures but three, and from what is made of them, and judge those: a flood over ordinary life,
and a bot that calls home. Then the same is told as it might as well have been, by the views of
:mod:`training.views`, and the models must not change their minds. All bounds stand a little above what was measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from detection.verdict import Kind
from flows.files import FileSpec
from model_registry.artifact import Artifact
from model_registry.scoring import probabilities
from training import boosting, ddos, malware
from training.boosting import make_boosted
from training.datasets import LabelledFlows, load_captures, measured
from training.datasets.augmented import augmented
from training.datasets.captures import assemble, load_capture
from training.leak import shifted
from training.splits import split
from training.views import viewed

pytestmark = pytest.mark.long

ORDINARY: Final = "ctu-zeek/ctu-sme-11_ubuntu2204-1_2023-02-20.conn.log.labeled.gz"
FLOOD: Final = "ddos-captures/amp.UDP.snmp.src161.argus.binetflow.gz"
BOT: Final = "ctu-zeek/ctu-botnet-230-1_njrat_first1000.conn.log.labeled.gz"
LEFT_OUT: Final = ("ctu-sme-11", "snmp-amplification", "ctu-230-1-njrat")


class Judged(NamedTuple):
    """What a model finds of its threat, and what it accuses of ordinary life, as shares of the flows."""

    recall: float
    fpr: float


class Models(NamedTuple):
    """Both models, made of the same flows."""

    ddos: Artifact
    malware: Artifact


@pytest.fixture(scope="module")
def models(datasets: Path) -> Iterator[Models]:
    flows = load_captures([str(datasets)], leave_out=LEFT_OUT)
    parts, more = split(measured(flows)), augmented(flows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(boosting.PARAMETERS, "num_threads", 1)  # two wait for each other where others work, too
        yield Models(make_boosted(ddos.RECIPE, parts, more), make_boosted(malware.RECIPE, parts, more))


def captured(datasets: Path, *names: str) -> LabelledFlows:
    return assemble(load_capture(FileSpec(datasets / name)) for name in names)


@pytest.fixture(scope="module")
def flood(datasets: Path) -> LabelledFlows:
    """The flood laid over the ordinary life."""
    return captured(datasets, ORDINARY, FLOOD)


@pytest.fixture(scope="module")
def bot(datasets: Path) -> LabelledFlows:
    """The bot beside the ordinary life, a stream each: its own capture has nine benign flows."""
    return captured(datasets, ORDINARY, BOT)


def judged(model: Artifact, flows: LabelledFlows, threat: Kind) -> Judged:
    data = measured(flows)
    flagged = probabilities(model, data.features) >= model.threshold
    return Judged(float(flagged[data.truth == threat].mean()), float(flagged[data.truth == Kind.BENIGN].mean()))


def check_same(was: Judged, told: Judged, lost: float, accused: float) -> None:
    figures = f"recall {was.recall:.4f} to {told.recall:.4f}, false-positive rate {was.fpr:.5f} to {told.fpr:.5f}"
    assert told.recall >= was.recall - lost, figures
    assert told.fpr <= was.fpr + accused, figures


def test_both_know_what_they_have_never_seen(models: Models, flood: LabelledFlows, bot: LabelledFlows) -> None:
    """Without this nothing could be lost below. Measured: recall 0.994 and 0.922, nothing ordinary accused."""
    floods, calls = judged(models.ddos, flood, Kind.DDOS), judged(models.malware, bot, Kind.MALWARE)
    assert floods.recall > 0.98, floods
    assert floods.fpr <= 0.001, floods
    assert calls.recall > 0.90, calls
    assert calls.fpr <= 0.001, calls


@pytest.mark.parametrize("seed", [1, 2, 3])  # of the exporter, the share and the offset that are drawn
@pytest.mark.parametrize(
    ("view", "lost", "accused"),
    [
        # Measured: recall 0.994 as captured, by Zeek and by Argus, 0.973 to 0.995 in the others. Nothing ordinary was
        # accused in any. As NetFlow each direction is a flow of its own, and what is failed is not known: 0.981.
        ("as-zeek", 0.005, 0.001),
        ("as-argus-ctu", 0.005, 0.001),
        ("as-netflow", 0.02, 0.001),
        ("floods-refused", 0.02, 0.001),
        ("floods-accepted", 0.02, 0.001),
        ("floods-unreachable", 0.025, 0.001),
        ("sides-swapped", 0.02, 0.001),
        ("packets-sized", 0.02, 0.001),
    ],
)
def test_a_flood_is_one_whoever_tells_of_it_and_however_it_is_answered(
    models: Models, flood: LabelledFlows, view: str, lost: float, accused: float, seed: int
) -> None:
    told = judged(models.ddos, viewed(flood, view, seed), Kind.DDOS)
    check_same(judged(models.ddos, flood, Kind.DDOS), told, lost, accused)


@pytest.mark.parametrize("view", ["as-zeek", "as-argus-ctu"])
def test_a_bot_is_one_whoever_tells_of_it(models: Models, bot: LabelledFlows, view: str) -> None:
    told = judged(models.malware, viewed(bot, view, 1), Kind.MALWARE)
    check_same(judged(models.malware, bot, Kind.MALWARE), told, 0.02, 0.001)


def test_the_time_of_day_changes_nothing(models: Models, flood: LabelledFlows, bot: LabelledFlows) -> None:
    for flows, model, threat in ((flood, models.ddos, Kind.DDOS), (bot, models.malware, Kind.MALWARE)):
        later = replace(flows, batch=shifted(flows.batch))
        assert later.batch.start.tolist() != flows.batch.start.tolist()
        assert judged(model, later, threat) == judged(model, flows, threat)
