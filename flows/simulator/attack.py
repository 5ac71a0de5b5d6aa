"""What every scripted attack is: parameters in, flows out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from flows.simulator.columns import Array, Columns, Generator
from flows.simulator.network import Network


@dataclass(frozen=True, slots=True)
class Scripted:
    """What one scripted attack did: its flows, and the hosts (``uint64[2]``) on both sides.

    ``actor`` is None where there is no one actor: spoofed sources, many bots, a crowd.
    """

    columns: Columns
    victim: Array
    actor: Array | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack(ABC):
    """When a scripted attack happens."""

    name: ClassVar[str]
    label: ClassVar[str]
    at: float  # s after the capture's start
    duration: float  # s

    @abstractmethod
    def flows(self, rng: Generator, network: Network, start: float) -> Scripted:
        """Draw the attack's flows; ``start`` is the capture's start (s since 1970)."""

    def _times(self, rng: Generator, start: float, per_s: float) -> Array:
        """Times (s) of a Poisson process over the attack, ``per_s`` flows a second."""
        n = rng.poisson(per_s * self.duration)
        return np.sort(start + self.at + rng.uniform(0, self.duration, n))
