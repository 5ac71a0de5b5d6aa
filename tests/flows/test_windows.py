"""A host's windows and its clock: late flows, bad dates, long silences, floods."""

from __future__ import annotations

import numpy as np
import pytest

from flows.batch import ABSENT, FlowBatch, State
from flows.features import FeatureExtractor
from tests.support.feature_traffic import flows_of, inside, one_column, outside

DAY = 86_400.0
NOON = 1.7e9
YEAR_2090 = 3.8e9


def out_at(starts: list[float], **columns: object) -> FlowBatch:
    return flows_of(starts, inside([1]), outside([1]), **columns)


def column(batch: FlowBatch, name: str) -> list[float]:
    return one_column(FeatureExtractor().extract(batch), name)


def test_ten_seconds_are_the_current_one_and_nine_before() -> None:
    assert column(out_at([0.0, 9.9, 10.0, 19.9, 20.0]), "out_flows_10s") == [1, 2, 2, 2, 2]


def test_sixty_seconds_are_twelve_steps_of_five() -> None:
    # The first second has number 1, so the first step ends after four.
    assert column(out_at([0.0, 3.9, 4.0, 58.9, 59.0, 63.9, 64.0]), "out_flows_60s") == [1, 2, 3, 4, 3, 4, 4]


def test_windows_forget_everything_after_a_gap() -> None:
    batch = out_at([NOON, NOON + 1, NOON + 500], dst_port=[443, 80, 53], src_bytes=[1, 2, 3], dst_bytes=0)
    rows = FeatureExtractor().extract(batch)
    for name, last in (("flows", 1), ("bytes", 3), ("peers", 1), ("port_entropy", 0), ("size_entropy", 0)):
        assert one_column(rows, f"out_{name}_60s")[-1] == last
    assert one_column(rows, "host_flows")[-1] == 3


def test_a_long_flow_takes_no_time_from_those_after_it() -> None:
    # Exporters write flows in the order of their ends, or of their starts; either way windows move on.
    by_start = out_at([NOON, NOON + 1, NOON + 30, NOON + 60], duration=[1200.0, 0.0, 0.0, 0.0])
    assert column(by_start, "out_flows_10s") == [1, 2, 1, 1]
    by_end = out_at([NOON + 1, NOON + 30, NOON + 60, NOON], duration=[0.0, 0.0, 0.0, 60.0])
    assert column(by_end, "out_flows_10s") == [1, 1, 1, 2]


def test_a_late_flow_counts_now_and_turns_nothing_back() -> None:
    batch = out_at([NOON, NOON + 100, NOON + 1, NOON + 101])
    assert column(batch, "out_flows_10s") == [1, 1, 2, 3]


def test_time_stands_still_for_flows_that_are_all_late() -> None:
    batch = out_at([NOON, *(NOON - np.arange(1, 500) / 10).tolist()])
    assert column(batch, "out_flows_10s")[-1] == 500


def test_the_clock_of_one_host_is_nothing_to_another() -> None:
    hosts = inside([1, 2, 1])
    batch = flows_of([NOON, NOON + 3000, NOON + 1], hosts, outside([1]))
    assert column(batch, "out_flows_10s") == [1, 1, 2]


def test_one_bad_date_costs_at_most_ten_minutes() -> None:
    steady = (NOON + np.arange(0, 1300, 10)).tolist()
    bad = 30
    flows = column(out_at([*steady[:bad], YEAR_2090, *steady[bad:]]), "out_flows_60s")
    good = column(out_at(steady), "out_flows_60s")
    assert flows[:bad] == good[:bad]
    assert flows[bad] == 1  # ten minutes on, all older flows are out
    # Time stands still until the traffic has caught up, sixty flows later; then all is as it was.
    assert flows[bad + 1 + 70 :] == good[bad + 70 :]


def test_a_bad_first_date_does_not_stop_the_clock() -> None:
    steady = (NOON + np.arange(0, 300, 10)).tolist()
    assert column(out_at([YEAR_2090, *steady]), "out_flows_60s")[-1] == column(out_at(steady), "out_flows_60s")[-1]


