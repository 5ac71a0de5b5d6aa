"""The time that ordinary life fills, and when in it things happen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flows.simulator.columns import Array, Generator, repeat_rows, running_times


@dataclass(frozen=True, slots=True)
class Span:
    """The time to fill: from ``start`` (s since 1970) for ``duration`` seconds, busier and quieter by turns."""

    start: float
    duration: float
    rate: float  # multiplies every rate of ordinary life
    swing_s: float  # period of the swing
    swing: float  # its amplitude, 0 to 1
    phase: float

    @classmethod
    def draw(cls, rng: Generator, start: float, duration: float, rate: float) -> Span:
        """Draw how the rates swing."""
        return cls(start, duration, rate, rng.uniform(500, 2500), rng.uniform(0.2, 0.5), rng.uniform(0, 2 * np.pi))

    def arrivals(self, rng: Generator, per_s: float) -> Array:
        """Sorted times (s) of a Poisson process whose rate swings around ``rate * per_s`` (by thinning)."""
        peak = self.rate * per_s * (1 + self.swing)
        times = np.sort(rng.uniform(0, self.duration, rng.poisson(peak * self.duration)))
        level = 1 + self.swing * np.sin(2 * np.pi * times / self.swing_s + self.phase)
        return np.asarray(self.start + times[rng.random(len(times)) * (1 + self.swing) < level])

    def beats(self, rng: Generator, periods: Array, jitter: float) -> tuple[Array, Array]:
        """Return (actor, time) of actors that act every ``periods[actor]`` s, give or take a share ``jitter``."""
        counts = np.maximum(self.duration / periods, 1).astype(np.int64)
        actors = repeat_rows(counts)
        gaps = periods[actors] * rng.uniform(1 - jitter, 1 + jitter, len(actors))
        times = running_times(self.start + rng.uniform(0, 1, len(periods)) * periods, gaps, counts)
        inside = times < self.start + self.duration
        return actors[inside], times[inside]
