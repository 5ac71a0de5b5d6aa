"""The memory behind the features: one table of hosts and one of pairs, of fixed size, with one eviction rule.

Hosts are kept in the order in which they were last seen; so are the pairs of each host. When there is no room for
a host, or none for a pair, the host that has been silent longest goes, with all its pairs; a host that has its full
quota of pairs gives up its own oldest. So a flood of spoofed sources fills the quota of its victim and nobody
else's. Lookups go by hash (chained, with a seed of its own per table, so that nobody can aim at a chain), but no
hash ever decides what is kept or counted: renaming every address changes nothing.
"""

from __future__ import annotations

import secrets
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

HOSTS: Final = 8192
PAIRS: Final = 131072
PAIRS_PER_HOST: Final = 8192
STEPS_10: Final = 10  # of one second
STEPS_60: Final = 12  # of five seconds
SECONDS_PER_STEP_60: Final = 5
RECENT: Final = 64  # flows behind peer_entropy
BEATS: Final = 16
PORT_CELLS: Final = 256
CLASSES: Final = 16  # of the histograms behind the entropies
MICROSECONDS: Final = 1_000_000
BEAT_GAP: Final = 1 * MICROSECONDS
LEAP: Final = 600 * MICROSECONDS
MAX_LEAPS: Final = 16
# Arrivals: the mean forgets over a minute, learns for ten seconds before it judges, and lets no single second pull
# it up by more than three standard deviations, so that a flood does not become the new normal at once.
MEMORY_S: Final = 60
LEARNING_S: Final = 10
SLACK: Final = 0.5
STRETCH: Final = 3.0
QUIET_S: Final = 600
LARGEST: Final = 2.0**53  # above it floats no longer count by ones, and no exporter means it
MOST_BYTES: Final = 2.0**40  # a flow counts for at most so many bytes (or packets) each way: no sum overflows

# Everything here changes what a feature means, so it is part of the catalogue's digest.
LIMITS: Final[dict[str, float | str]] = {
    "hosts": HOSTS,
    "pairs": PAIRS,
    "pairs_per_host": PAIRS_PER_HOST,
    "recent_flows": RECENT,
    "beats": BEATS,
    "beat_gap_us": BEAT_GAP,
    "port_cells": PORT_CELLS,
    "classes": CLASSES,
    "clock": "largest flow end of the key host; a flow moves it by at most leap_us, doubled for each flow in a row "
    "that is further ahead than that, at most max_leaps times; a second flow that ends over leap_us before the first "
    "starts it anew",
    "leap_us": LEAP,
    "max_leaps": MAX_LEAPS,
    "arrivals_memory_s": MEMORY_S,
    "arrivals_learning_s": LEARNING_S,
    "arrivals_slack": SLACK,
    "arrivals_stretch": STRETCH,
    "arrivals_quiet_s": QUIET_S,
    "largest": LARGEST,
    "most_bytes": MOST_BYTES,
    "eviction": "least recently seen host with its pairs; within a host at its quota, its least recently seen pair",
}

# Counters of one window step, per direction (0 in, 1 out).
FLOWS: Final = 0
PACKETS: Final = 1
PACKETS_KNOWN: Final = 2
SENT: Final = 3  # bytes, of flows that tell both ways
RECEIVED: Final = 4
BYTES_KNOWN: Final = 5
FLAGS_KNOWN: Final = 6
SYN_ONLY: Final = 7
STATE_KNOWN: Final = 8
FAILED: Final = 9
ANSWER_KNOWN: Final = 10
ONE_WAY: Final = 11
PEERS: Final = 12
PORTS: Final = 13
NEW_PEERS: Final = 14
COUNTERS: Final = 15
PORT_CLASSES: Final = 0
SIZE_CLASSES: Final = 1

NONE: Final = -1
Array = npt.NDArray[Any]


