"""The operating point: the probability at which a model says yes, fixed on validation rows only."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from model_registry.artifact import Calibration
from training.errors import TrainingError

Probabilities = npt.NDArray[np.float64]
Scores = npt.NDArray[np.float64]

_SPARED = 0.05  # the share of the attacks found that the far side of the gap leaves out
_TAIL = 0.05
_FEWEST_FOR_TAIL = 40
_LEAST_SCALE = 0.1  # of a raw score
_LOWEST, _HIGHEST = 1e-6, 1.0 - 1e-6


def threshold_at(fpr: float, benign: Probabilities, attacks: Probabilities) -> float:
    """Return a threshold with at most a share ``fpr`` of the ``benign`` probabilities at or above it.

    That is the lowest threshold that serves. Where nearly all ``attacks`` that it finds lie well above it, the middle
    of the gap (in log-odds) is taken instead: it costs next to nothing in recall, saves false alarms, and leaves room
    on both sides for traffic that is a little different.

    Raises:
        TrainingError: there are too few benign rows for a rate that small to mean anything.
    """
    if len(benign) * fpr < 1.0:
        raise TrainingError(f"a false-positive rate of {fpr:g} needs {round(1 / fpr)} benign rows, got {len(benign)}")
    ordered = np.sort(benign)[::-1]
    lowest = float(np.nextafter(ordered[int(fpr * len(benign))], 1.0))
    found = attacks[attacks >= lowest]
    if len(found) > 0:
        lowest = _sigmoid((_logit(lowest) + _logit(float(np.quantile(found, _SPARED)))) / 2.0)
    return float(np.clip(lowest, _LOWEST, _HIGHEST))


def calibrated_tail(raw: Scores, fpr: float) -> Calibration:
    """Calibrate raw scores of unlabelled flows, float64[n], so that a share ``fpr`` of them would reach 1/2.

    The 5 % highest scores are taken for the tail of an exponential distribution (peaks over threshold; Pickands 1975,
    with shape 0), so that a rate can be reached that fewer flows than 1 / fpr cannot show. The log-odds rise by one
    where flows are e times as rare: they say how rare a score is in the site's past, not how likely an attack is.

    Raises:
        TrainingError: there are under 40 flows.
    """
    if len(raw) < _FEWEST_FOR_TAIL:
        raise TrainingError(
            f"{len(raw)} flows are too few to set a threshold by, at least {_FEWEST_FOR_TAIL} are needed: give more "
            "of the site's past"
        )
    high = float(np.quantile(raw, 1.0 - _TAIL))
    tail = raw[raw >= high]
    # Where the highest scores are all the same, as those of one beacon are, they have no excess to go by.
    scale = max(float(tail.mean()) - high, _LEAST_SCALE)
    threshold = high + scale * max(float(np.log(len(tail) / len(raw) / fpr)), 1.0)
    return Calibration(slope=1.0 / scale, intercept=-threshold / scale)


def _logit(probability: float) -> float:
    bounded = min(max(probability, _LOWEST), _HIGHEST)
    return float(np.log(bounded / (1.0 - bounded)))


def _sigmoid(log_odds: float) -> float:
    return float(1.0 / (1.0 + np.exp(-log_odds)))
