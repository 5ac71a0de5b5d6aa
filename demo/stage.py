"""The demo's own ground: its registry, its throw-away keys, and the processes it starts and ends."""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from flows.errors import TidegateError
from model_registry.writing.creation import create_registry

_READY_S: Final = 60.0
_LEAVE_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class Stage:
    """The folders of one demo."""

    registry: Path
    var: Path

    @property
    def keys(self) -> Path:
        """Throw-away signing keys."""
        return self.var / "keys"

    @property
    def root(self) -> Path:
        """The root that serving is given, outside the registry as it should be."""
        return self.var / "demo" / "1.root.json"

    @property
    def log(self) -> Path:
        """What the serving process logs."""
        return self.var / "demo" / "serve.log"

    def prepare(self) -> None:
        """Make a fresh registry and keys, replacing those of an earlier demo and nobody else's.

        Raises TidegateError when the registry or the keys are not an earlier demo's.
        """
        marker = self.var / "demo" / "registry.json"
        present = self.registry / "1.root.json"
        used = any(path.exists() and any(path.iterdir()) for path in (self.registry, self.keys))
        if used:
            own = json.loads(marker.read_text()) if marker.exists() else {}
            if not present.exists() or own.get(str(self.registry)) != hashlib.sha256(present.read_bytes()).hexdigest():
                raise TidegateError(
                    f"{self.registry} or {self.keys} holds a registry or keys that the demo did not make, so it leaves "
                    "them alone; name another folder with --registry, or move them away"
                )
            shutil.rmtree(self.registry)
            shutil.rmtree(self.keys)
        shutil.rmtree(self.var / "demo", ignore_errors=True)
        create_registry(self.registry, self.keys)
        self.root.parent.mkdir(parents=True)
        shutil.copyfile(present, self.root)
        digest = hashlib.sha256(present.read_bytes()).hexdigest()
        marker.write_text(json.dumps({str(self.registry): digest}))


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(stage: Stage, bootstrap: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``tidegate serve`` in a process of its own, ready when this yields, drained when it ends.

    Raises TidegateError, with the reasons that ``/ready`` gives, when it is not ready in time.
    """
    command = [sys.executable, "-m", "tidegate", "serve", "--bootstrap", bootstrap, "--verdicts", "all"]
    command += ["--registry", str(stage.registry), "--root", str(stage.root), "--listen", f"127.0.0.1:{port}"]
    command += ["--state", str(stage.var / "demo" / "state")]
    with stage.log.open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _wait_ready(process, port, stage.log)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_LEAVE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def ask(port: int, path: str) -> dict[str, Any]:
    """Return the JSON that an endpoint answers with, whatever its status."""
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=2) as answer:
            return dict(json.load(answer))
    except HTTPError as error:
        return dict(json.load(error))


def _wait_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _READY_S
    said: dict[str, Any] = {}
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise TidegateError(f"serving ended with {process.returncode}; its log: {log}")
        try:
            said = ask(port, "/ready")
        except (URLError, OSError):
            time.sleep(0.1)
            continue
        if said.get("ready"):
            return
        time.sleep(0.1)
    raise TidegateError(f"serving was not ready within {_READY_S:.0f} s: {said.get('reasons')}; its log: {log}")
