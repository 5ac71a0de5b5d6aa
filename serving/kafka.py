"""What every Kafka client of ours has in common."""

from __future__ import annotations

import logging
from typing import Any, Final

from serving.config import Settings

# The partition of a key as Java's clients compute it, so that a host is in one partition whoever produces.
PARTITIONER: Final = "murmur2_random"
# librdkafka's mock cluster, which `tidegate broker` runs, names itself so.
EMBEDDED_CLUSTER: Final = "mockCluster"

_SYSLOG_WARNING: Final = 4
_REPEAT_S: Final = 30.0


def is_embedded(cluster: str) -> bool:
    """Whether a cluster of this name is the embedded broker."""
    return cluster.startswith(EMBEDDED_CLUSTER)


def client_options(settings: Settings) -> dict[str, Any]:
    """Options of librdkafka for reaching the brokers, by the settings."""
    options: dict[str, Any] = {
        **anonymous_options(settings.bootstrap),
        "security.protocol": settings.kafka_protocol,
    }
    if settings.kafka_protocol.startswith("sasl"):
        options["sasl.mechanism"] = settings.kafka_mechanism
        options["sasl.username"] = settings.kafka_username
        options["sasl.password"] = settings.kafka_password
    if settings.kafka_ca is not None:
        options["ssl.ca.location"] = str(settings.kafka_ca)
    return options


def anonymous_options(bootstrap: str) -> dict[str, Any]:
    """Options of librdkafka for reaching brokers that want neither login nor TLS."""
    return {
        "bootstrap.servers": bootstrap,
        "client.id": "tidegate",
        "log_level": _SYSLOG_WARNING,
        "log.connection.close": False,
        "reconnect.backoff.max.ms": 2_000,
    }


def client_logger(name: str) -> logging.Logger:
    """A logger for one client of librdkafka, which says each kind of thing at most once in 30 s."""
    logger = logging.getLogger(f"serving.kafka.{name}")
    if not any(isinstance(present, _RepeatFilter) for present in logger.filters):
        logger.addFilter(_RepeatFilter())
    return logger


class _RepeatFilter(logging.Filter):
    """librdkafka tells of a broker that is down 20 times a second."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[object, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        kind = record.args[0] if isinstance(record.args, tuple) and record.args else record.msg  # its facility
        if record.created - self._last.get(kind, 0.0) < _REPEAT_S:
            return False
        self._last[kind] = record.created
        return True
