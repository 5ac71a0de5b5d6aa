"""A small registry of three models, and the key that publishes to it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from model_registry.keys import Signer, load_signer
from model_registry.registry import Registry
from tests.support.registries import (
    make_registry,
)

DAY = timedelta(days=1)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return make_registry(tmp_path)


@pytest.fixture
def signer(registry: Registry) -> Signer:
    return load_signer(registry.path.parent / "keys", "targets")
