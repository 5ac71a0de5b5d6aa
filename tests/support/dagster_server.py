"""Dagster's own web server on our workspace, asked by GraphQL as its pages ask it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest

from demo.stage import free_port
from orchestration.headless import DAGSTER_YAML
from tests.support.real import REPOSITORY

START_S = 120  # 8 s on an idle machine


@contextmanager
def webserver(home: Path) -> Iterator[str]:
    """Run the server on Dagster's records in ``home``, and give its address."""
    if not (home / "dagster.yaml").exists():
        (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    port = free_port()
    command = [str(REPOSITORY / ".venv" / "bin" / "dagster-webserver"), "-w", "workspace.yaml"]
    command += ["-h", "127.0.0.1", "-p", str(port)]
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(
            command, cwd=REPOSITORY, stdout=log, stderr=log, env={**os.environ, "DAGSTER_HOME": str(home)}
        )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait(server, address, home / "log")
        yield address
    finally:
        server.terminate()
        server.wait(60)


@contextmanager
def dagster_dev(home: Path, module: str) -> Iterator[str]:
    """Run `dagster dev`, web server and daemon, on a module's definitions, with all folders in ``home``."""
    (home / "dagster.yaml").write_bytes(DAGSTER_YAML.read_bytes())
    (home / "workspace.yaml").write_text(f"load_from:\n  - python_module: {module}\n")
    port = free_port()
    command = [str(REPOSITORY / ".venv" / "bin" / "dagster"), "dev", "-w", str(home / "workspace.yaml")]
    command += ["-h", "127.0.0.1", "-p", str(port)]
    folders = {f"TIDEGATE_{name.upper()}": str(home / name) for name in ("registry", "keys", "store", "drop")}
    environment = {**os.environ, **folders, "DAGSTER_HOME": str(home), "PYTHONPATH": str(REPOSITORY)}
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(
            command, cwd=REPOSITORY, stdout=log, stderr=log, env=environment, start_new_session=True
        )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait(server, address, home / "log")
        yield address
    finally:
        # It starts processes of its own, all in the session that it leads.
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(60)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)


def ask(url: str, query: str) -> dict[str, Any]:
    """Ask the server, and return the data of its answer."""
    request = Request(  # noqa: S310  (our own server's address)
        f"{url}/graphql", json.dumps({"query": query}).encode(), {"Content-Type": "application/json"}
    )
    with urlopen(request, timeout=60) as answer:  # noqa: S310  (the same)
        return dict(json.load(answer)["data"])


def _wait(server: subprocess.Popen[bytes], address: str, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text()
        try:
            urlopen(f"{address}/server_info", timeout=5).close()  # noqa: S310  (our own server's address)
        except (URLError, OSError):
            time.sleep(0.2)
        else:
            return
    pytest.fail(f"the web server did not answer within {START_S} s: {log.read_text()}")
