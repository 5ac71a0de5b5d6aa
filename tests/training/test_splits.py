"""The parts of a data set: by capture, or forward in time within one; and captures left out, with all their kin."""

from __future__ import annotations

import numpy as np
import pytest

from detection.verdict import Kind
from tests.support.datasets import capture_of
from training.datasets import Dataset, Origin, Part
from training.datasets.parts import parts_by_capture, parts_in_time
from training.errors import TrainingError
from training.splits import leave_captures_out, split, without_sources


def captures(count: int) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    """Three rows of each capture, interleaved."""
    return np.tile(np.arange(count, dtype=np.int16), 3)


@pytest.mark.parametrize("count", range(3, 13))
def test_no_capture_is_in_two_parts_and_every_part_is_later(count: int) -> None:
    capture = captures(count)
    part = parts_by_capture(capture)
    parts = [set(capture[part == which].tolist()) for which in Part]

    assert all(parts)
    assert max(parts[0]) < min(parts[1]) <= max(parts[1]) < min(parts[2])
    assert set.union(*parts) == set(range(count))


@pytest.mark.parametrize("count", [0, 1, 2])
def test_fewer_than_three_captures_are_refused(count: int) -> None:
    with pytest.raises(TrainingError, match=f"has {count}: add captures"):
        parts_by_capture(captures(count))


def test_shares_that_leave_nothing_to_train_on_are_refused() -> None:
    with pytest.raises(TrainingError, match="leave no capture to train on"):
        parts_by_capture(captures(4), validation=0.5, test=0.5)


@pytest.mark.parametrize("n", [0, 1, 2, 5, 10, 1001])
def test_one_capture_is_cut_forward_in_time_with_no_row_left_over(n: int) -> None:
    part = parts_in_time(n)
    assert len(part) == n
    assert (np.diff(part) >= 0).all()
    if n >= 5:
        assert np.bincount(part, minlength=3).tolist() == [n - 2 * round(n * 0.2), round(n * 0.2), round(n * 0.2)]


def test_a_split_gives_every_row_to_the_part_that_it_was_cut_for() -> None:
    capture = captures(4)
    n = len(capture)
    data = Dataset(
        np.zeros((n, 120), np.float32), np.zeros(n, np.int8), np.full(n, ""), capture, parts_by_capture(capture),
        np.ones(n, np.float32), Origin(("a", "b", "c", "d"), ""),
    )  # fmt: skip
    parts = split(data)
    assert [set(part.part.tolist()) for part in (parts.train, parts.validation, parts.test)] == [{0}, {1}, {2}]
    assert len(parts.train) + len(parts.validation) + len(parts.test) == n


def drawn_from(**sources: str) -> Dataset:
    """Captures of two flows each, each drawn from the sources whose letters it is given; a flow tells its capture."""
    return Dataset.concatenate(
        [
            capture_of(name, [Kind.BENIGN, Kind.DDOS], drawn_from=tuple(letters), duration=place)
            for place, (name, letters) in enumerate(sources.items())
        ]
    )


def names(data: Dataset) -> list[str]:
    """The captures that still have a flow."""
    return [data.origin.names[number] for number in np.unique(data.capture).tolist()]


def test_each_capture_is_held_out_once_and_what_shares_a_source_goes_with_it() -> None:
    data = drawn_from(one="a", two="b", one_again="a", flooded="cf", other_flooded="df")

    folds = list(leave_captures_out(data))

    assert [names(fold.held_out) for fold in folds] == [["one", "one_again"], ["two"], ["flooded", "other_flooded"]]
    for fold in folds:
        assert sorted(names(fold.held_out) + names(fold.train)) == sorted(data.origin.names)
        assert len(fold.held_out) + len(fold.train) == len(data)
    held_out = np.concatenate([fold.held_out.features[:, 0] for fold in folds])
    assert sorted(held_out.tolist()) == sorted(data.features[:, 0].tolist())


def test_nothing_more_is_learned_from_that_was_drawn_from_what_is_held_out() -> None:
    data = drawn_from(one="a", two="b")
    more = drawn_from(one_seen_otherwise="a", laid_over_two="ab", simulated="s", only_two="b")

    folds = list(leave_captures_out(data, more))

    assert [names(fold.train) for fold in folds] == [
        ["two", "simulated", "only_two"],
        ["one", "one_seen_otherwise", "simulated"],
    ]
    assert [names(fold.held_out) for fold in folds] == [["one"], ["two"]]


def test_kin_of_kin_is_held_out_once_and_nothing_is_learned_from_it_where_it_is_kin() -> None:
    """The middle one knows both, and they do not know each other."""
    data = drawn_from(left="a", middle="ab", right="b")

    first, second = leave_captures_out(data)

    assert names(first.held_out) == ["left", "middle"]
    assert names(second.held_out) == ["right"]
    # Either of the two held out knows of a and b, and so does the last one.
    assert names(first.train) == []
    assert names(second.train) == ["left"]


def test_a_capture_without_sources_stands_for_itself() -> None:
    data = Dataset.concatenate([capture_of(name, [Kind.BENIGN]) for name in ("one", "two", "two")])

    assert [data.origin.sources(number) for number in range(3)] == [{"one"}, {"two"}, {"two"}]
    assert [data.origin.relatives(number) for number in range(3)] == [(0,), (1, 2), (1, 2)]


def test_what_was_drawn_from_a_source_is_taken_out_of_both_data_sets() -> None:
    data, more = drawn_from(one="a", both="ab", two="b"), drawn_from(third="c", first="a")

    rest = without_sources(data, frozenset("a"), more)

    assert names(rest) == ["two", "third"]
    assert names(without_sources(data, frozenset("z"))) == ["one", "both", "two"]
    assert len(without_sources(data, frozenset("ab"))) == 0
