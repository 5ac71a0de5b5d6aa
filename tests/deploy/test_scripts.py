"""The setup scripts say first what a machine lacks, and are fit to be run."""

from __future__ import annotations

import hashlib
import os
import shutil
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


EXPORTERS: Final = ("pmacctd", "nfacctd", "softflowd", "nfdump", "nfcapd", "nfpcapd", "argus", "ra", "nginx")


class Machine:
    """A copy of the scripts on a machine of made-up programs, where every real part is there but those taken away."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "tidegate"
        self.programs = folder / "programs"
        self.calls = folder / "calls"
        for part in ("deploy", "requirements"):
            shutil.copytree(REPOSITORY / part, self.root / part)
        self.program(self.programs / "java", "echo 'openjdk version \"17.0.1\"' >&2")
        self.program(self.programs / "chromium", "exit 0")
        for name in ("mvn", "apt-get", "sudo"):
            self.program(self.programs / name, f'echo {name} "$@" >>"{self.calls}"\nexit 100')
        jars = hashlib.sha256((self.root / "deploy/kafka/SHA256SUMS").read_bytes()).hexdigest()[:16]
        (self.root / "var/kafka" / jars).mkdir(parents=True)
        self.program(self.root / "var/promtool/promtool", "exit 0")
        for name in EXPORTERS:
            self.program(self.root / "var/exporters/usr/bin" / name, f"echo {name} version 1")
        for name, parts in (("cicflowmeter", ("", "-needs")), ("moto", ("",))):
            self.program(self.root / f"var/{name}/bin/python", "exit 0")
            locks = b"".join((self.root / f"requirements/{name}{part}.txt").read_bytes() for part in parts)
            (self.root / f"var/{name}/locks").write_text(f"{hashlib.sha256(locks).hexdigest()}  -\n")

    def program(self, path: Path, body: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    def run(self, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.root / script, *arguments],
            env={"PATH": f"{self.programs}:{os.environ['PATH']}", "LD_LIBRARY_PATH": "/before"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_real_parts_that_are_there_are_left_alone(machine: Machine) -> None:
    result = machine.run("deploy/real-parts.sh")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.count(" here\n") == 8
    assert not machine.calls.exists()


def test_an_exporter_that_does_not_run_is_fetched_and_if_that_fails_it_is_said(machine: Machine) -> None:
    machine.program(machine.root / "var/exporters/usr/bin/ra", "echo ra: libx.so cannot be opened >&2; exit 127")
    result = machine.run("deploy/real-parts.sh")
    assert result.returncode != 0
    assert "unpacking the flow exporters" in result.stdout
    assert machine.calls.read_text().startswith("apt-get install --download-only ")
    assert (machine.root / "var/exporters/usr/bin/ra").exists()  # what was there stays until there is better


def test_exporters_that_are_fetched_and_do_not_run_are_said(machine: Machine) -> None:
    shutil.rmtree(machine.root / "var/exporters")
    machine.program(machine.programs / "apt-get", "exit 0")  # all of them are installed
    for name in EXPORTERS:
        machine.program(machine.programs / name, f"echo {name} version 1")
    machine.program(machine.programs / "softflowd", "echo softflowd: libpcap.so.0.8 cannot be opened >&2; exit 127")
    result = machine.run("deploy/real-parts.sh")
    assert result.returncode == 1
    assert "an exporter, or nginx, does not run: softflowd -h:" in result.stderr
    assert "softflowd: libpcap.so.0.8 cannot be opened" in result.stderr
    assert not (machine.root / "var/exporters").exists()


def test_exporters_that_are_installed_already_need_not_be_unpacked(machine: Machine) -> None:
    shutil.rmtree(machine.root / "var/exporters")
    machine.program(machine.programs / "apt-get", "exit 0")
    for name in EXPORTERS:
        machine.program(machine.programs / name, f"echo {name} version 1")
    assert machine.run("deploy/real-parts.sh").returncode == 0
    assert machine.run("deploy/exporters/run.sh", "argus", "-h").stdout == "argus version 1\n"


def test_an_exporter_runs_in_utc_with_the_libraries_that_were_lacking_before_others(machine: Machine) -> None:
    folder = machine.root / "var/exporters/usr/lib/x86_64-linux-gnu"
    folder.mkdir(parents=True)
    machine.program(machine.root / "var/exporters/usr/sbin/tell", 'echo "$TZ $LD_LIBRARY_PATH $*"')
    told = machine.run("deploy/exporters/run.sh", "tell", "-r", "a file")
    assert (told.stdout, told.stderr) == (f"UTC {folder}:/before -r a file\n", "")
