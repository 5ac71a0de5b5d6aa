"""The past of one pair: when its beats came and how much each sent, which is what a beacon gives away.

A beat is a flow that starts over a second from every other beat: a program that opens three connections at once has
called once. The last 16 beats are kept in order of their starts, wherever in the stream they arrive.
Regularity follows the idea of RITA's beacon score (Active Countermeasures): tight, symmetric intervals and tight sizes;
but asymmetry is measured against the interval itself, as the skewness of near-equal intervals is all noise.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from flows.state import (
    BEAT_GAP,
    BEATS,
    MICROSECONDS,
    PAIR_ANSWER_KNOWN,
    PAIR_ANSWERED,
    PAIR_BYTES_KNOWN,
    PAIR_FIRST,
    PAIR_FLOWS,
    PAIR_RECEIVED,
    PAIR_SENT,
    Array,
    Tables,
)

MOST_TOTAL = 2**62  # where a pair's total stops
FEWEST_BEATS = 4  # three intervals: below, spread and skewness say nothing


@njit(cache=True, nogil=True)
def count_pair(tables: Tables, pair: int, start: int, sent: float, received: float, answered: float) -> None:
    """Count one flow: start in microseconds, bytes sent by and received by the key host, answered 0, 1 or NaN."""
    counts = tables.pair_counts[pair]
    if counts[PAIR_FLOWS] == 0 or start < counts[PAIR_FIRST]:
        counts[PAIR_FIRST] = start
    counts[PAIR_FLOWS] += 1
    if not np.isnan(answered):
        counts[PAIR_ANSWER_KNOWN] += 1
        counts[PAIR_ANSWERED] += np.int64(answered)
    if not np.isnan(sent + received):
        counts[PAIR_BYTES_KNOWN] += 1
        counts[PAIR_SENT] = min(counts[PAIR_SENT] + np.int64(sent), MOST_TOTAL)
        counts[PAIR_RECEIVED] = min(counts[PAIR_RECEIVED] + np.int64(received), MOST_TOTAL)
    if _add_beat(tables, pair, start, sent):
        _listen(tables, pair)


@njit(cache=True, nogil=True)
def _add_beat(tables: Tables, pair: int, start: int, sent: float) -> bool:
    starts = tables.pair_starts[pair]
    sizes = tables.pair_sizes[pair]
    held = tables.pair_beats[pair]
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
        tables.pair_beats[pair] = held + 1
    starts[place] = start
    sizes[place] = sent
    return True


@njit(cache=True, nogil=True)
def _quantile(ordered: Array, share: float) -> float:
    position = share * (len(ordered) - 1)
    below = np.int64(position)
    if below + 1 == len(ordered):
        return float(ordered[below])
    return float(ordered[below] + (position - below) * (ordered[below + 1] - ordered[below]))


@njit(cache=True, nogil=True)
def _spread(ordered: Array, median: float) -> float:
    """Median absolute deviation relative to the median (at least 1)."""
    deviations = np.sort(np.abs(ordered - median))
    return _quantile(deviations, 0.5) / max(median, 1.0)


@njit(cache=True, nogil=True)
def _listen(tables: Tables, pair: int) -> None:
    """Recompute ``pair_rhythm``: interval, its spread, skew and cv; size spread, size; regularity."""
    rhythm = tables.pair_rhythm[pair]
    rhythm[:] = np.nan
    held = tables.pair_beats[pair]
    sizes = tables.pair_sizes[pair, :held]
    known = np.sort(sizes[~np.isnan(sizes)])
    if len(known) > 0:
        rhythm[5] = _quantile(known, 0.5)
        rhythm[4] = _spread(known, rhythm[5])
    if held < 2:
        return
    starts = tables.pair_starts[pair, :held]
    gaps = np.sort((starts[1:] - starts[:-1]) / MICROSECONDS)
    median = _quantile(gaps, 0.5)
    low = _quantile(gaps, 0.25)
    high = _quantile(gaps, 0.75)
    rhythm[0] = median
    rhythm[1] = _spread(gaps, median)
    rhythm[2] = (low + high - 2.0 * median) / (high - low) if high > low else 0.0
    total = 0.0
    for gap in gaps:
        total += gap
    mean = total / len(gaps)
    squares = 0.0
    for gap in gaps:
        squares += (gap - mean) * (gap - mean)
    rhythm[3] = np.sqrt(squares / len(gaps)) / mean
    if held >= FEWEST_BEATS:
        unrest = min(1.0, rhythm[1]) + min(1.0, abs(low + high - 2.0 * median) / median)
        rhythm[6] = 1.0 - (unrest / 2.0 if np.isnan(rhythm[4]) else (unrest + min(1.0, rhythm[4])) / 3.0)
