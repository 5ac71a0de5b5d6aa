"""The operating point: the probability at which a model says yes, fixed on validation rows only."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from model_registry.artifact import Calibration
from training.errors import TrainingError

Probabilities = npt.NDArray[np.float64]
Scores = npt.NDArray[np.float64]

_SPARED = 0.05  # the share of the flows found of an attack that the far side of the gap leaves out
_STEPS = 200  # thresholds that are tried on the way
_TAIL = 0.05
_FEWEST_FOR_TAIL = 40
_ABOVE_TIES = 1e-6  # of the scale: flows that are all alike must not all be flagged
_LEAST_SCALE = 0.1  # of a raw score
_LOWEST, _HIGHEST = 1e-6, 1.0 - 1e-6


def threshold_at(fpr: float, benign: Probabilities, weight: npt.NDArray[np.float32] | None = None) -> float:
    """Return the lowest threshold with at most a share ``fpr`` of ``benign`` probabilities, float64[n], at or above it.

    ``weight``, float32[n], is how many flows each stands for; one each without it.

    Raises:
        TrainingError: there are too few benign rows for a rate that small to mean anything.
    """
    if len(benign) * fpr < 1.0:
        raise TrainingError(f"a false-positive rate of {fpr:g} needs {round(1 / fpr)} benign rows, got {len(benign)}")
    counts = np.ones(len(benign), dtype=np.float32) if weight is None else weight
    lowest = float(np.nextafter(highest_share(fpr, benign, counts), 1.0))
    return float(np.clip(lowest, _LOWEST, _HIGHEST))


def highest_share(share: float, scores: Scores, weight: npt.NDArray[np.float32]) -> float:
    """Return the score, of float64[n], above which lies at most this share of all weight, float32[n]."""
    order = np.argsort(-scores, kind="stable")
    above = np.cumsum(weight[order], dtype=np.float64)
    place = int(np.searchsorted(above, share * above[-1], side="right"))
    return float(scores[order][min(place, len(scores) - 1)])


def raised(threshold: float, attacks: Probabilities, kinds: npt.NDArray[np.int64], room: float) -> float:
    """Raise the lowest threshold that serves towards the middle of the gap, in log-odds, to the attacks it finds.

    Networks differ more in their ordinary life than attacks differ from each other, so room is left where they are. The
    far side of the gap is where the lowest 5 % of the flows found of a kind end, as a mean over the kinds; and no more
    than ``room`` of the recall is given up, as a mean over the kinds: a large attack decides no more than a small one.

    Args:
        threshold: the lowest that serves.
        attacks: float64[m], probabilities of attacks.
        kinds: int64[m], which kind each is of, from 0 on.
        room: a share.
    """
    found = attacks >= threshold
    sides = [_logit(float(np.quantile(attacks[found & (kinds == kind)], _SPARED))) for kind in np.unique(kinds[found])]
    if not sides:
        return threshold
    counts = np.maximum(np.bincount(kinds), 1)

    def recall(at: float) -> float:
        return float((np.bincount(kinds, weights=attacks >= at, minlength=len(counts)) / counts).mean())

    middle = (_logit(threshold) + float(np.mean(sides))) / 2.0
    tried = [_sigmoid(odds) for odds in np.linspace(_logit(threshold), middle, _STEPS)]
    return max([threshold, *(at for at in tried if recall(at) >= recall(threshold) - room)])


def calibrated_tail(raw: Scores, fpr: float) -> Calibration:
    """Calibrate raw scores of unlabelled flows, float64[n], so that a share ``fpr`` of them would reach 1/2.

    The threshold is the score that the share ``fpr`` of the flows reaches; of fewer flows than 1 / fpr, which cannot
    show it, the 5 % highest scores are taken for the tail of an exponential distribution (peaks over threshold;
    Pickands 1975, with shape 0). Above, the log-odds rise by one where flows of that tail are e times as rare: they say
    how rare a score is in the site's past, not how likely an attack is.

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
    if len(raw) * fpr >= 1.0:
        threshold = float(np.quantile(raw, 1.0 - fpr)) + _ABOVE_TIES * scale
    else:
        threshold = high + scale * max(float(np.log(len(tail) / len(raw) / fpr)), 1.0)
    return Calibration(slope=1.0 / scale, intercept=-threshold / scale)


def _logit(probability: float) -> float:
    bounded = min(max(probability, _LOWEST), _HIGHEST)
    return float(np.log(bounded / (1.0 - bounded)))


def _sigmoid(log_odds: float) -> float:
    return float(1.0 / (1.0 + np.exp(-log_odds)))
