"""What the engines' votes should count, and when to abstain: tried on captures left out, not chosen by taste.

Each capture is left out in turn, with its relatives, as in :mod:`benchmarks.leave_one_out`. Its flows are then decided
by every combination of the weights of rules and statistics (that of the models is 1: only ratios matter) and of the
support that is too near zero to call between strong votes. One line tells of each combination.

    python -m benchmarks.weights PATH…
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import click
import msgspec
import numpy as np
import numpy.typing as npt

from benchmarks.leave_one_out import detector_of
from detection.detector import Detector
from detection.ensemble import Ensemble, PerThreat
from detection.verdict import THREATS, Kind
from training.boosting import attacks_of
from training.datasets import Dataset, load_captures, measured
from training.datasets.augmented import augmented
from training.evaluation import LEARNED
from training.splits import without_sources

RULES: Final = (0.0, 0.5, 1.0, 2.0)
MATH: Final = (0.0, 0.25, 0.5, 1.0)
NEAR_ZERO: Final = (0.0, 1.0, 2.0)


@dataclass(frozen=True, slots=True)
class Way:
    """One combination: the weights of rules and of statistics, and the support below which strong votes clash."""

    rules: float
    math: float
    near_zero: float

    def of(self, ensemble: Ensemble) -> Ensemble:
        """The ensemble with these instead of its own."""
        weights = msgspec.structs.replace(ensemble.weights, rules=_each(self.rules), math=_each(self.math))
        limits = msgspec.structs.replace(ensemble.limits, near_zero=self.near_zero)
        return msgspec.structs.replace(ensemble, weights=weights, limits=limits)


def _each(value: float) -> PerThreat:
    return PerThreat(value, value, value)


WAYS: Final = tuple(Way(*values) for values in itertools.product(RULES, MATH, NEAR_ZERO))


@dataclass(frozen=True, slots=True)
class Told:
    """What a way gives, as shares: means over each capture's attacks, and of all flows for the others."""

    learned: float  # recall, of the kinds that models are shown
    strange: float  # recall, of the others
    fpr: float
    abstained: float


def told(data: Dataset, verdicts: npt.NDArray[np.int8]) -> Told:
    """Compare verdicts, int8[n], with the truth of ``n`` flows, each of which has one."""
    flagged = np.isin(verdicts, THREATS)

    def recall(kinds: Iterable[Kind]) -> float:
        its = np.isin(data.truth, list(kinds))
        which = attacks_of(data.take(its))
        return float((np.bincount(which, weights=flagged[its]) / np.bincount(which)).mean())

    return Told(
        learned=recall(LEARNED),
        strange=recall([Kind.ANOMALY]),
        fpr=float(flagged[data.truth == Kind.BENIGN].mean()),
        abstained=float((verdicts == Kind.ABSTAIN).mean()),
    )


def left_out(data: Dataset, more: Dataset) -> Iterator[tuple[Dataset, Detector]]:
    """Each capture with its relatives, and the detector of all that is no kin of them."""
    done: set[int] = set()
    for number in np.unique(data.capture).tolist():
        if number in done:
            continue
        out = [capture for capture in data.origin.relatives(number) if capture not in done]
        done.update(out)
        kin = frozenset[str]().union(*(data.origin.sources(capture) for capture in out))
        detector = detector_of(without_sources(data, kin), without_sources(more, kin))
        yield data.take(np.isin(data.capture, out)).of(Kind.BENIGN, *THREATS), detector


def decided(detector: Detector, data: Dataset, way: Way) -> npt.NDArray[np.int8]:
    """The verdicts on a capture that was left out, int8[n]."""
    detector.ensemble = way.of(detector.ensemble)
    return detector.decide(data.features).kind


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="PATH…")
def main(names: tuple[str, ...]) -> None:
    """Try weights on captures left out. PATH: a folder of known captures, or [FORMAT:][TRUTH:]FILE."""
    flows = load_captures(list(names))
    data, more = measured(flows), augmented(flows)
    verdicts: dict[Way, list[npt.NDArray[np.int8]]] = {way: [] for way in WAYS}
    judged: list[Dataset] = []
    for rows, detector in left_out(data, more):
        judged.append(rows)
        for way, kinds in verdicts.items():
            kinds.append(decided(detector, rows, way))
        click.echo(f"left out {', '.join(data.origin.names[n] for n in np.unique(rows.capture))}", err=True)
    together = Dataset.concatenate(judged)
    click.echo("rules  math  near zero   learned  strange      fpr  abstained")
    for way, kinds in verdicts.items():
        one = told(together, np.concatenate(kinds))
        click.echo(
            f"{way.rules:5.2f} {way.math:5.2f} {way.near_zero:10.2f}   {one.learned:7.4f}  {one.strange:7.4f}  "
            f"{one.fpr:7.5f}  {one.abstained:9.5f}"
        )


if __name__ == "__main__":
    main()
