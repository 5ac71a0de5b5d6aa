"""Labelled streams of flows, decided as serving decides them: what came out, flow by flow and in figures.

Of each flow only its verdict, scores, truth and label are kept, and of each host its wait for an alert.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from detection.detector import Detector
from detection.engines.ml import MODELS
from detection.stream import Decided, Stream
from detection.verdict import ENGINES, THREATS, Decisions, Features, Kind
from flows.addresses import format_address
from flows.keying import HomeNetworks
from training.evaluation import Evaluation, Outcomes, judge, ranking, strongest_votes
from training.hosts import DAY_S, Address, AttackedHosts, TrafficClock, Wait, distinct
from training.streams import LabelledChunk

Watch: TypeAlias = Callable[[LabelledChunk, Features], None]  # is shown each chunk and its features, float32[n, 120]


@dataclass(frozen=True, slots=True)
class Life:
    """The ordinary life of one stream.

    Attributes:
        name: what the stream is called.
        flows: all of its flows, with or without a truth.
        false_alerts: alerts opened by flows that are not labelled attacks.
        host_days: home hosts times days of traffic; 0 where nobody can tell false alerts from others.
    """

    name: str
    flows: int
    false_alerts: int
    host_days: float


@dataclass(frozen=True, slots=True)
class FieldTest:
    """How a detector did on labelled streams.

    Attributes:
        evaluation: flow by flow, against their truth.
        hosts: each host that was under attack, or attacked, by its address.
        alerts_per_host_day: false alerts per home host and day of traffic; None where that cannot be told.
        outcomes: what was decided of each flow that has a truth; captures are streams, by their place in ``lives``.
        lives: stream by stream.
    """

    evaluation: Evaluation
    hosts: dict[str, Wait]
    alerts_per_host_day: float | None
    outcomes: Outcomes
    lives: tuple[Life, ...]


def decided(
    detector: Detector, chunks: Iterable[LabelledChunk], home: HomeNetworks, watch: Watch | None = None
) -> Iterator[tuple[LabelledChunk, Decided]]:
    """Decide chunk after chunk; a stream that begins remembers nothing of the one before."""
    stream = Stream(detector, home)
    for chunk in chunks:
        if chunk.begins:
            stream = Stream(detector, home)
        features = stream.measure(chunk.batch)
        if watch is not None:
            watch(chunk, features)
        yield chunk, stream.decide(chunk.batch, features)


def field_test(
    detector: Detector, chunks: Iterable[LabelledChunk], home: HomeNetworks, watch: Watch | None = None
) -> FieldTest:
    """Decide streams of labelled flows and compare with their truth; ``watch`` is shown what was measured."""
    rows = _Rows({name: [] for name in detector.models})
    streams: list[_Stream] = []
    for chunk, found in decided(detector, chunks, home, watch):
        if chunk.begins or not streams:
            streams.append(_Stream(home, chunk.name))
        streams[-1].follow(chunk, found)
        rows.keep(chunk, found.decisions, len(streams) - 1)
    thresholds = {name: artifact.threshold for name, artifact in detector.models.items()}
    outcomes = rows.outcomes()
    # Without captures: intervals take seconds, and only a page shows any.
    evaluation = judge(replace(outcomes, capture=None), {name: MODELS[name] for name in detector.models}, thresholds)
    hosts: dict[Address, Wait] = {}
    for stream in streams:
        for address, wait in stream.waits().items():
            hosts[address] = hosts[address].then(wait) if address in hosts else wait
    host_days = sum(stream.host_days for stream in streams)
    alerts = sum(stream.false_alerts for stream in streams if stream.host_days)
    return FieldTest(
        evaluation=evaluation,
        hosts={format_address(*address): wait for address, wait in hosts.items()},
        alerts_per_host_day=alerts / host_days if host_days else None,
        outcomes=outcomes,
        lives=tuple(stream.life for stream in streams),
    )


@dataclass(slots=True)
class _Rows:
    """What is kept of the flows that have a truth, chunk after chunk."""

    probabilities: Mapping[str, list[npt.NDArray[np.float64]]]
    truth: list[npt.NDArray[np.int8]] = field(default_factory=list)
    label: list[npt.NDArray[np.int32]] = field(default_factory=list)
    kind: list[npt.NDArray[np.int8]] = field(default_factory=list)
    score: list[npt.NDArray[np.float64]] = field(default_factory=list)
    capture: list[npt.NDArray[np.int32]] = field(default_factory=list)
    engines: Mapping[str, list[npt.NDArray[np.float32]]] = field(default_factory=lambda: {name: [] for name in ENGINES})
    places: dict[str, int] = field(default_factory=dict)

    def keep(self, chunk: LabelledChunk, decisions: Decisions, stream: int) -> None:
        rows = chunk.truth >= Kind.BENIGN
        places = [self.places.setdefault(text, len(self.places)) for text in chunk.label[rows].tolist()]
        self.truth.append(chunk.truth[rows])
        self.label.append(np.array(places, dtype=np.int32))
        self.kind.append(decisions.kind[rows])
        self.score.append(ranking(decisions)[rows])
        for name, kept in self.probabilities.items():
            kept.append(decisions.probabilities[name][rows])
        self.capture.append(np.full(int(rows.sum()), stream, dtype=np.int32))
        for engine, vote in strongest_votes(decisions).items():
            self.engines[engine].append(vote[rows].astype(np.float32))

    def outcomes(self) -> Outcomes:
        return Outcomes(
            truth=np.concatenate([np.empty(0, np.int8), *self.truth]),
            label=np.concatenate([np.empty(0, np.int32), *self.label]),
            kind=np.concatenate([np.empty(0, np.int8), *self.kind]),
            score=np.concatenate([np.empty(0), *self.score]),
            probabilities={name: np.concatenate([np.empty(0), *kept]) for name, kept in self.probabilities.items()},
            labels=tuple(self.places),
            capture=np.concatenate([np.empty(0, np.int32), *self.capture]),
            engines={name: np.concatenate([np.empty(0, np.float32), *kept]) for name, kept in self.engines.items()},
        )


class _Stream:
    """What is followed through one stream: its clock, the hosts that have attack flows, and its ordinary life."""

    def __init__(self, home: HomeNetworks, name: str) -> None:
        self._home = home
        self._name = name
        self._flows = 0
        self._clock = TrafficClock()
        self._attacked = AttackedHosts()
        self._by_flow: set[Address] = set()  # attacked hosts, by flows that are labelled one by one
        self._residents: set[Address] = set()
        self._has_benign = False
        self.false_alerts = 0  # opened by flows that are not labelled attacks

    def follow(self, chunk: LabelledChunk, found: Decided) -> None:
        self._flows += len(chunk)
        clocks = self._clock.advance(chunk.batch.start)
        attack = chunk.attack
        flagged = np.isin(found.decisions.kind, THREATS)
        self._attacked.follow(found.keys[attack], clocks[attack], flagged[attack])
        self._by_flow.update(distinct(found.keys[chunk.truth > Kind.BENIGN]))
        sends = ~found.key_is_dst | (chunk.batch.dst_packets > 0)
        ordinary = found.keys[~attack & sends]
        self._residents.update(distinct(ordinary[self._home.contain(ordinary)]))
        self._has_benign |= bool((chunk.truth == Kind.BENIGN).any())
        self.false_alerts += sum(event.change == "opened" and not attack[event.row] for event in found.fold.events)

    @property
    def host_days(self) -> float:
        """Home hosts times days of traffic; 0 where nobody can tell false alerts from others."""
        return len(self._residents) * self._clock.elapsed / DAY_S if self._has_benign else 0.0

    @property
    def life(self) -> Life:
        return Life(self._name, self._flows, self.false_alerts, self.host_days)

    def waits(self) -> dict[Address, Wait]:
        """The wait of each host with attack flows.

        Of a capture that is malware as a whole, the infected hosts are those at home, if it has any.
        """
        waits = self._attacked.waits
        infected = [address for address in waits if address not in self._by_flow]
        addresses = np.array(infected, dtype=np.uint64).reshape(-1, 2)
        outside = {address for address, home in zip(infected, self._home.contain(addresses), strict=True) if not home}
        if len(outside) == len(infected):
            return waits
        return {address: wait for address, wait in waits.items() if address not in outside}
