"""The operating point: the probability at which a model says yes, fixed on validation rows only."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from training.errors import TrainingError

Probabilities = npt.NDArray[np.float64]

_SPARED = 0.05  # the share of the attacks found that the far side of the gap leaves out
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


def raised(
    threshold: float, attacks: Probabilities, kinds: npt.NDArray[np.int64], room: float, steps: int = 400
) -> float:
    """Raise a threshold as far as it costs at most ``room`` of the recall, as a mean over the kinds of attack.

    Networks differ more in their ordinary life than floods differ from each other, so room is left where they are.

    Args:
        threshold: the lowest that serves.
        attacks: float64[m], probabilities of attacks.
        kinds: int64[m], which kind each is of, from 0 on.
        room: a share.
        steps: how many thresholds are tried, evenly in log-odds.
    """
    if len(attacks) == 0:
        return threshold
    counts = np.bincount(kinds)

    def recall(at: float) -> float:
        return float((np.bincount(kinds, weights=attacks >= at, minlength=len(counts)) / np.maximum(counts, 1)).mean())

    least = recall(threshold) - room
    tried = [_sigmoid(odds) for odds in np.linspace(_logit(threshold), _logit(_HIGHEST), steps)]
    return max([threshold, *(at for at in tried if recall(at) >= least)])


def _logit(probability: float) -> float:
    bounded = min(max(probability, _LOWEST), _HIGHEST)
    return float(np.log(bounded / (1.0 - bounded)))


def _sigmoid(log_odds: float) -> float:
    return float(1.0 / (1.0 + np.exp(-log_odds)))
