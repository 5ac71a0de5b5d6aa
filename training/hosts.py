"""How long hosts under attack, or infected, wait for their alert, in the time of the traffic.

Traffic time is the clock that alerts keep, kept for a whole stream: the latest flow start so far, moved at most ten
minutes by one flow (more while flow after flow is further ahead than that).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from detection.folding import CLOCK, HOST_NUMBERS, LEAP_S, LEAPS, trace
from detection.verdict import THREATS

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Addresses = npt.NDArray[np.uint64]
Address = tuple[int, int]

DAY_S: Final = 86_400.0
_ROUNDING_S: Final = 1e-3  # far above that of a time since 1970, far below any step that matters


class TrafficClock:
    """The traffic time of one stream."""

    def __init__(self) -> None:
        """Start before the first flow."""
        self._numbers = np.full((1, HOST_NUMBERS), np.nan)
        self._numbers[0, LEAPS] = 0.0
        self.elapsed = 0.0  # s: its steps, but for those by which it only catches up

    def advance(self, starts: Floats) -> Floats:
        """Move on through the next ``n`` flows, given their starts (s since 1970); return what each of them found.

        NaN before the first flow that has a time.
        """
        n = len(starts)
        before = self._numbers[0, CLOCK]
        clocks = np.zeros(n)
        kinds = np.full(n, THREATS[0], dtype=np.int8)  # the kernel follows a host from its first threat on
        opens, closes = np.zeros(n, dtype=np.bool_), np.zeros(n, dtype=np.int8)
        trace(self._numbers, math.inf, np.zeros(n, dtype=np.int64), kinds, starts, clocks, opens, closes)
        clocks[clocks == 0.0] = np.nan
        steps = np.diff(clocks, prepend=before if before > 0.0 else np.nan)
        self.elapsed += float(steps[steps <= LEAP_S + _ROUNDING_S].sum())
        return clocks


@dataclass(slots=True)
class Wait:
    """How long a host's attack flows went on before one of them was flagged, or how long they went on unflagged.

    Attributes:
        flows: its attack flows, up to and with the first that was flagged.
        began, last: the traffic time that the first and the last of them found, NaN if there was none.
        earlier: traffic time (s) that its attack flows took in streams before this one.
        flagged: whether one was flagged, so that an alert took it in.
    """

    flows: int = 0
    began: float = math.nan
    last: float = math.nan
    earlier: float = 0.0
    flagged: bool = False

    @property
    def seconds(self) -> float:
        """Traffic time from the first of these flows to the last; NaN when it cannot be told."""
        return self.earlier + self.last - self.began

    def follow(self, clocks: Floats, flagged: Bools) -> None:
        """Take in the host's next attack flows, at least one, until one is flagged."""
        if self.flagged:
            return
        self.flagged = bool(flagged.any())
        upto = int(flagged.argmax()) + 1 if self.flagged else len(clocks)
        if math.isnan(self.began):
            self.began = float(clocks[0])
        self.last = float(clocks[upto - 1])
        self.flows += upto

    def then(self, later: Wait) -> Wait:
        """The wait of a host that has attack flows in a later stream, too."""
        if self.flagged:
            return self
        return replace(later, flows=self.flows + later.flows, earlier=self.seconds)


class AttackedHosts:
    """The key hosts of the attack flows of one stream."""

    def __init__(self) -> None:
        """Start without any."""
        self.waits: dict[Address, Wait] = {}

    def follow(self, keys: Addresses, clocks: Floats, flagged: Bools) -> None:
        """Take in the stream's next attack flows.

        Args:
            keys: uint64[n, 2], their key hosts.
            clocks: float64[n], the traffic time each found, NaN if there was none yet.
            flagged: bool[n], whether the verdict was a threat.
        """
        for address, rows in _rows_by_host(keys):
            self.waits.setdefault(address, Wait()).follow(clocks[rows], flagged[rows])


def distinct(addresses: Addresses) -> list[Address]:
    """The distinct addresses of uint64[n, 2]."""
    return [(high, low) for high, low in np.unique(addresses, axis=0).tolist()]


def _rows_by_host(keys: Addresses) -> Iterator[tuple[Address, npt.NDArray[np.int64]]]:
    """Each distinct key host with its rows, ascending; hosts in the order of their first row."""
    order = np.lexsort((keys[:, 1], keys[:, 0]))
    ordered = keys[order]
    cuts = np.flatnonzero((ordered[1:] != ordered[:-1]).any(axis=1)) + 1
    parts = [rows for rows in np.split(order, cuts) if len(rows)]
    for rows in sorted(parts, key=lambda rows: int(rows[0])):
        high, low = keys[rows[0]].tolist()
        yield (high, low), rows
