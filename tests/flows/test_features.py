"""The feature matrix: every column as its formula says, whatever the batches, the partitions, the names, the dates."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.batch import FlowBatch
from flows.catalogue import NAMES
from flows.features import FeatureExtractor
from flows.kernel import measure
from flows.state import allocate
from tests.support.feature_oracle import Oracle
from tests.support.feature_traffic import (
    flows_of,
    in_batches,
    in_partitions,
    inside,
    one_column,
    outside,
    random_flows,
    renamed,
    shifted,
    wild_flows,
)

SEEDS = st.integers(0, 2**32)


def differing(rows: npt.NDArray[np.float32], wanted: npt.NDArray[np.float64]) -> dict[str, tuple[int, float, float]]:
    """For each column that is off, the first row where it is, what it holds and what it should."""
    off = ~np.isclose(rows, wanted, rtol=1e-6, atol=1e-9, equal_nan=True)
    return {
        NAMES[column]: (row := int(off[:, column].argmax()), float(rows[row, column]), float(wanted[row, column]))
        for column in np.flatnonzero(off.any(axis=0))
    }


@settings(max_examples=30)
@given(seed=SEEDS, n=st.integers(1, 120), rate=st.sampled_from([1.0, 20.0, 300.0]))
def test_every_column_is_what_its_formula_says(seed: int, n: int, rate: float) -> None:
    flows = random_flows(seed, n, rate=rate)
    assert differing(FeatureExtractor().extract(flows), Oracle().rows(flows)) == {}


@settings(max_examples=40)
@given(seed=SEEDS, n=st.integers(1, 90))
def test_every_column_is_what_its_formula_says_when_much_is_absent_or_wrong(seed: int, n: int) -> None:
    flows = wild_flows(seed, n)
    assert differing(FeatureExtractor().extract(flows), Oracle().rows(flows)) == {}


@pytest.mark.parametrize("hosts", [1, 2, 5])
def test_every_column_is_what_its_formula_says_when_the_tables_overflow(
    hosts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.features.allocate", lambda: allocate(hosts, 140))
    flows = random_flows(hosts, 700, hosts=8, peers=400, rate=200.0)
    flows = flows.take(np.argsort(flows.src_port, kind="stable"))  # disorder
    assert differing(FeatureExtractor().extract(flows), Oracle(hosts, 140).rows(flows)) == {}


@given(seed=SEEDS, cuts=st.lists(st.integers(0, 300), max_size=12))
def test_rows_do_not_depend_on_how_the_stream_is_cut(seed: int, cuts: list[int]) -> None:
    flows = wild_flows(seed, 300)
    whole = FeatureExtractor().extract(flows)
    assert in_batches(FeatureExtractor(), flows, cuts).tobytes() == whole.tobytes()


def test_rows_do_not_depend_on_the_batches_even_of_one_flow() -> None:
    flows = random_flows(5, 400)
    whole = FeatureExtractor().extract(flows)
    assert in_batches(FeatureExtractor(), flows, list(range(1, 400))).tobytes() == whole.tobytes()


@pytest.mark.parametrize("partitions", [1, 4, 12])
@pytest.mark.parametrize("traffic", [random_flows, wild_flows])
def test_rows_do_not_depend_on_the_number_of_partitions(partitions: int, traffic: object) -> None:
    assert callable(traffic)
    flows = traffic(7, 3000, hosts=40, peers=30)
    assert in_partitions(flows, partitions).tobytes() == FeatureExtractor().extract(flows).tobytes()


@settings(max_examples=30)
@given(seed=SEEDS, names=SEEDS)
def test_rows_do_not_depend_on_what_hosts_are_called(seed: int, names: int) -> None:
    flows = wild_flows(seed, 300)
    same = renamed(flows, names)
    assert not np.array_equal(same.src_addr, flows.src_addr)
    assert FeatureExtractor().extract(same).tobytes() == FeatureExtractor().extract(flows).tobytes()


@settings(max_examples=30)
@given(seed=SEEDS, days=st.integers(-19000, 20000), rest=st.sampled_from([0, 1, 1_234_567_891, 86_399_999_999]))
def test_rows_do_not_depend_on_the_date(seed: int, days: int, rest: int) -> None:
    flows = random_flows(seed, 300)
    same = shifted(flows, days * 86_400_000_000 + rest)
    assert FeatureExtractor().extract(same).tobytes() == FeatureExtractor().extract(flows).tobytes()


def test_labels_of_the_exporter_do_not_matter() -> None:
    flows = random_flows(3, 50)
    flows.sensor_id[:] = "botnet"
    flows.flow_id[:] = "C&C"
    assert FeatureExtractor().extract(flows).tobytes() == FeatureExtractor().extract(random_flows(3, 50)).tobytes()


def test_two_extractors_share_nothing() -> None:
    flows = random_flows(4, 100)
    one, other = FeatureExtractor(), FeatureExtractor()
    one.extract(flows)
    assert other.extract(flows).tobytes() == FeatureExtractor().extract(flows).tobytes()


def test_read_only_columns_are_measured_by_the_kernel_that_is_there() -> None:
    flows = random_flows(6, 50)
    rows = FeatureExtractor().extract(flows)
    kernels = len(cast(Any, measure).signatures)
    for name in ("src_addr", "start", "dst_port", "src_bytes", "state"):
        getattr(flows, name).flags.writeable = False
    assert FeatureExtractor().extract(flows).tobytes() == rows.tobytes()
    assert len(cast(Any, measure).signatures) == kernels


def test_no_flows_give_no_rows() -> None:
    rows = FeatureExtractor().extract(FlowBatch.empty())
    assert rows.shape == (0, 120)
    assert rows.dtype == np.float32


@pytest.mark.parametrize("amount", [np.inf, -np.inf, -1.0, 1e300, 2.0**53 + 2])
def test_a_number_nobody_can_mean_is_as_good_as_absent(amount: float) -> None:
    names = ("duration", "src_packets", "dst_packets", "src_bytes", "dst_bytes", "iat_mean", "packet_size_std")
    odd = flows_of([10.0, 11.0], inside([1]), outside([1]), **dict.fromkeys(names, amount))
    absent = flows_of([10.0, 11.0], inside([1]), outside([1]), **dict.fromkeys(names, np.nan))
    assert FeatureExtractor().extract(odd).tobytes() == FeatureExtractor().extract(absent).tobytes()


@pytest.mark.parametrize("amount", [0.0, -0.0, 5e-324, 0.5, 2.0**40, 2.0**53])
def test_numbers_at_the_edge_give_no_infinity(amount: float) -> None:
    names = ("duration", "src_packets", "dst_packets", "src_bytes", "dst_bytes", "src_payload", "iat_max")
    flows = flows_of(np.arange(5000) / 1000, inside([1]), outside([1]), **dict.fromkeys(names, amount))
    rows = FeatureExtractor().extract(flows)
    assert not np.isinf(rows).any()
    assert (np.nan_to_num(rows[:, NAMES.index("out_bytes_60s")]) >= 0).all()


@pytest.mark.parametrize("start", [np.nan, -1.0, np.inf, -np.inf, 4_102_444_800.0, 1e300])
def test_a_flow_without_a_date_is_measured_by_itself_and_counted_nowhere(start: float) -> None:
    dated = flows_of([100.0, 101.0, 102.0], inside([1]), outside([1]))
    undated = flows_of(start, inside([1]), outside([1]))
    extractor = FeatureExtractor()
    before = extractor.extract(dated.take(slice(0, 2)))
    row = extractor.extract(undated)[0]
    after = extractor.extract(dated.take(slice(2, 3)))
    assert not np.isnan(row[NAMES.index("sent_bytes")])
    assert np.isnan(row[60:]).all()
    assert np.concatenate([before, after]).tobytes() == FeatureExtractor().extract(dated).tobytes()


def test_what_a_flow_without_ports_says() -> None:
    ping = flows_of(10.0, inside([1]), outside([1]), protocol=1, src_port=-1, dst_port=-1, src_flags=-1, dst_flags=-1)
    rows = FeatureExtractor().extract(ping)
    assert one_column(rows, "is_icmp") == [1.0]
    assert one_column(rows, "out_ports_10s") == [0.0]
    for name in ("port_web", "port_amplifier", "out_port_entropy_10s", "out_syn_only_share_10s", "initiator_syn"):
        assert np.isnan(one_column(rows, name))


def test_a_host_that_talks_to_itself_is_its_own_peer() -> None:
    rows = FeatureExtractor().extract(flows_of([1.0, 2.0], inside([1]), inside([1])))
    assert one_column(rows, "initiated") == [1.0, 1.0]
    assert one_column(rows, "pair_flows") == [1.0, 2.0]


def test_the_key_host_tells_what_is_sent_and_what_received() -> None:
    out = FeatureExtractor().extract(flows_of(1.0, inside([1]), outside([1]), src_bytes=10, dst_bytes=90))
    into = FeatureExtractor().extract(flows_of(1.0, outside([1]), inside([1]), src_bytes=10, dst_bytes=90))
    assert (one_column(out, "sent_bytes"), one_column(out, "received_bytes")) == ([10.0], [90.0])
    assert (one_column(into, "sent_bytes"), one_column(into, "received_bytes")) == ([90.0], [10.0])
    assert (one_column(out, "initiated"), one_column(into, "initiated")) == ([1.0], [0.0])
    assert (one_column(out, "out_flows_10s"), one_column(into, "in_flows_10s")) == ([1.0], [1.0])
