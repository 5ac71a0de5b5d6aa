"""The clients of one path: begins every part's acts when they are due. Runs in the path's namespace.

What has not come to its end when the scenario does is given up. Reads a :class:`Task` as JSON from its input, and
prints how many acts were begun, and how many of them failed, by label.

    python -m benchmarks.lab.clients        (run by the lab)
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Final

import msgspec

from benchmarks.lab.acts import ACTS
from benchmarks.lab.client import Client
from benchmarks.lab.plan import PATHS, Part, Scenario

_STAGGER_S: Final = 1.0
# What may become of an act in a network with loss, refusal and a flood: it failed, and the lab goes on.
_FAILURES: Final = (OSError, asyncio.IncompleteReadError, TimeoutError)


@dataclass(frozen=True, slots=True)
class Task:
    """What one process has to do: a scenario's clients of one path, from a time (seconds since 1970) on."""

    scenario: Scenario
    path: int
    seed: int
    begin: float


def arrivals(part: Part, wave: tuple[float, float], rng: Random) -> Iterator[tuple[float, int]]:
    """Yield when which of a part's addresses on one path begins in a wave: seconds of the scenario, and its number."""
    begin_s, end_s = wave
    if not part.arrivals:
        yield from sorted((begin_s + rng.random() * _STAGGER_S, number) for number in range(part.addresses))
        return
    at_s = begin_s
    while (at_s := at_s + rng.expovariate(part.arrivals / len(PATHS))) < end_s:
        yield at_s, rng.randrange(part.addresses)


class Clients:
    """The acts that run."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._running: set[asyncio.Task[None]] = set()
        self._begin_s = asyncio.get_running_loop().time() + task.begin - time.time()
        self.begun: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()

    async def run(self) -> None:
        """Begin all acts in their time, and give up what still runs in the end."""
        waves = [(number, part, wave) for number, part in enumerate(self._task.scenario.parts) for wave in part.waves]
        async with asyncio.TaskGroup() as acts:
            await asyncio.gather(*(self._wave(acts, *wave) for wave in waves))
            await self._until(self._task.scenario.seconds)
            for act in self._running:
                act.cancel()

    async def _wave(self, acts: asyncio.TaskGroup, number: int, part: Part, wave: tuple[float, float]) -> None:
        rng = Random(f"{self._task.seed} {self._task.scenario.name} {self._task.path} {number} {wave[0]}")  # noqa: S311  (dice)
        for at_s, who in arrivals(part, wave, rng):
            await self._until(at_s)
            address = part.address(self._task.path, who)
            dice = Random(rng.getrandbits(64))  # noqa: S311  (dice)
            act = acts.create_task(self._act(part, Client(address, dice, self._begin_s + wave[1], part.pace)))
            self._running.add(act)
            act.add_done_callback(self._running.discard)

    async def _act(self, part: Part, client: Client) -> None:
        self.begun[part.label] += 1
        try:
            await ACTS[part.act](client)
        except _FAILURES:
            self.failed[part.label] += 1

    async def _until(self, seconds: float) -> None:
        await asyncio.sleep(max(self._begin_s + seconds - asyncio.get_running_loop().time(), 0.0))


async def main() -> None:
    """Do what the task says."""
    clients = Clients(msgspec.json.decode(sys.stdin.buffer.read(), type=Task))
    await clients.run()
    sys.stdout.write(msgspec.json.encode({"begun": clients.begun, "failed": clients.failed}).decode() + "\n")


if __name__ == "__main__":
    asyncio.run(main())
