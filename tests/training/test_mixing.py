"""Attacks laid over ordinary life: shifted, re-addressed, in order, and nothing else changed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.addresses import address_array, address_texts
from flows.batch import FlowBatch
from flows.keying import HomeNetworks, key_hosts
from training.datasets.mixing import clock, lay_over
from training.errors import TrainingError

HOME = HomeNetworks()
VICTIM = "10.10.10.10"


def flows(pairs: list[tuple[str, str]], starts: list[float], durations: list[float] | None = None) -> FlowBatch:
    return FlowBatch.from_columns(
        len(pairs),
        {
            "src_addr": address_array([source for source, _ in pairs]),
            "dst_addr": address_array([destination for _, destination in pairs]),
            "start": starts,
            "duration": durations or [0.0] * len(pairs),
            "src_bytes": np.arange(len(pairs), dtype=float),
        },
    )


BENIGN = flows(
    [("192.168.1.5", "8.8.8.8"), ("192.168.1.7", "8.8.8.8"), ("192.168.1.5", "1.1.1.1"), ("192.168.1.5", "9.9.9.9")],
    [1000.0, 1010.0, 1020.0, 1030.0],
)
FLOOD = flows([(f"7.7.7.{i}", VICTIM) for i in range(3)], [50.0, 51.0, 65.0])


def test_the_victim_becomes_the_busiest_home_host_after_half_of_its_flows() -> None:
    batch, sources = lay_over(BENIGN, FLOOD, HOME)
    hosts = address_texts(key_hosts(batch, HOME.key_is_dst(batch)))
    assert sources.tolist() == [0, 1, 2, 4, 5, 3, 6]
    assert [hosts[i] for i in (3, 4, 6)] == ["192.168.1.5"] * 3
    assert batch.start[[3, 4, 6]].tolist() == [1020.0, 1021.0, 1035.0]
    assert VICTIM not in address_texts(batch.src_addr) + address_texts(batch.dst_addr)


def test_a_victim_that_its_exporter_took_for_the_source_is_renamed_there_too() -> None:
    turned = flows([(f"7.7.7.{i}", VICTIM) for i in range(2)] + [(VICTIM, "7.7.7.9")], [0.0, 1.0, 2.0])
    batch, sources = lay_over(BENIGN, turned, HOME)
    row = int(np.flatnonzero(sources == 6)[0])
    assert address_texts(batch.src_addr[row : row + 1]) == ["192.168.1.5"]


def test_nothing_but_time_and_the_victims_name_changes() -> None:
    batch, sources = lay_over(BENIGN, FLOOD, HOME)
    both = FlowBatch.concatenate([BENIGN, FLOOD]).take(sources)
    assert batch.src_bytes.tolist() == both.src_bytes.tolist()
    ordinary = sources < len(BENIGN)
    assert batch.start[ordinary].tolist() == BENIGN.start.tolist()
    assert address_texts(batch.src_addr[~ordinary]) == address_texts(FLOOD.src_addr)
    assert np.diff(batch.start[~ordinary]).tolist() == np.diff(FLOOD.start).tolist()


def test_where_no_home_host_is_active_the_busiest_of_all_is_taken() -> None:
    server = flows([("5.5.5.5", "64.225.56.201"), ("6.6.6.6", "64.225.56.201")], [10.0, 20.0])
    batch, _ = lay_over(server, FLOOD, HOME)
    assert set(address_texts(batch.dst_addr)) == {"64.225.56.201"}


@pytest.mark.parametrize(("benign", "attack"), [(BENIGN, FlowBatch.empty()), (FlowBatch.empty(), FLOOD)])
def test_a_capture_without_times_is_refused(benign: FlowBatch, attack: FlowBatch) -> None:
    with pytest.raises(TrainingError, match="both tell the times"):
        lay_over(benign, attack, HOME)
    timeless = flows([("192.168.1.5", "8.8.8.8")], [float("nan")])
    with pytest.raises(TrainingError, match="both tell the times"):
        lay_over(timeless, FLOOD, HOME)


TIMES = st.lists(st.one_of(st.floats(0, 1e6), st.just(float("nan"))), min_size=1, max_size=30)


@given(TIMES.filter(lambda times: any(t == t for t in times)), TIMES.filter(lambda times: any(t == t for t in times)))
def test_both_captures_keep_their_order_and_every_flow(ordinary: list[float], hostile: list[float]) -> None:
    benign = flows([("192.168.1.5", "8.8.8.8")] * len(ordinary), ordinary)
    attack = flows([("7.7.7.7", VICTIM)] * len(hostile), hostile)
    batch, sources = lay_over(benign, attack, HOME)
    assert sources[sources < len(benign)].tolist() == list(range(len(benign)))
    assert sources[sources >= len(benign)].tolist() == list(range(len(benign), len(benign) + len(attack)))
    assert len(batch) == len(benign) + len(attack)


def test_the_clock_is_the_latest_start_so_far() -> None:
    batch = flows([("192.168.1.5", "8.8.8.8")] * 4, [float("nan"), 10.0, 5.0, 30.0], [0.0, 7.0, float("nan"), 1.0])
    np.testing.assert_array_equal(clock(batch), [np.nan, 10.0, 10.0, 30.0])
