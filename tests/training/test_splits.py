"""Splits by capture, forward in time."""

from __future__ import annotations

import numpy as np
import pytest

from training.datasets import Dataset
from training.errors import TrainingError
from training.splits import forward_in_time


def of_captures(count: int) -> Dataset:
    """Three rows of each capture, interleaved."""
    capture = np.tile(np.arange(count, dtype=np.int16), 3)
    n = len(capture)
    return Dataset(np.zeros((n, 120), np.float32), np.zeros(n, np.int8), np.full(n, ""), capture)


@pytest.mark.parametrize("count", range(3, 13))
def test_no_capture_is_in_two_parts_and_every_part_is_later(count: int) -> None:
    split = forward_in_time(of_captures(count))
    parts = [set(part.capture.tolist()) for part in (split.train, split.validation, split.test)]

    assert all(parts)
    assert max(parts[0]) < min(parts[1]) <= max(parts[1]) < min(parts[2])
    assert set.union(*parts) == set(range(count))
    assert len(split.train) + len(split.validation) + len(split.test) == 3 * count


@pytest.mark.parametrize("count", [0, 1, 2])
def test_fewer_than_three_captures_are_refused(count: int) -> None:
    with pytest.raises(TrainingError, match=f"has {count}: add captures"):
        forward_in_time(of_captures(count))


def test_shares_that_leave_nothing_to_train_on_are_refused() -> None:
    with pytest.raises(TrainingError, match="leave no capture to train on"):
        forward_in_time(of_captures(4), validation=0.5, test=0.5)