def test_a_bad_early_first_date_does_not_hold_the_clock_back_for_long() -> None:
    steady = (NOON + np.arange(0, 1000, 10)).tolist()
    assert column(out_at([0.0, *steady]), "out_flows_60s")[-1] == column(out_at(steady), "out_flows_60s")[-1]


def test_a_host_that_comes_back_after_three_days_is_on_time_after_nine_flows() -> None:
    before = (NOON + np.arange(20)).tolist()
    after = (NOON + 3 * DAY + np.arange(0, 400, 2)).tolist()
    returned = column(out_at([*before, *after]), "out_flows_10s")[len(before) :]
    fresh = column(out_at(after), "out_flows_10s")
    assert max(returned[:8]) <= 2
    assert returned[9 + 5 :] == fresh[9 + 5 :]  # five flows later the window holds nothing else


def test_an_early_leap_is_forgotten_by_the_next_flow_in_time() -> None:
    # Bad dates, each followed by a good one, must not add up to longer and longer leaps.
    starts = [NOON]
    for second in range(1, 20):
        starts += [YEAR_2090, NOON + second]
    extractor = FeatureExtractor()
    extractor.extract(out_at(starts))
    on_time = NOON + 19 * 600 + 1
    assert one_column(extractor.extract(out_at([on_time, on_time])), "out_flows_10s") == [3, 4]


def test_distinct_peers_and_ports_are_counted_once_per_window() -> None:
    starts = np.arange(40) / 4
    batch = flows_of(starts, inside([1]), outside(np.arange(40) % 4), dst_port=1000 + np.arange(40) % 5)
    rows = FeatureExtractor().extract(batch)
    assert one_column(rows, "out_peers_10s")[-1] == 4
    assert one_column(rows, "out_ports_10s")[-1] == pytest.approx(256 * np.log(256 / 251))
    assert one_column(rows, "in_peers_10s")[-1] == 0


def test_entropies() -> None:
    starts = np.arange(64) / 10
    batch = flows_of(starts, inside([1]), outside(np.arange(64) % 8), dst_port=np.arange(64) % 4, src_bytes=7)
    rows = FeatureExtractor().extract(batch)
    assert one_column(rows, "peer_entropy")[-1] == 3.0
    assert one_column(rows, "out_port_entropy_10s")[-1] == 2.0
    assert one_column(rows, "out_size_entropy_10s")[-1] == 0.0  # exactly


def test_a_window_without_any_known_value_is_nan_and_without_any_flow_zero() -> None:
    unknown = {"src_bytes": np.nan, "dst_bytes": np.nan, "src_packets": np.nan, "dst_packets": np.nan}
    rows = FeatureExtractor().extract(out_at([NOON], **unknown, state=-1, src_flags=-1))
    for name in ("bytes", "packets", "syn_only_share", "failed_share", "one_way_share", "size_entropy"):
        assert np.isnan(one_column(rows, f"out_{name}_60s"))
    for name in ("flows", "bytes", "packets", "peers", "ports"):
        assert one_column(rows, f"in_{name}_60s") == [0.0]
    assert np.isnan(one_column(rows, "in_failed_share_60s"))
    assert np.isnan(one_column(rows, "byte_ratio_60s"))


def test_the_cusum_says_nothing_while_it_learns_then_nothing_of_a_steady_host_then_much_of_a_flood() -> None:
    steady = (NOON + np.arange(0, 120, 0.5)).tolist()
    flood = (NOON + 120 + np.arange(0, 5, 0.01)).tolist()
    batch = flows_of([*steady, *flood], outside([1]), inside([1]))
    cusum = np.array(column(batch, "arrival_cusum"))
    assert np.isnan(cusum[:19]).all()
    assert cusum[25 : len(steady)].max() < 3
    assert cusum[-1] > 100


