"""The rhythm of a pair: a beacon is told from ordinary calls, whatever the order its flows arrive in."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from flows.batch import ABSENT, FlowBatch, State
from flows.catalogue import INDEX
from flows.features import FeatureExtractor
from tests.support.feature_traffic import flows_of, inside, one_column, outside

RHYTHM = slice(INDEX["pair_beats"], INDEX["pair_regularity"] + 1)
NOON = 1.7e9


def calls(starts: npt.ArrayLike, **columns: object) -> FlowBatch:
    return flows_of(starts, inside([1]), outside([1]), **columns)


def last(batch: FlowBatch, name: str) -> float:
    return one_column(FeatureExtractor().extract(batch), name)[-1]


def beacon(seed: int, beats: int, jitter: float = 1.0) -> npt.NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    return NOON + 60.0 * np.arange(beats) + rng.uniform(-jitter, jitter, beats)


@pytest.mark.parametrize("seed", range(20))
def test_a_beacon_is_regular(seed: int) -> None:
    regularity = one_column(FeatureExtractor().extract(calls(beacon(seed, 40))), "pair_regularity")
    assert np.isnan(regularity[:3]).all()
    assert min(regularity[3:]) > 0.96


@pytest.mark.parametrize("seed", range(20))
def test_poisson_traffic_is_not(seed: int) -> None:
    starts = NOON + np.cumsum(np.random.default_rng(seed).exponential(60.0, 60))
    regularity = one_column(FeatureExtractor().extract(calls(starts)), "pair_regularity")
    assert max(regularity[15:]) < 0.9
    assert np.mean(regularity[15:]) < 0.75


def test_sizes_that_vary_make_a_beacon_less_regular() -> None:
    sizes = np.random.default_rng(1).exponential(1000, 40)
    assert last(calls(beacon(1, 40), src_bytes=sizes), "pair_regularity") < 0.9
    assert last(calls(beacon(1, 40)), "pair_size_spread") == 0.0


def test_without_known_sizes_the_intervals_alone_decide() -> None:
    batch = calls(beacon(1, 40), src_bytes=np.nan)
    assert last(batch, "pair_regularity") > 0.95
    assert np.isnan(last(batch, "pair_size"))


def test_sizes_that_are_no_longer_known_are_forgotten() -> None:
    sizes = np.where(np.arange(40) < 20, 400.0, np.nan)
    size = one_column(FeatureExtractor().extract(calls(beacon(1, 40), src_bytes=sizes)), "pair_size")
    assert size[34] == 400.0
    assert np.isnan(size[35:]).all()


@pytest.mark.parametrize("seed", range(5))
def test_beats_out_of_order_give_the_same_rhythm(seed: int) -> None:
    starts = beacon(seed, 14)
    late = np.random.default_rng(seed).permutation(starts[1:])
    rows = FeatureExtractor().extract(calls(starts))
    mixed = FeatureExtractor().extract(calls([starts[0], *late]))
    assert mixed[-1, RHYTHM].tobytes() == rows[-1, RHYTHM].tobytes()


def test_the_last_beats_are_kept_even_if_they_arrive_out_of_order() -> None:
    starts = NOON + np.cumsum(np.arange(2.0, 42.0))
    swapped = starts.reshape(-1, 4)[:, ::-1].ravel()
    rows, mixed = FeatureExtractor().extract(calls(starts)), FeatureExtractor().extract(calls(swapped))
    assert one_column(mixed, "pair_beats")[-1] == 16
    assert mixed[-1, RHYTHM].tobytes() == rows[-1, RHYTHM].tobytes()


def test_a_beat_of_three_connections_counts_once() -> None:
    once = FeatureExtractor().extract(calls(beacon(1, 20)))
    thrice = FeatureExtractor().extract(calls((beacon(1, 20)[:, None] + [0.0, 0.4, 1.0]).ravel()))
    assert one_column(thrice, "pair_flows")[-1] == 60
    assert thrice[-1, RHYTHM].tobytes() == once[-1, RHYTHM].tobytes()


def test_a_flow_over_a_second_later_is_a_beat_of_its_own() -> None:
    assert last(calls([NOON, NOON + 1.0]), "pair_beats") == 1
    assert last(calls([NOON, NOON + 1.000001]), "pair_beats") == 2


def test_statistics_of_a_known_rhythm() -> None:
    rows = FeatureExtractor().extract(calls(NOON + np.array([0, 10, 20, 40, 80]), src_bytes=[100, 100, 200, 400, 100]))
    wanted = {
        "pair_beats": 5,
        "pair_interval": 15,  # of 10, 10, 20, 40
        "pair_interval_spread": 5 / 15,
        "pair_interval_skew": (10 + 25 - 30) / 15,
        "pair_size": 100,
        "pair_size_spread": 0,
        "pair_regularity": 1 - (1 / 3 + 1 / 3 + 0) / 3,
        "pair_age": 80,
        "pair_flows": 5,
        "pair_answered_share": 1,
        "pair_byte_ratio": np.log2(20001 / 901),
    }
    assert {name: one_column(rows, name)[-1] for name in wanted} == pytest.approx(wanted)


def test_age_is_counted_from_the_earliest_start_that_is_known() -> None:
    batch = calls([NOON, NOON - 3600.0, NOON + 10], duration=[0.0, 3601.0, 0.0])
    assert one_column(FeatureExtractor().extract(batch), "pair_age") == [0.0, 0.0, 3610.0]


def test_flows_of_a_pair_count_by_their_recency() -> None:
    rows = FeatureExtractor().extract(calls(NOON + np.array([0, 0, 30, 90])))
    assert one_column(rows, "pair_flows_1m") == pytest.approx([1, 2, 2, 1.5])
    hour = [1, 2, 1 + 2 * 2 ** (-30 / 1800), 1 + (1 + 2 * 2 ** (-30 / 1800)) * 2 ** (-60 / 1800)]
    assert one_column(rows, "pair_flows_1h") == pytest.approx(hour)


def test_a_late_flow_of_a_pair_counts_in_full() -> None:
    rows = FeatureExtractor().extract(calls(NOON + np.array([0, 30, 10])))
    assert one_column(rows, "pair_flows_1m") == pytest.approx([1, 1.5, 2.5])


def test_failures_of_a_pair_are_counted_where_the_state_is_known() -> None:
    states = [State.ATTEMPT, State.REJECTED, ABSENT, State.CLOSED]
    rows = FeatureExtractor().extract(calls(NOON + np.arange(4.0), state=states))
    assert one_column(rows, "pair_failed_share") == pytest.approx([1, 1, 1, 2 / 3])


def test_pairs_are_apart() -> None:
    batch = flows_of(NOON + np.arange(6), inside([1, 2, 1, 2, 1, 1]), outside([1, 1, 2, 1, 1, 2]))
    assert one_column(FeatureExtractor().extract(batch), "pair_flows") == [1, 1, 1, 2, 2, 2]


def test_totals_of_a_pair_never_overflow() -> None:
    batch = calls(NOON + np.arange(50_000) / 1e3, src_bytes=2.0**40, dst_bytes=0)
    ratio = one_column(FeatureExtractor().extract(batch), "pair_byte_ratio")
    assert (np.diff(ratio) <= 0).all()
