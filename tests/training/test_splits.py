"""The parts of a data set: by capture, or forward in time within one."""

from __future__ import annotations

import numpy as np
import pytest

from training.datasets import Dataset, Origin, Part
from training.datasets.parts import parts_by_capture, parts_in_time
from training.errors import TrainingError
from training.splits import split


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
        Origin(("a", "b", "c", "d"), ""),
    )  # fmt: skip
    parts = split(data)
    assert [set(part.part.tolist()) for part in (parts.train, parts.validation, parts.test)] == [{0}, {1}, {2}]
    assert len(parts.train) + len(parts.validation) + len(parts.test) == n
