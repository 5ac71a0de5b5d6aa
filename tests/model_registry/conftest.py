"""A small registry of three models, and the key that publishes to it; no secrets from elsewhere."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from model_registry.keys import Signer
from model_registry.private_keys import environment, passphrases, sealing
from model_registry.private_keys.key_files import load_signer
from model_registry.registry import Registry
from tests.support.registries import (
    make_registry,
)

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def fresh_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin without keys and passphrases from elsewhere, and with one that is quick to check."""
    for variable in list(os.environ):
        if variable.startswith(("TIDEGATE_ROOT_KEY", "TIDEGATE_TARGETS_KEY", "TIDEGATE_PASSPHRASE")):
            monkeypatch.delenv(variable)
    monkeypatch.setattr(environment, "_taken", {})
    monkeypatch.setattr(passphrases, "_asked", [])
    monkeypatch.setattr(sealing, "OPSLIMIT", 1)
    monkeypatch.setattr(sealing, "MEMLIMIT", 8192)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return make_registry(tmp_path)


@pytest.fixture
def signer(registry: Registry) -> Signer:
    return load_signer(registry.path.parent / "keys", "targets")
