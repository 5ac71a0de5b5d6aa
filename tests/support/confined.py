"""Readers of a registry's files in a process that has so much memory and time and no more.

The process forks for every input, so that nothing of one is counted for the next, and the limits are the kernel's:
what goes over them ends in a MemoryError or is killed, and no reader can be lucky.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, Final

from model_registry.artifact import artifact_from_bytes, check_golden
from model_registry.errors import TrustError
from model_registry.manifest import MANIFEST
from model_registry.scoring import contributions
from model_registry.trust import TrustedMetadata, read_manifest
from tests.support.documents import FIRST_ROOT
from tests.support.registries import NOW, tiny_artifact

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


def _manifest(data: bytes) -> None:
    read_manifest(data, MANIFEST, FIRST_ROOT)


def _root(data: bytes) -> None:
    TrustedMetadata(data, "1.root.json", reference_time=NOW)


def _artifact(data: bytes) -> None:
    artifact = artifact_from_bytes(data)
    contributions(artifact.forest, artifact.golden_rows[0])
    check_golden(artifact)


READERS: Final[dict[str, Callable[[bytes], None]]] = {"manifest": _manifest, "root": _root, "artifact": _artifact}


@dataclass(frozen=True)
class Outcome:
    """What became of an input: the refusal's reason, "accepted", or "crashed"; and what it took to find out."""

    became: str
    said: str
    seconds: float  # of the processor's time
    memory: int  # bytes more than before, at most


@dataclass(frozen=True)
class _Request:
    reader: str
    length: int
    memory: int
    seconds: int


class Confined:
    """The process. Use it as a context."""

    def __enter__(self) -> Confined:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.confined"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def read(self, reader: str, data: bytes, *, memory: int, seconds: int) -> Outcome:
        """Let a reader read an input, with so many bytes of memory more than it has, and so much time."""
        request = _Request(reader, len(data), memory, seconds)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(request)).encode() + b"\n" + data)
        self._process.stdin.flush()
        return Outcome(**json.loads(self._process.stdout.readline()))


def _serve(requests: BinaryIO, answers: BinaryIO) -> None:
    _artifact_kernels()
    while line := requests.readline():
        request = _Request(**json.loads(line))
        data = requests.read(request.length)
        answers.write(json.dumps(asdict(_fork(request, data))).encode() + b"\n")
        answers.flush()


def _artifact_kernels() -> None:
    """Load the compiled kernels, which would count for the first artifact."""
    artifact = tiny_artifact("ddos_lgbm")
    contributions(artifact.forest, artifact.golden_rows[0])


def _fork(request: _Request, data: bytes) -> Outcome:
    source, target = os.pipe()
    child = os.fork()
    if not child:
        os.close(source)
        addressed, present = (int(pages) * _PAGE for pages in Path("/proc/self/statm").read_text().split()[:2])
        resource.setrlimit(resource.RLIMIT_AS, (addressed + request.memory,) * 2)
        resource.setrlimit(resource.RLIMIT_CPU, (request.seconds,) * 2)
        became, said = _attempt(READERS[request.reader], data)
        os.write(target, json.dumps([present, became, said[-1000:]]).encode())
        os._exit(0)
    os.close(target)
    with os.fdopen(source, "rb") as file:
        answer = file.read()
    _, status, usage = os.wait4(child, 0)
    seconds = usage.ru_utime + usage.ru_stime
    if not answer:
        return Outcome("crashed", f"ended by {os.waitstatus_to_exitcode(status)}", seconds, 0)
    present, became, said = json.loads(answer)
    return Outcome(became, said, seconds, usage.ru_maxrss * 1024 - present)


def _attempt(reader: Callable[[bytes], None], data: bytes) -> tuple[str, str]:
    try:
        reader(data)
    except TrustError as error:
        return error.reason, error.message
    except BaseException:  # noqa: BLE001  (whatever it is, it is what must never come out)
        return "crashed", traceback.format_exc()
    return "accepted", ""


if __name__ == "__main__":
    _serve(sys.stdin.buffer, sys.stdout.buffer)
