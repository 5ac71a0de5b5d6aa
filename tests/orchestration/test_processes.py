"""Steps in processes of their own give the same models, and no step but the one that signs needs a key."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from model_registry.writing.creation import create_registry
from orchestration.definitions import definitions
from orchestration.headless import DAGSTER_YAML
from tests.support import small_definitions
from tests.support.pipeline import MODELS, QUIET, Workshop
from tests.support.real import REPOSITORY

pytestmark = pytest.mark.long


def execute(folder: Path) -> subprocess.CompletedProcess[str]:
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
        "TIDEGATE_KEYS": str(folder / "keys"),
        "TIDEGATE_STORE": str(folder / "store"),
    }
    command = [str(Path(sys.executable).with_name("dagster")), "job", "execute", "-m", small_definitions.__name__]
    return subprocess.run(
        [*command, "-j", "train"], cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )


def test_steps_in_processes_of_their_own_make_the_same_models(trained: Workshop, tmp_path: Path) -> None:
    create_registry(tmp_path / "registry", tmp_path / "keys")

    done = execute(tmp_path)

    assert done.returncode == 0, done.stderr[-2000:]
    ours, theirs = trained.registry.load().content, Workshop(tmp_path).registry.load().content
    for name in MODELS:
        one, other = ours.champion(name), theirs.champion(name)
        assert one is not None
        assert other is not None
        assert one.fingerprint == other.fingerprint


def test_without_any_key_everything_is_made_but_what_is_signed(small_traffic: None, tmp_path: Path) -> None:  # noqa: ARG001  (for its effect)
    workshop = Workshop.make(tmp_path)
    workshop.keys.rename(tmp_path / "elsewhere")
    workshop.home.mkdir()
    job = definitions(str(workshop.registry.path), str(workshop.keys), str(workshop.store)).resolve_job_def("train")

    with workshop.instance() as instance:
        result = job.execute_in_process(instance=instance, run_config=QUIET, raise_on_error=False)

    assert [event.step_key for event in result.get_step_failure_events()] == ["release"]
    made = {path.name for path in workshop.store.iterdir()}
    assert {"trial.json", "champion_comparison.json", *(f"{name}.safetensors" for name in MODELS)} <= made
    assert not (workshop.registry.path / "model_registry.json").exists()
