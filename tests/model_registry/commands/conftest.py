"""A registry as of now, since commands look at the clock."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from model_registry.registry import Registry
from tests.support.registries import make_registry


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """Made a moment ago in ``tmp_path/registry``, with unencrypted keys in ``tmp_path/keys``."""
    return make_registry(tmp_path, now=datetime.now(UTC))
