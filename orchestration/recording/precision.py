"""How often alarms were right, as far as people have said: the one figure that production tells of itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import sqrt
from typing import Final

from detection.verdict import THREATS
from orchestration.recording.feedback import Feedback
from orchestration.recording.verdicts import Verdict, word_about

_Z: Final = 1.959964  # of 95 %


@dataclass(frozen=True, slots=True)
class Precision:
    """Of ``labelled`` words about alarms of a kind so many say that they were ``right``.

    ``low`` and ``high`` are the ends of the 95 % interval.
    """

    labelled: int
    right: int
    low: float
    high: float


def precision(verdicts: Iterable[Verdict], words: dict[str, Feedback]) -> dict[str, Precision]:
    """The precision of each kind of alarm about which anybody said anything.

    A word about an alert counts once, however many verdicts that folded: they are no independent trials. The interval
    is Wilson's ("Probable inference, the law of succession, and statistical inference", 1927). People look at what
    puzzles them, so this is of the alarms that were looked at, not of all.
    """
    right: dict[str, dict[str, bool]] = {}  # by kind of alarm, and by what the word is about
    kinds = {threat.label for threat in THREATS}
    for verdict in verdicts:
        word = word_about(verdict, words) if verdict.verdict in kinds else None
        if word is not None:
            right.setdefault(verdict.verdict, {})[word.id] = word.label == verdict.verdict
    counts = {kind: (sum(said.values()), len(said)) for kind, said in right.items()}
    return {kind: Precision(n, hits, *wilson(hits, n)) for kind, (hits, n) in counts.items()}


def wilson(hits: int, trials: int) -> tuple[float, float]:
    """The 95 % score interval of a rate; ``trials`` is at least 1."""
    share, z2 = hits / trials, _Z * _Z
    centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = _Z * sqrt(share * (1 - share) / trials + z2 / (4 * trials * trials)) / (1 + z2 / trials)
    return max(0.0, centre - half), min(1.0, centre + half)
