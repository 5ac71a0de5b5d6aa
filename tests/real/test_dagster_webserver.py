"""Dagster's own web server on our workspace: the job, every asset and every gate are there to click on."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest

from demo.stage import free_port
from tests.support.real import REPOSITORY

ASSETS = {
    "training_flows",
    "training_features",
    "ddos_lgbm",
    "malware_lgbm",
    "anomaly_iforest",
    "math_baselines",
    "ensemble",
    "trial",
    "signed_manifest",
}
START_S = 120  # 8 s on an idle machine

pytestmark = pytest.mark.real


def ask(url: str, query: str) -> dict[str, Any]:
    request = Request(  # noqa: S310  (our own server's address)
        f"{url}/graphql", json.dumps({"query": query}).encode(), {"Content-Type": "application/json"}
    )
    with urlopen(request, timeout=60) as answer:  # noqa: S310  (the same)
        return dict(json.load(answer)["data"])


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("dagster")
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


def test_the_job_the_schedule_and_every_asset_are_shown(url: str) -> None:
    data = ask(
        url,
        "{ repositoriesOrError { ... on RepositoryConnection { nodes { jobs { name } schedules { name } "
        "assetNodes { assetKey { path } } } } ... on PythonError { message } } }",
    )
    (repository,) = data["repositoriesOrError"]["nodes"]
    assert "train" in {job["name"] for job in repository["jobs"]}
    assert {schedule["name"] for schedule in repository["schedules"]} == {"nightly_retraining"}
    assert {node["assetKey"]["path"][-1] for node in repository["assetNodes"]} == ASSETS


def test_every_gate_is_shown_as_blocking(url: str) -> None:
    data = ask(
        url,
        "{ assetNodes { assetKey { path } assetChecksOrError { ... on AssetChecks { checks { name blocking } } } } }",
    )
    checks = [check for node in data["assetNodes"] for check in node["assetChecksOrError"]["checks"]]
    assert len(checks) == 10
    assert all(check["blocking"] for check in checks)
