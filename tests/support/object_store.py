"""A real object store: moto's S3, as a process on this machine that speaks HTTP. It comes from ``make real-parts``."""

from __future__ import annotations

import os
import subprocess
import urllib.request
from pathlib import Path
from typing import Final, Self

import pytest

from tests.support.real import REPOSITORY, missing

PYTHON: Final = REPOSITORY / "var" / "moto" / "bin" / "python"
PROGRAM: Final = Path(__file__).with_name("moto_server.py")
BUCKET: Final = "tests"
START_S: Final = 60  # 1 s on an idle machine
STOP_S: Final = 10


def set_aws(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Make a client of S3 turn to this address, with credentials that are made up, whatever was set before."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATHROWAWAY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "throw-away-secret")


class ObjectStoreServer:
    """The server, on a free port while the ``with`` block runs, holding one empty bucket."""

    def __init__(self, log: Path) -> None:
        """Say where its log goes; skips the test if the server is not installed."""
        if not PYTHON.exists():
            missing(f"no moto at {PYTHON}")
        self.log = log

    def __enter__(self) -> Self:
        with self.log.open("wb") as log:
            # -I: it sees nothing of this environment, nor of the modules beside the program.
            command = [str(PYTHON), "-I", str(PROGRAM)]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log)
        try:
            self.address = self._told_address()
            request = urllib.request.Request(f"{self.address}/{BUCKET}", method="PUT")  # noqa: S310 - it is http
            urllib.request.urlopen(request, timeout=START_S).close()  # noqa: S310
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._stop()

    def _told_address(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().decode().strip()
        if not line:
            raise RuntimeError(f"moto did not start; its log:\n{self.log.read_text(errors='replace')[-2000:]}")
        return line

    def _stop(self) -> None:
        self._process.terminate()
        try:
            self._process.communicate(timeout=STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
