"""A good registry, to spoil."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from model_registry.keys import Signer
from model_registry.private_keys.key_files import load_signer
from tests.support.registries import make_registry, publish_models


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``registry``, ``keys``, and ``old``: the manifest before the last one."""
    folder = tmp_path_factory.mktemp("pristine")
    registry = make_registry(folder, now=datetime.now(UTC))
    shutil.copy(registry.path / "model_registry.json", folder / "old")
    publish_models(registry, load_signer(folder / "keys", "targets"), ("ddos_lgbm",), now=datetime.now(UTC))
    return folder


@pytest.fixture
def folder(pristine: Path, tmp_path: Path) -> Path:
    """The same, one's own to spoil."""
    return Path(shutil.copytree(pristine, tmp_path / "copy"))


@pytest.fixture
def registry(folder: Path) -> Path:
    return folder / "registry"


@pytest.fixture
def signer(folder: Path) -> Signer:
    return load_signer(folder / "keys", "targets")
