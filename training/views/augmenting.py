"""Whole data sets seen otherwise, to learn from beside the captures themselves.

Each view is of whole captures, so that floods and ordinary life are told by the same exporter, however they were
captured. Rates, shares and sizes are drawn for each capture from the ranges below.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np

from detection.verdict import Kind
from flows.batch import FlowBatch
from flows.errors import UsageError
from training.datasets.base import NO_TRUTH, LabelledFlows
from training.views.answers import answered_by
from training.views.common import Mask, Rows, changed_among, every_row
from training.views.exporters import EXPORTERS, as_exporter, completed, ignored
from training.views.shapes import sampled_packets, sized, stretched, swapped, thinned

# Flows, which of them are floods (bool[n]), and draws; to flows, and the rows that they come from.
View = Callable[[FlowBatch, Mask, np.random.Generator], tuple[FlowBatch, Rows]]

_TWO_WAY: Final = ("zeek", "suricata", "argus", "argus-ctu")
_OFFSETS: Final = (-6, 4, 8, 12, 14, 18)  # bytes: padding undone, TCP options, an Ethernet header, one with a VLAN tag
_RATES: Final = (10, 100, 1000)  # one in so many packets


def _told_by(exporter: str) -> View:
    return lambda batch, _floods, _rng: as_exporter(batch, exporter)


def _floods_answered(how: str) -> View:
    def view(batch: FlowBatch, floods: Mask, rng: np.random.Generator) -> tuple[FlowBatch, Rows]:
        share = rng.uniform(0.3, 1.0)
        answered = changed_among(completed(batch), floods, lambda flows: answered_by(flows, how, rng, share))
        return _retold(answered, str(rng.choice(EXPORTERS)))

    return view


def _life_half_seen(batch: FlowBatch, floods: Mask, rng: np.random.Generator) -> tuple[FlowBatch, Rows]:
    """The way back of many ordinary flows takes another route, so that being one-way is no sign of a flood."""
    share = rng.uniform(0.3, 1.0)
    half = changed_among(completed(batch), ~floods, lambda flows: answered_by(flows, "silent", rng, share))
    return _retold(half, str(rng.choice(_TWO_WAY)))


def _checksums_wrong(batch: FlowBatch, floods: Mask, _rng: np.random.Generator) -> tuple[FlowBatch, Rows]:
    """Zeek ignores the flood's packets, whose checksums are wrong, so that it seems to have none."""
    told, rows = as_exporter(batch, "zeek")
    return ignored(told, floods[rows]), rows


def _sides_swapped(batch: FlowBatch, _floods: Mask, rng: np.random.Generator) -> tuple[FlowBatch, Rows]:
    return as_exporter(swapped(completed(batch), rng, rng.uniform(0.1, 0.5)), str(rng.choice(_TWO_WAY)))


def _packets_sized(batch: FlowBatch, floods: Mask, rng: np.random.Generator) -> tuple[FlowBatch, Rows]:
    """Floods and ordinary life come from systems with other options in their packets."""
    flood, life = (int(offset) for offset in rng.choice(_OFFSETS, 2))
    batch, _ = changed_among(batch, floods, lambda flows: (sized(flows, flood), every_row(flows)))
    batch, _ = changed_among(batch, ~floods, lambda flows: (sized(flows, life), every_row(flows)))
    return as_exporter(batch, str(rng.choice(EXPORTERS)))


def _stretched_by(slowest: float) -> View:
    def view(batch: FlowBatch, _floods: Mask, rng: np.random.Generator) -> tuple[FlowBatch, Rows]:
        return as_exporter(stretched(batch, slowest ** rng.uniform(0.3, 1.0)), str(rng.choice(EXPORTERS)))

    return view


def _floods_thinned(batch: FlowBatch, floods: Mask, rng: np.random.Generator) -> tuple[FlowBatch, Rows]:
    """A flood at a tenth of its rate, or less, among all of ordinary life."""
    share = 10 ** rng.uniform(-2.0, -1.0)
    return _retold(changed_among(batch, floods, lambda flows: thinned(flows, share, rng)), str(rng.choice(EXPORTERS)))


def _packets_sampled(batch: FlowBatch, _floods: Mask, rng: np.random.Generator) -> tuple[FlowBatch, Rows]:
    one_in, scaled = int(rng.choice(_RATES)), bool(rng.integers(2))
    return _retold(sampled_packets(completed(batch), one_in, rng, scaled=scaled), "netflow")


def _retold(told: tuple[FlowBatch, Rows], exporter: str) -> tuple[FlowBatch, Rows]:
    batch, rows = told
    retold, sources = as_exporter(batch, exporter)
    return retold, rows[sources]


VIEWS: Final[dict[str, View]] = {
    **{f"as-{exporter}": _told_by(exporter) for exporter in EXPORTERS},
    "floods-refused": _floods_answered("reset"),
    "floods-accepted": _floods_answered("syn-ack"),
    "floods-unreachable": _floods_answered("unreachable"),
    "life-half-seen": _life_half_seen,
    "checksums-wrong": _checksums_wrong,
    "sides-swapped": _sides_swapped,
    "packets-sized": _packets_sized,
    "slower": _stretched_by(10.0),
    "faster": _stretched_by(0.1),
    "floods-thinned": _floods_thinned,
    "packets-sampled": _packets_sampled,
}


def viewed(flows: LabelledFlows, name: str, seed: int) -> LabelledFlows:
    """See a data set otherwise: captures one after the other, each in its order, with the truth and part of each flow.

    A flow of its own that a victim answers with (ICMP) has no truth: it is neither an attack nor ordinary life.

    Raises:
        UsageError: no view is called so.
        TrainingError: as :func:`~training.views.shapes.stretched`.
    """
    if name not in VIEWS:
        raise UsageError(f"no view is called {name!r}; the views are {', '.join(VIEWS)}")
    batches, sources = [FlowBatch.empty()], [np.empty(0, dtype=np.int64)]
    for capture in np.unique(flows.capture).tolist():
        rows = np.flatnonzero(flows.capture == capture)
        rng = np.random.default_rng([seed, zlib.crc32(name.encode()), capture])
        batch, kept = VIEWS[name](flows.batch.take(rows), flows.truth[rows] == Kind.DDOS, rng)
        batches.append(batch)
        sources.append(rows[kept])
    batch, rows = FlowBatch.concatenate(batches), np.concatenate(sources)
    answer = batch.protocol != flows.batch.protocol[rows]
    return LabelledFlows(
        batch=batch,
        truth=np.where(answer, NO_TRUTH, flows.truth[rows]).astype(np.int8),
        attack=flows.attack[rows],
        capture=flows.capture[rows],
        part=flows.part[rows],
        origin=replace(
            flows.origin,
            names=tuple(f"{capture} ({name})" for capture in flows.origin.names),
            about=f"{flows.origin.about}\nNot as captured, but as it might have been told or answered: {name}.",
        ),
    )
