"""What evaluations in tests have to go by."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.simulator import Capture, Scenario
from model_registry.registry import Registry
from tests.support.evaluating import labelled_flows, write
from tests.support.serving import serving_registry
from training.datasets import LabelledFlows, simulated


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """Three models that each see one kind of flow, and nothing else; not to be changed."""
    return serving_registry(tmp_path_factory.mktemp("evaluate"))


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """Every kind of truth, decided rightly and wrongly."""
    return write(
        tmp_path / "capture.ndjson",
        labelled_flows(
            (1, "anomaly", "Benign"),  # too little history: abstains
            (8, "benign", "Benign"),
            (1, "malware", "Benign"),
            (3, "ddos", "DDoS"),
            (1, "benign", "DDoS"),
            (1, "malware", "C&C-HeartBeat"),
            (1, "ddos", "C&C-HeartBeat"),
            (1, "benign", "Okiru"),
            (2, "anomaly", "PartOfAHorizontalPortScan"),
            (1, "benign", "External-Attack-to-Device"),
            (3, "malware", "Background"),
            (2, "ddos", ""),
        ),
    )


@pytest.fixture(scope="session")
def flows() -> LabelledFlows:
    """Ordinary life of three small networks, one after the other."""
    networks = [Capture(place * 300.0, 40.0, f"10.{place}.0.0/22", 5) for place in range(3)]
    return simulated(Scenario(3, 1_700_000_000.0, tuple(networks)))
