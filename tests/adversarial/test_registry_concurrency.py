"""Two publishers at once, and a reader that never sees anything but a whole registry."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from model_registry.registry import Registry
from model_registry.verify import verify_registry
from tests.support.registries import NOW, files_of, publish_models
from tests.support.signers import ALICE, shared_registry

PROGRAM: Final = [sys.executable, "-m", "tests.support.publishers"]
MODELS: Final = ("ddos_lgbm", "malware_lgbm")


def run_cycles(location: str, cycles: int) -> None:
    """Let each of two publishers do that many cycles, with a reader beside them, and hold that nothing was lost."""
    before = Registry(location).load(now=NOW).version
    reader = subprocess.Popen([*PROGRAM, "read", location], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert reader.stdout is not None
    assert reader.stdout.readline() == "reading\n"
    publishers = [subprocess.Popen([*PROGRAM, "publish", location, model, str(cycles)]) for model in MODELS]
    assert [publisher.wait(540) for publisher in publishers] == [0, 0]
    told, _ = reader.communicate("stop", 60)
    assert reader.returncode == 0
    times, versions = map(int, told.split())
    assert times > versions > cycles // 10  # so it did look while they published
    loaded = Registry(location).load(now=NOW)
    assert loaded.version == before + 2 * len(MODELS) * cycles
    assert {loaded.content.models[model].champion for model in MODELS} == {2}
    assert not verify_registry(Registry(location), now=NOW).failures


def two_versions(folder: Path) -> Registry:
    registry = shared_registry(folder, ALICE)
    publish_models(registry, ALICE)
    return registry


def test_two_publishers_and_a_reader(tmp_path: Path) -> None:
    run_cycles(str(two_versions(tmp_path / "registry").path), 15)


@pytest.mark.long
def test_a_thousand_cycles_of_promoting_and_rolling_back(tmp_path: Path) -> None:
    run_cycles(str(two_versions(tmp_path / "registry").path), 500)


@pytest.mark.long
def test_two_publishers_and_a_reader_in_an_object_store(tmp_path: Path, s3: str) -> None:
    store = Registry(s3).store
    for name, data in files_of(two_versions(tmp_path / "registry")).items():
        store.put(name, data)
    run_cycles(s3, 5)
