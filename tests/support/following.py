"""``tidegate replay --follow`` as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.real import REPOSITORY
from tests.support.serving import Topics, wait_until


class Following:
    """``tidegate replay --follow`` as a process of its own."""

    def __init__(self, topics: Topics, folder: Path, *logs: Path) -> None:
        self.error = folder / "follow.err"
        self._output = folder / "follow.out"
        command = [sys.executable, "-m", "tidegate", "replay", "--follow", "--json", "--bootstrap", topics.bootstrap]
        command += ["--topic", topics.flows, "--position-file", str(folder / "positions.json"), *map(str, logs)]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("TIDEGATE_")}
        with self._output.open("wb") as output, self.error.open("wb") as error:
            self.process = subprocess.Popen(
                command, env=inherited | {"TIDEGATE_GROUP": topics.group}, cwd=REPOSITORY, stdout=output, stderr=error
            )

    def wait(self) -> None:
        """Return when it follows."""
        wait_until(lambda: "following" in self.error.read_text(), 30, self.error.read_text)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def leave(self) -> dict[str, Any]:
        """End it in good order; its summary."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(30) == 0, self.error.read_text()
        summary: dict[str, Any] = json.loads(self._output.read_bytes())
        return summary

    def processor_s(self) -> float:
        """Processor time so far, s."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.kill()
