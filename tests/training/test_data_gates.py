"""Gates on what is learned from: flows and features as they should be, and each way in which they are not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from detection.verdict import Kind
from flows.batch import FlowBatch
from flows.catalogue import NAMES
from tests.support.batches import batches
from tests.support.datasets import capture_of
from training.data_gates import MOST_AGE, drift, freshness, label_mix, measured_schema, schema
from training.datasets import NO_TRUTH, Dataset, LabelledFlows, Origin
from training.export import profile_of

TODAY = date(2026, 3, 31)


def labelled(batch: FlowBatch) -> LabelledFlows:
    """These flows, as the ordinary life of one capture."""
    n = len(batch)
    return LabelledFlows(
        batch=batch,
        truth=np.zeros(n, np.int8),
        attack=np.full(n, "", dtype=np.str_),
        capture=np.zeros(n, np.int16),
        part=np.zeros(n, np.int8),
        origin=Origin(("lab",) if n else (), "made up"),
    )


@given(batches())
def test_whatever_a_decoder_lets_through_is_in_schema(batch: FlowBatch) -> None:
    assume((batch.src_addr.any(axis=1) | batch.dst_addr.any(axis=1)).all())

    result = schema(labelled(batch))

    assert result.passed, result.detail


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *(("start", np.inf), ("duration", -1.0), ("src_packets", -np.inf), ("iat_mean", -1e-9)),
        *(("src_port", -2), ("dst_port", 65_536), ("protocol", 256), ("src_flags", 0x1000), ("state", 6)),
        ("service", 14),
    ],
)
def test_one_value_out_of_its_range_is_refused_by_its_column(column: str, value: float) -> None:
    address = np.ones((5, 2), np.uint64)
    batch = FlowBatch.from_columns(5, {"src_addr": address, "dst_addr": address})
    assert schema(labelled(batch)).passed

    getattr(batch, column)[3] = value

    result = schema(labelled(batch))
    assert not result.passed
    assert result.detail.startswith(f"1 of {column} ")


def test_flows_between_no_addresses_are_refused_and_one_unspecified_end_is_not() -> None:
    source = np.array([[0, 0], [0, 1]], np.uint64)
    one = FlowBatch.from_columns(2, {"src_addr": source, "dst_addr": source[::-1]})
    both = FlowBatch.from_columns(2, {"src_addr": source, "dst_addr": source})

    assert schema(labelled(one)).passed
    result = schema(labelled(both))
    assert not result.passed
    assert result.detail == "1 flows are between no addresses"


def two_captures() -> Dataset:
    """Both with ordinary life and every attack."""
    kinds = [0] * 10 + [1] * 5 + [2] * 5 + [3] * 5
    return Dataset.concatenate([capture_of(name, kinds) for name in ("one", "other")])


def test_features_as_they_are_measured_are_in_schema() -> None:
    data = two_captures()
    data.features[3, :100] = np.nan

    result = measured_schema(data)

    assert result.passed
    assert result.detail == "50 rows of 120 features in 2 captures, all in range"


def with_features(change: Callable[[Any], Any]) -> Callable[[Dataset], Dataset]:
    return lambda data: replace(data, features=change(data.features))


def with_value(row: int, column: slice, value: float) -> Callable[[Any], Any]:
    def change(features: Any) -> Any:
        features[row, column] = value
        return features

    return change


def with_row(name: str, value: object) -> Callable[[Dataset], Dataset]:
    def change(data: Dataset) -> Dataset:
        getattr(data, name)[-1] = value
        return data

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (with_features(lambda rows: rows.astype(np.float64)), "features are float64[50, 120], not float32[50, 120]"),
        (with_features(lambda rows: rows[:, :119].copy()), "features are float32[50, 119]"),
        (with_features(lambda rows: rows[:49]), "features are float32[49, 120]"),
        (with_features(with_value(7, slice(2, 3), -np.inf)), f"1 features are infinite somewhere: {NAMES[2]}"),
        (with_features(with_value(7, slice(None), np.nan)), "1 flows have no feature that is known"),
        (with_row("weight", 0.5), "1 of weight stand for less than themselves"),
        (with_row("weight", np.inf), "1 of weight stand for less than themselves"),
        (with_row("truth", int(Kind.ABSTAIN)), "1 of truth are none that is known"),
        (with_row("part", 3), "1 of part are none that is known"),
        (with_row("capture", 2), "1 of capture are none that is known"),
        (with_row("capture", 0), "captures are mixed"),
        (with_row("attack", ""), "1 flows of attacks do not say of which"),
        (lambda data: data.take(data.capture == 1), "a capture has no flow"),
    ],
)
def test_features_that_are_not_as_they_should_be_are_refused(change: Callable[[Dataset], Dataset], said: str) -> None:
    result = measured_schema(change(two_captures()))

    assert not result.passed
    assert said in result.detail


def test_kinds_that_several_captures_show_are_a_good_mix() -> None:
    result = label_mix(two_captures())

    assert result.passed
    assert result.detail.startswith("40.00% benign, 20.00% ddos, 20.00% malware, 20.00% anomaly;")


def test_ordinary_life_of_which_a_share_was_kept_counts_for_all_of_it() -> None:
    data = two_captures()
    heavy = replace(data, weight=np.where(data.truth == Kind.BENIGN, 10, 1).astype(np.float32))

    assert label_mix(heavy).detail.startswith("86.96% benign, 4.35% ddos, 4.35% malware, 4.35% anomaly;")


@pytest.mark.parametrize("kind", [Kind.BENIGN, Kind.DDOS, Kind.MALWARE, Kind.ANOMALY])
def test_a_kind_that_one_capture_alone_shows_is_refused(kind: Kind) -> None:
    data = two_captures()
    data.truth[(data.truth == kind) & (data.capture == 1)] = NO_TRUTH

    result = label_mix(data)

    assert not result.passed
    assert f"all that is {kind.label} comes from one and its relatives" in result.detail


def test_two_recordings_of_one_source_are_one_capture() -> None:
    kinds = [0] * 10 + [1] * 5
    kin = [capture_of(name, kinds, drawn_from=("lab",)) for name in ("monday", "tuesday")]

    assert not label_mix(Dataset.concatenate(kin)).passed
    assert label_mix(Dataset.concatenate([*kin, capture_of("elsewhere", kinds)])).passed


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ((4, 80, 16, 0), "4.00% of flows with a truth are benign (5.0% to 99.9% may be)"),
        ((9999, 1, 0, 0), "99.99% of flows with a truth are benign"),
        ((10, 81, 9, 0), "81.00% of flows with a truth are ddos (0.0% to 80.0% may be)"),
        ((10, 0, 5, 85), "85.00% of flows with a truth are anomaly"),
    ],
)
def test_a_column_of_labels_that_is_nearly_all_one_thing_is_refused(counts: tuple[int, ...], said: str) -> None:
    kinds = np.repeat([0, 1, 2, 3], counts)
    data = Dataset.concatenate([capture_of(name, kinds) for name in ("one", "other")])

    result = label_mix(data)

    assert not result.passed
    assert said in result.detail


def test_flows_of_which_nothing_is_known_are_no_part_of_the_mix_and_no_mix_alone() -> None:
    data = two_captures()
    silent = capture_of("silent", np.full(1000, NO_TRUTH))

    assert label_mix(Dataset.concatenate([data, silent])) == label_mix(data)
    assert not label_mix(silent).passed


@pytest.mark.parametrize(
    ("ages", "passed"), [((0,), True), ((MOST_AGE, 300), True), ((MOST_AGE + 1, 300), False), ((-1,), True)]
)
def test_the_newest_day_counts(ages: tuple[int, ...], passed: bool) -> None:
    result = freshness([TODAY - timedelta(days=age) for age in ages], TODAY)

    assert result.passed is passed
    assert result.detail == f"the newest of {len(ages)} days is {ages[0]} days old (at most {MOST_AGE})"


def test_a_day_that_has_not_come_is_no_fresh_one() -> None:
    assert not freshness([TODAY, TODAY + timedelta(days=2)], TODAY).passed


def test_what_is_not_of_the_site_has_no_age_and_says_so() -> None:
    result = freshness([], TODAY)

    assert result.passed
    assert "nothing else has an age" in result.detail


def rows(seed: int, n: int = 3000) -> npt.NDArray[np.float32]:
    return np.random.default_rng(seed).lognormal(size=(n, len(NAMES))).astype(np.float32)


def test_other_rows_of_the_same_world_pass() -> None:
    profile = profile_of(rows(1), np.zeros(3000))

    result = drift(profile, rows(2))

    assert result.passed
    assert result.detail.startswith("0 of 120 features have moved far")


def test_one_group_of_features_may_move_and_the_farthest_are_named() -> None:
    moved = rows(2)
    moved[:, [7, 30, 90]] *= np.array([1000.0, 10.0, 100.0], np.float32)

    result = drift(profile_of(rows(1), np.zeros(3000)), moved)

    assert result.passed
    assert result.detail.startswith("3 of 120 features")
    assert [part.split()[0] for part in result.detail.split("farthest ")[1].split(", ")] == [
        NAMES[7],
        NAMES[90],
        NAMES[30],
    ]


@given(st.integers(0, len(NAMES)))
def test_a_third_of_the_features_may_move_and_no_more(count: int) -> None:
    moved = rows(2, 300)
    moved[:, :count] *= np.float32(1e6)

    assert drift(profile_of(rows(1, 300), np.zeros(300)), moved).passed is (count <= len(NAMES) // 3)


def test_a_changed_unit_or_a_silent_exporter_is_another_world() -> None:
    profile = profile_of(rows(1), np.zeros(3000))
    silent = rows(2)
    silent[:, :60] = np.nan

    assert not drift(profile, rows(2) * np.float32(1000.0)).passed
    assert not drift(profile, silent).passed


def test_without_a_champion_there_is_nothing_to_have_moved_from() -> None:
    assert drift(None, rows(1)).passed
