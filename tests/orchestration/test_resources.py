"""Resources are looked at when definitions are loaded, and secrets stay in the environment until they are used."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from pydantic import ValidationError

from orchestration.automation import Thresholds
from orchestration.kafka import kafka_from
from orchestration.resources import AssetStore, ModelRegistry, SigningKey


def test_kafka_is_reached_as_serving_is_told() -> None:
    kafka = kafka_from(
        {"TIDEGATE_BOOTSTRAP": "one:9092", "TIDEGATE_TOPIC_FLOWS": "ours", "TIDEGATE_HOME": "192.0.2.0/24"}
    )

    assert (kafka.bootstrap, kafka.flows, kafka.verdicts) == ("one:9092", "ours", "tidegate.verdicts")
    assert kafka.home == ["192.0.2.0/24"]
    assert kafka_from({}).bootstrap == "127.0.0.1:9092"


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"TIDEGATE_KAFKA_PROTOCOL": "carrier pigeon"}, "protocol"),
        ({"TIDEGATE_KAFKA_MECHANISM": "MD5"}, "mechanism"),
        ({"TIDEGATE_KAFKA_PROTOCOL": "sasl_ssl"}, "TIDEGATE_KAFKA_USERNAME and TIDEGATE_KAFKA_PASSWORD"),
        ({"TIDEGATE_FLOW_SHARE": "0"}, "flow_share"),
        ({"TIDEGATE_FLOW_SHARE": "all"}, "flow_share"),
        ({"TIDEGATE_BOOTSTRAP": ""}, "bootstrap"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_when_definitions_are_loaded(
    environment: dict[str, str], said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        kafka_from(environment)


def test_places_have_names_and_thresholds_have_ranges() -> None:
    for wrong in (
        lambda: AssetStore(folder="", drop="drop"),
        lambda: ModelRegistry(location=""),
        lambda: SigningKey(folder=""),
        lambda: Thresholds(labels=0),
        lambda: Thresholds(precision=1.5),
    ):
        with pytest.raises(ValidationError):
            wrong()


def test_a_password_is_named_and_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEGATE_KAFKA_PASSWORD", "swordfish")
    kafka = kafka_from({"TIDEGATE_KAFKA_PASSWORD": "swordfish", "TIDEGATE_KAFKA_USERNAME": "ann"})

    assert isinstance(kafka.password, dg.EnvVar)
    assert "swordfish" not in repr(kafka)
    assert kafka.process_config_and_initialize().password == "swordfish"


def test_no_secret_is_in_what_dagster_shows_of_the_definitions(tmp_path: Path) -> None:
    secrets = {
        "TIDEGATE_KAFKA_PASSWORD": "swordfish-1",
        "TIDEGATE_WEBHOOK": "https://chat.example/swordfish-2",
        "TIDEGATE_TARGETS_KEY": "5" * 64,
        "TIDEGATE_PASSPHRASE": "swordfish-3",
    }
    code = (
        "from dagster._core.remote_representation.external_data import RepositorySnap\n"
        "from dagster._serdes import serialize_value\n"
        "from orchestration.definitions import defs\n"
        "print(serialize_value(RepositorySnap.from_def(defs.get_repository_def())))"
    )
    environment = {**os.environ, **secrets, "DAGSTER_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)

    assert "TIDEGATE_KAFKA_PASSWORD" in done.stdout
    for secret in secrets.values():
        assert secret not in done.stdout + done.stderr
