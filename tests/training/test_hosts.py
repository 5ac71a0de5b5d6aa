"""Traffic time, and how long a host waits for its alert in it."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.hosts import AttackedHosts, TrafficClock, Wait, distinct

NOW = 1.7e9


def clocks(*starts: float) -> list[float]:
    found: list[float] = TrafficClock().advance(np.array(starts)).tolist()
    return found


def test_the_clock_is_the_latest_start_and_never_turns_back() -> None:
    assert clocks(NOW, NOW + 5, NOW + 3, NOW + 9) == [NOW, NOW + 5, NOW + 5, NOW + 9]


def test_a_wrong_date_moves_the_clock_by_ten_minutes_at_most() -> None:
    assert clocks(NOW, NOW + 1e9, NOW + 1, NOW + 700) == [NOW, NOW + 600, NOW + 600, NOW + 700]


def test_without_a_time_there_is_no_clock() -> None:
    np.testing.assert_array_equal(clocks(np.nan, -1.0, np.inf, NOW, np.nan), [np.nan, np.nan, np.nan, NOW, NOW])


def test_silence_counts_for_ten_minutes_and_catching_up_for_nothing() -> None:
    clock = TrafficClock()
    clock.advance(np.array([NOW, NOW + 300]))
    assert clock.elapsed == pytest.approx(300)
    day_later = NOW + 86_400 + np.arange(12.0)  # 600 s, 1,200 s, 2,400 s, … until it is there
    assert clock.advance(day_later)[-1] == day_later[-1]
    assert clock.elapsed == pytest.approx(300 + 600, abs=20)


def test_old_dates_before_the_first_right_ones_are_no_years_of_traffic() -> None:
    clock = TrafficClock()
    clock.advance(np.concatenate([np.arange(3.0) + 1, NOW + np.arange(100.0)]))
    assert clock.elapsed < 1000


@given(st.lists(st.floats(allow_nan=True), max_size=40), st.lists(st.integers(0, 40), max_size=5))
def test_the_clock_does_not_depend_on_how_flows_are_cut(starts: list[float], cuts: list[int]) -> None:
    whole, parted = TrafficClock(), TrafficClock()
    edges = sorted({0, len(starts), *(cut for cut in cuts if cut < len(starts))})
    parts = [parted.advance(np.array(starts[a:b])) for a, b in pairwise(edges)]

    found = whole.advance(np.array(starts))
    np.testing.assert_array_equal(np.concatenate([np.empty(0), *parts]), found)
    assert parted.elapsed == pytest.approx(whole.elapsed)
    assert 0.0 <= whole.elapsed <= 600.001 * len(starts)
    known = found[~np.isnan(found)]
    assert (np.diff(known) >= 0.0).all()


def wait_of(times: list[float], flagged: list[bool], size: int = 99) -> Wait:
    """One host's wait, its flows given in pieces."""
    hosts = AttackedHosts()
    for a in range(0, len(times), size):
        part = slice(a, a + size)
        keys = np.zeros((len(times[part]), 2), dtype=np.uint64)
        hosts.follow(keys, np.array(times[part]), np.array(flagged[part], dtype=np.bool_))
    return hosts.waits[0, 0]


@pytest.mark.parametrize("size", [1, 2, 3, 99])
def test_a_wait_ends_with_the_first_flow_that_is_flagged(size: int) -> None:
    wait = wait_of([10.0, 12.0, 15.0, 20.0], [False, False, True, True], size)
    assert (wait.flagged, wait.flows, wait.seconds) == (True, 3, 5.0)
    unheard = wait_of([10.0, 12.0, 15.0], [False] * 3, size)
    assert (unheard.flagged, unheard.flows, unheard.seconds) == (False, 3, 5.0)


def test_waits_of_one_host_add_up_until_it_is_flagged() -> None:
    missed, found = wait_of([1.0, 5.0], [False, False]), wait_of([7.0, 10.0], [False, True])

    both = missed.then(missed).then(found).then(missed)
    assert (both.flagged, both.flows, both.seconds) == (True, 6, 4.0 + 4.0 + 3.0)
    assert found.then(missed) == found
    assert math.isnan(wait_of([np.nan, np.nan], [False, False]).then(found).seconds)


def test_every_host_waits_for_itself() -> None:
    hosts = AttackedHosts()
    keys = np.array([[0, 2], [0, 1], [0, 2], [1, 2]], dtype=np.uint64)
    hosts.follow(keys, np.array([1.0, 2.0, 3.0, 4.0]), np.array([False, True, True, False]))

    assert {address: (wait.flagged, wait.flows) for address, wait in hosts.waits.items()} == {
        (0, 2): (True, 2),
        (0, 1): (True, 1),
        (1, 2): (False, 1),
    }
    assert list(hosts.waits) == [(0, 2), (0, 1), (1, 2)]  # as they came


def test_no_flows_are_no_hosts() -> None:
    hosts = AttackedHosts()
    none = np.empty((0, 2), dtype=np.uint64)
    hosts.follow(none, np.empty(0), np.empty(0, dtype=np.bool_))
    assert hosts.waits == {}
    assert distinct(none) == []
