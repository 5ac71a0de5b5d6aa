"""One direction of a path: when a packet that enters it leaves it, if it does."""

from __future__ import annotations

from random import Random
from typing import Final

from benchmarks.lab.plan import Path

QUEUE_S: Final = 0.4  # what would wait longer than this for its turn is lost, as at the end of a router's queue


class Line:
    """A queue that is served at the path's rate, and a way of its delay behind it. Packets keep their order."""

    def __init__(self, path: Path, rng: Random) -> None:
        self._path, self._rng = path, rng
        self._free_s = 0.0  # when the queue is empty
        self._last_s = 0.0  # when the packet before this one leaves

    def leaves(self, now_s: float, size: int) -> float | None:
        """Return when a packet of ``size`` bytes that enters at ``now_s`` leaves; None: it is lost."""
        begins_s = max(now_s, self._free_s)
        if begins_s - now_s > QUEUE_S or self._rng.random() < self._path.loss:
            return None
        self._free_s = begins_s + size / self._path.bytes_per_s
        travels_s = self._path.delay_s + self._rng.random() * self._path.jitter_s
        self._last_s = max(self._last_s, self._free_s + travels_s)
        return self._last_s
