"""How often alarms were right, as far as people have said: the one figure that production tells of itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from math import sqrt
from typing import Final

from detection.verdict import THREATS
from orchestration.recording.feedback import Feedback
from orchestration.recording.verdicts import Verdict, label_of

_Z: Final = 1.959964  # of 95 %


@dataclass(frozen=True, slots=True)
class Precision:
    """Of ``labelled`` alarms of a kind ``right`` were so; ``low`` and ``high`` are the ends of the 95 % interval."""

    labelled: int
    right: int
    low: float
    high: float


def precision(verdicts: Iterable[Verdict], words: dict[str, Feedback]) -> dict[str, Precision]:
    """The precision of each kind of alarm about which anybody said anything.

    The interval is Wilson's ("Probable inference, the law of succession, and statistical inference", 1927). People
    look at what puzzles them, so this is of the alarms that were looked at, not of all.
    """
    labelled: Counter[str] = Counter()
    right: Counter[str] = Counter()
    kinds = {threat.label for threat in THREATS}
    for verdict in verdicts:
        label = label_of(verdict, words) if verdict.verdict in kinds else None
        if label is not None:
            labelled[verdict.verdict] += 1
            right[verdict.verdict] += label == verdict.verdict
    return {kind: Precision(n, right[kind], *wilson(right[kind], n)) for kind, n in labelled.items()}


def wilson(hits: int, trials: int) -> tuple[float, float]:
    """The 95 % score interval of a rate; ``trials`` is at least 1."""
    share, z2 = hits / trials, _Z * _Z
    centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = _Z * sqrt(share * (1 - share) / trials + z2 / (4 * trials * trials)) / (1 + z2 / trials)
    return max(0.0, centre - half), min(1.0, centre + half)
