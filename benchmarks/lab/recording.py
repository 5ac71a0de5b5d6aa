"""One scenario played in the lab's network, and captured."""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from subprocess import Popen
from typing import Final

import msgspec

from benchmarks.lab import relay, servers
from benchmarks.lab.clients import Task
from benchmarks.lab.network import Network, network
from benchmarks.lab.plan import PATHS, Scenario
from benchmarks.lab.site import write_site
from flows.errors import TidegateError
from tests.support.exporters import RUN

_PATIENCE_S: Final = 30.0  # with the processes of a busy machine
_LEAD_S: Final = 1.0  # between the start of the clients' processes and the scenario's begin
_TAIL_S: Final = 1.0  # for the last answers
_TICK_S: Final = 0.5
_LOG_BYTES: Final = 2000

Running = dict[str, tuple[Popen[bytes], Path]]


class Played(msgspec.Struct):
    """How many acts the clients began, and how many of them failed, by label."""

    begun: dict[str, int]
    failed: dict[str, int]


def record(scenario: Scenario, capture: Path, seed: int, tick: Callable[[float], None]) -> Played:
    """Play a scenario and write its capture; ``tick`` is told now and then how many seconds of it are over.

    Raises:
        TidegateError: the network cannot be built, or a process of the lab ended before its time.
    """
    with tempfile.TemporaryDirectory(prefix="tidegate-lab-") as name, network(scenario.parts) as lab:
        folder = Path(name)
        folder.chmod(0o755)  # nginx's worker is another user
        kept = _start_servers(lab, folder, scenario, capture, seed)
        begin = time.time() + _LEAD_S
        clients: Running = {}
        for path, namespace in enumerate(lab.clients):
            task = msgspec.json.encode(Task(scenario, path, seed, begin))
            log = folder / f"clients-{PATHS[path].name}.log"
            clients[log.stem] = lab.start(namespace, _module("clients"), log, task), log
        _wait(kept, clients, begin, scenario.seconds, tick)
        time.sleep(_TAIL_S)
        _still(kept)
        return _sum(
            [msgspec.json.decode(log.read_bytes().splitlines()[-1], type=Played) for _, log in clients.values()]
        )


def _start_servers(lab: Network, folder: Path, scenario: Scenario, capture: Path, seed: int) -> Running:
    settings = write_site(folder / "site", Random(seed))  # noqa: S311  (dice)
    most = str(scenario.seconds + 2 * _PATIENCE_S + _LEAD_S + _TAIL_S)
    arguments = [str(capture), f"{seed} {scenario.name}", most, lab.servers, *lab.clients]
    logs = {name: folder / f"{name}.log" for name in ("relay", "servers", "nginx")}
    nginx = [str(RUN), "nginx", "-c", str(settings), "-e", "stderr"]
    kept: Running = {
        "relay": (lab.start(None, [*_module("relay"), *arguments], logs["relay"]), logs["relay"]),
        "servers": (lab.start(lab.servers, _module("servers"), logs["servers"]), logs["servers"]),
        "nginx": (lab.start(lab.servers, nginx, logs["nginx"]), logs["nginx"]),
    }
    deadline = time.monotonic() + _PATIENCE_S
    while not (
        relay.READY in logs["relay"].read_text()
        and servers.READY in logs["servers"].read_text()
        and settings.with_name("nginx.pid").exists()
    ):
        _still(kept)
        if time.monotonic() > deadline:
            raise TidegateError(
                f"the lab's servers were not up after {_PATIENCE_S:.0f} s; is the machine busy? Try again"
            )
        time.sleep(0.05)
    return kept


def _wait(kept: Running, clients: Running, begin: float, seconds: float, tick: Callable[[float], None]) -> None:
    while (over := time.time() - begin) < seconds + _PATIENCE_S:
        _still(kept)
        tick(min(max(over, 0.0), seconds))
        left = {name: of for name, of in clients.items() if of[0].poll() is None}
        _still({name: of for name, of in clients.items() if name not in left and of[0].returncode})
        if not left:
            return
        time.sleep(_TICK_S)
    raise TidegateError(
        f"the lab's clients were not done {_PATIENCE_S:.0f} s after the scenario's end; is the machine busy? Try again"
    )


def _still(processes: Running) -> None:
    """Raise TidegateError if one of the processes has ended."""
    for name, (process, log) in processes.items():
        if process.poll() is not None:
            said = log.read_bytes()[-_LOG_BYTES:].decode(errors="replace").strip()
            raise TidegateError(f"the lab's {name} ended with code {process.returncode}, and said: {said or 'nothing'}")


def _sum(played: Sequence[Played]) -> Played:
    begun, failed = Counter[str](), Counter[str]()
    for one in played:
        begun.update(one.begun)
        failed.update(one.failed)
    return Played(dict(begun), dict(failed))


def _module(name: str) -> list[str]:
    return [sys.executable, "-m", f"{__package__}.{name}"]
