"""Prometheus's own checker takes the metrics page."""

from __future__ import annotations

import subprocess
from pathlib import Path

from serving.metrics import Metrics


def check_metrics(promtool: Path, page: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True, check=False, timeout=60)


def test_promtool_finds_nothing_to_complain_of(promtool: Path) -> None:
    metrics = Metrics()
    metrics.flows.labels("ddos").inc()
    metrics.model_loaded.labels("ddos_lgbm").set(1)
    with metrics.timed("decide"):
        pass

    checked = check_metrics(promtool, metrics.exposition())

    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_promtool_complains_of_a_page_that_is_none(promtool: Path) -> None:
    assert check_metrics(promtool, b"tidegate_flows_total{verdict=} 1\n").returncode != 0
