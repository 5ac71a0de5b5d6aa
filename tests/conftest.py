"""Fixtures for every room's tests.

A test that asks for a real part's fixture is marked ``real``: ``pytest -m real`` runs only those.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import hypothesis
import pytest

from tests.support import exporters, real
from tests.support.kafka import KafkaServer, shared_server
from tests.support.object_store import BUCKET, ObjectStoreServer, set_aws

REAL_FIXTURES: Final = frozenset(
    {"cicflowmeter", "datasets", "flow_exporters", "kafka_bootstrap", "kafka_server", "promtool", "s3"}
)

# No deadline: on a busy two-core machine a slow example says nothing. In CI the examples are the same on every run.
hypothesis.settings.register_profile("tidegate", deadline=None, derandomize=bool(os.environ.get("CI")))
hypothesis.settings.load_profile("tidegate")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name bytes that are no text by their parameter: they may differ (gzip holds the time) from worker to worker."""
    return argname if isinstance(val, bytes) and not (val.isascii() and val.decode().isprintable()) else None


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
def flow_exporters() -> None:
    """Argus, nfdump, softflowd and pmacct, to run by tests.support.exporters and tests.support.pmacct."""
    exporters.require_exporters()


@pytest.fixture(scope="session")
def cicflowmeter() -> None:
    """Python's CICFlowMeter, to run by tests.support.exporters."""
    exporters.require_cicflowmeter()


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this test run share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def kafka_bootstrap(run_folder: Path) -> Iterator[str]:
    """The address of a real Kafka cluster: TIDEGATE_TEST_BOOTSTRAP's, or one server for all workers of this run."""
    if named := os.environ.get("TIDEGATE_TEST_BOOTSTRAP"):
        yield named
        return
    with shared_server(run_folder / "kafka") as bootstrap:
        yield bootstrap


@pytest.fixture
def kafka_server(tmp_path: Path) -> Iterator[KafkaServer]:
    """A Kafka server of the test's own, running, to stop or kill and start again."""
    with KafkaServer(tmp_path / "kafka") as server:
        yield server


@pytest.fixture(scope="session")
def object_store_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStoreServer]:
    """A real object store, shared by this worker's tests."""
    with ObjectStoreServer(tmp_path_factory.mktemp("object_store") / "log") as server:
        yield server


@pytest.fixture
def s3(object_store_server: ObjectStoreServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of an empty place of the test's own, with the environment that its client needs."""
    set_aws(monkeypatch, object_store_server.address)
    return f"s3://{BUCKET}/{uuid.uuid4().hex[:12]}"
