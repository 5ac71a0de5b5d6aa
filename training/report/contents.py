"""What a page says, as data: whoever evaluates fills it in, and the page lays it out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from training.hosts import Wait
from training.judging import Life
from training.report.scored import Scored
from training.report.watch import Attribution

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Ablation:
    """How a figure changes when something is taken away.

    Attributes:
        about: what was taken away, and which figure is told.
        columns: the names of the figures.
        rows: what was left out, and its figures; None where the rows cannot tell.
    """

    about: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[float | None, ...]], ...]


@dataclass(frozen=True, slots=True)
class Contents:
    """What one page says.

    Attributes:
        title: of the page.
        notes: what a reader must know first, a paragraph each.
        facts: what was evaluated and how, as names and values.
        scored: the flows that have a truth.
        lives: false alerts and ordinary life, per stream; those of no flow with a truth as well.
        hosts: per stream or for all, the hosts that attack or are attacked, by address.
        drift: per model and stream, by their place in ``drift_of``, the index of each feature, float64[120].
        drift_of: the names of the streams whose drift is told.
        attributions: per model what its features add to its scores.
        failures: captures that could not be judged, with the reason.
        ablation: a table of what happens without parts of it.
    """

    title: str
    notes: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    scored: Scored
    lives: tuple[Life, ...] = ()
    hosts: Mapping[str, Mapping[str, Wait]] = field(default_factory=dict)
    drift: Mapping[str, Sequence[Floats]] = field(default_factory=dict)
    drift_of: tuple[str, ...] = ()
    attributions: Mapping[str, Attribution] = field(default_factory=dict)
    failures: tuple[tuple[str, str], ...] = ()
    ablation: Ablation | None = None
