"""The two loops over flows that folding alerts needs, compiled: a host's clock, and the counts of its peers."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

from detection.verdict import THREATS, Floats

LEAP_S: Final = 600.0  # as in the windows: how far one flow may move the clock,
MAX_LEAPS: Final = 16  # doubled so often while flow after flow is further ahead than that
LATEST_S: Final = 4_102_444_800.0  # the year 2100: a later time, or one before 1970, is none

# A host's row of numbers: its clock (s; NaN before its first alerting flow, 0 before its first time), how many leaps in
# a row, then per threat the clock at the last verdict of its open alert, NaN when none is open.
CLOCK: Final = 0
LEAPS: Final = 1
LAST: Final = 2
HOST_NUMBERS: Final = LAST + len(THREATS)

COUNTERS: Final = 32

Ints = npt.NDArray[np.int64]


@njit(cache=True, nogil=True)
def trace(
    numbers: Floats,
    gap: float,
    slots: Ints,
    kinds: npt.NDArray[np.int8],
    times: Floats,
    clocks: Floats,
    opens: npt.NDArray[np.bool_],
    closes: npt.NDArray[np.int8],
) -> None:
    """Follow hosts through their next ``n`` flows in arrival order.

    A host is followed from its first alerting flow on. An alert closes at the first flow of the host that finds the
    clock more than ``gap`` seconds past the alert's last verdict. While a clock only catches up (the second and later
    of several leaps in a row) no time passes for alerts.

    Args:
        numbers: float64[hosts, HOST_NUMBERS], moved on in place.
        gap: s.
        slots: int64[n], row of each flow's host in ``numbers``.
        kinds: int8[n], 1 to 3 for a threat (its number is its Kind), anything else for none.
        times: float64[n], flow starts (s); one that is no time moves nothing.
        clocks: out, float64[n], the clock each flow found after moving it.
        opens: out, bool[n], whether the flow opens an alert of its kind.
        closes: out, int8[n], bit k set where the alert of threat k (counted from 0) closes, before the flow counts.
    """
    threats = numbers.shape[1] - LAST
    for row in range(len(slots)):
        host = numbers[slots[row]]
        time = times[row]
        kind = kinds[row]
        alerting = 1 <= kind <= threats
        if np.isnan(host[CLOCK]):
            if not alerting:
                continue
            host[CLOCK] = 0.0
        if 0.0 <= time < LATEST_S:
            if host[CLOCK] == 0.0:
                host[CLOCK] = time
                host[LAST:] += time
            ahead = time - host[CLOCK]
            limit = LEAP_S * 2.0 ** min(host[LEAPS], MAX_LEAPS)
            host[LEAPS] = host[LEAPS] + 1.0 if ahead > LEAP_S else 0.0
            if ahead > 0.0:
                moved = min(ahead, limit)
                host[CLOCK] += moved
                if host[LEAPS] > 1.0:
                    host[LAST:] += moved
        clocks[row] = host[CLOCK]
        for threat in range(threats):
            if host[CLOCK] - host[LAST + threat] > gap:
                closes[row] |= 1 << threat
                host[LAST + threat] = np.nan
        if alerting:
            last = LAST + kind - 1
            opens[row] = np.isnan(host[last])
            host[last] = host[CLOCK]


@njit(cache=True, nogil=True)
def count_peers(addresses: npt.NDArray[np.uint64], counts: Ints, seen: npt.NDArray[np.uint64]) -> None:
    """Count peers in a fixed number of counters: the Space-Saving sketch (Metwally, Agrawal and El Abbadi 2005).

    Args:
        addresses: uint64[c, 2], the peer of each counter; changed in place.
        counts: int64[c, 2], per counter its count, never too small, and by how much it may be too large; in place.
        seen: uint64[n, 2], the peers of the next ``n`` flows.
    """
    for row in range(len(seen)):
        high, low = seen[row, 0], seen[row, 1]
        smallest = 0
        for place in range(len(counts)):
            if counts[place, 0] > 0 and addresses[place, 0] == high and addresses[place, 1] == low:
                counts[place, 0] += 1
                break
            if counts[place, 0] < counts[smallest, 0]:
                smallest = place
        else:
            counts[smallest, 1] = counts[smallest, 0]
            counts[smallest, 0] += 1
            addresses[smallest, 0] = high
            addresses[smallest, 1] = low
