"""The time that ordinary life fills, and when in it things happen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from flows.simulator.columns import Array, Generator, repeat_rows, running_times

# What people do in each hour of the day, as a share of what they do at noon.
_DAY: Final = np.array(
    [
        *(0.3, 0.2, 0.15, 0.12, 0.12, 0.15, 0.25, 0.45, 0.75, 0.95, 1.0, 1.0),
        *(1.0, 0.95, 1.0, 1.0, 0.95, 0.85, 0.75, 0.7, 0.7, 0.65, 0.55, 0.4),
    ]
)


def of_noon(hour: Array | float) -> Array:
    """How busy people are at an hour of the day (0 to 24, then anew), as a share of what they are at noon."""
    return np.asarray(np.interp(np.mod(hour, 24.0), np.arange(25), np.append(_DAY, _DAY[0])))


@dataclass(frozen=True, slots=True)
class Span:
    """The time to fill: from ``start`` (s since 1970) for ``duration`` seconds, busier and quieter by turns.

    Two swings lie over each other: that of the day, which only people follow, and one of minutes.
    """

    start: float
    duration: float
    rate: float  # multiplies every rate of ordinary life
    swing_s: float  # period of the swing
    swing: float  # its amplitude, 0 to 1
    phase: float
    hour: float  # of the day at ``start``

    @classmethod
    def draw(cls, rng: Generator, start: float, duration: float, rate: float, hour: float) -> Span:
        """Draw how the rates swing."""
        swing = (rng.uniform(500, 2500), rng.uniform(0.2, 0.5), rng.uniform(0, 2 * np.pi))
        return cls(start, duration, rate, *swing, hour)

    @property
    def by_night(self) -> bool:
        """Whether it begins when people sleep and machines copy."""
        return self.hour % 24 < 6

    def arrivals(self, rng: Generator, per_s: float, *, people: bool = True) -> Array:
        """Sorted times (s) of a Poisson process whose rate swings around ``rate * per_s`` (by thinning).

        ``people``: whether people cause it, so that it follows the day; ``per_s`` is the rate at noon.
        """
        peak = self.rate * per_s * (1 + self.swing)
        times = np.sort(rng.uniform(0, self.duration, rng.poisson(peak * self.duration)))
        level = 1 + self.swing * np.sin(2 * np.pi * times / self.swing_s + self.phase)
        if people:
            level *= of_noon(self.hour + times / 3600)
        return np.asarray(self.start + times[rng.random(len(times)) * (1 + self.swing) < level])

    def beats(self, rng: Generator, periods: Array, jitter: float) -> tuple[Array, Array]:
        """Return (actor, time) of actors that act every ``periods[actor]`` s, give or take a share ``jitter``."""
        counts = np.maximum(self.duration / periods, 1).astype(np.int64)
        actors = repeat_rows(counts)
        gaps = periods[actors] * rng.uniform(1 - jitter, 1 + jitter, len(actors))
        times = running_times(self.start + rng.uniform(0, 1, len(periods)) * periods, gaps, counts)
        inside = times < self.start + self.duration
        return actors[inside], times[inside]
