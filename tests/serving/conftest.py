"""A broker, a registry and topics for the tests of serving."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from detection.detector import Detector
from flows.keying import HomeNetworks
from model_registry.registry import Registry
from serving.broker import EmbeddedBroker
from serving.config import Settings
from serving.models import load_detector
from serving.pipeline import Pipeline
from tests.support.serving import Topics, serving_registry

REAL_KAFKA = pytest.param("kafka_bootstrap", marks=pytest.mark.real, id="kafka")


@pytest.fixture(scope="session")
def embedded_bootstrap() -> Iterator[str]:
    """The address of an embedded broker."""
    with EmbeddedBroker() as broker:
        yield broker.bootstrap


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """A registry with all three tiny models; not to be changed."""
    return serving_registry(tmp_path_factory.mktemp("registry"))


@pytest.fixture(scope="session")
def detector(registry: Registry) -> Detector:
    """What that registry's models decide by."""
    return load_detector(Settings(registry=str(registry.path)))[0]


@pytest.fixture
def pipeline(detector: Detector) -> Pipeline:
    """A pipeline that publishes every verdict."""
    return Pipeline(detector, home=HomeNetworks(), publish_all=True)


@pytest.fixture
def topics(embedded_bootstrap: str) -> Topics:
    """Topics on the embedded broker."""
    return Topics(embedded_bootstrap, create=False)


@pytest.fixture(params=[pytest.param("embedded_bootstrap", id="embedded"), REAL_KAFKA])
def any_topics(request: pytest.FixtureRequest) -> Topics:
    """Topics on the embedded broker, and on Apache Kafka."""
    return Topics(request.getfixturevalue(request.param), create=request.param == "kafka_bootstrap")


@pytest.fixture
def kafka_topics(kafka_bootstrap: str) -> Topics:
    """Topics on Apache Kafka."""
    return Topics(kafka_bootstrap, create=True)
