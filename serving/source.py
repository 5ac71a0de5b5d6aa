"""Kafka in: micro-batches of messages by partition, and offsets committed only when told.

Partitions are kept over a rebalance where they can be (cooperative assignment), because each carries the windows of
its hosts; whoever keeps something per partition learns by two callbacks what came and what went.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from flows.errors import TidegateError
from serving.config import Settings
from serving.kafka import client_logger, client_options

log = logging.getLogger(__name__)

# A process that died is noticed, and its partitions handed on, after this long.
_FETCH_WAIT_MS: Final = 50
_SESSION_TIMEOUT_MS: Final = 10_000
# Messages held in memory ahead of the pipeline, all partitions together.
_PREFETCH_KIB: Final = 32 * 1024
_METADATA_REFRESH_MS: Final = 10_000
# One connection lost is routine, and librdkafka mends it; these are not.
_SERIOUS: Final = {KafkaError._ALL_BROKERS_DOWN, KafkaError._AUTHENTICATION, KafkaError._SSL}


class SourceError(TidegateError):
    """Kafka refuses to let this process read, and trying again will not help."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What is read, and as a member of which consumer group."""

    topic: str
    group: str


@dataclass(frozen=True, slots=True)
class Arrivals:
    """The messages of one partition in one batch, in arrival order."""

    partition: int
    values: list[bytes | None]
    formats: list[bytes | None]  # the `format` header of each message
    keys: list[bytes | None]
    offsets: list[int]


class Source:
    """Reads one topic as a member of a consumer group. Used by one thread only."""

    def __init__(
        self,
        settings: Settings,
        reading: Reading,
        on_assigned: Callable[[list[int]], None],
        on_lost: Callable[[list[int]], None],
    ) -> None:
        """Join the group; ``on_assigned`` and ``on_lost`` are called from within :meth:`fetch` and :meth:`close`."""
        self._topic = reading.topic
        self._batch_size = settings.batch_size
        self._linger_s = settings.linger_ms / 1000
        self._on_assigned = on_assigned
        self._on_lost = on_lost
        self.owned: set[int] = set()
        self.trouble: str | None = None  # what keeps messages from coming, as far as Kafka says
        self._processed: dict[int, int] = {}  # partition -> next offset, not yet committed
        self._consumer = Consumer(
            {
                **client_options(settings),
                "group.id": reading.group,
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "earliest",
                "partition.assignment.strategy": "cooperative-sticky",
                "session.timeout.ms": _SESSION_TIMEOUT_MS,
                # A broker with nothing to give holds a request this long; the embedded one even when something comes.
                "fetch.wait.max.ms": _FETCH_WAIT_MS,
                "heartbeat.interval.ms": _SESSION_TIMEOUT_MS // 5,
                "queued.max.messages.kbytes": _PREFETCH_KIB,
                "topic.metadata.refresh.interval.ms": _METADATA_REFRESH_MS,
                "error_cb": self._note_error,
            },
            logger=client_logger("consumer"),
        )
        self._consumer.subscribe(
            [self._topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._dropped
        )

    def fetch(self) -> list[Arrivals]:
        """Wait for messages until the batch is full or the linger time is over, and return them by partition.

        Raises:
            SourceError: Kafka says that it is no use (an authorisation refused, say).
        """
        by_partition: dict[int, Arrivals] = {}
        for message in self._consumer.consume(self._batch_size, self._linger_s):
            error = message.error()
            if error is not None:
                self._note_message_error(error)
                continue
            partition, offset = message.partition(), message.offset()
            if partition not in self.owned or offset is None:
                continue  # fetched before it was handed on; its new reader gets it again
            arrivals = by_partition.get(partition)
            if arrivals is None:
                arrivals = by_partition[partition] = Arrivals(partition, [], [], [], [])
            arrivals.values.append(message.value())
            arrivals.formats.append(_format_header(message))
            arrivals.keys.append(message.key())
            arrivals.offsets.append(offset)
        if by_partition:
            self.trouble = None
        return list(by_partition.values())

    def commit(self, batch: list[Arrivals]) -> None:
        """Commit the offsets after ``batch``, whose results Kafka has confirmed.

        When that fails the offsets stay due, and the next commit covers them.

        Raises:
            KafkaException: the commit failed.
        """
        for arrivals in batch:
            if arrivals.partition in self.owned:
                self._processed[arrivals.partition] = arrivals.offsets[-1] + 1
        self._commit(self.owned)

    def lag(self) -> dict[int, int]:
        """Messages behind the end of each owned partition, by what the broker said last; asks nobody."""
        positions = self._consumer.position([TopicPartition(self._topic, number) for number in self.owned])
        behind = {}
        for position in positions:
            _, end = self._consumer.get_watermark_offsets(position, cached=True)
            if position.offset >= 0 and end >= 0:
                behind[position.partition] = max(0, end - position.offset)
        return behind

    def look_again(self) -> None:
        """Ask the brokers whether the trouble is over; waits for their answer for up to a second."""
        try:
            self._consumer.list_topics(self._topic, timeout=1.0)
        except KafkaException:
            return
        self.trouble = None

    def close(self) -> None:
        """Leave the group, so that others take over at once."""
        self._consumer.close()

    def _commit(self, partitions: set[int]) -> None:
        due = [TopicPartition(self._topic, p, offset) for p, offset in self._processed.items() if p in partitions]
        if not due:
            return
        for result in self._consumer.commit(offsets=due, asynchronous=False):
            if result.error is not None:
                raise KafkaException(result.error)
            self._processed.pop(result.partition, None)

    def _assigned(self, _: Any, partitions: list[TopicPartition]) -> None:
        numbers = [partition.partition for partition in partitions]
        self.owned.update(numbers)
        self.trouble = None
        self._on_assigned(numbers)

    def _revoked(self, _: Any, partitions: list[TopicPartition]) -> None:
        numbers = [partition.partition for partition in partitions]
        try:
            self._commit(set(numbers))
        except KafkaException as error:
            log.warning("offsets of partitions handed on could not be committed: %s", error)
        self._forget(numbers)

    def _dropped(self, _: Any, partitions: list[TopicPartition]) -> None:
        self._forget([partition.partition for partition in partitions])

    def _forget(self, numbers: list[int]) -> None:
        self.owned.difference_update(numbers)
        for number in numbers:
            self._processed.pop(number, None)
        self._on_lost(numbers)

    def _note_error(self, error: KafkaError) -> None:
        if error.code() in _SERIOUS:
            self.trouble = error.str()

    def _note_message_error(self, error: KafkaError) -> None:
        if error.fatal() or error.code() in {
            KafkaError.TOPIC_AUTHORIZATION_FAILED,
            KafkaError.GROUP_AUTHORIZATION_FAILED,
        }:
            raise SourceError(f"Kafka refuses reading {self._topic}: {error.str()}; check the login and its rights")
        self.trouble = error.str()
        log.warning("Kafka reports: %s", error.str())


def _format_header(message: Message) -> bytes | None:
    headers: list[tuple[str, bytes | None]] = message.headers()  # type: ignore[assignment]  # its stub is too wide
    for name, value in headers or ():
        if name == "format":
            return value if value is not None else b""
    return None
