"""The words of deciding: kinds of verdict, reasons to abstain, and what was decided about a batch of flows.

All arrays with one column per threat, ``[n, 3]``, have their columns in the order of :data:`THREATS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Features = npt.NDArray[np.float32]


class Kind(IntEnum):
    """What a flow is decided to be."""

    BENIGN = 0
    DDOS = 1
    MALWARE = 2
    ANOMALY = 3
    ABSTAIN = 4

    @property
    def label(self) -> str:
        """The kind as written in verdicts, rules and settings."""
        return self.name.lower()


THREATS: Final = (Kind.DDOS, Kind.MALWARE, Kind.ANOMALY)


class Reason(IntEnum):
    """Why no decision was made; NONE when one was."""

    NONE = 0
    ENGINES_DISAGREE = 1
    TOO_LITTLE_HISTORY = 2
    TOO_FEW_FEATURES = 3
    NOTHING_TO_DECIDE_BY = 4

    @property
    def label(self) -> str:
        """The reason in words, empty for NONE."""
        return "" if self is Reason.NONE else self.name.lower().replace("_", " ")


# A vote is a log-odds within +-STRONGEST_VOTE (probabilities of 0.018 and 0.982): no engine, however sure of itself,
# can drown the other two.
STRONGEST_VOTE: Final = 4.0

RULES: Final = "rules"
MATH: Final = "math"
ML: Final = "ml"
ENGINES: Final = (RULES, MATH, ML)


@dataclass(frozen=True, slots=True)
class Decisions:
    """What was decided about ``n`` flows, as columns.

    Attributes:
        kind: int8[n], a :class:`Kind`.
        confidence: float64[n]. For a threat and for benign, the calibrated probability that the verdict is right; for
            an abstention, the probability of the likeliest threat (0 with nothing to decide by).
        reason: int8[n], a :class:`Reason`.
        support: float64[n, 3], the ensemble's log-odds of each threat.
        votes: per engine float64[n, 3], log-odds: positive supports, negative speaks against, 0 says nothing.
        rules_fired: uint64[n], bit i set when the rule at position i fired.
        probabilities: per model float64[n], its calibrated probability.
    """

    kind: npt.NDArray[np.int8]
    confidence: Floats
    reason: npt.NDArray[np.int8]
    support: Floats
    votes: dict[str, Floats]
    rules_fired: npt.NDArray[np.uint64]
    probabilities: dict[str, Floats]

    def __len__(self) -> int:
        return len(self.kind)


def sigmoid(log_odds: npt.ArrayLike) -> Floats:
    """The probability of given log-odds, without overflow at either end."""
    x = np.asarray(log_odds, dtype=np.float64)
    small = np.exp(-np.abs(x))
    return np.where(x >= 0.0, 1.0, small) / (1.0 + small)


def logit(probability: npt.ArrayLike) -> Floats:
    """The log-odds of given probabilities, which are kept 1e-12 away from 0 and 1."""
    p = np.clip(np.asarray(probability, dtype=np.float64), 1e-12, 1.0 - 1e-12)
    return np.log(p) - np.log1p(-p)


def no_votes(n: int) -> Floats:
    """The votes of an engine that says nothing about ``n`` flows: zeros, float64[n, 3]."""
    return np.zeros((n, len(THREATS)), dtype=np.float64)


def column(threat: Kind) -> int:
    """The column of a threat in every ``[n, 3]`` array. Raises ValueError for a kind that is no threat."""
    return THREATS.index(threat)
