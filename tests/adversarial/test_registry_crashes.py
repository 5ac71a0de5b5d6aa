"""Writers of a registry, killed at every step: the old state or the new one is left, and nothing broken."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.crashing import SCENARIOS

QUICK = "publish"  # each takes half a minute


def killed_at_every_step(scenario: str, location: str) -> int:
    """Run the scenario, and return how many times it was killed."""
    command = [sys.executable, "-m", "tests.support.crashing", scenario, location]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    told = re.fullmatch(r"\S+: killed at each of (\d+) steps\n", done.stdout)
    assert told is not None, done.stdout
    return int(told[1])


@pytest.mark.parametrize(
    "scenario", [name if name == QUICK else pytest.param(name, marks=pytest.mark.long) for name in SCENARIOS]
)
def test_a_folder_is_never_left_broken(scenario: str, tmp_path: Path) -> None:
    assert killed_at_every_step(scenario, str(tmp_path / "registry")) > 20


@pytest.mark.long
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_an_object_store_is_never_left_broken(scenario: str, s3: str) -> None:
    assert killed_at_every_step(scenario, s3) >= 2
