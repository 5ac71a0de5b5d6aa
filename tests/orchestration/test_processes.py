"""Steps in processes of their own give the same models, and no step but the one that signs needs a key."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from model_registry.writing.creation import create_registry
from orchestration.headless import DAGSTER_YAML
from tests.support import small_definitions
from tests.support.pipeline import MODELS, Workshop
from tests.support.real import REPOSITORY

pytestmark = pytest.mark.long


def execute(folder: Path, *, keys: Path) -> subprocess.CompletedProcess[str]:
    """Run the job `train` by Dagster's own command, its steps in processes."""
    home = folder / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_bytes(DAGSTER_YAML.read_bytes())
    environment = {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY),
        "DAGSTER_HOME": str(home),
        "TIDEGATE_EXECUTOR": "multiprocess",
        "TIDEGATE_REGISTRY": str(folder / "registry"),
        "TIDEGATE_KEYS": str(keys),
        "TIDEGATE_STORE": str(folder / "store"),
    }
    command = [str(Path(sys.executable).with_name("dagster")), "job", "execute", "-m", small_definitions.__name__]
    return subprocess.run(
        [*command, "-j", "train"], cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )


def test_steps_in_processes_of_their_own_make_the_same_models(trained: Workshop, tmp_path: Path) -> None:
    create_registry(tmp_path / "registry", tmp_path / "keys")

    done = execute(tmp_path, keys=tmp_path / "keys")

    assert done.returncode == 0, done.stderr[-2000:]
    ours, theirs = trained.registry.load().content, Workshop(tmp_path).registry.load().content
    for name in MODELS:
        one, other = ours.champion(name), theirs.champion(name)
        assert one is not None
        assert other is not None
        assert one.fingerprint == other.fingerprint


def test_without_any_key_everything_is_made_but_what_is_signed(tmp_path: Path) -> None:
    create_registry(tmp_path / "registry", tmp_path / "keys")
    (tmp_path / "keys").rename(tmp_path / "elsewhere")

    done = execute(tmp_path, keys=tmp_path / "keys")

    assert done.returncode != 0
    made = {path.name for path in (tmp_path / "store").iterdir()}
    assert {"trial.json", "champion_comparison.json", *(f"{name}.safetensors" for name in MODELS)} <= made
    assert not (tmp_path / "registry" / "model_registry.json").exists()
    failed = [line for line in done.stderr.splitlines() if "STEP_FAILURE" in line]
    assert failed
    assert all(" release " in line for line in failed)
