"""The setup scripts say first what a machine lacks, and are fit to be run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

REPOSITORY: Final = Path(__file__).resolve().parents[2]
SCRIPTS: Final = sorted(
    [*REPOSITORY.glob("deploy/**/*.sh"), REPOSITORY / "deploy/docker/tidegate-container", REPOSITORY / ".ci/run"]
)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_can_be_run_and_parses(path: Path) -> None:
    assert os.access(path, os.X_OK)
    shell = "bash" if "bash" in path.read_text().splitlines()[0] else "sh"
    subprocess.run([shell, "-n", path], check=True, timeout=10)


def check_machine(*arguments: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", REPOSITORY / "deploy/check-machine.sh", *arguments],
        env={"PATH": path or os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def test_a_missing_python_is_named_with_the_line_to_type() -> None:
    result = check_machine("python-of-another-world")
    assert result.returncode == 1
    assert "there is no 'python-of-another-world'" in result.stderr
    assert "apt-get install -y python3 python3-venv" in result.stderr


def test_an_old_python_is_named_with_its_version(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2" || exit 1\n')
    old.chmod(0o755)
    result = check_machine(str(old))
    assert result.returncode == 1
    assert "is Python 3.9.2" in result.stderr


def test_everything_that_is_missing_is_in_the_one_line(tmp_path: Path) -> None:
    bare = tmp_path / "python3"  # Debian's python3 alone: new enough, but with neither ensurepip nor libgomp1
    bare.write_text('#!/bin/sh\ncase "$2" in *version_info*) exit 0 ;; *) exit 1 ;; esac\n')
    bare.chmod(0o755)
    (tmp_path / "id").symlink_to("/usr/bin/id")
    result = check_machine(path=str(tmp_path))
    assert result.returncode == 1
    assert result.stderr.rstrip().endswith("apt-get install -y python3-venv libgomp1 git make")


def test_a_machine_that_runs_the_tests_lacks_nothing() -> None:
    result = check_machine(sys.executable)
    assert (result.returncode, result.stderr) == (0, "")