class Tables(NamedTuple):
    """All state of one partition. First axis: host slot (``host_*``) or pair slot (``pair_*``)."""

    seed: Array  # uint64[1]
    cursor: Array  # int64[4]: free hosts, free pairs, latest host, oldest host
    host_free: Array  # int32[hosts]: stack of free slots
    host_address: Array  # uint64[hosts, 2]
    host_heads: Array  # int32[2 * hosts]: first slot of each hash chain, plus one; 0 is an empty chain
    host_chain: Array  # int32[hosts]: next slot of the chain, plus one
    host_order: Array  # int32[hosts, 2]: earlier seen, later seen
    host_clock: Array  # int64[hosts, 3]: origin, clock (microseconds), leaps in a row
    host_step: Array  # int64[hosts]: current second of the host's life, from 1
    host_flows: Array  # int64[hosts]
    host_pairs: Array  # int32[hosts, 3]: number of pairs, latest, oldest
    host_recent: Array  # int32[hosts, RECENT]: pair slots of the last flows
    host_arrivals: Array  # float64[hosts, 2]: CUSUM, mean arrivals per second
    sums_10: Array  # int64[hosts, STEPS_10 + 1, 2, COUNTERS]; the last step holds the total
    sums_60: Array  # int64[hosts, STEPS_60 + 1, 2, COUNTERS]
    classes_10: Array  # int32[hosts, STEPS_10 + 1, 2, 2, CLASSES]
    classes_60: Array  # int32[hosts, STEPS_60 + 1, 2, 2, CLASSES]
    port_seen: Array  # uint32[hosts, 2, PORT_CELLS]: second of the last flow to a port of the cell
    pair_free: Array  # int32[pairs]: stack of free slots
    pair_host: Array  # int32[pairs]
    pair_address: Array  # uint64[pairs, 2]
    pair_heads: Array  # int32[2 * pairs]
    pair_chain: Array  # int32[pairs]
    pair_order: Array  # int32[pairs, 2]: earlier seen, later seen
    pair_seen: Array  # uint32[pairs, 2]: second of the last flow in, out
    pair_recent: Array  # int32[pairs]: how often the pair stands in host_recent
    pair_counts: Array  # int64[pairs, 7]: see PAIR_FLOWS and after
    pair_beats: Array  # int32[pairs]
    pair_starts: Array  # int64[pairs, BEATS]: starts of the last beats, ascending
    pair_sizes: Array  # float64[pairs, BEATS]: bytes sent in the flow that opened the beat
    pair_rhythm: Array  # float64[pairs, 7]: what the beats say, see flows.pairs


PAIR_FLOWS: Final = 0
PAIR_FIRST: Final = 1  # earliest start, microseconds
PAIR_ANSWERED: Final = 2
PAIR_ANSWER_KNOWN: Final = 3
PAIR_SENT: Final = 4  # bytes, of flows that tell both ways
PAIR_RECEIVED: Final = 5
PAIR_BYTES_KNOWN: Final = 6
RHYTHM: Final = 7


def allocate(hosts: int = HOSTS, pairs: int = PAIRS) -> Tables:
    """Make empty tables. Memory is claimed by the system only as slots are first used.

    Raises:
        ValueError: a host's quota, half the pairs at most, could not hold the peers of its last RECENT flows.
    """
    if hosts < 1 or pairs // 2 <= RECENT:
        raise ValueError(f"{hosts} hosts and {pairs} pairs: at least 1 and {2 * RECENT + 2} are needed")
    return Tables(
        seed=np.array([secrets.randbits(64)], dtype=np.uint64),
        cursor=np.array([hosts, pairs, NONE, NONE], dtype=np.int64),
        host_free=np.arange(hosts - 1, -1, -1, dtype=np.int32),
        host_address=np.zeros((hosts, 2), dtype=np.uint64),
        host_heads=np.zeros(2 * hosts, dtype=np.int32),
        host_chain=np.zeros(hosts, dtype=np.int32),
        host_order=np.zeros((hosts, 2), dtype=np.int32),
        host_clock=np.zeros((hosts, 3), dtype=np.int64),
        host_step=np.zeros(hosts, dtype=np.int64),
        host_flows=np.zeros(hosts, dtype=np.int64),
        host_pairs=np.zeros((hosts, 3), dtype=np.int32),
        host_recent=np.zeros((hosts, RECENT), dtype=np.int32),
        host_arrivals=np.zeros((hosts, 2), dtype=np.float64),
        sums_10=np.zeros((hosts, STEPS_10 + 1, 2, COUNTERS), dtype=np.int64),
        sums_60=np.zeros((hosts, STEPS_60 + 1, 2, COUNTERS), dtype=np.int64),
        classes_10=np.zeros((hosts, STEPS_10 + 1, 2, 2, CLASSES), dtype=np.int32),
        classes_60=np.zeros((hosts, STEPS_60 + 1, 2, 2, CLASSES), dtype=np.int32),
        port_seen=np.zeros((hosts, 2, PORT_CELLS), dtype=np.uint32),
        pair_free=np.arange(pairs - 1, -1, -1, dtype=np.int32),
        pair_host=np.zeros(pairs, dtype=np.int32),
        pair_address=np.zeros((pairs, 2), dtype=np.uint64),
        pair_heads=np.zeros(2 * pairs, dtype=np.int32),
        pair_chain=np.zeros(pairs, dtype=np.int32),
        pair_order=np.zeros((pairs, 2), dtype=np.int32),
        pair_seen=np.zeros((pairs, 2), dtype=np.uint32),
        pair_recent=np.zeros(pairs, dtype=np.int32),
        pair_counts=np.zeros((pairs, 7), dtype=np.int64),
        pair_beats=np.zeros(pairs, dtype=np.int32),
        pair_starts=np.zeros((pairs, BEATS), dtype=np.int64),
        pair_sizes=np.zeros((pairs, BEATS), dtype=np.float64),
        pair_rhythm=np.zeros((pairs, RHYTHM), dtype=np.float64),
    )


