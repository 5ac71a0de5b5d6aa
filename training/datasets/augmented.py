"""More to learn from than was captured: the same attacks on other networks, from the other side, told by other tools.

What a few captures have in common by chance (their victims are silent, their exporter is another, nobody of theirs
attacks) is a short cut to their labels that leads nowhere else. So floods are laid over networks they were not laid
over, seen from a host that takes part, and everything is seen in the ways of :mod:`training.views`. Attacks and busy
servers of which there is no capture are drawn (:mod:`training.datasets.drawn`) and laid over these networks, too, and
whole simulated networks join. Of each stream a few flows of each kind are kept. Nothing of this is for figures: it is
only learned from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from detection.verdict import Kind
from flows.batch import FlowBatch
from flows.simulator import training_scenario
from training.datasets.base import NO_TRUTH, Dataset, LabelledFlows, Origin, measured
from training.datasets.captures import Capture, overlaid
from training.datasets.drawn import drawn, from_within
from training.datasets.parts import Part
from training.datasets.simulated import simulated
from training.views import viewed

ROUNDS: Final = 24  # of drawing each kind of attack
NETWORKS: Final = 3  # that a flood is laid over, beside the one that it was laid over already
STRETCH: Final = 6000  # flows of ordinary life around an attack
CALM: Final = ("busy_service", "busy_names", "busy_pings", "gone_peers")  # drawn, and no attack
MOST_ROWS: Final = 250  # of one attack, or of ordinary life, from one stream
BUSY: Final = 30  # flows in within 10 s
_SEED: Final = 20260102
_FLOOD_VIEWS: Final = (
    *("as-zeek", "as-argus-ctu", "floods-refused", "as-netflow", "floods-accepted", "as-suricata"),
    *("sides-swapped", "floods-unreachable", "packets-sized", "slower", "life-half-seen", "floods-thinned"),
    *("as-netflow-biflow", "faster", "packets-sampled", "checksums-wrong"),
)
_DRAWN_VIEWS: Final = (None, "as-netflow", "as-argus-ctu", "checksums-wrong", None, "as-netflow", "sides-swapped")
_LIFE_VIEWS: Final = ("as-zeek", "as-argus-ctu", "as-netflow", "life-half-seen")


def augmented(flows: LabelledFlows, seed: int = _SEED) -> Dataset:
    """Make and measure streams to learn from beside ``flows``, of whose training part alone they are made.

    Args:
        flows: labelled flows, each capture a stream.
        seed: of what is drawn.

    Returns:
        ``n`` measured flows, all of the training part. Their origin says which captures each stream was drawn from.
    """
    streams = [_sample(measured(stream)) for stream in _streams(flows, seed)]
    streams.append(_sample(measured(simulated(training_scenario(seed)))))
    joined = Dataset.concatenate(streams)
    return replace(joined, part=np.full(len(joined), Part.TRAIN, dtype=np.int8))


def _streams(flows: LabelledFlows, seed: int) -> Iterator[LabelledFlows]:
    apart = [_apart(flows, number) for number in range(len(flows.origin.names))]
    lives = [life for life, _ in apart if len(life.batch)]
    turn = 0
    for number, (_, floods) in enumerate(apart):
        others = [life for place, (life, _) in enumerate(apart) if place != number and _has_a_host(life)]
        for place, flood in enumerate(floods):
            for step in range(min(NETWORKS, len(others))):
                life = others[(number + place + step) % len(others)]
                laid = flood if step != NETWORKS - 1 else from_within(flood)
                yield viewed(
                    _flows_of(overlaid(_calm(life), laid)), _FLOOD_VIEWS[turn % len(_FLOOD_VIEWS)], seed + turn
                )
                turn += 1
    for life in lives:
        for name in _LIFE_VIEWS:
            yield viewed(_flows_of(life), name, seed)
    homes = [life for life in lives if _has_a_host(life)]
    if homes:
        for place, attack in enumerate(drawn(np.random.default_rng(seed), ROUNDS)):
            stream = _flows_of(overlaid(_calm(homes[place % len(homes)]), attack))
            view = _DRAWN_VIEWS[(place // len(homes)) % len(_DRAWN_VIEWS)]
            yield stream if view is None else viewed(stream, view, seed + place)


def _apart(flows: LabelledFlows, number: int) -> tuple[Capture, list[Capture]]:
    """Take a capture's training part apart: its own life, and the floods that were laid over it."""
    here = (flows.capture == number) & (flows.part == Part.TRAIN)
    sources = sorted(flows.origin.sources(number))
    home = flows.origin.home(number).networks
    laid = (flows.truth == Kind.DDOS) & np.isin(flows.attack, sources)

    def capture(rows: npt.NDArray[np.bool_], called: str, drawn_from: tuple[str, ...]) -> Capture:
        return Capture(
            name=called,
            batch=_nameless(flows.batch.take(rows)),
            truth=flows.truth[rows],
            attack=flows.attack[rows],
            part=flows.part[rows],
            home=tuple(home),
            dead=0,
            drawn_from=drawn_from,
        )

    floods = [one for one in sources if (laid & here & (flows.attack == one)).any()]
    own = tuple(one for one in sources if one not in floods)
    life = capture(here & ~laid, "+".join(own), own)
    return life, [capture(here & laid & (flows.attack == one), one, (one,)) for one in floods]


