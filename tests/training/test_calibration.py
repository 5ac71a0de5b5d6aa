"""From raw scores to probabilities."""

from __future__ import annotations

import numpy as np
import pytest

from training.calibration import calibration_error, fit_platt
from training.errors import TrainingError


def test_the_line_that_drew_the_truth_is_found_again() -> None:
    dice = np.random.default_rng(1)
    raw = dice.normal(0, 3, 40_000)
    positive = dice.random(len(raw)) < 1 / (1 + np.exp(-(1.5 * raw - 2)))

    found = fit_platt(raw, positive)

    assert found.slope == pytest.approx(1.5, rel=0.05)
    assert found.intercept == pytest.approx(-2, rel=0.05)
    assert calibration_error(found.probability(raw), positive) < 0.01


def test_perfect_separation_does_not_claim_certainty() -> None:
    raw = np.concatenate([np.full(100, -4.0), np.full(100, 4.0)])

    found = fit_platt(raw, raw > 0)

    assert found.slope > 0
    assert found.probability(np.array([4.0]))[0] == pytest.approx(101 / 102, abs=1e-3)


@pytest.mark.parametrize("truth", [True, False])
def test_one_class_is_not_enough(truth: bool) -> None:
    with pytest.raises(TrainingError, match="needs both classes"):
        fit_platt(np.arange(10.0), np.full(10, truth))


def test_a_score_that_ranks_the_wrong_way_is_refused() -> None:
    raw = np.arange(100.0)

    with pytest.raises(TrainingError, match="learned nothing"):
        fit_platt(raw, raw < 50)


def test_the_calibration_error_of_a_hand_count() -> None:
    """Four rows claim 0.1 and one is positive; one claims 1.0 and is: (4 * 0.15 + 0) / 5."""
    probability = np.array([0.1, 0.1, 0.1, 0.1, 1.0])
    positive = np.array([True, False, False, False, True])

    assert calibration_error(probability, positive) == pytest.approx(0.12)
