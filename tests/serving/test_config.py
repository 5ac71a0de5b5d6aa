"""Settings: where they come from, what is allowed, and what the errors and the check say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flows.errors import UsageError
from serving.config import load_settings, settings_fields
from tests.support.command import tidegate_command


def test_the_defaults_stand_without_any_setting() -> None:
    settings = load_settings({})
    assert settings.listen == ("0.0.0.0", 8080)  # noqa: S104  (the documented default)
    assert settings.topic_flows == "tidegate.flows"
    assert settings.home == ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")


def test_options_win_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "tidegate.toml"
    file.write_text(
        'group = "file"\nbatch_size = 7\nlog_json = true\nhome = ["10.0.0.0/8", "fd00::/8"]\nformat = "zeek"\n'
    )
    environ = {"TIDEGATE_GROUP": "environment", "TIDEGATE_FORMAT": "canonical"}
    settings = load_settings(environ, file, {"group": "option"})
    assert (settings.group, settings.format, settings.batch_size) == ("option", "canonical", 7)
    assert settings.log_json is True
    assert settings.home == ("10.0.0.0/8", "fd00::/8")


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("BATCH_SIZE", "0", "from 1 to 100000"),
        ("BATCH_SIZE", "many", "from 1 to 100000"),
        ("BATCH_SIZE", "1" * 5000, "from 1 to 100000"),
        ("LISTEN", "8080", "HOST:PORT"),
        ("LISTEN", "0.0.0.0:70000", "HOST:PORT"),
        ("BOOTSTRAP", "kafka", "HOST:PORT"),
        ("VERDICTS", "some", "alerts, all"),
        ("FORMAT", "netflow9", "zeek, suricata"),
        ("HOME", "10.0.0.1/8", "not a network"),
        ("TOPIC_FLOWS", "a topic", "Kafka topic name"),
        ("GROUP", " ", "not empty"),
        ("LOG_JSON", "maybe", "true or false"),
        ("KAFKA_PROTOCOL", "tls", "plaintext, ssl, sasl_plaintext, sasl_ssl"),
        ("KAFKA_CA", "/nowhere/ca.pem", "a file that exists"),
    ],
)
def test_an_error_names_the_setting_and_what_is_allowed(name: str, value: str, allowed: str) -> None:
    with pytest.raises(UsageError, match=f"setting {name.lower()} .as TIDEGATE_{name}.*{allowed}"):
        load_settings({f"TIDEGATE_{name}": value})


def test_an_unknown_name_is_refused_with_the_nearest_known_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="TIDEGATE_BOTSTRAP is not a setting; did you mean TIDEGATE_BOOTSTRAP"):
        load_settings({"TIDEGATE_BOTSTRAP": "a:1"})
    file = tmp_path / "tidegate.toml"
    file.write_text("bach_size = 5\n")
    with pytest.raises(UsageError, match=r"'bach_size' in .*tidegate.toml is not a setting; did you mean batch_size"):
        load_settings({}, file)


def test_names_of_other_rooms_and_of_kubernetes_are_left_alone() -> None:
    load_settings(
        {
            "TIDEGATE_TEST_BOOTSTRAP": "x",
            "TIDEGATE_REQUIRE_REAL": "1",
            "TIDEGATE_DATASETS": "x",
            "TIDEGATE_CONFIG": "x",
            "TIDEGATE_SERVICE_HOST": "10.96.0.7",
            "TIDEGATE_SERVICE_PORT": "8080",
            "TIDEGATE_SERVICE_PORT_HTTP": "8080",
            "TIDEGATE_PORT": "tcp://10.96.0.7:8080",
            "TIDEGATE_PORT_8080_TCP": "tcp://10.96.0.7:8080",
            "TIDEGATE_PORT_8080_TCP_ADDR": "10.96.0.7",
            "TIDEGATE_SERVING_SERVICE_HOST": "10.96.0.8",
            "TIDEGATE_SERVING_PORT": "tcp://10.96.0.8:8080",
        }
    )


def test_a_mistaken_port_is_not_taken_for_one_of_kubernetes() -> None:
    with pytest.raises(UsageError, match="TIDEGATE_PORT is not a setting"):
        load_settings({"TIDEGATE_PORT": "9090"})


@pytest.mark.parametrize("text", ["batch_size = ", "\x00", "batch_size = 1.5\n", "[kafka]\n", "group = 2026-01-01\n"])
def test_a_file_that_is_no_settings_file_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "tidegate.toml"
    file.write_text(text)
    with pytest.raises(UsageError, match=r"tidegate\.toml"):
        load_settings({}, file)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read the settings file .*none\.toml"):
        load_settings({}, tmp_path / "none.toml")


def test_a_login_is_required_where_the_protocol_needs_one() -> None:
    with pytest.raises(UsageError, match="TIDEGATE_KAFKA_PASSWORD"):
        load_settings({"TIDEGATE_KAFKA_PROTOCOL": "sasl_ssl", "TIDEGATE_KAFKA_USERNAME": "tidegate"})


def test_the_check_prints_every_setting_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEGATE_KAFKA_PASSWORD", "hunter2")
    code, out, err = tidegate_command("serve", "--check", "--json", "--batch-size", 9)
    shown = json.loads(out)
    assert (code, err) == (0, "")
    assert set(shown) == set(settings_fields())
    assert shown["batch_size"] == 9
    assert shown["listen"] == "0.0.0.0:8080"
    assert "hunter2" not in out
    code, table, _ = tidegate_command("serve", "--check")
    assert code == 0
    assert "batch_size" in table
    assert "hunter2" not in table


def test_a_secret_stands_in_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEGATE_KAFKA_PASSWORD", "  ")
    code, out, err = tidegate_command("serve", "--check")
    assert (code, out) == (2, "")
    assert "kafka_password" in err
    assert "'  '" not in err


def test_wrong_usage_ends_with_2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEGATE_VERDICTS", "none")
    assert tidegate_command("serve", "--check").code == 2
