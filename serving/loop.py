"""The loop: a batch in, what is made of it out and confirmed, and only then its offsets committed.

At least once: a process that dies at any moment has committed nothing that was not delivered, and whoever takes
its partitions over reads again what was not committed.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator
from typing import Final, Protocol

from confluent_kafka import KafkaException

from serving.config import Settings
from serving.metrics import Metrics
from serving.sink import Outgoing, Sink
from serving.source import Arrivals, Reading, Source
from serving.status import Status
from serving.stopping import Stop

log = logging.getLogger(__name__)

_RETRY_S: Final = 1.0
_HOUSEKEEPING_S: Final = 1.0


class Work(Protocol):
    """What is done with the messages; called by the loop's thread only."""

    def assigned(self, partitions: list[int]) -> None:
        """These partitions will be read from now on."""

    def lost(self, partitions: list[int]) -> None:
        """These partitions are another's now."""

    def process(self, batch: list[Arrivals]) -> Iterator[list[Outgoing]]:
        """Yield what is to be published about a batch, in parts that each fit into memory.

        When the next part is asked for, the one before has been delivered; if that cannot be, the iterator is closed.
        """
        ...


class Loop:
    """Runs batches from the source through the work into the sink, in one thread."""

    def __init__(
        self,
        settings: Settings,
        reading: Reading,
        work: Work,
        sink: Sink,
        status: Status,
        metrics: Metrics,
        stop: Stop,
    ) -> None:
        """Join the consumer group; nothing is read before :meth:`run` or :meth:`step`."""
        self._bootstrap = settings.bootstrap
        self._topic = reading.topic
        self._work = work
        self._sink = sink
        self._status = status
        self._metrics = metrics
        self._stop = stop
        self._partitions: set[int] = set()
        self._joined = False
        self._next_housekeeping = 0.0
        self._source = Source(settings, reading, self._assigned, self._lost)

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
        for outgoing in self._work.process(batch):
            with self._metrics.timed("publish"):
                delivered = self._deliver(outgoing)
            if not delivered:
                return False
        with self._metrics.timed("commit"):
            self._commit(batch)
        return True

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
                log.error("left with %d messages undelivered; what they were made of is read again", len(undelivered))
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

    def _keep_house(self) -> None:
        """Commit what is due still, look at the lag, and say whether Kafka is in order."""
        self._commit([])
        for partition, behind in self._source.lag().items():
            self._metrics.lag.labels(str(partition)).set(behind)
        if self._source.trouble is not None:
            self._source.look_again()
        if self._source.trouble is not None:
            where = f"Kafka at {self._bootstrap}"
            if self._status.block("kafka", f"{where}: {self._source.trouble}"):
                log.error("%s: %s; trying again", where, self._source.trouble)
        elif self._joined and self._status.clear("kafka"):
            log.info("reading %s", self._topic)

    def _assigned(self, partitions: list[int]) -> None:
        self._joined = True
        self._next_housekeeping = 0.0
        self._partitions.update(partitions)
        self._work.assigned(partitions)
        self._metrics.partitions.set(len(self._partitions))
        log.info("assigned partitions %s, now %d", partitions, len(self._partitions))

    def _lost(self, partitions: list[int]) -> None:
        self._partitions.difference_update(partitions)
        self._work.lost(partitions)
        for partition in partitions:
            self._metrics.lag.remove(str(partition))
        self._metrics.partitions.set(len(self._partitions))
        log.info("handed on partitions %s, now %d", partitions, len(self._partitions))
