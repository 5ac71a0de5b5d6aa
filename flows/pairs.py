"""The past of one pair: when its beats came and how much each sent, which is what a beacon gives away.

A beat is a flow that starts over a second from every other beat: a program that opens three connections at once has
called once. The last 16 beats are kept in order of their starts, wherever in the stream they arrive.
Regularity follows the idea of RITA's beacon score (Active Countermeasures): tight, symmetric intervals and tight sizes;
but asymmetry is measured against the interval itself, as the skewness of near-equal intervals is all noise.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from flows.state import BEAT_GAP, BEATS, HALF_LIVES_S, MICROSECONDS, Array, Record

MOST_TOTAL = 2**62  # where a pair's total stops
FEWEST_BEATS = 4  # three intervals: below, spread and skewness say nothing


@njit(nogil=True)
def count_pair(
    pair: Record, start: int, clock: int, sent: float, received: float, answered: float, failed: float
) -> None:
    """Count one flow.

    Args:
        pair: its pair.
        start: of the flow, microseconds.
        clock: of the key host, moved by this flow, microseconds.
        sent, received: bytes, by and for the key host; NaN if absent.
        answered, failed: 0, 1 or NaN.
    """
    elapsed = max(0, clock - pair.weighted_at) / MICROSECONDS
    for which in range(len(HALF_LIVES_S)):
        pair.weighted[which] = 1.0 + pair.weighted[which] * 2.0 ** (-elapsed / HALF_LIVES_S[which])
    pair.weighted_at = clock
    if pair.flows == 0 or start < pair.first:
        pair.first = start
    pair.flows += 1
    if not np.isnan(answered):
        pair.answer_known += 1
        pair.answered += np.int64(answered)
    if not np.isnan(failed):
        pair.state_known += 1
        pair.failed += np.int64(failed)
    if not np.isnan(sent):
        pair.bytes_known += 1
        pair.sent = min(pair.sent + np.int64(sent), MOST_TOTAL)
    if not np.isnan(received):
        pair.bytes_known += 1
        pair.received = min(pair.received + np.int64(received), MOST_TOTAL)
    if _add_beat(pair, start, sent):
        _listen(pair)


@njit(nogil=True)
def _add_beat(pair: Record, start: int, sent: float) -> bool:
    starts = pair.starts
    sizes = pair.sizes
    held = pair.beats
    place = held  # of the first kept beat that is later than this start
    while place > 0 and starts[place - 1] > start:
        place -= 1
    if place > 0 and start - starts[place - 1] <= BEAT_GAP:
        return False
    if place < held and starts[place] - start <= BEAT_GAP:
        return False
    if held == BEATS:
        if place == 0:
            return False  # older than all that are kept
        for i in range(place - 1):
            starts[i] = starts[i + 1]
            sizes[i] = sizes[i + 1]
        place -= 1
    else:
        for i in range(held, place, -1):
            starts[i] = starts[i - 1]
            sizes[i] = sizes[i - 1]
        pair.beats = held + 1
    starts[place] = start
    sizes[place] = sent
    return True


@njit(nogil=True)
def _sort(values: Array) -> None:
    """Sort a few values in place, by insertion."""
    for i in range(1, len(values)):
        value = values[i]
        place = i
        while place > 0 and values[place - 1] > value:
            values[place] = values[place - 1]
            place -= 1
        values[place] = value


@njit(nogil=True)
def _quantile(ordered: Array, share: float) -> float:
    position = share * (len(ordered) - 1)
    below = np.int64(position)
    if below + 1 == len(ordered):
        return float(ordered[below])
    return float(ordered[below] + (position - below) * (ordered[below + 1] - ordered[below]))


@njit(nogil=True)
def _spread(ordered: Array, median: float) -> float:
    """Median absolute deviation relative to the median (at least 1)."""
    deviations = np.abs(ordered - median)
    _sort(deviations)
    return _quantile(deviations, 0.5) / max(median, 1.0)


@njit(nogil=True)
def _listen(pair: Record) -> None:
    """Recompute ``rhythm``: interval, its spread and skew; size spread, size; regularity."""
    rhythm = pair.rhythm
    rhythm[:] = np.nan
    held = pair.beats
    values = np.empty(BEATS)
    known = 0
    for beat in range(held):
        if not np.isnan(pair.sizes[beat]):
            values[known] = pair.sizes[beat]
            known += 1
    if known > 0:
        sizes = values[:known]
        _sort(sizes)
        rhythm[4] = _quantile(sizes, 0.5)
        rhythm[3] = _spread(sizes, rhythm[4])
    if held < 2:
        return
    gaps = values[: held - 1]
    for beat in range(held - 1):
        gaps[beat] = (pair.starts[beat + 1] - pair.starts[beat]) / MICROSECONDS
    _sort(gaps)
    median = _quantile(gaps, 0.5)
    low = _quantile(gaps, 0.25)
    high = _quantile(gaps, 0.75)
    rhythm[0] = median
    rhythm[1] = _spread(gaps, median)
    rhythm[2] = (low + high - 2.0 * median) / (high - low) if high > low else 0.0
    if held >= FEWEST_BEATS:
        unrest = min(1.0, rhythm[1]) + min(1.0, abs(low + high - 2.0 * median) / median)
        rhythm[5] = 1.0 - (unrest / 2.0 if np.isnan(rhythm[3]) else (unrest + min(1.0, rhythm[3])) / 3.0)