@njit(cache=True, nogil=True)
def _mix(value: int, seed: int) -> int:
    """Scramble 64 bits (the finalizer of SplitMix64, Steele, Lea and Flood 2014)."""
    x = np.uint64(value) ^ np.uint64(seed)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return int(x ^ (x >> np.uint64(31)))


@njit(cache=True, nogil=True)
def _bucket(high: int, low: int, owner: int, seed: int, buckets: int) -> int:
    return int(_mix(high, _mix(low, _mix(owner, seed))) % np.uint64(buckets))


@njit(cache=True, nogil=True)
def touch_host(tables: Tables, high: int, low: int) -> int:
    """Return the slot of a host, now the latest seen; a new one starts from nothing."""
    bucket = _bucket(high, low, 0, tables.seed[0], len(tables.host_heads))
    slot = tables.host_heads[bucket] - 1
    while slot != NONE:
        if tables.host_address[slot, 0] == high and tables.host_address[slot, 1] == low:
            _unlink_host(tables, slot)
            _link_host(tables, slot)
            return int(slot)
        slot = tables.host_chain[slot] - 1
    if tables.cursor[0] == 0:
        _forget_host(tables, tables.cursor[3])
    tables.cursor[0] -= 1
    new = tables.host_free[tables.cursor[0]]
    tables.host_address[new, 0] = high
    tables.host_address[new, 1] = low
    tables.host_chain[new] = tables.host_heads[bucket]
    tables.host_heads[bucket] = new + 1
    tables.host_pairs[new, 0] = 0
    tables.host_pairs[new, 1] = NONE
    tables.host_pairs[new, 2] = NONE
    _link_host(tables, new)
    return int(new)


@njit(cache=True, nogil=True)
def _link_host(tables: Tables, slot: int) -> None:
    latest = tables.cursor[2]
    tables.host_order[slot, 0] = latest
    tables.host_order[slot, 1] = NONE
    if latest != NONE:
        tables.host_order[latest, 1] = slot
    else:
        tables.cursor[3] = slot
    tables.cursor[2] = slot


@njit(cache=True, nogil=True)
def _unlink_host(tables: Tables, slot: int) -> None:
    earlier = tables.host_order[slot, 0]
    later = tables.host_order[slot, 1]
    if earlier != NONE:
        tables.host_order[earlier, 1] = later
    else:
        tables.cursor[3] = later
    if later != NONE:
        tables.host_order[later, 0] = earlier
    else:
        tables.cursor[2] = earlier


@njit(cache=True, nogil=True)
def _unchain(heads: Array, chain: Array, bucket: int, slot: int) -> None:
    if heads[bucket] == slot + 1:
        heads[bucket] = chain[slot]
        return
    before = heads[bucket] - 1
    while chain[before] != slot + 1:
        before = chain[before] - 1
    chain[before] = chain[slot]


