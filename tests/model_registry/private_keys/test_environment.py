from __future__ import annotations

import os

import pytest

from model_registry.private_keys.environment import PASSPHRASE, SECRETS, take_secret, without_secrets


@pytest.mark.parametrize("variable", SECRETS)
def test_a_secret_is_taken_out_of_the_environment_and_remembered(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert take_secret(variable) is None
    monkeypatch.setenv(variable, "a secret")
    assert take_secret(variable) == "a secret"
    assert variable not in os.environ
    assert take_secret(variable) == "a secret"
    monkeypatch.setenv(variable, "another")
    assert take_secret(variable) == "another"


def test_an_empty_variable_gives_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSPHRASE, "")
    assert take_secret(PASSPHRASE) is None


def test_child_processes_get_no_secret_that_nobody_has_read_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (*SECRETS, "TIDEGATE_PASSPHRASE_FILE"):
        monkeypatch.setenv(variable, "value")
    assert without_secrets() == {name: value for name, value in os.environ.items() if name not in SECRETS}
    assert without_secrets()["TIDEGATE_PASSPHRASE_FILE"] == "value"
