"""Finding hosts and pairs in tables of fixed size, with one eviction rule.

Hosts are kept in the order in which they were last seen; so are the pairs of each host. When there is no room for
a host, or none for a pair, the host that has been silent longest goes, with all its pairs; a host that has its full
quota of pairs gives up its own oldest. So a flood of spoofed sources fills the quota of its victim and nobody
else's. Lookups go by hash (chained, with a seed of its own per table, so that nobody can aim at a chain), but no
hash ever decides what is kept or counted: renaming every address changes nothing.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from flows.state import NONE, PAIRS_PER_HOST, Array, Tables


@njit(nogil=True)
def _mix(value: np.uint64, seed: np.uint64) -> np.uint64:
    """Scramble 64 bits (the finalizer of SplitMix64, Steele, Lea and Flood 2014)."""
    x = value ^ seed
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@njit(nogil=True)
def _bucket(high: np.uint64, low: np.uint64, owner: int, seed: np.uint64, buckets: int) -> int:
    return int(_mix(high, _mix(low, _mix(np.uint64(owner), seed))) % np.uint64(buckets))


@njit(nogil=True)
def touch_host(tables: Tables, high: np.uint64, low: np.uint64) -> int:
    """Return the slot of a host, now the latest seen; a new one starts from nothing."""
    bucket = _bucket(high, low, 0, tables.seed[0], len(tables.host_heads))
    slot = tables.host_heads[bucket] - 1
    while slot != NONE:
        host = tables.hosts[slot]
        if host.address[0] == high and host.address[1] == low:
            if tables.cursor[2] != slot:
                _unlink_host(tables, slot)
                _link_host(tables, slot)
            return int(slot)
        slot = host.chain - 1
    if tables.cursor[0] == 0:
        _forget_host(tables, tables.cursor[3])
    tables.cursor[0] -= 1
    slot = tables.host_free[tables.cursor[0]]
    host = tables.hosts[slot]
    host.address[0] = high
    host.address[1] = low
    host.chain = tables.host_heads[bucket]
    tables.host_heads[bucket] = slot + 1
    host.latest = NONE
    host.oldest = NONE
    _link_host(tables, slot)
    return int(slot)


@njit(nogil=True)
def _link_host(tables: Tables, slot: int) -> None:
    latest = tables.cursor[2]
    tables.hosts[slot].earlier = latest
    tables.hosts[slot].later = NONE
    if latest != NONE:
        tables.hosts[latest].later = slot
    else:
        tables.cursor[3] = slot
    tables.cursor[2] = slot


@njit(nogil=True)
def _unlink_host(tables: Tables, slot: int) -> None:
    earlier = tables.hosts[slot].earlier
    later = tables.hosts[slot].later
    if earlier != NONE:
        tables.hosts[earlier].later = later
    else:
        tables.cursor[3] = later
    if later != NONE:
        tables.hosts[later].earlier = earlier
    else:
        tables.cursor[2] = earlier


@njit(nogil=True)
def _unchain(heads: Array, rows: Array, bucket: int, slot: int) -> None:
    if heads[bucket] == slot + 1:
        heads[bucket] = rows[slot].chain
        return
    before = heads[bucket] - 1
    while rows[before].chain != slot + 1:
        before = rows[before].chain - 1
    rows[before].chain = rows[slot].chain


@njit(nogil=True)
def _forget_host(tables: Tables, slot: int) -> None:
    """Take a host out of the table with all its pairs, and wipe its row."""
    host = tables.hosts[slot]
    while host.pairs > 0:
        _free_pair(tables, host.oldest)
    _unlink_host(tables, slot)
    bucket = _bucket(host.address[0], host.address[1], 0, tables.seed[0], len(tables.host_heads))
    _unchain(tables.host_heads, tables.hosts, bucket, slot)
    host.origin = 0
    host.clock = 0
    host.step = 0
    host.flows = 0
    host.cusum = 0.0
    host.mean = 0.0
    host.leaps = 0
    host.recent_weight = 0
    host.failed_total = 0
    host.state_known_total = 0
    host.new_total = 0
    host.sums_10[:] = 0
    host.sums_60[:] = 0
    host.classes_10[:] = 0
    host.classes_60[:] = 0
    host.weights_10[:] = 0
    host.weights_60[:] = 0
    host.port_seen[:] = 0
    tables.host_free[tables.cursor[0]] = slot
    tables.cursor[0] += 1


@njit(nogil=True)
def touch_pair(tables: Tables, owner: int, high: np.uint64, low: np.uint64) -> int:
    """Return the slot of a host's pair with a peer, now the latest seen of the host's; a new one starts empty."""
    bucket = _bucket(high, low, owner + 1, tables.seed[0], len(tables.pair_heads))
    host = tables.hosts[owner]
    slot = tables.pair_heads[bucket] - 1
    while slot != NONE:
        pair = tables.pairs[slot]
        if pair.host == owner and pair.address[0] == high and pair.address[1] == low:
            if host.latest != slot:
                _unlink_pair(tables, slot)
                _link_pair(tables, slot)
            return int(slot)
        slot = pair.chain - 1
    # With a quota of at most half the table, a host that finds it full is never the only one.
    if host.pairs >= min(PAIRS_PER_HOST, len(tables.pairs) // 2):
        _free_pair(tables, host.oldest)
    while tables.cursor[1] == 0:
        _forget_host(tables, tables.cursor[3])
    tables.cursor[1] -= 1
    slot = tables.pair_free[tables.cursor[1]]
    pair = tables.pairs[slot]
    pair.host = owner
    pair.address[0] = high
    pair.address[1] = low
    pair.seen[:] = 0
    pair.recent = 0
    pair.beats = 0
    pair.flows = 0
    pair.first = 0
    pair.answered = 0
    pair.answer_known = 0
    pair.sent = 0
    pair.received = 0
    pair.bytes_known = 0
    pair.failed = 0
    pair.state_known = 0
    pair.weighted[:] = 0.0
    pair.weighted_at = 0
    pair.rhythm[:] = np.nan
    pair.chain = tables.pair_heads[bucket]
    tables.pair_heads[bucket] = slot + 1
    host.pairs += 1
    _link_pair(tables, slot)
    return int(slot)


@njit(nogil=True)
def _link_pair(tables: Tables, slot: int) -> None:
    pair = tables.pairs[slot]
    host = tables.hosts[pair.host]
    pair.earlier = host.latest
    pair.later = NONE
    if host.latest != NONE:
        tables.pairs[host.latest].later = slot
    else:
        host.oldest = slot
    host.latest = slot


@njit(nogil=True)
def _unlink_pair(tables: Tables, slot: int) -> None:
    pair = tables.pairs[slot]
    host = tables.hosts[pair.host]
    if pair.earlier != NONE:
        tables.pairs[pair.earlier].later = pair.later
    else:
        host.oldest = pair.later
    if pair.later != NONE:
        tables.pairs[pair.later].earlier = pair.earlier
    else:
        host.latest = pair.earlier


@njit(nogil=True)
def _free_pair(tables: Tables, slot: int) -> None:
    pair = tables.pairs[slot]
    _unlink_pair(tables, slot)
    bucket = _bucket(pair.address[0], pair.address[1], pair.host + 1, tables.seed[0], len(tables.pair_heads))
    _unchain(tables.pair_heads, tables.pairs, bucket, slot)
    tables.hosts[pair.host].pairs -= 1
    tables.pair_free[tables.cursor[1]] = slot
    tables.cursor[1] += 1
