"""The lab's network namespaces: one of the servers, and one of the clients of each path. All of it goes in the end."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final

from benchmarks.lab.plan import HOME, PATHS, Part, client_networks
from benchmarks.lab.relay import DEVICE
from flows.errors import TidegateError

_Process = subprocess.Popen[bytes]

PREFIX: Final = "tidegate-lab-"
_TIMEOUT_S: Final = 30
_END_S: Final = 5.0  # a process has so long to end before it is killed


def what_is_missing() -> str | None:
    """Say what this machine or user lacks for the lab, and what to do; None: nothing."""
    if not sys.platform.startswith("linux"):
        return "the lab needs Linux's network namespaces; run it on Linux"
    if shutil.which("ip") is None:
        return "there is no program `ip`; install iproute2"
    if os.geteuid() != 0:
        return "network namespaces need root; run it as root"
    if not Path("/dev/net/tun").exists():
        return "there is no /dev/net/tun; load the kernel's module tun, or give the container that device"
    probe = f"{PREFIX}{os.getpid()}-probe"
    with suppress(TidegateError):
        _ip("netns", "add", probe)
        _ip("netns", "delete", probe)
        return None
    return "this root may not make network namespaces; run it outside the container, or give it CAP_SYS_ADMIN"


class Network:
    """The namespaces, and processes in them.

    Attributes:
        servers: the servers' namespace.
        clients: the clients' namespaces, one for each path.
    """

    def __init__(self) -> None:
        self.servers = f"{PREFIX}{os.getpid()}-servers"
        self.clients = [f"{PREFIX}{os.getpid()}-{path.name}" for path in PATHS]
        self._processes: list[_Process] = []

    def start(self, namespace: str | None, command: Sequence[str], log: Path, text: bytes = b"") -> _Process:
        """Start a process in a namespace, or outside of them; its output goes to ``log`` and ``text`` into it.

        It leads a session of its own, so that Ctrl-C reaches the lab alone, which ends it.
        """
        inside = [] if namespace is None else ["ip", "netns", "exec", namespace]
        with log.open("ab") as output:
            process = subprocess.Popen(
                [*inside, *command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._processes.append(process)
        assert process.stdin is not None  # noqa: S101  (for mypy)
        _feed(process.stdin, text)
        return process

    def end(self) -> None:
        """End all processes that still run, the newest first."""
        for process in reversed(self._processes):
            stop(process)
        self._processes.clear()


def stop(process: _Process) -> None:
    """Ask a process to end, and kill it and its children if it does not."""
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_END_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, 9)
    process.wait()


@contextmanager
def network(parts: Sequence[Part]) -> Iterator[Network]:
    """Make the namespaces that the parts need; in the end all processes in them are ended and they are removed.

    Raises:
        TidegateError: the machine refused a step.
    """
    _sweep()
    made = Network()
    try:
        _namespace(made.servers, [HOME])
        for path, name in enumerate(made.clients):
            silent = [network for part in parts if part.silent for network in part.networks(path)]
            _namespace(name, client_networks(path), silent)
        yield made
    finally:
        made.end()
        for name in (made.servers, *made.clients):
            with suppress(TidegateError):
                _ip("netns", "delete", name)


def _namespace(name: str, local: Sequence[str], silent: Sequence[str] = ()) -> None:
    """Make a namespace whose own addresses are all of ``local``; at those of ``silent`` nobody answers."""
    _ip("netns", "add", name)
    _ip("-n", name, "link", "set", "lo", "up")
    _ip("-n", name, "tuntap", "add", "dev", DEVICE, "mode", "tun")
    _ip("-n", name, "link", "set", DEVICE, "up", "txqueuelen", "20000")
    for net in local:
        _ip("-n", name, "route", "add", "local", net, "dev", "lo")
    for net in silent:
        _ip("-n", name, "route", "add", "blackhole", net, "table", "local")
    _ip("-n", name, "route", "add", "default", "dev", DEVICE)


def _sweep() -> None:
    """Remove the namespaces of a lab that was killed."""
    for line in _ip("netns", "list").splitlines():
        name = line.split()[0]
        owner = name.removeprefix(PREFIX).partition("-")[0]
        if name.startswith(PREFIX) and owner.isdigit() and not Path("/proc", owner).exists():
            with suppress(TidegateError):  # another lab was faster
                _ip("netns", "delete", name)


def _ip(*arguments: str) -> str:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False, timeout=_TIMEOUT_S)
    if done.returncode:
        raise TidegateError(f"`ip {' '.join(arguments)}` failed: {done.stderr.strip()}; the lab cannot be built here")
    return done.stdout


def _feed(pipe: IO[Any], text: bytes) -> None:
    with suppress(BrokenPipeError), pipe:
        pipe.write(text)
