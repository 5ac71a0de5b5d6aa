"""Drift of what is learned from: little moves a little, a changed unit moves nearly all."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from flows.catalogue import NAMES
from training.data_gates import drift
from training.export import profile_of


def rows(seed: int, n: int = 3000) -> npt.NDArray[np.float32]:
    return np.random.default_rng(seed).lognormal(size=(n, len(NAMES))).astype(np.float32)


def test_other_rows_of_the_same_world_pass() -> None:
    profile = profile_of(rows(1), np.zeros(3000))

    result = drift(profile, rows(2))

    assert result.passed
    assert result.detail.startswith("0 of 120 features have moved far")


def test_one_group_of_features_may_move_and_the_farthest_are_named() -> None:
    moved = rows(2)
    moved[:, 7] *= 1000.0

    result = drift(profile_of(rows(1), np.zeros(3000)), moved)

    assert result.passed
    assert result.detail.startswith("1 of 120 features")
    assert f"farthest {NAMES[7]} " in result.detail


def test_a_changed_unit_or_a_silent_exporter_is_another_world() -> None:
    profile = profile_of(rows(1), np.zeros(3000))
    silent = rows(2)
    silent[:, :60] = np.nan

    assert not drift(profile, rows(2) * np.float32(1000.0)).passed
    assert not drift(profile, silent).passed


def test_without_a_champion_there_is_nothing_to_have_moved_from() -> None:
    assert drift(None, rows(1)).passed
