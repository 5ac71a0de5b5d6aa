"""Dagster's own web server on our workspace, asked by GraphQL as its pages ask it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
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


def ask(url: str, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Ask the server, and return the data of its answer."""
    request = Request(  # noqa: S310  (our own server's address)
        f"{url}/graphql",
        json.dumps({"query": query, "variables": variables}).encode(),
        {"Content-Type": "application/json"},
    )
    with urlopen(request, timeout=60) as answer:  # noqa: S310  (the same)
        told = json.load(answer)
    assert "errors" not in told, told["errors"]
    return dict(told["data"])


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


@dataclass(frozen=True, slots=True)
class Dagster:
    """What a person does in Dagster's pages, by the same questions that they ask the server at ``url``."""

    url: str

    def assets(self) -> dict[str, str]:
        """Every asset's group, by the asset's name."""
        nodes = ask(self.url, "{ assetNodes { assetKey { path } groupName } }")["assetNodes"]
        return {node["assetKey"]["path"][-1]: node["groupName"] for node in nodes}

    def add_partition(self, dimension: str, key: str) -> None:
        """Make a dynamic partition known."""
        self._change(
            "addDynamicPartition(partitionsDefName: $name, partitionKey: $key, repositorySelector: $repository)",
            "AddDynamicPartitionSuccess { partitionKey }",
            {
                "name": ("String!", dimension),
                "key": ("String!", key),
                "repository": ("RepositorySelector!", self._repository()),
            },
        )

    def launch(self, job: str, config: Mapping[str, Any], assets: Sequence[str] = ()) -> str:
        """Ask for a run of a job, or of some of its assets; its id."""
        selector: dict[str, Any] = {**self._repository(), "jobName": job}
        if assets:
            selector["assetSelection"] = [{"path": [asset]} for asset in assets]
        parameters = {"selector": selector, "runConfigData": config, "mode": "default"}
        made = self._change(
            "launchRun(executionParams: $it)",
            "LaunchRunSuccess { run { runId } }",
            {"it": ("ExecutionParams!", parameters)},
        )
        return str(made["run"]["runId"])

    def reexecute(self, run_id: str, strategy: str) -> str:
        """Ask for a run to be tried again, ``ALL_STEPS`` or ``FROM_FAILURE``; the new one's id."""
        made = self._change(
            "launchRunReexecution(reexecutionParams: $it)",
            "LaunchRunSuccess { run { runId } }",
            {"it": ("ReexecutionParams!", {"parentRunId": run_id, "strategy": strategy})},
        )
        return str(made["run"]["runId"])

    def backfill(self, assets: Sequence[str], partitions: Sequence[str] | None) -> list[dict[str, Any]]:
        """Backfill these partitions of assets, or assets that have none, and return the runs when all have ended."""
        parameters: dict[str, Any] = {"assetSelection": [{"path": [asset]} for asset in assets]}
        parameters |= {"allPartitions": True} if partitions is None else {"partitionNames": partitions}
        made = self._change(
            "launchPartitionBackfill(backfillParams: $it)",
            "LaunchBackfillSuccess { backfillId }",
            {"it": ("LaunchBackfillParams!", parameters)},
        )
        query = (
            f'{{ partitionBackfillOrError(backfillId: "{made["backfillId"]}") {{ ... on PartitionBackfill '
            "{ status runs(limit: 100) { runId status startTime endTime } } } }"
        )
        while True:
            found = ask(self.url, query)["partitionBackfillOrError"]
            if found["status"] not in ("REQUESTED", "CANCELING", "FAILING"):
                return list(found["runs"])
            time.sleep(1)

    def ended(self, run_ids: Sequence[str]) -> list[dict[str, Any]]:
        """These runs, when all have ended."""
        while True:
            runs = [
                ask(self.url, f'{{ runOrError(runId: "{one}") {{ ... on Run {{ runId status startTime endTime }} }} }}')
                for one in run_ids
            ]
            found = [dict(run["runOrError"]) for run in runs]
            if all(run["status"] in ("SUCCESS", "FAILURE", "CANCELED") for run in found):
                return found
            time.sleep(1)

    def failures(self, run_id: str) -> str:
        """What a run's failed steps are called and say."""
        query = (
            f'{{ logsForRun(runId: "{run_id}") {{ ... on EventConnection {{ events {{ ... on ExecutionStepFailureEvent '
            "{ stepKey error { message cause { message } } } } } } }"
        )
        return json.dumps([event for event in ask(self.url, query)["logsForRun"]["events"] if event])

    def _repository(self) -> dict[str, str]:
        query = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name location { name } } } } }"
        (node,) = ask(self.url, query)["repositoriesOrError"]["nodes"]
        return {"repositoryName": node["name"], "repositoryLocationName": node["location"]["name"]}

    def _change(self, call: str, wanted: str, variables: Mapping[str, tuple[str, Any]]) -> dict[str, Any]:
        declared = ", ".join(f"${name}: {kind}" for name, (kind, _) in variables.items())
        query = f"mutation({declared}) {{ done: {call} {{ __typename ... on {wanted} ... on Error {{ message }} }} }}"
        done = dict(ask(self.url, query, {name: value for name, (_, value) in variables.items()})["done"])
        assert done["__typename"] == wanted.split()[0], done
        return done
