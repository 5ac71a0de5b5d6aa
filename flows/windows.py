"""The recent past of one host: its clock, its 10 and 60 second windows, and the flow of arrivals.

Time belongs to the host: its clock is the latest start among its own flows, so what a window holds never depends on
which other hosts share the partition. A flow counts at the clock it finds after moving it; a late flow counts in the
current windows and turns nothing back. A flow may move the clock by ten minutes; while flow after flow claims to be
further ahead than that, the step doubles. So one bad date costs at most ten minutes, and a host that comes back
after three days is on time again after nine flows. A first flow has nothing to be measured by: should the second start
over ten minutes before it, the clock starts anew with the second.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from flows.entropy import entropy, weight
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
    Record,
)

NEVER = -1000  # a step that has left every window


@njit(nogil=True)
def tell_time(host: Record, start: int) -> None:
    """Move a host's clock (microseconds) by the start of its next flow, and its windows with it."""
    if host.flows == 0 or (host.flows == 1 and host.clock - start > LEAP):
        host.origin = start
        host.clock = start
        host.step = 1
        return
    ahead = start - host.clock
    limit = LEAP << min(host.leaps, MAX_LEAPS)
    host.leaps = host.leaps + 1 if ahead > LEAP else 0
    if ahead <= 0:
        return
    host.clock += min(ahead, limit)
    step = 1 + (host.clock - host.origin) // MICROSECONDS
    if step > host.step:
        _close_seconds(host, step)
        _slide(host.sums_10, host.classes_10, host.weights_10, STEPS_10, host.step, step)
        before = host.step // SECONDS_PER_STEP_60
        now = step // SECONDS_PER_STEP_60
        _slide(host.sums_60, host.classes_60, host.weights_60, STEPS_60, before, now)
        host.step = step


@njit(nogil=True)
def _slide(sums: Array, classes: Array, weights: Array, steps: int, before: int, now: int) -> None:
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
                    leaving = classes[place, way, kind, one]
                    if leaving > 0:
                        _classify(classes[steps], weights, way, kind, one, -leaving)
                        classes[place, way, kind, one] = 0


@njit(nogil=True)
def _classify(totals: Array, weights: Array, way: int, kind: int, one: int, change: int) -> None:
    count = int(totals[way, kind, one])
    weights[way, kind] += weight(count + change) - weight(count)
    totals[way, kind, one] = count + change


@njit(nogil=True)
def _close_seconds(host: Record, step: int) -> None:
    """Let the CUSUM judge every second that has ended: the one in progress and the empty ones after it."""
    if step - host.step > QUIET_S:
        host.cusum = 0.0
        host.mean = 0.0
        return
    count = 1.0 * host.sums_10[host.step % STEPS_10, 0, FLOWS]
    for second in range(host.step, step):
        mean = host.mean
        deviation = np.sqrt(mean + 1.0)
        if second > LEARNING_S:
            host.cusum = max(0.0, host.cusum + (count - mean) / deviation - SLACK)
            host.mean = mean + (min(count, mean + STRETCH * deviation) - mean) / MEMORY_S
        else:
            host.mean = mean + (count - mean) / second
        count = 0.0


@njit(nogil=True)
def arrival_cusum(host: Record) -> float:
    """The CUSUM with the second in progress counted in, in standard deviations; NaN while it learns."""
    if host.step <= LEARNING_S:
        return np.nan
    count = host.sums_10[host.step % STEPS_10, 0, FLOWS]
    return float(max(0.0, host.cusum + (count - host.mean) / np.sqrt(host.mean + 1.0) - SLACK))


@njit(nogil=True)
def _see(sums: Array, steps: int, now: int, seen: int, way: int, counter: int) -> None:
    """Count one distinct thing, last seen at step ``seen``, once per window: at its latest step."""
    sums[now % steps, way, counter] += 1
    if seen > now - steps:
        sums[seen % steps, way, counter] -= 1
    else:
        sums[steps, way, counter] += 1