@njit(cache=True, nogil=True)
def _forget_host(tables: Tables, slot: int) -> None:
    """Take a host out of the table with all its pairs, and wipe its slot."""
    while tables.host_pairs[slot, 0] > 0:
        _free_pair(tables, tables.host_pairs[slot, 2])
    _unlink_host(tables, slot)
    high = tables.host_address[slot, 0]
    low = tables.host_address[slot, 1]
    bucket = _bucket(high, low, 0, tables.seed[0], len(tables.host_heads))
    _unchain(tables.host_heads, tables.host_chain, bucket, slot)
    tables.host_clock[slot] = 0
    tables.host_step[slot] = 0
    tables.host_flows[slot] = 0
    tables.host_arrivals[slot] = 0.0
    tables.sums_10[slot] = 0
    tables.sums_60[slot] = 0
    tables.classes_10[slot] = 0
    tables.classes_60[slot] = 0
    tables.port_seen[slot] = 0
    tables.host_free[tables.cursor[0]] = slot
    tables.cursor[0] += 1


@njit(cache=True, nogil=True)
def touch_pair(tables: Tables, host: int, high: int, low: int) -> int:
    """Return the slot of a host's pair with a peer, now the latest seen of the host's; a new one starts empty."""
    bucket = _bucket(high, low, host + 1, tables.seed[0], len(tables.pair_heads))
    slot = tables.pair_heads[bucket] - 1
    while slot != NONE:
        if (
            tables.pair_host[slot] == host
            and tables.pair_address[slot, 0] == high
            and tables.pair_address[slot, 1] == low
        ):
            _unlink_pair(tables, slot)
            _link_pair(tables, slot)
            return int(slot)
        slot = tables.pair_chain[slot] - 1
    # With a quota of at most half the table, a host that finds it full is never the only one.
    if tables.host_pairs[host, 0] >= min(PAIRS_PER_HOST, len(tables.pair_free) // 2):
        _free_pair(tables, tables.host_pairs[host, 2])
    while tables.cursor[1] == 0:
        _forget_host(tables, tables.cursor[3])
    tables.cursor[1] -= 1
    new = tables.pair_free[tables.cursor[1]]
    tables.pair_host[new] = host
    tables.pair_address[new, 0] = high
    tables.pair_address[new, 1] = low
    tables.pair_seen[new] = 0
    tables.pair_recent[new] = 0
    tables.pair_counts[new] = 0
    tables.pair_beats[new] = 0
    tables.pair_rhythm[new] = np.nan
    tables.pair_chain[new] = tables.pair_heads[bucket]
    tables.pair_heads[bucket] = new + 1
    tables.host_pairs[host, 0] += 1
    _link_pair(tables, new)
    return int(new)


@njit(cache=True, nogil=True)
def _link_pair(tables: Tables, slot: int) -> None:
    host = tables.pair_host[slot]
    latest = tables.host_pairs[host, 1]
    tables.pair_order[slot, 0] = latest
    tables.pair_order[slot, 1] = NONE
    if latest != NONE:
        tables.pair_order[latest, 1] = slot
    else:
        tables.host_pairs[host, 2] = slot
    tables.host_pairs[host, 1] = slot


@njit(cache=True, nogil=True)
def _unlink_pair(tables: Tables, slot: int) -> None:
    host = tables.pair_host[slot]
    earlier = tables.pair_order[slot, 0]
    later = tables.pair_order[slot, 1]
    if earlier != NONE:
        tables.pair_order[earlier, 1] = later
    else:
        tables.host_pairs[host, 2] = later
    if later != NONE:
        tables.pair_order[later, 0] = earlier
    else:
        tables.host_pairs[host, 1] = earlier


@njit(cache=True, nogil=True)
def _free_pair(tables: Tables, slot: int) -> None:
    host = tables.pair_host[slot]
    _unlink_pair(tables, slot)
    high = tables.pair_address[slot, 0]
    low = tables.pair_address[slot, 1]
    bucket = _bucket(high, low, host + 1, tables.seed[0], len(tables.pair_heads))
    _unchain(tables.pair_heads, tables.pair_chain, bucket, slot)
    tables.host_pairs[host, 0] -= 1
    tables.pair_free[tables.cursor[1]] = slot
    tables.cursor[1] += 1
