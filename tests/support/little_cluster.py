"""A stand-in for a cluster: it takes Kubernetes jobs over HTTP, and runs each one's container as a process.

What a pod would see is what its manifest gives it: variables of the ConfigMaps and Secrets that it names, and the
volumes that it mounts, which are folders here. There is no image: commands are those of this environment.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import kubernetes_validate
import yaml

from tests.support.real import REPOSITORY


@dataclass
class Pod:
    """A job's only pod: the manifest, and the process that stands for it with the variables that it was given."""

    job: dict[str, Any]
    given: dict[str, str]
    process: subprocess.Popen[bytes]

    @property
    def step(self) -> str:
        """The step of Dagster's that it runs."""
        return self.given["DAGSTER_RUN_STEP_KEY"]

    def status(self) -> dict[str, int]:
        """As Kubernetes counts the pods of a job."""
        code = self.process.poll()
        return {"active": 1} if code is None else {"succeeded": 1} if code == 0 else {"failed": 1}


@dataclass
class LittleCluster:
    """What is in the cluster.

    Attributes:
        folder: where logs, and the file by which clients find the cluster, are written.
        config_maps, secrets: their data, by name.
        volumes: the folder that stands for each claim or mounted ConfigMap, by its name.
        home: stands for ``DAGSTER_HOME``; the SQLite in it stands for PostgreSQL.
        pods: one for each job, in the order in which they were asked for.
    """

    folder: Path
    config_maps: Mapping[str, Mapping[str, str]]
    secrets: Mapping[str, Mapping[str, str]]
    volumes: Mapping[str, Path]
    home: Path
    pods: list[Pod] = field(default_factory=list)

    @property
    def kubeconfig(self) -> Path:
        """Where clients read the cluster's address."""
        return self.folder / "kubeconfig.yaml"

    def create(self, job: dict[str, Any]) -> None:
        """Start a job's pod. Raises ValidationError for what is no job in the strict schema."""
        document = {"apiVersion": "batch/v1", "kind": "Job", **job}
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)
        spec = job["spec"]["template"]["spec"]
        (container,) = spec["containers"]
        given = self.variables(container, self.places(spec, container))
        name = job["metadata"]["name"]
        command = [*container.get("command", ()), *container["args"]]
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [str(Path(sys.executable).with_name(command[0])), *command[1:]],
                cwd=self.folder,
                env={"PATH": str(Path(sys.executable).parent), "PYTHONPATH": str(REPOSITORY), **given},
                stdout=log,
                stderr=log,
            )
        self.pods.append(Pod(job, given, process))

    def pod(self, name: str) -> Pod | None:
        """The pod of the job of this name."""
        return next((pod for pod in self.pods if pod.job["metadata"]["name"] == name), None)

    def variables(self, container: Mapping[str, Any], places: Mapping[str, Path]) -> dict[str, str]:
        """A container's variables, with paths in its volumes as they are here."""
        given: dict[str, str] = {}
        for source in container.get("envFrom", ()):
            kept, reference = (
                (self.secrets, "secretRef") if "secretRef" in source else (self.config_maps, "configMapRef")
            )
            given |= kept[source[reference]["name"]]
        for variable in container.get("env", ()):
            if "valueFrom" in variable:
                key = variable["valueFrom"]["secretKeyRef"]
                given[variable["name"]] = self.secrets[key["name"]][key["key"]]
            else:
                given[variable["name"]] = variable.get("value", "")
        return {name: _moved(value, places) for name, value in given.items()}

    def places(self, spec: Mapping[str, Any], container: Mapping[str, Any]) -> dict[str, Path]:
        """The folder that stands for each path at which a container mounts a volume of its pod's."""
        sources = {
            volume["name"]: volume.get("persistentVolumeClaim", {}).get("claimName")
            or volume.get("configMap", {}).get("name")
            for volume in spec.get("volumes", ())
        }
        places = {
            mount["mountPath"]: self.volumes[sources[mount["name"]]]
            for mount in container.get("volumeMounts", ())
            if "subPath" not in mount
        }
        return {**places, "/opt/dagster": self.home}


def _moved(value: str, places: Mapping[str, Path]) -> str:
    for mounted, folder in places.items():
        if value == mounted or value.startswith(f"{mounted}/"):
            return f"{folder}{value.removeprefix(mounted)}"
    return value


@contextmanager
def served(cluster: LittleCluster) -> Iterator[LittleCluster]:
    """Answer clients for as long as the context lasts; what still runs at its end is killed."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            job = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            cluster.create(job)
            self._answer(201, job)

        def do_GET(self) -> None:
            parts = self.path.partition("?")[0].split("/")
            pod = cluster.pod(parts[parts.index("jobs") + 1]) if "jobs" in parts else None
            if pod is None:
                self._answer(404, {"kind": "Status", "code": 404, "reason": "NotFound"})
            else:
                self._answer(200, {**pod.job, "status": pod.status()})

        def log_message(self, *_: Any) -> None:
            pass

        def _answer(self, code: int, document: dict[str, Any]) -> None:
            body = json.dumps(document).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    address = f"http://127.0.0.1:{server.server_address[1]}"
    named = {"name": "little", "cluster": {"server": address}}
    context = {"name": "little", "context": {"cluster": "little", "user": "nobody"}}
    cluster.kubeconfig.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [named],
                "contexts": [context],
                "users": [{"name": "nobody", "user": {}}],
                "current-context": "little",
            }
        )
    )
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield cluster
    finally:
        server.shutdown()
        server.server_close()
        for pod in cluster.pods:
            if pod.process.poll() is None:
                pod.process.kill()
            pod.process.wait()
