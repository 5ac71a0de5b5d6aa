"""Fixtures for every room's tests.

A test that asks for a real part's fixture is marked ``real``: ``pytest -m real`` runs only those.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import hypothesis
import pytest

from tests.support import real
from tests.support.kafka import KafkaServer

REAL_FIXTURES: Final = frozenset({"datasets", "kafka_bootstrap", "kafka_server", "promtool"})

# No deadline: on a busy two-core machine a slow example says nothing. In CI the examples are the same on every run.
hypothesis.settings.register_profile("tidegate", deadline=None, derandomize=bool(os.environ.get("CI")))
hypothesis.settings.load_profile("tidegate")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what uses a real part, before pytest selects by marker."""
    for item in items:
        if REAL_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.real)


@pytest.fixture(scope="session")
def datasets() -> Path:
    """The folder of real captures."""
    return real.datasets_path()


@pytest.fixture(scope="session")
def promtool() -> Path:
    """Prometheus's own checker of metrics and rules."""
    return real.promtool_path()


@pytest.fixture(scope="session")
def kafka_bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real Kafka cluster: TIDEGATE_TEST_BOOTSTRAP's, or a server of this test run's own."""
    if named := os.environ.get("TIDEGATE_TEST_BOOTSTRAP"):
        yield named
        return
    with KafkaServer(tmp_path_factory.mktemp("kafka")) as server:
        yield server.bootstrap


@pytest.fixture
def kafka_server(tmp_path: Path) -> Iterator[KafkaServer]:
    """A Kafka server of the test's own, running, to stop or kill and start again."""
    with KafkaServer(tmp_path / "kafka") as server:
        yield server
