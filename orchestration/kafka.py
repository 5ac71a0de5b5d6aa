"""Kafka as a Dagster resource."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dagster as dg
from pydantic import Field, model_validator

from flows.keying import DEFAULT_HOME
from orchestration.recording.log import KafkaLog


class KafkaTopics(dg.ConfigurableResource):  # type: ignore[type-arg]  # the base's parameter is its own subject
    """Where production's topics are, and what they are called; settings as `tidegate serve` has them."""

    bootstrap: str = Field(min_length=1)
    protocol: str = Field(default="plaintext", pattern="^(plaintext|ssl|sasl_plaintext|sasl_ssl)$")
    mechanism: str = Field(default="SCRAM-SHA-512", pattern="^(PLAIN|SCRAM-SHA-256|SCRAM-SHA-512)$")
    username: str | None = None
    password: str | None = None
    ca: str | None = None
    flows: str = "tidegate.flows"
    verdicts: str = "tidegate.verdicts"
    alerts: str = "tidegate.alerts"
    feedback: str = "tidegate.feedback"
    flow_share: float = Field(default=1.0, gt=0.0, le=1.0, description="Share of hosts whose flows are recorded.")
    home: list[str] = Field(description="Home networks, as serving has them.")

    @model_validator(mode="after")
    def _login(self) -> KafkaTopics:
        if self.protocol.startswith("sasl") and not (self.username and self.password):
            raise ValueError("a sasl protocol needs TIDEGATE_KAFKA_USERNAME and TIDEGATE_KAFKA_PASSWORD")
        return self

    @contextmanager
    def log(self) -> Iterator[KafkaLog]:
        """The topics, to be read."""
        options = {
            "bootstrap.servers": self.bootstrap,
            "client.id": "tidegate.recording",
            "security.protocol": self.protocol,
            "log_level": 4,  # warnings
        }
        if self.protocol.startswith("sasl"):
            options |= {
                "sasl.mechanism": self.mechanism,
                "sasl.username": self.username,
                "sasl.password": self.password,
            }
        if self.ca:
            options["ssl.ca.location"] = self.ca
        log = KafkaLog(options)
        try:
            yield log
        finally:
            log.close()


def kafka_from(environ: Mapping[str, str]) -> KafkaTopics:
    """Read the settings, named as `tidegate serve` names them. The password stays in the environment until it is used.

    Raises pydantic's ValidationError for a value that is not allowed.
    """
    given: dict[str, Any] = {
        field: environ[variable]
        for field, variable in {
            "bootstrap": "TIDEGATE_BOOTSTRAP",
            "protocol": "TIDEGATE_KAFKA_PROTOCOL",
            "mechanism": "TIDEGATE_KAFKA_MECHANISM",
            "username": "TIDEGATE_KAFKA_USERNAME",
            "ca": "TIDEGATE_KAFKA_CA",
            "flows": "TIDEGATE_TOPIC_FLOWS",
            "verdicts": "TIDEGATE_TOPIC_VERDICTS",
            "alerts": "TIDEGATE_TOPIC_ALERTS",
            "feedback": "TIDEGATE_TOPIC_FEEDBACK",
            "flow_share": "TIDEGATE_FLOW_SHARE",
        }.items()
        if variable in environ
    }
    home = environ.get("TIDEGATE_HOME", ",".join(DEFAULT_HOME)).split(",")
    password = dg.EnvVar("TIDEGATE_KAFKA_PASSWORD") if "TIDEGATE_KAFKA_PASSWORD" in environ else None
    given.setdefault("bootstrap", "127.0.0.1:9092")
    return KafkaTopics(**given, home=home, password=password)
