"""Flows the other way round, of other sizes, faster or slower, and sampled."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.batch import ABSENT, SCHEMA, FlowBatch
from tests.support.batches import same
from tests.support.feature_traffic import random_flows
from tests.support.views import any_flows, check_whole
from training.errors import TrainingError
from training.views import sampled_packets, sized, stretched, swapped, thinned

SYN, PSH, ACK, FIN = 2, 8, 16, 1
SIDES: Final = ("addr", "port", "packets", "bytes", "payload", "flags")
TIMES: Final = ("duration", "iat_mean", "iat_std", "iat_max")


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def alike(n: int, **columns: float) -> FlowBatch:
    """``n`` flows that are all the same."""
    usual = {"start": 1.7e9, "duration": 10.0, "protocol": 6, "src_packets": 10, "src_bytes": 1000, "dst_packets": 0}
    addresses = np.full((n, 2), 7, dtype=np.uint64)
    given_columns = {name: np.full(n, value) for name, value in (usual | columns).items()}
    return FlowBatch.from_columns(n, {"src_addr": addresses, "dst_addr": addresses, **given_columns})


@given(any_flows(), st.floats(0, 1), st.integers(0, 9))
@settings(max_examples=20)
def test_swapping_the_same_flows_twice_is_nothing(batch: FlowBatch, share: float, seed: int) -> None:
    once = swapped(batch, rng(seed), share)

    assert same(swapped(once, rng(seed), share), batch)
    check_whole(once)


@given(any_flows())
@settings(max_examples=20)
def test_swapping_exchanges_both_sides_and_nothing_else(batch: FlowBatch) -> None:
    other = swapped(batch, rng())

    assert {spec.name.removeprefix("src_") for spec in SCHEMA if spec.name.startswith("src_")} == set(SIDES)
    back = {
        f"{one}_{name}": getattr(other, f"{two}_{name}")
        for name in SIDES
        for one, two in (("src", "dst"), ("dst", "src"))
    }
    assert same(replace(other, **back), batch)


def test_about_the_share_is_swapped() -> None:
    batch = random_flows(1, 2000)
    moved = (swapped(batch, rng(), 0.3).src_addr != batch.src_addr).any(axis=1)

    assert 0.25 < moved.mean() < 0.35


@given(any_flows(), st.integers(-60, 60))
@settings(max_examples=20)
def test_sizes_change_and_nothing_else_and_no_packet_is_less_than_its_header(batch: FlowBatch, offset: int) -> None:
    other = sized(batch, offset)

    sizes = ("src_bytes", "dst_bytes", "packet_size_min", "packet_size_max")
    assert same(replace(other, **{name: getattr(batch, name) for name in sizes}), batch)
    assert same(sized(batch, 0), batch)
    for side in ("src", "dst"):
        packets, before, after = (getattr(b, f"{side}_{what}") for b, what in
                                  ((batch, "packets"), (batch, "bytes"), (other, "bytes")))  # fmt: skip
        known = ~np.isnan(before) & (packets > 0)
        assert (after[known] >= np.minimum(before, 20 * packets)[known]).all()
        assert np.isnan(after).tolist() == np.isnan(before).tolist()
    check_whole(other)


def test_every_packet_changes_by_as_much() -> None:
    batch = alike(1, src_payload=200, packet_size_min=40.0, packet_size_max=300.0, dst_bytes=500.0)

    longer, shorter, shortest = sized(batch, 12), sized(batch, -60), sized(batch, -500)

    assert longer.src_bytes.tolist() == [1120]
    assert longer.dst_bytes.tolist() == [500]  # of no packets
    assert (longer.packet_size_min.tolist(), longer.packet_size_max.tolist()) == ([52], [312])
    assert shorter.src_bytes.tolist() == [400]  # what the payload and bare headers take
    assert (shortest.packet_size_min.tolist(), shortest.packet_size_max.tolist()) == ([20], [20])
    assert sized(alike(1, src_packets=np.nan), 12).src_bytes.tolist() == [1000]


@given(any_flows(), st.floats(0.01, 1))
@settings(max_examples=20)
def test_only_times_are_stretched(batch: FlowBatch, factor: float) -> None:
    other = stretched(batch, factor)

    assert same(replace(other, **{name: getattr(batch, name) for name in ("start", *TIMES)}), batch)
    check_whole(other)


def test_the_first_start_stays_and_the_others_are_as_many_times_as_far_from_it() -> None:
    batch = replace(alike(4, iat_mean=2.0), start=np.array([1.7e9 + 10, 1.7e9, np.nan, 1.7e9 + 4]))

    slow = stretched(batch, 2.5)

    assert slow.start.tolist() == pytest.approx([1.7e9 + 25, 1.7e9, np.nan, 1.7e9 + 10], nan_ok=True)
    assert slow.duration.tolist() == [25.0] * 4
    assert slow.iat_mean.tolist() == [5.0] * 4


def test_what_cannot_be_stretched_is_refused() -> None:
    for factor in (0.0, -1.0, np.inf, np.nan):
        with pytest.raises(ValueError, match="give a factor from"):
            stretched(alike(1), factor)
    with pytest.raises(TrainingError, match="after 2100"):
        stretched(replace(alike(2), start=np.array([0.0, 1.7e9])), 10.0)


@given(any_flows(), st.floats(0, 1))
@settings(max_examples=20)
def test_flows_are_kept_whole_and_in_order(batch: FlowBatch, share: float) -> None:
    kept, rows = thinned(batch, share, rng())

    assert same(kept, batch.take(rows))
    assert (np.diff(rows) > 0).all()
    assert len(thinned(batch, 1.0, rng())[0]) == len(batch)
    assert len(thinned(batch, 0.0, rng())[0]) == 0


@given(any_flows(), st.integers(1, 1000), st.booleans())
@settings(max_examples=20)
def test_a_sampled_flow_has_a_packet_and_no_more_than_there_were(batch: FlowBatch, one_in: int, scaled: bool) -> None:
    other, rows = sampled_packets(batch, one_in, rng(), scaled=scaled)
    before = batch.take(rows)
    scale = one_in if scaled else 1

    assert (np.diff(rows) > 0).all()
    for side in ("src", "dst"):
        packets = getattr(other, f"{side}_packets")
        known = ~np.isnan(packets)
        assert known.tolist() == (~np.isnan(getattr(before, f"{side}_packets"))).tolist()
        assert (packets[known] <= getattr(before, f"{side}_packets")[known] * scale).all()
        old, new = getattr(before, f"{side}_flags"), getattr(other, f"{side}_flags")
        assert (new == ABSENT).tolist() == (old == ABSENT).tolist()
        assert ((new & ~old) == 0).all()
    assert not (other.duration > before.duration).any()
    same_ends = ("start", "src_addr", "dst_addr", "src_port", "dst_port", "protocol", "sensor_id", "flow_id")
    assert same(replace(before, **{name: getattr(other, name) for name in same_ends}), before)
    check_whole(other)


def test_one_in_one_is_every_packet() -> None:
    batch = random_flows(3, 500)

    assert same(sampled_packets(batch, 1, rng(), scaled=True)[0], batch)


def test_counts_are_binomial_and_scaled_back_where_the_exporter_does() -> None:
    batch = alike(20_000, src_packets=40, src_bytes=4000, src_payload=2000)

    plain, rows = sampled_packets(batch, 10, rng(), scaled=False)
    scaled, _ = sampled_packets(batch, 10, rng(), scaled=True)

    # Of Binomial(40, 1/10): the mean 4, the variance 3.6, and nothing at all with 0.9 ** 40.
    drawn = np.concatenate([plain.src_packets, np.zeros(len(batch) - len(rows))])
    assert drawn.mean() == pytest.approx(4.0, abs=0.1)
    assert drawn.var() == pytest.approx(3.6, abs=0.2)
    assert len(rows) / len(batch) == pytest.approx(1 - 0.9**40, abs=0.005)
    assert plain.src_bytes.tolist() == (plain.src_packets * 100).tolist()
    assert plain.src_payload.tolist() == (plain.src_packets * 50).tolist()
    assert scaled.src_packets.tolist() == (plain.src_packets * 10).tolist()
    assert scaled.src_bytes.tolist() == (plain.src_bytes * 10).tolist()


def test_of_a_flow_seen_in_part_what_takes_all_of_it_is_not_known() -> None:
    batch = alike(5000, state=3, service=2, src_flags=SYN | ACK | PSH | FIN, packet_size_min=40.0, iat_max=3.0)

    other, _ = sampled_packets(batch, 10, rng(), scaled=False)

    assert (other.src_packets < 10).all()
    assert (other.state == ABSENT).all()
    assert (other.service == ABSENT).all()
    assert np.isnan(other.packet_size_min).all()
    assert np.isnan(other.iat_max).all()
    one = other.take(other.src_packets == 1)
    assert (one.duration == 0.0).all()
    assert (one.src_flags & SYN != 0).mean() == pytest.approx(0.1, abs=0.03)
    assert (one.src_flags & (ACK | PSH) == ACK | PSH).all()


def test_a_flow_of_syns_only_keeps_its_flag() -> None:
    other, _ = sampled_packets(alike(500, src_flags=SYN), 5, rng(), scaled=False)

    assert (other.src_flags == SYN).all()


def test_a_side_that_was_not_seen_said_nothing() -> None:
    other, _ = sampled_packets(
        alike(500, dst_packets=1, dst_bytes=40, dst_flags=ACK, src_flags=ACK), 10, rng(), scaled=False
    )

    silent = other.take(other.dst_packets == 0)
    assert len(silent) > 0
    assert (silent.dst_bytes == 0).all()
    assert (silent.dst_flags == 0).all()


def test_a_flow_of_unknown_packets_is_seen_as_one_packet_is() -> None:
    kept, _ = sampled_packets(alike(20_000, src_packets=np.nan, dst_packets=np.nan), 10, rng(), scaled=True)

    assert len(kept) / 20_000 == pytest.approx(0.1, abs=0.01)
    assert np.isnan(kept.src_bytes).all()


def test_less_than_every_packet_cannot_be_sampled() -> None:
    with pytest.raises(ValueError, match="one in 0 packets"):
        sampled_packets(alike(1), 0, rng(), scaled=False)
    with pytest.raises(ValueError, match="give one from 0 to 1"):
        thinned(alike(1), -0.1, rng())
