"""Names and dates change no feature; and where one did, the leak test would say which."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.batch import SCHEMA, FlowBatch
from flows.catalogue import INDEX
from flows.errors import UsageError
from flows.features import FeatureExtractor
from flows.keying import DEFAULT_HOME, HomeNetworks
from flows.simulator import simulate
from tests.support.feature_traffic import random_flows, wild_flows
from tests.support.pipeline import small_scenario
from training.errors import TrainingError
from training.leak import Features, find_leaks, renamed, shifted

HOMES = (
    DEFAULT_HOME,
    ("10.0.0.0/8", "10.0.0.0/24", " fd00::/8"),
    ("10.0.0.1/32", "11.0.0.0/30"),
    ("0.0.0.0/0",),
    ("::/0", "10.0.0.0/8"),
)


def pairs(one: FlowBatch, other: FlowBatch) -> set[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Every address beside what became of it."""
    before, after = (np.concatenate([batch.src_addr, batch.dst_addr]).tolist() for batch in (one, other))
    return {(tuple(name), tuple(new)) for name, new in zip(before, after, strict=True)}


def test_simulated_traffic_holds_no_leak() -> None:
    batch = simulate(small_scenario(1)).batch.take(slice(0, 8000))
    home = HomeNetworks()

    assert renamed(batch, home).src_addr.tolist() != batch.src_addr.tolist()
    assert not find_leaks(batch, home)


@given(st.integers(0, 10_000), st.sampled_from(HOMES), st.integers(0, 3))
def test_renaming_keeps_home_and_foreign_and_same_and_different(seed: int, networks: tuple[str, ...], key: int) -> None:
    home = HomeNetworks(networks)
    batch = wild_flows(seed, 60, hosts=6, peers=9)
    other = renamed(batch, home, key)

    assert home.contain(other.src_addr).tolist() == home.contain(batch.src_addr).tolist()
    assert home.contain(other.dst_addr).tolist() == home.contain(batch.dst_addr).tolist()
    names = pairs(batch, other)
    assert len({old for old, _ in names}) == len(names) == len({new for _, new in names})
    for spec in SCHEMA:
        if spec.name not in {"src_addr", "dst_addr"}:
            assert getattr(other, spec.name) is getattr(batch, spec.name)


def test_renaming_changes_every_name_but_that_of_a_network_of_one() -> None:
    batch = random_flows(1, 200)
    alone = HomeNetworks(["10.0.0.1/32"])

    assert all(old != new for old, new in pairs(batch, renamed(batch, HomeNetworks())))
    kept = {old for old, new in pairs(batch, renamed(batch, alone)) if old == new}
    assert kept == {(0, 0xFFFF_0A00_0001)}


def test_homes_that_leave_no_name_outside_are_refused() -> None:
    all_but_one = IPv4Network("0.0.0.0/0").address_exclude(IPv4Network("255.255.255.255/32"))
    ends = {"src_addr": [[0, 0xFFFF_FFFF_FFFF]], "dst_addr": [[0, 0xFFFF_0000_0001]]}

    with pytest.raises(UsageError, match="hardly an address outside"):
        renamed(FlowBatch.from_columns(1, ends), HomeNetworks([str(network) for network in all_but_one]))


@pytest.mark.parametrize("latest", [0.0, 1.7e9, 4_102_444_799.0])
def test_all_times_are_shifted_alike_and_what_is_none_stays(latest: float) -> None:
    batch = random_flows(2, 6)
    starts = np.array([latest, latest, np.nan, np.inf, -1.0, 5e9])
    moved = shifted(replace(batch, start=starts)).start

    assert moved[0] != latest
    assert moved[0] == moved[1]
    assert abs(abs(moved[0] - latest) - (3 * 86_400 + 1234.567)) < 1e-6
    np.testing.assert_array_equal(moved[2:], starts[2:])


def test_times_that_leave_no_room_to_shift_are_refused() -> None:
    batch = random_flows(2, 2)

    with pytest.raises(TrainingError, match="no room to shift"):
        shifted(replace(batch, start=np.array([0.0, 4_102_444_799.0])))


def test_a_feature_that_tells_the_host_would_be_found() -> None:
    def extract(batch: FlowBatch) -> Features:
        rows = FeatureExtractor().extract(batch)
        rows[:, INDEX["pair_size"]] = batch.dst_addr[:, 1] % np.uint64(7)
        return rows

    leaks = find_leaks(random_flows(3, 300), HomeNetworks(), extract)

    assert leaks
    assert (leaks.of_addresses, leaks.of_time) == (("pair_size",), ())


def test_a_feature_that_tells_the_hour_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    class Watch(FeatureExtractor):
        def extract(self, batch: FlowBatch) -> Features:
            rows = super().extract(batch)
            rows[:, INDEX["duration"]] += (batch.start % 86_400.0 / 3600.0).astype(np.float32)
            return rows

    monkeypatch.setattr("training.leak.FeatureExtractor", Watch)
    leaks = find_leaks(random_flows(3, 300), HomeNetworks())

    assert leaks
    assert (leaks.of_addresses, leaks.of_time) == ((), ("duration",))


def test_a_single_row_that_differs_is_enough() -> None:
    batch = random_flows(4, 300)
    features = FeatureExtractor().extract(batch)
    features[299, INDEX["host_flows"]] = np.nextafter(features[299, INDEX["host_flows"]], np.float32(1e9))

    leaks = find_leaks(batch, HomeNetworks(), features=features)

    assert leaks.of_addresses == leaks.of_time == ("host_flows",)


def test_a_stream_of_nothing_holds_no_leak() -> None:
    assert not find_leaks(FlowBatch.empty(), HomeNetworks())
