"""Histograms of a site's past: what they rank high, and that their forest scores as they do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from flows.catalogue import INDEX, NAMES
from model_registry.scoring import raw_scores
from training.anomaly import BEGAN, CAME
from training.export import golden_rows, prove_equal
from training.forests import forest_from_histograms
from training.histograms import INITIATED, Histograms, Rows, fit_histograms
from training.thresholds import calibrated_tail

BYTES = INDEX["sent_bytes"]
BUSY = INDEX["out_flows_60s"]


def past(n: int = 600, seed: int = 1) -> Rows:
    """Flows of two directions with sizes around 1,000 bytes, some of them unknown."""
    dice = np.random.default_rng(seed)
    rows = np.zeros((n, len(NAMES)), dtype=np.float32)
    rows[:, INITIATED] = dice.random(n) < 0.5
    rows[:, BYTES] = dice.lognormal(7.0, 0.3, n)
    rows[dice.random(n) < 0.05, INDEX["duration"]] = np.nan
    return rows


def fitted(rows: Rows) -> Histograms:
    return fit_histograms(rows, [INDEX[name] for name in CAME], [INDEX[name] for name in BEGAN])


@pytest.mark.parametrize("value", [0.0, 1e9, np.nan, np.inf, -np.inf], ids=str)
@pytest.mark.parametrize("began", [0.0, 1.0])
def test_what_was_never_seen_is_stranger_than_nearly_all_that_was(value: float, began: float) -> None:
    rows = past()
    model = fitted(rows)
    strange = rows[rows[:, INITIATED] == began][:1].copy()
    strange[:, BYTES] = value

    assert model.scores(strange)[0] > np.quantile(model.scores(rows), 0.9)


def test_a_direction_is_judged_by_its_own_past() -> None:
    rows = past()
    rows[rows[:, INITIATED] == 1.0, BYTES] = 50.0
    model = fitted(rows)
    out, came = (rows[rows[:, INITIATED] == began][:1].copy() for began in (1.0, 0.0))
    swapped = out.copy()
    swapped[:, INITIATED] = 0.0

    assert model.scores(swapped)[0] > max(model.scores(out)[0], model.scores(came)[0])


def test_a_flood_in_the_past_weighs_less_than_its_flows_are_many() -> None:
    rows = past()
    flood = np.repeat(rows[rows[:, INITIATED] == 1.0][:1], 600, axis=0)
    flood[:, BYTES], flood[:, BUSY] = 40.0, 10_000.0
    mixed = np.concatenate([rows, flood])
    columns = [BYTES]
    even, rooted = (fit_histograms(mixed, columns, columns, power=power) for power in (0.0, 0.5))

    assert rooted.scores(flood[:1])[0] > even.scores(flood[:1])[0]


@settings(max_examples=25, deadline=None)
@given(arrays(np.float32, (6, len(NAMES)), elements=st.floats(width=32)))
def test_the_forest_scores_any_row_as_the_histograms_do(rows: Rows) -> None:
    model = MODEL
    forest = FOREST

    assert raw_scores(forest, rows) == pytest.approx(model.scores(rows), abs=1e-9)


MODEL = fitted(past())
FOREST = forest_from_histograms(MODEL)


def test_the_forest_is_equal_on_thresholds_and_missing_values() -> None:
    prove_equal(MODEL, FOREST, golden_rows(past(), FOREST))


def test_a_past_of_one_direction_only_is_enough() -> None:
    rows = past()
    rows[:, INITIATED] = 1.0
    model = fitted(rows)
    rows[:, INITIATED] = np.nan

    assert np.isfinite(model.scores(rows)).all()
    prove_equal(model, forest_from_histograms(model), rows)


@pytest.mark.parametrize("rate", [0.01, 0.001])
def test_the_tail_sets_a_threshold_at_the_rate_that_was_asked(rate: float) -> None:
    dice = np.random.default_rng(2)
    calibration = calibrated_tail(dice.exponential(3.0, 20_000), rate)
    flagged = calibration.probability(dice.exponential(3.0, 400_000)) >= 0.5

    assert flagged.mean() == pytest.approx(rate, rel=0.5)


def test_scores_that_are_all_alike_are_below_their_threshold() -> None:
    assert (calibrated_tail(np.full(500, 7.0), 0.001).probability(np.full(1, 7.0)) < 0.5).all()


def test_a_rate_that_enough_flows_can_show_is_read_off_them_however_heavy_their_tail() -> None:
    raw = np.random.default_rng(3).pareto(1.5, 20_000)
    flagged = calibrated_tail(raw, 0.001).probability(raw) >= 0.5
    assert 0 < flagged.mean() <= 0.001


def test_flows_that_are_all_alike_are_not_all_strange() -> None:
    assert (calibrated_tail(np.full(20_000, 7.0), 0.001).probability(np.full(1, 7.0)) < 0.5).all()
