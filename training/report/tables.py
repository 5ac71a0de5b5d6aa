"""The tables of a page, as data: the same figures as the JSON document's, at full precision behind what is shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from detection.verdict import THREATS, Kind
from flows.catalogue import NAMES
from training.by_capture import capture_intervals
from training.card_figures import SHARES, precision_at
from training.evaluation import Measures
from training.intervals import Interval, Intervals, exact_interval, intervals_of
from training.report.contents import Ablation, Contents
from training.report.scored import Family, Scored, Scorer
from training.report.terminal import CANNOT_BE_TOLD

MOST_LABELS: Final = 40
MOST_HOSTS: Final = 25  # of each stream
TOP_FEATURES: Final = 10
NOTHING: Final = "-"


@dataclass(frozen=True, slots=True)
class Cell:
    """What a cell shows; behind a figure its ``value``, below it its interval or another word of ``more``."""

    text: str
    value: float | int | None = None
    more: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its first column is names, the others are figures. ``folded`` ones open on a click."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    folded: bool = False


@dataclass(frozen=True, slots=True)
class LabelRecall:
    """How much of one label each scorer decided rightly, with the interval over stretches; by the scorer's name."""

    label: str
    kind: Kind
    rows: int
    shares: dict[str, tuple[float, Interval]]


def share(value: float | None, interval: Interval | None = None, *, told: bool = False) -> Cell:
    """A share or an area; ``told`` says in words that there is no interval."""
    if value is None:
        return Cell(NOTHING)
    between = f"{_end(interval[0])} to {_end(interval[1])}" if interval else CANNOT_BE_TOLD if told else ""
    return Cell(_short(value), value, between)


def count(value: int) -> Cell:
    """A number of things."""
    return Cell(f"{value:,}", value)


def number(value: float | None) -> Cell:
    """Any other number."""
    return Cell(NOTHING) if value is None else Cell(f"{value:.3g}", value)


def _short(value: float) -> str:
    """A share, exactly enough to tell small ones apart."""
    return f"{value:.2g}" if 0 < value < 0.001 else f"{value:.4f}"


def _end(value: float) -> str:
    """An end of an interval, shorter."""
    return f"{value:.0e}" if 0 < value < 0.001 else f"{value:.3f}"


_MEASURES: Final = (
    *("flows", "attacks", "threshold", "recall", "false-positive rate", "upper bound of it", "precision"),
    *("ROC area", "PR area", "calibration error", "abstained"),
)


def measures_row(name: str, measures: Measures, ends: Intervals | None) -> tuple[Cell, ...]:
    """One row of figures under :data:`_MEASURES`; with ``ends``, each figure that has one shows its interval."""
    told, ends = ends is not None, ends or Intervals(None, None, None, None, None)
    bound = measures.fpr_upper95
    return (
        Cell(name),
        count(measures.rows),
        count(measures.positives),
        number(measures.threshold),
        share(measures.recall, ends.recall, told=told),
        share(measures.fpr, ends.fpr, told=told),
        Cell(CANNOT_BE_TOLD) if bound is None else share(bound),
        share(measures.precision, ends.precision, told=told),
        share(measures.roc_auc, ends.roc_auc, told=told),
        share(measures.pr_auc, ends.pr_auc, told=told),
        share(measures.calibration_error),
        count(measures.abstained),
    )


def intervals_by_capture(found: Scored) -> dict[str, Intervals]:
    """Each scorer's intervals over captures, by its name."""
    ends = {}
    for scorer in found.scorers:
        rows = found.rows_of(scorer)
        positive = found.truth[rows] != Kind.BENIGN
        ends[scorer.name] = capture_intervals(scorer.score[rows], scorer.flagged[rows], positive, found.capture[rows])
    return ends


def overall(found: Scored, ends: dict[str, Intervals]) -> Iterator[Table]:
    """The verdict beside each engine alone, and each model beside its baselines, over all captures."""

    def table(title: str, scorers: Iterable[Scorer], note: str) -> Table:
        rows = tuple(measures_row(one.name, found.measures(one), ends[one.name]) for one in scorers)
        return Table(title, ("", *_MEASURES), rows, note)

    verdicts = [one for one in found.scorers if one.family in (Family.VERDICT, Family.ENGINE)]
    yield table(
        "The verdict, and each engine alone",
        verdicts,
        "On all flows that have a truth; an attack is found when it is flagged as any threat. An engine alone raises "
        "an alarm where its strongest vote is above 0, and never abstains.",
    )
    for threat in THREATS:
        scorers = [one for one in found.scorers if one.finds == (threat,)]
        if scorers:
            beside = " beside baselines" if any(one.family is Family.BASELINE for one in scorers) else ""
            yield table(
                f"Models of {threat.label}{beside}",
                scorers,
                f"On benign flows and flows that are {threat.label}; flows of other attacks are no rows.",
            )


def by_capture(found: Scored) -> Iterator[Table]:
    """One table for each scorer, a capture in each row."""
    for scorer in found.scorers:
        rows = []
        for place, name in enumerate(found.captures):
            measures = found.measures(scorer, place)
            if measures.rows:
                rows.append(measures_row(name, measures, None))
        folded = scorer.family in (Family.ENGINE, Family.BASELINE)
        yield Table(scorer.name, ("capture", *_MEASURES), tuple(rows), folded=folded)


