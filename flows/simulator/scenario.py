"""What to simulate, as data: captures of networks with their scripted attacks."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from flows.simulator.attack import Attack
from flows.simulator.exporters import Exporter


@dataclass(frozen=True, slots=True)
class Capture:
    """One network, watched for a while."""

    at: float  # s after the scenario's start
    duration: float  # s
    subnet: str  # IPv4 network in CIDR form
    clients: int
    rate: float = 1.0  # multiplies the rates of ordinary life
    attacks: tuple[Attack, ...] = ()
    hour: float = 12.0  # of the day, local time, at the capture's start: people sleep at night
    exporter: Exporter = "zeek"  # who tells of the flows


@dataclass(frozen=True, slots=True)
class Scenario:
    """Everything that determines the traffic: the same scenario gives the same bytes."""

    seed: int
    start: float  # s since 1970
    captures: tuple[Capture, ...]
    day: int = 0  # another day is another life of the same networks

    def __post_init__(self) -> None:
        if not self.captures:
            raise ValueError("a scenario needs at least one capture")
        for before, after in pairwise(self.captures):
            if after.at < before.at + before.duration:
                raise ValueError(f"captures overlap: one starts at {after.at} s, before the last one ended")

    @property
    def duration(self) -> float:
        """Seconds from the first capture's start to the last one's end."""
        return self.captures[-1].at + self.captures[-1].duration - self.captures[0].at