def _nameless(batch: FlowBatch) -> FlowBatch:
    """Without the texts, which nothing here needs and which take most of the memory."""
    empty = np.full(len(batch), "", dtype=object)
    return replace(batch, sensor_id=empty, flow_id=empty)


def _calm(life: Capture) -> Capture:
    """A stretch from its middle, of whose own attacks nothing is learned."""
    first = max(0, (len(life.truth) - STRETCH) // 2)
    rows = slice(first, first + STRETCH)
    return replace(
        life,
        batch=life.batch.take(rows),
        truth=np.where(life.truth > Kind.BENIGN, NO_TRUTH, life.truth)[rows].astype(np.int8),
        attack=life.attack[rows],
        part=life.part[rows],
    )


def _has_a_host(life: Capture) -> bool:
    """Whether there is ordinary life at a time that is known, for a flood to be laid over."""
    stretch = _calm(life)
    return bool((np.isfinite(stretch.batch.start) & (stretch.truth == Kind.BENIGN)).any())


def _flows_of(capture: Capture) -> LabelledFlows:
    origin = Origin((capture.name,), "", (",".join(capture.home),), ("\n".join(capture.drawn_from),))
    number = np.zeros(len(capture.truth), dtype=np.int16)
    return LabelledFlows(capture.batch, capture.truth, capture.attack, number, capture.part, origin)


def _sample(data: Dataset) -> Dataset:
    """Keep a few flows of each attack and of ordinary life, from each capture, spread evenly over it.

    Ordinary life while much comes in is a kind of its own: that a host is under attack is no reason to accuse its own
    flows, and only they can tell.
    """
    by_name = (data.truth > Kind.BENIGN) | np.isin(data.attack, CALM)
    name = np.where(by_name, data.attack, "")
    _, attack = np.unique(name, return_inverse=True)
    busy = (data.truth == Kind.BENIGN) & (data.column("in_flows_10s") >= BUSY)
    stratum = np.stack([data.capture, data.truth, attack, busy], axis=1)
    _, which = np.unique(stratum, axis=0, return_inverse=True)
    kept = [np.empty(0, dtype=np.int64)]
    for number in np.unique(which[data.truth != NO_TRUTH]):
        rows = np.flatnonzero(which == number)
        kept.append(rows[np.linspace(0, len(rows) - 1, min(len(rows), MOST_ROWS)).astype(np.int64)])
    return data.take(np.sort(np.concatenate(kept)))
