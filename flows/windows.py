"""The recent past of one host: its clock, its 10 and 60 second windows, and the flow of arrivals.

Time belongs to the host: its clock is the largest end among its own flows, so what a window holds never depends on
which other hosts share the partition. A flow counts at the clock it finds after moving it; a late flow counts in the
current windows and turns nothing back. A flow may move the clock by ten minutes; while flow after flow claims to be
further ahead than that, the step doubles. So one bad date costs at most ten minutes, and a host that comes back
after three days is on time again after nine flows. A first flow has nothing to be measured by: should the second end
over ten minutes before it, the clock starts anew with the second.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from flows.state import (
    CLASSES,
    COUNTERS,
    FLOWS,
    LEAP,
    LEARNING_S,
    MAX_LEAPS,
    MEMORY_S,
    MICROSECONDS,
    PEERS,
    PORT_CELLS,
    PORT_CLASSES,
    PORTS,
    QUIET_S,
    RECENT,
    SECONDS_PER_STEP_60,
    SIZE_CLASSES,
    SLACK,
    STEPS_10,
    STEPS_60,
    STRETCH,
    Array,
    Tables,
)

NEVER = -1000  # a step that has left every window


@njit(cache=True, nogil=True)
def tell_time(tables: Tables, host: int, end: int) -> None:
    """Move a host's clock (microseconds) by the end of its next flow, and its windows with it."""
    clock = tables.host_clock[host]
    flows = tables.host_flows[host]
    if flows == 0 or (flows == 1 and clock[1] - end > LEAP):
        clock[0] = end
        clock[1] = end
        tables.host_step[host] = 1
        return
    ahead = end - clock[1]
    limit = LEAP << min(clock[2], MAX_LEAPS)
    clock[2] = clock[2] + 1 if ahead > LEAP else 0
    if ahead <= 0:
        return
    clock[1] += min(ahead, limit)
    step = 1 + (clock[1] - clock[0]) // MICROSECONDS
    if step > tables.host_step[host]:
        _close_seconds(tables, host, step)
        _slide(tables.sums_10[host], tables.classes_10[host], STEPS_10, tables.host_step[host], step)
        before = tables.host_step[host] // SECONDS_PER_STEP_60
        _slide(tables.sums_60[host], tables.classes_60[host], STEPS_60, before, step // SECONDS_PER_STEP_60)
        tables.host_step[host] = step


@njit(cache=True, nogil=True)
def _slide(sums: Array, classes: Array, steps: int, before: int, now: int) -> None:
    """Take the steps that have left the window out of the total, which lies behind the last step."""
    for step in range(max(before + 1, now - steps + 1), now + 1):
        place = step % steps
        for way in range(2):
            if sums[place, way, FLOWS] == 0:
                continue
            for counter in range(COUNTERS):
                sums[steps, way, counter] -= sums[place, way, counter]
                sums[place, way, counter] = 0
            for kind in range(2):
                for one in range(CLASSES):
                    classes[steps, way, kind, one] -= classes[place, way, kind, one]
                    classes[place, way, kind, one] = 0


@njit(cache=True, nogil=True)
def _close_seconds(tables: Tables, host: int, step: int) -> None:
    """Let the CUSUM judge every second that has ended: the one in progress and the empty ones after it."""
    arrivals = tables.host_arrivals[host]
    before = tables.host_step[host]
    if step - before > QUIET_S:
        arrivals[0] = 0.0
        arrivals[1] = 0.0
        return
    count = 1.0 * tables.sums_10[host, before % STEPS_10, 0, FLOWS]
    for second in range(before, step):
        mean = arrivals[1]
        deviation = np.sqrt(mean + 1.0)
        if second > LEARNING_S:
            arrivals[0] = max(0.0, arrivals[0] + (count - mean) / deviation - SLACK)
            arrivals[1] += (min(count, mean + STRETCH * deviation) - mean) / MEMORY_S
        else:
            arrivals[1] += (count - mean) / second
        count = 0.0


@njit(cache=True, nogil=True)
def arrival_cusum(tables: Tables, host: int) -> float:
    """The CUSUM with the second in progress counted in, in standard deviations; NaN while it learns."""
    arrivals = tables.host_arrivals[host]
    step = tables.host_step[host]
    if step <= LEARNING_S:
        return np.nan
    count = tables.sums_10[host, step % STEPS_10, 0, FLOWS]
    return float(max(0.0, arrivals[0] + (count - arrivals[1]) / np.sqrt(arrivals[1] + 1.0) - SLACK))


@njit(cache=True, nogil=True)
def _add(sums: Array, steps: int, step: int, way: int, counter: int, amount: int) -> None:
    sums[step % steps, way, counter] += amount
    sums[steps, way, counter] += amount


@njit(cache=True, nogil=True)
def _see(sums: Array, steps: int, now: int, seen: int, way: int, counter: int) -> None:
    """Count one distinct thing, last seen at step ``seen``, once per window: at its latest step."""
    if seen > now - steps:
        sums[seen % steps, way, counter] -= 1
        sums[now % steps, way, counter] += 1
    else:
        _add(sums, steps, now, way, counter, 1)


@njit(cache=True, nogil=True)
def _see_in_both(tables: Tables, host: int, seen: int, way: int, counter: int) -> None:
    """Count a distinct peer or port cell, last seen at second ``seen`` of the host's life (0: never)."""
    step = tables.host_step[host]
    before = int(seen) if seen > 0 else NEVER
    _see(tables.sums_10[host], STEPS_10, step, before, way, counter)
    five = before // SECONDS_PER_STEP_60 if seen > 0 else NEVER
    _see(tables.sums_60[host], STEPS_60, step // SECONDS_PER_STEP_60, five, way, counter)


@njit(cache=True, nogil=True)
def count_flow(tables: Tables, host: int, pair: int, way: int, amounts: Array, port: int, size: float) -> None:
    """Count one flow in both windows.

    Args:
        way: 0 in, 1 out.
        amounts: int64[COUNTERS], what the flow adds to each counter but PEERS and PORTS.
        port: responder's port, -1 if absent.
        size: bytes of the flow, NaN if absent.
    """
    step = tables.host_step[host]
    for counter in range(COUNTERS):
        if amounts[counter] != 0:
            _add(tables.sums_10[host], STEPS_10, step, way, counter, amounts[counter])
            _add(tables.sums_60[host], STEPS_60, step // SECONDS_PER_STEP_60, way, counter, amounts[counter])
    _see_in_both(tables, host, tables.pair_seen[pair, way], way, PEERS)
    tables.pair_seen[pair, way] = step
    if port >= 0:
        cell = port % PORT_CELLS
        _see_in_both(tables, host, tables.port_seen[host, way, cell], way, PORTS)
        tables.port_seen[host, way, cell] = step
        _classify(tables, host, way, PORT_CLASSES, port % CLASSES)
    if not np.isnan(size):
        _classify(tables, host, way, SIZE_CLASSES, _magnitude(size))
    _remember(tables, host, pair)
    tables.host_flows[host] += 1


@njit(cache=True, nogil=True)
def _magnitude(size: float) -> int:
    """floor(log2(size)), from 0 to 15, by comparing: exact, and faster than a logarithm."""
    one = 0
    while one < CLASSES - 1 and size >= 2 << one:
        one += 1
    return one


@njit(cache=True, nogil=True)
def _remember(tables: Tables, host: int, pair: int) -> None:
    """Keep the peers of the last flows, and how often each stands among them."""
    place = tables.host_flows[host] % RECENT
    if tables.host_flows[host] >= RECENT:
        tables.pair_recent[tables.host_recent[host, place]] -= 1
    tables.host_recent[host, place] = pair
    tables.pair_recent[pair] += 1


@njit(cache=True, nogil=True)
def peer_entropy(tables: Tables, host: int) -> float:
    """Shannon entropy, in bits, of the peers of the host's last flows."""
    held = min(tables.host_flows[host], RECENT)
    # Sum over flows, not peers: a peer with c flows appears c times with log2(c).
    total = 0.0
    for place in range(held):
        total += np.log2(np.float64(tables.pair_recent[tables.host_recent[host, place]]))
    return float(np.log2(np.float64(held)) - total / held)


@njit(cache=True, nogil=True)
def _classify(tables: Tables, host: int, way: int, kind: int, one: int) -> None:
    step = tables.host_step[host]
    five = step // SECONDS_PER_STEP_60
    tables.classes_10[host, step % STEPS_10, way, kind, one] += 1
    tables.classes_10[host, STEPS_10, way, kind, one] += 1
    tables.classes_60[host, five % STEPS_60, way, kind, one] += 1
    tables.classes_60[host, STEPS_60, way, kind, one] += 1
