"""The population stability index, against an example by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.models import random_rows
from training.drift import binned, stability_index
from training.export import profile_of

COUNTS = st.lists(st.integers(0, 10_000), min_size=4, max_size=4)


def test_the_index_is_the_one_by_hand() -> None:
    expected, actual = np.array([[8, 2], [5, 5]]), np.array([[2, 8], [500, 500]])

    index = stability_index(expected, actual)

    # Half a row more in each bin: shares of 8.5/11 and 2.5/11 change places.
    assert index.tolist() == [pytest.approx(2 * (6 / 11) * math.log(8.5 / 2.5)), pytest.approx(0.0)]


def test_an_empty_bin_costs_much_and_not_everything() -> None:
    assert 0.25 < stability_index(np.array([100, 100]), np.array([200, 0])) < 10.0


@given(COUNTS, COUNTS)
def test_the_index_is_never_negative_and_the_same_both_ways(one: list[int], other: list[int]) -> None:
    there, back = (stability_index(np.array(a), np.array(b)) for a, b in ((one, other), (other, one)))

    assert there >= 0.0
    assert there == pytest.approx(float(back))


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_the_training_rows_themselves_are_binned_as_the_profile_has_them(seed: int) -> None:
    rows = random_rows(seed, 40)  # with NaN and infinities
    profile = profile_of(rows, np.zeros(40))

    counts = binned(profile, rows)

    np.testing.assert_array_equal(counts, profile.feature_counts)
    np.testing.assert_allclose(stability_index(profile.feature_counts, counts), 0.0)


def test_no_rows_are_counted_as_none() -> None:
    rows = random_rows(1, 40)
    counts = binned(profile_of(rows, np.zeros(40)), rows[:0])

    assert not counts.any()
