"""The training job on real captures, by the commands that people type: what it publishes, and what it says of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.command import Outcome, tidegate_command

LEFT_OUT = "syn-flood"
FILE = "ddos-captures/pkt.TCP.synflood.spoofed.argus.binetflow.gz"
BELOW = "ctu-zeek/ctu-normal-40-day1_2022-06-12.conn.log.labeled.gz"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("captures")


def train(folder: Path, *options: object) -> Outcome:
    registry = ("--registry", folder / "registry")
    assert tidegate_command("keys", "init", "--unencrypted", "--keys", folder / "keys", *registry).code == 0
    folders = ("--keys", folder / "keys", "--store", folder / "store", "--dagster-home", folder / "dagster")
    return tidegate_command("train", *options, *registry, *folders, "--json")


@pytest.fixture(scope="module")
def trained(folder: Path, datasets: Path) -> Outcome:
    """Train on every capture but one flood."""
    return train(folder, "--data", datasets, "--leave-out", LEFT_OUT)


@pytest.mark.long
def test_models_of_all_captures_pass_every_gate(tmp_path: Path, datasets: Path) -> None:
    outcome = train(tmp_path, "--data", datasets)
    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out)["manifest_version"] == 1


@pytest.mark.long
def test_three_models_are_gated_signed_and_published(trained: Outcome, folder: Path) -> None:
    assert trained.code == 0, trained.err
    assert json.loads(trained.out)["manifest_version"] == 1
    assert "FAILED" not in trained.err
    root = folder / "registry" / "1.root.json"
    assert tidegate_command("registry", "verify", "--registry", folder / "registry", "--root", root).code == 0


@pytest.mark.long
@pytest.mark.usefixtures("trained")
@pytest.mark.parametrize("name", ["ddos_lgbm", "malware_lgbm", "anomaly_iforest"])
def test_the_card_says_which_captures_and_what_the_figures_are_worth(folder: Path, name: str) -> None:
    shown = tidegate_command("registry", "show", name, "--registry", folder / "registry").out
    words = " ".join(shown.split())
    assert "iot23-34-1" in words
    assert LEFT_OUT not in words
    assert "leaving whole captures out" in words
    assert "cicids2017-friday" in words  # named as not learned from


@pytest.mark.long
@pytest.mark.usefixtures("trained")
def test_the_flood_that_was_left_out_is_found_on_a_host_of_another_network(folder: Path, datasets: Path) -> None:
    files = (f"ddos:{datasets / FILE}", "--mix", datasets / BELOW, "--home", "147.32.81.167/32")
    outcome = tidegate_command("evaluate", *files, "--registry", folder / "registry", "--json")
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    assert found["labels"]["ddos"]["rows"] == 37_669
    assert found["hosts"]["147.32.81.167"]["flagged"]
    assert found["final"]["fpr_upper95"] == "cannot be told"  # 1,402 benign flows