def label_recalls(found: Scored) -> list[LabelRecall]:
    """What each scorer decided rightly of each label that is among its rows."""
    recalls = []
    for label, kind, rows in found.by_label():
        shares: dict[str, tuple[float, Interval]] = {}
        for scorer in found.scorers:
            here = rows & found.rows_of(scorer)
            total = int(here.sum())
            if total:
                right = found.right(scorer)[here]
                every = np.ones(total, dtype=np.bool_)
                ends = intervals_of(scorer.score[here], right, every, found.capture[here]).recall
                shares[scorer.name] = (float(right.mean()), ends or exact_interval(int(right.sum()), total))
        recalls.append(LabelRecall(label, kind, int(rows.sum()), shares))
    return recalls


def label_table(found: Scored, recalls: Sequence[LabelRecall]) -> Table:
    """The share of each label that each scorer decided rightly."""
    names = [scorer.name for scorer in found.scorers]
    rows = tuple(
        (
            Cell(one.label),
            Cell(one.kind.label),
            count(one.rows),
            *(share(*one.shares[name]) if name in one.shares else Cell(NOTHING) for name in names),
        )
        for one in recalls[:MOST_LABELS]
    )
    more = f" The first {MOST_LABELS} of {len(recalls)} labels." if len(recalls) > MOST_LABELS else ""
    return Table(
        "Attack by attack",
        ("label", "is", "flows", *names),
        rows,
        "The share decided rightly: of an attack what was flagged, of benign flows what was not. Intervals are over "
        "stretches of the same captures, and say nothing of others." + more,
    )


def rarer_table(found: Scored, ends: dict[str, Intervals]) -> Table:
    """Precision where attacks are rarer than in the captures."""
    rows = []
    for scorer in found.scorers:
        measures, of = found.measures(scorer), ends[scorer.name]
        cells = []
        for at in SHARES:
            between = None
            if of.recall and of.fpr:
                low, high = precision_at(at, of.recall[0], of.fpr[1]), precision_at(at, of.recall[1], of.fpr[0])
                between = None if low is None or high is None else (low, high)
            cells.append(share(precision_at(at, measures.recall, measures.fpr), between, told=True))
        rows.append((Cell(scorer.name), *cells))
    return Table(
        "Precision at stated base rates",
        ("", *(f"1 attack in {round(1 / at):,} flows" for at in SHARES)),
        tuple(rows),
        "By Bayes' rule, with the recall and false-positive rate above. Below it: with the worse and with the better "
        "ends of their intervals by capture.",
    )


def life_table(contents: Contents) -> Table:
    """False alerts, stream by stream, and over all that can tell."""
    rows = [
        (
            Cell(life.name),
            count(life.flows),
            number(life.host_days or None),
            count(life.false_alerts) if life.host_days else Cell(NOTHING),
            number(life.false_alerts / life.host_days if life.host_days else None),
        )
        for life in contents.lives
    ]
    told = [life for life in contents.lives if life.host_days]
    days, alerts = sum(life.host_days for life in told), sum(life.false_alerts for life in told)
    if told:
        flows = count(sum(life.flows for life in told))
        rows.append((Cell("all that can tell"), flows, number(days), count(alerts), number(alerts / days)))
    return Table(
        "False alerts per home host and day",
        ("stream", "flows", "host-days", "false alerts", "false alerts per host-day"),
        tuple(rows),
        "Alerts opened by a flow that is not labelled an attack. It takes benign flows, times, and hosts inside the "
        "home networks.",
    )


def host_tables(contents: Contents) -> Iterator[Table]:
    """The hosts that attack or are attacked, and when the first alert came."""
    for stream, hosts in contents.hosts.items():
        rows = []
        for address, wait in list(hosts.items())[:MOST_HOSTS]:
            seconds = wait.seconds if wait.flagged and not np.isnan(wait.seconds) else None
            flows = count(wait.flows) if wait.flagged else Cell(NOTHING)
            rows.append((Cell(address), Cell("yes" if wait.flagged else "no"), flows, number(seconds)))
        flagged = sum(wait.flagged for wait in hosts.values())
        more = f" The first {MOST_HOSTS} are shown." if len(hosts) > MOST_HOSTS else ""
        yield Table(
            stream,
            ("host", "flagged", "at its attack flow", "first alert after, s"),
            tuple(rows),
            f"{flagged} of {len(hosts)} hosts are flagged.{more}",
            folded=True,
        )


def drift_table(contents: Contents) -> Table:
    """Of each stream and model the features that moved most."""
    rows = []
    for place, stream in enumerate(contents.drift_of):
        cells = []
        for indices in contents.drift.values():
            index = np.nan_to_num(indices[place], nan=-1.0)
            top = [at for at in np.argsort(-index, kind="stable")[:3] if index[at] >= 0]
            first = float(index[top[0]]) if top else None
            cells.append(Cell(", ".join(f"{NAMES[at]} {index[at]:.2f}" for at in top) or NOTHING, first))
        rows.append((Cell(stream), *cells))
    return Table("What moved most", ("stream", *contents.drift), tuple(rows))


def attribution_table(contents: Contents) -> Table:
    """Per model the features that add most to its raw scores."""
    tops = {}
    for name, attribution in contents.attributions.items():
        order = np.argsort(-attribution.mean, kind="stable")[:TOP_FEATURES]
        tops[name] = [(NAMES[at], float(attribution.mean[at])) for at in order]
    rows = []
    for rank in range(TOP_FEATURES):
        cells = [Cell(feature, value, f"{value:.3g}") for feature, value in (top[rank] for top in tops.values())]
        rows.append((Cell(str(rank + 1)), *cells))
    return Table("The features that count", ("", *tops), tuple(rows), folded=True)


def ablation_table(ablation: Ablation) -> Table:
    """What becomes of the figures when something is left out."""
    rows = tuple((Cell(left_out), *(share(value) for value in values)) for left_out, values in ablation.rows)
    return Table("Ablation", ("", *ablation.columns), rows, ablation.about)
