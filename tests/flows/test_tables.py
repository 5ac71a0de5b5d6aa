"""The tables behind the features: whatever happens, every slot is free or in use once, and every link leads back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.state import NONE, Tables, allocate
from flows.tables import touch_host, touch_pair

SMALLEST = 130  # pairs


def chained(heads: np.ndarray, rows: np.ndarray) -> list[int]:
    """Every slot that some hash chain leads to."""
    slots = []
    for head in heads.tolist():
        slot = head - 1
        while slot != NONE:
            slots.append(slot)
            slot = int(rows[slot]["chain"]) - 1
    return slots


def ordered(rows: np.ndarray, oldest: int, latest: int) -> list[int]:
    """Slots from the oldest to the latest, each link checked both ways."""
    slots = []
    earlier = NONE
    slot = oldest
    while slot != NONE:
        assert rows[slot]["earlier"] == earlier
        slots.append(slot)
        earlier, slot = slot, int(rows[slot]["later"])
    assert latest == earlier
    return slots


def check(tables: Tables) -> None:
    """Assert that free stacks, orders and hash chains agree with one another."""
    free_hosts, free_pairs, latest, oldest = tables.cursor.tolist()
    hosts = ordered(tables.hosts, oldest, latest)
    free = tables.host_free[:free_hosts].tolist()
    assert sorted(hosts + free) == list(range(len(tables.hosts)))
    assert sorted(chained(tables.host_heads, tables.hosts)) == sorted(hosts)
    names = [tuple(tables.hosts[slot]["address"].tolist()) for slot in hosts]
    assert len(set(names)) == len(names)
    pairs = []
    for slot in hosts:
        host = tables.hosts[slot]
        mine = ordered(tables.pairs, int(host["oldest"]), int(host["latest"]))
        assert len(mine) == host["pairs"]
        assert all(tables.pairs[pair]["host"] == slot for pair in mine)
        peers = [tuple(tables.pairs[pair]["address"].tolist()) for pair in mine]
        assert len(set(peers)) == len(peers)
        pairs += mine
    assert sorted(pairs + tables.pair_free[:free_pairs].tolist()) == list(range(len(tables.pairs)))
    assert sorted(chained(tables.pair_heads, tables.pairs)) == sorted(pairs)


def touch(tables: Tables, host: int, peer: int) -> tuple[int, int]:
    """Touch a host and its pair, as measuring a flow does."""
    slot = touch_host(tables, np.uint64(0), np.uint64(host))
    return slot, touch_pair(tables, slot, np.uint64(1), np.uint64(peer))


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32), hosts=st.integers(1, 5), pairs=st.integers(SMALLEST, 150), spread=st.integers(1, 200)
)
def test_tables_stay_sound(seed: int, hosts: int, pairs: int, spread: int) -> None:
    tables = allocate(hosts, pairs)
    rng = np.random.default_rng(seed)
    for host, peer in zip(rng.integers(0, 8, 600).tolist(), rng.integers(0, spread, 600).tolist(), strict=True):
        touch(tables, host, peer)
    check(tables)


def test_a_host_and_a_pair_keep_their_slots() -> None:
    tables = allocate(3, SMALLEST)
    first = touch(tables, 1, 1)
    assert touch(tables, 1, 2) != first
    assert touch(tables, 2, 1)[0] != first[0]
    assert touch(tables, 1, 1) == first


def test_the_host_silent_longest_goes_with_its_pairs() -> None:
    tables = allocate(2, SMALLEST)
    touch(tables, 1, 1)
    touch(tables, 2, 1)
    touch(tables, 1, 2)
    touch(tables, 3, 1)  # no room: host 2 has been silent longest
    assert sorted(tables.hosts["address"][:, 1].tolist()) == [1, 3]
    assert tables.hosts["pairs"].sum() == 3
    check(tables)


def test_a_host_at_its_quota_gives_up_its_own_oldest_pair() -> None:
    tables = allocate(2, SMALLEST)
    quota = SMALLEST // 2
    kept = touch(tables, 2, 1)
    for peer in range(quota + 3):
        touch(tables, 1, peer)
    slot = touch(tables, 1, quota + 2)[0]
    mine = ordered(tables.pairs, int(tables.hosts[slot]["oldest"]), int(tables.hosts[slot]["latest"]))
    assert [int(tables.pairs[pair]["address"][1]) for pair in mine] == list(range(3, quota + 3))
    assert touch(tables, 2, 1) == kept


def test_a_slot_used_again_starts_from_nothing() -> None:
    tables = allocate(1, SMALLEST)
    slot, pair = touch(tables, 1, 1)
    fresh = {name: tables.hosts[slot][name].copy() for name in tables.hosts.dtype.names or ()}
    for name in ("flows", "clock", "origin", "step", "cusum", "mean", "leaps", "recent_weight"):
        tables.hosts[slot][name] = 7
    for name in ("sums_10", "sums_60", "classes_10", "classes_60", "weights_10", "weights_60", "port_seen"):
        tables.hosts[slot][name][:] = 7
    for name in ("flows", "answered", "answer_known", "sent", "received", "bytes_known", "beats", "recent", "first"):
        tables.pairs[pair][name] = 7
    tables.pairs[pair]["seen"][:] = 7
    tables.pairs[pair]["rhythm"][:] = 7
    assert touch(tables, 2, 2) == (slot, pair)
    for name, value in fresh.items():
        if name not in {"address", "recent"}:  # recent is read only as far as flows were counted
            assert np.array_equal(tables.hosts[slot][name], value), name
    for name in ("flows", "answered", "answer_known", "sent", "received", "bytes_known", "beats", "recent", "first"):
        assert tables.pairs[pair][name] == 0
    assert (tables.pairs[pair]["seen"] == 0).all()
    assert np.isnan(tables.pairs[pair]["rhythm"]).all()


@pytest.mark.parametrize(("hosts", "pairs"), [(0, 1000), (4, SMALLEST - 1), (4, 0)])
def test_tables_too_small_to_work_are_refused(hosts: int, pairs: int) -> None:
    with pytest.raises(ValueError, match="are needed"):
        allocate(hosts, pairs)


def test_two_tables_hash_differently() -> None:
    assert allocate(1, SMALLEST).seed != allocate(1, SMALLEST).seed