def test_a_flood_does_not_become_normal_at_once() -> None:
    quiet = (NOON + np.arange(0, 60, 1.0)).tolist()
    flood = (NOON + 60 + np.arange(0, 60, 0.02)).tolist()
    cusum = column(flows_of([*quiet, *flood], outside([1]), inside([1])), "arrival_cusum")
    assert cusum[-1] > cusum[len(quiet) + 500] > cusum[len(quiet) + 50]


def test_what_the_last_flows_say_forgets_all_but_64() -> None:
    ports = [80] * 40 + [443] * 63 + [443]
    states = [State.ATTEMPT] * 40 + [State.CLOSED] * 64
    batch = flows_of(NOON + np.arange(104.0), inside([1]), outside([1] * 103 + [2]), dst_port=ports, state=states)
    rows = FeatureExtractor().extract(batch)
    assert one_column(rows, "port_share")[39] == 1.0
    assert one_column(rows, "port_share")[-1] == 1.0
    assert one_column(rows, "recent_failed_share")[39:41] == pytest.approx([1.0, 40 / 41])
    assert one_column(rows, "recent_failed_share")[-1] == 0.0
    assert one_column(rows, "peer_share")[-2:] == pytest.approx([1.0, 1 / 64])
    assert one_column(rows, "recent_new_peer_share")[-2:] == pytest.approx([0.0, 1 / 64])


def test_failures_and_ports_that_are_not_told_are_not_counted() -> None:
    batch = out_at([NOON, NOON + 1], state=[State.ATTEMPT, ABSENT], dst_port=[80, ABSENT])
    rows = FeatureExtractor().extract(batch)
    assert one_column(rows, "recent_failed_share") == [1.0, 1.0]
    assert np.isnan(one_column(rows, "port_share")[1])


def test_amounts_per_flow_leave_out_flows_that_do_not_tell_theirs() -> None:
    nan = np.nan
    batch = out_at(
        [NOON, NOON + 1, NOON + 2],
        src_packets=[4, nan, 10],
        dst_packets=[4, nan, 4],
        src_bytes=[100, nan, 300],
        dst_bytes=[4000, nan, 4000],
    )
    rows = FeatureExtractor().extract(batch)
    assert one_column(rows, "out_flow_packets_10s") == [8.0, 8.0, 11.0]
    assert one_column(rows, "out_flow_bytes_10s") == [4100.0, 4100.0, 4200.0]
    assert np.isnan(one_column(rows, "in_flow_bytes_10s")).all()


def test_of_one_way_records_the_way_that_they_tell_is_counted() -> None:
    nan = np.nan
    batch = flows_of(
        [NOON, NOON],
        np.concatenate([outside([1]), inside([1])]),
        np.concatenate([inside([1]), outside([1])]),
        src_packets=[5, 7],
        dst_packets=nan,
        src_bytes=[500, 7000],
        dst_bytes=nan,
    )
    rows = FeatureExtractor().extract(batch)
    assert one_column(rows, "packets") == [5.0, 7.0]
    assert one_column(rows, "in_packets_10s") == [5.0, 5.0]
    assert one_column(rows, "out_bytes_10s") == [0.0, 7000.0]
    assert one_column(rows, "byte_ratio_60s")[-1] == pytest.approx(np.log2(501 / 7001))
    assert one_column(rows, "pair_byte_ratio")[-1] == pytest.approx(np.log2(501 / 7001))
    assert np.isnan(one_column(rows, "sent_byte_share")).all()


def test_questions_for_names_are_counted() -> None:
    batch = flows_of(NOON + np.arange(4.0), inside([1, 1, 1, 1]), outside([1, 2, 3, 1]), dst_port=[53, 443, 853, 53])
    assert one_column(FeatureExtractor().extract(batch), "out_dns_flows_60s") == [1, 1, 2, 3]


def test_whether_the_peer_is_at_home() -> None:
    batch = flows_of(NOON + np.arange(2.0), inside([1, 1]), np.concatenate([inside([2]), outside([1])]))
    assert one_column(FeatureExtractor().extract(batch), "peer_at_home") == [1.0, 0.0]
