"""A topic as something that is read from one offset to another: what recording needs of Kafka, and no more."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from flows.errors import TidegateError

Offsets = dict[int, int]  # by partition

_TIMEOUT_S: Final = 15.0
_SILENCE_S: Final = 30.0  # without a message, after which reading gives up
_CHUNK: Final = 5_000  # messages; what is held in memory


class LogError(TidegateError):
    """Kafka cannot be read now; later it may be."""


@dataclass(frozen=True, slots=True)
class Record:
    """A message. ``time_ms`` is its timestamp, ``format`` its header of that name."""

    partition: int
    offset: int
    time_ms: int
    key: bytes | None
    format: bytes | None
    value: bytes | None


class Log(Protocol):
    """Topics with partitions, each a row of records by ascending offset. Each call may raise LogError."""

    def partitions(self, topic: str) -> list[int]:
        """The topic's partitions."""
        ...

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """The first offset that is kept, and the offset that the next record will have."""
        ...

    def offset_at(self, topic: str, partition: int, time_ms: int) -> int:
        """The first offset whose record has this timestamp or a later one; the next record's if none has."""
        ...

    def read(self, topic: str, begin: Offsets, end: Offsets) -> Iterator[list[Record]]:
        """The records from ``begin`` up to, not with, ``end``, in chunks; of a partition in the order of offsets."""
        ...


class KafkaLog:
    """Apache Kafka's topics. It joins no group and commits nothing, and sees no aborted transaction."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Connect when first asked, by librdkafka's ``options``."""
        self._consumer = Consumer(
            {
                **options,
                "group.id": "tidegate.recording",  # librdkafka asks for one
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "auto.offset.reset": "error",
            }
        )

    def partitions(self, topic: str) -> list[int]:
        with _told(topic):
            known = self._consumer.list_topics(topic, timeout=_TIMEOUT_S).topics[topic]
            if known.error is not None:
                raise KafkaException(known.error)
            return sorted(known.partitions)

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        with _told(topic):
            return self._consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=_TIMEOUT_S)

    def offset_at(self, topic: str, partition: int, time_ms: int) -> int:
        with _told(topic):
            (found,) = self._consumer.offsets_for_times([TopicPartition(topic, partition, time_ms)], timeout=_TIMEOUT_S)
        return found.offset if found.offset >= 0 else self.bounds(topic, partition)[1]

    def read(self, topic: str, begin: Offsets, end: Offsets) -> Iterator[list[Record]]:
        # One partition after the other, so that a day that is read twice comes in the same order.
        for partition, first in sorted(begin.items()):
            if first < end[partition]:
                yield from self._read(topic, partition, first, end[partition])

    def _read(self, topic: str, partition: int, begin: int, end: int) -> Iterator[list[Record]]:
        self._consumer.assign([TopicPartition(topic, partition, begin)])
        heard = time.monotonic()
        try:
            at_end = False
            while not at_end:
                with _told(topic):
                    messages = self._consumer.consume(_CHUNK, timeout=1.0)
                if messages:
                    heard = time.monotonic()
                elif time.monotonic() - heard > _SILENCE_S:
                    raise LogError(f"{topic}: nothing came for {_SILENCE_S:g} s before the day's end was reached")
                chunk, at_end = _taken(topic, messages, end)
                if chunk:
                    yield chunk
        finally:
            self._consumer.unassign()

    def close(self) -> None:
        """Let go of the brokers."""
        self._consumer.close()


def _taken(topic: str, messages: list[Message], end: int) -> tuple[list[Record], bool]:
    """Take what is before ``end`` of the messages of one partition, and tell whether they have come to it."""
    chunk: list[Record] = []
    for message in messages:
        partition, offset, error = message.partition(), message.offset(), message.error()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            raise LogError(f"{topic}: {error.str()}")
        if partition is None or offset is None:
            continue
        if error is not None and offset < end:
            raise LogError(f"{topic}: a transaction in partition {partition} is still open; read the day later")
        if offset >= end:
            return chunk, True
        chunk.append(
            Record(partition, offset, message.timestamp()[1], message.key(), _format(message), message.value())
        )
        if offset == end - 1:
            return chunk, True
    return chunk, False


@contextmanager
def _told(topic: str) -> Iterator[None]:
    try:
        yield
    except KafkaException as error:
        cause = error.args[0]
        raise LogError(f"{topic}: {cause.str()}; are the brokers there, and is the topic?") from None


def _format(message: Message) -> bytes | None:
    headers: list[tuple[str, bytes | None]] = message.headers() or []  # type: ignore[assignment]  # its stub is too wide
    return next((value or b"" for name, value in headers if name == "format"), None)
