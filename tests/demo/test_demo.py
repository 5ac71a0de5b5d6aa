"""The whole demo, as a stranger runs it: processes, sockets, signatures and all."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from demo.judge import ATTACKS, MODELS

pytestmark = pytest.mark.long  # a whole demo


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def ran(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tidegate", "demo", "--json", "--registry", str(folder / "var" / "registry")]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=400, check=False)


def test_everything_holds(ran: subprocess.CompletedProcess[str]) -> None:
    assert ran.returncode == 0, ran.stderr[-4000:]
    document = json.loads(ran.stdout)
    assert document["broken"] == []
    assert set(document["attacks"]) == set(ATTACKS)
    for name, attack in document["attacks"].items():
        assert attack["found"], name
        assert attack["first_alert_s"] >= 0
        assert attack["recall"] >= 0.7
    assert set(document["models"]) == set(MODELS)
    assert document["flows"] > 50_000
    assert document["flows_per_s"] > 0
    assert 0 < document["latency_ms"]["p50"] <= document["latency_ms"]["p99"]
    assert document["benign_alerts"] >= 0


def test_progress_and_alerts_are_told_as_they_come(ran: subprocess.CompletedProcess[str]) -> None:
    for told in ("training_features …", "gate ddos_lgbm/integrity: passed", "ready", "ddos", "malware", "anomaly"):
        assert told in ran.stderr


@pytest.mark.usefixtures("ran")
def test_what_it_left_verifies(folder: Path) -> None:
    command = [sys.executable, "-m", "tidegate", "registry", "verify", "--registry", str(folder / "var" / "registry")]
    command += ["--root", str(folder / "var" / "demo" / "1.root.json"), "--json"]
    verified = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert verified.returncode == 0, verified.stderr
