"""What the serving image holds, installed by the image's own script into a clean folder, and serving from there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.support.real import REPOSITORY
from tests.support.serving import Topics, flow, get, serving_registry, wait_until

SCRIPT: Final = REPOSITORY / "deploy" / "docker" / "install-serving.sh"
TRAINING_STACK: Final = ("training", "orchestration", "dagster", "lightgbm", "pandas", "sklearn", "scipy", "joblib")

pytestmark = pytest.mark.long  # a whole installation


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the image has as /opt/tidegate."""
    prefix = tmp_path_factory.mktemp("image") / "opt" / "tidegate"
    told = subprocess.run(
        [SCRIPT, prefix],
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/nonexistent"), "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    return prefix


def run(folder: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command of the image with nothing of this test's environment."""
    return subprocess.run(
        command,
        cwd=folder,
        env=container_environment(folder),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def container_environment(folder: Path, **more: str) -> dict[str, str]:
    """What a container would have, with ``folder`` as its /tmp."""
    given = {"PATH": os.defpath, "HOME": "/nonexistent", "TMPDIR": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    return given | more


def files_of(folder: Path) -> dict[Path, tuple[int, int]]:
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*") if path.is_file()}


def test_it_holds_the_locked_packages_and_nothing_else(image: Path, tmp_path: Path) -> None:
    listing = "import importlib.metadata as m; print(*(f'{d.name}=={d.version}' for d in m.distributions()), sep='\\n')"
    result = run(tmp_path, image / "bin" / "python", "-I", "-c", listing)
    assert result.returncode == 0, result.stderr
    installed = {re.sub("[-_.]+", "-", line).lower() for line in result.stdout.split()}
    lock = (REPOSITORY / "requirements" / "serving.txt").read_text()
    locked = {re.sub("[-_.]+", "-", pin).lower() for pin in re.findall(r"^[\w.-]+==[\w.]+", lock, flags=re.MULTILINE)}
    assert {name for name in installed if not name.startswith("tidegate==")} == locked


def test_nothing_of_training_can_be_imported(image: Path, tmp_path: Path) -> None:
    find = "import importlib.util, sys; print([name for name in sys.argv[1:] if importlib.util.find_spec(name)])"
    result = run(tmp_path, image / "bin" / "python", "-I", "-c", find, *TRAINING_STACK, "serving", "pip", "setuptools")
    assert (result.returncode, result.stdout.strip()) == (0, "['serving']"), result.stderr


def test_its_command_line_answers(image: Path, tmp_path: Path) -> None:
    tidegate = image / "bin" / "tidegate-container"
    helped = run(tmp_path, tidegate, "--help")
    assert helped.returncode == 0, helped.stderr
    assert "Consume flows from Kafka" in helped.stdout
    checked = run(tmp_path, tidegate, "serve", "--check", "--json")
    assert checked.returncode == 0, checked.stderr
    assert json.loads(checked.stdout)["topic_flows"] == "tidegate.flows"


def test_importing_serving_loads_no_training_stack(image: Path, tmp_path: Path) -> None:
    """Not even a part of it that something else would bring: what is loaded is looked at, not what was asked for."""
    loaded = "import serving.app, sys; print(*{name.partition('.')[0] for name in sys.modules})"
    result = run(tmp_path, image / "bin" / "python", "-I", "-c", loaded)
    assert result.returncode == 0, result.stderr
    assert "serving" in result.stdout.split()
    assert not set(result.stdout.split()).intersection(TRAINING_STACK)


def test_it_refuses_a_folder_that_is_there_already(tmp_path: Path) -> None:
    result = subprocess.run([SCRIPT, tmp_path], capture_output=True, text=True, check=False, timeout=30)
    assert result.returncode == 1
    assert "there already" in result.stderr


@contextmanager
def started(folder: Path, log: Path, *command: str | Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process of the image for as long as the context is open."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=container_environment(folder, **environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def serving_port(log: Path, serving: subprocess.Popen[bytes]) -> int:
    """The port that serving chose, as its log tells."""
    pattern = re.compile(r"endpoints on http://127\.0\.0\.1:(\d+)")
    wait_until(lambda: bool(pattern.search(log.read_text())) or serving.poll() is not None, 60, log.read_text)
    told = pattern.search(log.read_text())
    assert told, log.read_text()
    return int(told[1])


def test_it_serves(image: Path, tmp_path: Path) -> None:
    """Broker and serving from the image alone: flows in, verdicts out, nothing compiled, nothing written beside it."""
    registry = serving_registry(tmp_path)
    before = files_of(image)
    tidegate = image / "bin" / "tidegate-container"
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    address, log = tmp_path / "broker.address", tmp_path / "serve.log"
    with started(scratch, tmp_path / "broker.log", tidegate, "broker", "--port-file", address):
        wait_until(address.exists, 60, (tmp_path / "broker.log").read_text)
        topics = Topics(address.read_text().strip(), create=False)
        shown = topics.settings(registry, state=tmp_path / "state").shown()
        settings = {f"TIDEGATE_{name.upper()}": str(value) for name, value in shown.items() if value is not None}
        with started(scratch, log, tidegate, "serve", **settings) as serving:
            port = serving_port(log, serving)
            wait_until(lambda: get(port, "/ready")[0] == 200, 90, log.read_text)
            topics.send([flow(at=number, kind="ddos") for number in range(50)])
            verdicts = topics.documents(topics.verdicts, 50)
            assert {verdict["verdict"] for verdict in verdicts} == {"ddos"}
            started_leaving = time.monotonic()
            serving.terminate()
            assert serving.wait(30) == 0, log.read_text()
            assert time.monotonic() - started_leaving < 10

    baked = {path.name for path in (image / "kernels").rglob("*.nbc")}
    used = {path.name for path in scratch.glob("tidegate-kernels.*/**/*.nbc")}
    assert baked
    assert used == baked, "serving compiled kernels that deploy/docker/compile_kernels.py does not"
    assert files_of(image) == before
