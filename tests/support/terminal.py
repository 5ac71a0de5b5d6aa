"""Running a command as a process of its own on a terminal, and answering what it asks.

While it waits for an answer, and once more after each, the command lines of all processes are looked at: a secret must
never stand there, where every user of the machine may read it.
"""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

PATIENCE_S: Final = 60.0


class OnTerminal(NamedTuple):
    """How a command ended, what the terminal showed, and the command lines of all processes meanwhile."""

    code: int
    shown: str
    command_lines: bytes


def tidegate_on_terminal(
    arguments: Sequence[object], answers: Sequence[tuple[str, str]], *, environment: Mapping[str, str] | None = None
) -> OnTerminal:
    """Run ``tidegate`` with these arguments; see :func:`python_on_terminal`."""
    return python_on_terminal(["-m", "tidegate", *map(str, arguments)], answers, environment=environment)


def python_on_terminal(
    arguments: Sequence[str], answers: Sequence[tuple[str, str]], *, environment: Mapping[str, str] | None = None
) -> OnTerminal:
    """Run Python with these arguments; each answer is typed when its question is the last thing shown."""
    ours, theirs = pty.openpty()
    # env: where the tests run in the background of a script, SIGINT is ignored, and Python would ignore it, too.
    process = subprocess.Popen(
        ["setsid", "--ctty", "env", "--default-signal=INT", sys.executable, *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "dumb", **(environment or {})},
    )
    os.close(theirs)
    try:
        shown, seen = b"", b""
        for question, answer in answers:
            # The question ends with a blank that comes when the echo is off; what is typed before is thrown away.
            shown += _read_until(ours, f"{question}: ".encode())
            seen += _command_lines()
            os.write(ours, answer.encode(errors="surrogateescape") + b"\n")
        shown += _read_until(ours, None)
        return OnTerminal(process.wait(PATIENCE_S), shown.decode(), seen)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def _read_until(terminal: int, end: bytes | None) -> bytes:
    """Read until the terminal has shown ``end``, or to its own end."""
    read = b""
    deadline = time.monotonic() + PATIENCE_S
    while end is None or not read.endswith(end):
        ready, _, _ = select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise TimeoutError(f"waited for {end!r}; the terminal shows: {read!r}")
        try:
            chunk = os.read(terminal, 4096)
        except OSError:  # Linux's way to say that the last process has left the terminal
            chunk = b""
        if not chunk:
            if end is not None:
                raise EOFError(f"ended before {end!r}; the terminal shows: {read!r}")
            break
        read += chunk
    return read


def _command_lines() -> bytes:
    lines = b""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines += file.read_bytes() + b"\n"
        except OSError:  # it has ended meanwhile
            continue
    return lines
