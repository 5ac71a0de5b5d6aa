"""What `tidegate serve` does with messages: verdicts, alerts and dead letters, and an account of them.

Each partition is a stream of its own (windows, open alerts), from its assignment until it is handed on. The ids of what
is published twice, after a crash, are the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from detection.stream import Stream
from serving.config import Settings
from serving.dead_letters import dead_letter, provenance
from serving.metrics import Metrics
from serving.pipeline import Outcome, Pipeline
from serving.sink import Outgoing
from serving.source import Arrivals, Reading
from serving.status import Status


def flows_reading(settings: Settings) -> Reading:
    """What `tidegate serve` reads."""
    return Reading(settings.topic_flows, settings.group)


class Deciding:
    """Decides the flows of each partition as a stream; :class:`serving.loop.Work`."""

    def __init__(self, settings: Settings, pipeline: Pipeline, status: Status, metrics: Metrics) -> None:
        self._settings = settings
        self._pipeline = pipeline
        self._status = status
        self._metrics = metrics
        self._streams: dict[int, Stream] = {}

    def assigned(self, partitions: list[int]) -> None:
        """Begin a stream for each."""
        for partition in partitions:
            self._streams[partition] = self._pipeline.open_stream()

    def lost(self, partitions: list[int]) -> None:
        """Forget their streams."""
        for partition in partitions:
            self._streams.pop(partition, None)

    def process(self, batch: list[Arrivals]) -> Iterator[list[Outgoing]]:
        """Yield everything to publish about the batch at once, and count it as done after that."""
        outgoing: list[Outgoing] = []
        verdicts: Counter[str] = Counter()
        models: Counter[str] = Counter()
        opened: Counter[str] = Counter()
        dead_letters = 0
        for arrivals in batch:
            outcome = self._decide(arrivals)
            outgoing.extend(self._messages(arrivals, outcome))
            self._count(outcome)
            decided = outcome.verdicts
            verdicts.update(decided.by_kind)
            models.update(decided.detections)
            opened.update(event.alert.kind.label for event in decided.events if event.change == "opened")
            dead_letters += len(outcome.rejected)
        yield outgoing
        self._status.stats.add(verdicts, models, opened, dead_letters)

    def _decide(self, arrivals: Arrivals) -> Outcome:
        origin = f"{self._settings.topic_flows}/{arrivals.partition}"
        return self._pipeline.run(
            self._streams[arrivals.partition],
            arrivals.values,
            arrivals.formats,
            lambda index: f"{origin}/{arrivals.offsets[index]}",
        )

    def _messages(self, arrivals: Arrivals, outcome: Outcome) -> Iterator[Outgoing]:
        """Everything to publish about the messages of one partition."""
        settings = self._settings
        for published in outcome.verdicts.verdicts:
            yield Outgoing(settings.topic_verdicts, published.key, published.document)
        for published in outcome.verdicts.alerts:
            yield Outgoing(settings.topic_alerts, published.key, published.document)
        for rejected in outcome.rejected:
            index = rejected.index
            name = arrivals.formats[index]
            yield dead_letter(
                settings.topic_dead_letters,
                arrivals.keys[index],
                arrivals.values[index],
                rejected,
                provenance(settings.topic_flows, arrivals, index),
                settings.format.encode() if name is None else name,
            )

    def _count(self, outcome: Outcome) -> None:
        metrics, decided = self._metrics, outcome.verdicts
        for verdict, count in decided.by_kind.items():
            metrics.flows.labels(verdict).inc(count)
        for reason, count in decided.abstentions.items():
            metrics.abstentions.labels(reason).inc(count)
        for model, count in decided.detections.items():
            metrics.detections.labels(model).inc(count)
        for event in decided.events:
            metrics.alerts.labels(event.alert.kind.label, event.change).inc()
        for rejected in outcome.rejected:
            metrics.dead_letters.labels(rejected.reason).inc()
        metrics.skipped.inc(outcome.skipped)
