"""The loop: a batch in, its verdicts, alerts and dead letters out and confirmed, and only then its offsets committed.

At least once: a process that dies at any moment has committed nothing that was not delivered, and whoever takes
its partitions over reads again what was not committed; the ids of what is published twice are the same.

Each partition has a lane of its own (windows, open alerts), from its assignment until it is handed on.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator
from typing import Final

from confluent_kafka import KafkaException

from serving.config import Settings
from serving.metrics import Metrics
from serving.pipeline import Lane, Outcome, Pipeline
from serving.sink import Outgoing, Sink
from serving.source import Arrivals, Source
from serving.status import Status
from serving.stopping import Stop

log = logging.getLogger(__name__)

_RETRY_S: Final = 1.0
_HOUSEKEEPING_S: Final = 1.0


class Loop:
    """Runs batches from the source through the pipeline into the sink, in one thread."""

    def __init__(
        self, settings: Settings, pipeline: Pipeline, sink: Sink, status: Status, metrics: Metrics, stop: Stop
    ) -> None:
        """Join the consumer group; nothing is read before :meth:`run` or :meth:`step`."""
        self._settings = settings
        self._pipeline = pipeline
        self._sink = sink
        self._status = status
        self._metrics = metrics
        self._stop = stop
        self._lanes: dict[int, Lane] = {}
        self._joined = False
        self._next_housekeeping = 0.0
        self._source = Source(settings, self._assigned, self._lost)

    def run(self) -> None:
        """Run until a stop is requested, finish the batch at hand, and leave the group.

        Raises:
            SourceError, SinkError: Kafka refuses in a way that trying again does not mend. Nothing is lost.
        """
        try:
            while not self._stop.requested:
                self.step()
        finally:
            self._source.close()

    def step(self) -> None:
        """Take one batch, if there is one, through all stages."""
        batch = self._source.fetch()
        if batch:
            started = time.perf_counter()
            if not self._run_batch(batch):
                return
            self._metrics.batches.inc()
            self._metrics.batch_seconds.observe(time.perf_counter() - started)
        if time.monotonic() >= self._next_housekeeping:
            self._next_housekeeping = time.monotonic() + _HOUSEKEEPING_S
            self._keep_house()

    def _run_batch(self, batch: list[Arrivals]) -> bool:
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
        with self._metrics.timed("publish"):
            delivered = self._deliver(outgoing)
        if not delivered:
            return False
        with self._metrics.timed("commit"):
            self._commit(batch)
        self._status.stats.add(verdicts, models, opened, dead_letters)
        return True

    def _decide(self, arrivals: Arrivals) -> Outcome:
        origin = f"{self._settings.topic_flows}/{arrivals.partition}"
        return self._pipeline.run(
            self._lanes[arrivals.partition],
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
            name = arrivals.formats[rejected.index]
            headers = (
                ("error", rejected.error.encode()),
                ("reason", rejected.reason.encode()),
                ("source.topic", settings.topic_flows.encode()),
                ("source.partition", str(arrivals.partition).encode()),
                ("source.offset", str(arrivals.offsets[rejected.index]).encode()),
                ("format", settings.format.encode() if name is None else name),
            )
            key = arrivals.keys[rejected.index]
            value = arrivals.values[rejected.index] or b""
            yield Outgoing(settings.topic_dead_letters, key, value, headers, cuttable=True)

    def _deliver(self, outgoing: list[Outgoing]) -> bool:
        """Send until everything is confirmed; False when it was time to leave before that."""
        rest = outgoing
        while undelivered := self._sink.deliver(rest, self._stop.overdue):
            self._metrics.delivery_failures.inc(len(undelivered))
            reason = f"Kafka does not take what is published: {self._sink.trouble}"
            if self._status.block("output", reason):
                log.error("%s; trying again, and committing no offset until it is delivered", reason)
            self._stop.wait(_RETRY_S)
            if self._stop.overdue():
                log.error("left with %d messages undelivered; their flows are read again", len(undelivered))
                return False
            rest = undelivered
        if self._status.clear("output"):
            log.info("Kafka takes what is published again")
        for topic, count in Counter(message.topic for message in outgoing).items():
            self._metrics.published.labels(topic).inc(count)
        return True

    def _commit(self, batch: list[Arrivals]) -> None:
        try:
            self._source.commit(batch)
        except KafkaException as error:
            self._metrics.commit_failures.inc()
            log.warning("offsets could not be committed: %s; a later commit covers them", error.args[0].str())

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

    def _keep_house(self) -> None:
        """Commit what is due still, look at the lag, and say whether Kafka is in order."""
        self._commit([])
        for partition, behind in self._source.lag().items():
            self._metrics.lag.labels(str(partition)).set(behind)
        if self._source.trouble is not None:
            self._source.look_again()
        if self._source.trouble is not None:
            where = f"Kafka at {self._settings.bootstrap}"
            if self._status.block("kafka", f"{where}: {self._source.trouble}"):
                log.error("%s: %s; trying again", where, self._source.trouble)
        elif self._joined and self._status.clear("kafka"):
            log.info("reading %s", self._settings.topic_flows)

    def _assigned(self, partitions: list[int]) -> None:
        self._joined = True
        self._next_housekeeping = 0.0
        for partition in partitions:
            self._lanes[partition] = self._pipeline.open_lane()
        self._metrics.partitions.set(len(self._lanes))
        log.info("assigned partitions %s, now %d", partitions, len(self._lanes))

    def _lost(self, partitions: list[int]) -> None:
        for partition in partitions:
            self._lanes.pop(partition, None)
            self._metrics.lag.remove(str(partition))
        self._metrics.partitions.set(len(self._lanes))
        log.info("handed on partitions %s, now %d", partitions, len(self._lanes))