@njit(nogil=True)
def _see_in_both(host: Record, seen: int, way: int, counter: int) -> None:
    """Count a distinct peer or port cell, last seen at second ``seen`` of the host's life (0: never)."""
    if seen == host.step:
        return
    before = int(np.int64(seen)) if seen > 0 else NEVER
    _see(host.sums_10, STEPS_10, host.step, before, way, counter)
    five = before // SECONDS_PER_STEP_60
    _see(host.sums_60, STEPS_60, host.step // SECONDS_PER_STEP_60, five, way, counter)


@njit(nogil=True)
def count_flow(host: Record, pair: Record, way: int, amounts: Array, port: int, size: float) -> None:
    """Count one flow in both windows.

    Args:
        host: the flow's key host, its clock already moved.
        pair: its pair.
        way: 0 in, 1 out.
        amounts: int64[COUNTERS], what the flow adds to each counter but PEERS and PORTS.
        port: responder's port, -1 if absent.
        size: bytes of the flow, NaN if absent.
    """
    second = host.step % STEPS_10
    five = host.step // SECONDS_PER_STEP_60 % STEPS_60
    for counter in range(COUNTERS):
        amount = amounts[counter]
        host.sums_10[second, way, counter] += amount
        host.sums_10[STEPS_10, way, counter] += amount
        host.sums_60[five, way, counter] += amount
        host.sums_60[STEPS_60, way, counter] += amount
    _see_in_both(host, pair.seen[way], way, PEERS)
    pair.seen[way] = host.step
    if port >= 0:
        cell = port % PORT_CELLS
        _see_in_both(host, host.port_seen[way, cell], way, PORTS)
        host.port_seen[way, cell] = host.step
        _count_class(host, way, PORT_CLASSES, port % CLASSES)
    if not np.isnan(size):
        _count_class(host, way, SIZE_CLASSES, _magnitude(size))


@njit(nogil=True)
def _count_class(host: Record, way: int, kind: int, one: int) -> None:
    host.classes_10[host.step % STEPS_10, way, kind, one] += 1
    host.classes_60[host.step // SECONDS_PER_STEP_60 % STEPS_60, way, kind, one] += 1
    _classify(host.classes_10[STEPS_10], host.weights_10, way, kind, one, 1)
    _classify(host.classes_60[STEPS_60], host.weights_60, way, kind, one, 1)


@njit(nogil=True)
def _magnitude(size: float) -> int:
    """floor(log2(size)), from 0 to 15, by comparing: exact, and faster than a logarithm."""
    one = 0
    while one < CLASSES - 1 and size >= 2 << one:
        one += 1
    return one


@njit(nogil=True)
def remember(host: Record, pairs: Array, slot: int, port: int, failed: float) -> None:
    """Count the flow for its host, and keep it among the last flows.

    Args:
        host: the flow's key host.
        pairs: all pairs.
        slot: the flow's pair, in which it is not counted yet.
        port: responder's port, -1 if absent.
        failed: 0, 1 or NaN.
    """
    place = host.flows % RECENT
    if host.flows >= RECENT:
        _change_recent(host, pairs[host.recent[place]], -1)
        _change_totals(host, place, -1)
    host.recent[place] = slot
    host.recent_port[place] = port
    host.recent_failed[place] = -1 if np.isnan(failed) else np.int64(failed)
    host.recent_new[place] = 1 if pairs[slot].flows == 0 else 0
    _change_recent(host, pairs[slot], 1)
    _change_totals(host, place, 1)
    host.flows += 1


@njit(nogil=True)
def _change_totals(host: Record, place: int, change: int) -> None:
    failed = int(host.recent_failed[place])
    if failed >= 0:
        host.state_known_total += change
        host.failed_total += change * failed
    host.new_total += change * int(host.recent_new[place])


@njit(nogil=True)
def _change_recent(host: Record, pair: Record, change: int) -> None:
    count = int(pair.recent)
    host.recent_weight += weight(count + change) - weight(count)
    pair.recent = count + change


@njit(nogil=True)
def port_share(host: Record, port: int) -> float:
    """Share of the host's last flows that have this responder's port; NaN for an absent one."""
    if port < 0:
        return np.nan
    held = min(host.flows, RECENT)
    same = 0
    for place in range(held):
        same += host.recent_port[place] == port
    return float(same / held)


@njit(nogil=True)
def peer_entropy(host: Record) -> float:
    """Shannon entropy, in bits, of the peers of the host's last flows."""
    return float(entropy(min(host.flows, RECENT), host.recent_weight))
