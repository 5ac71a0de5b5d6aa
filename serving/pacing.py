"""Keeping a replay close to its reader, and in step with the traffic's own time."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from flows.batch import FlowBatch
from flows.errors import TidegateError
from serving.config import Settings
from serving.kafka import client_logger, client_options

# Well inside the 5 MB that the embedded broker keeps of a partition, with what one slice may add still to come.
LIMIT_BYTES: Final = 1_500_000
_POLL_S: Final = 0.02
_PATIENCE_S: Final = 120.0
_KAFKA_TIMEOUT_S: Final = 10.0
_MESSAGE_OVERHEAD: Final = 100  # bytes a message costs beside its key and value, headers included
_BACKLOG_MESSAGE: Final = 1024  # bytes assumed of a message that was there before us; a Zeek line has 300 to 600
# A cluster, in its first seconds, may not have agreed yet on who keeps the offsets of a group.
_UNDECIDED: Final = {
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
}

# A flow moves the traffic's clock by this much at most, so that one bad date cannot stop a replay for years.
_CLOCK_STEP_S: Final = 600.0


class StalledError(TidegateError):
    """The group that is followed does not read on."""


class Backlog:
    """How many bytes of each partition a consumer group has still to read; waits until they are few."""

    def __init__(self, settings: Settings, group: str, limit_bytes: int = LIMIT_BYTES) -> None:
        """Look at what is in the topic already. Raises KafkaException when no broker answers."""
        self._group = group
        self._topic = settings.topic_flows
        self._limit = limit_bytes
        self._unread: dict[int, deque[tuple[int, int]]] = {}  # partition -> (offset, bytes) of what we sent
        self._bytes: dict[int, int] = {}
        # A member of the group only in name: it asks for the group's offsets and never joins.
        self._consumer = Consumer(
            {**client_options(settings), "group.id": group, "enable.auto.commit": False},
            logger=client_logger("backlog"),
        )
        partitions = self._consumer.list_topics(self._topic, timeout=_KAFKA_TIMEOUT_S).topics[self._topic].partitions
        self._partitions = [TopicPartition(self._topic, number) for number in partitions]
        for position in self._first_committed():
            low, high = self._consumer.get_watermark_offsets(position, timeout=_KAFKA_TIMEOUT_S)
            backlog = max(0, high - max(low, position.offset))
            self._add(position.partition, high - 1, backlog * _BACKLOG_MESSAGE)

    def sent(self, message: Message) -> None:
        """Take note of a message that Kafka confirmed."""
        size = _MESSAGE_OVERHEAD + len(message.value() or b"") + len(message.key() or b"")
        partition, offset = message.partition(), message.offset()
        if partition is not None and offset is not None:
            self._add(partition, offset, size)

    def wait(self, give_up: Callable[[], bool]) -> None:
        """Return when no partition holds more unread bytes than the limit, or when ``give_up`` says so.

        Raises:
            StalledError: the group has not moved for two minutes.
        """
        moved = time.monotonic()
        while max(self._bytes.values(), default=0) > self._limit and not give_up():
            if self._forget_read():
                moved = time.monotonic()
            elif time.monotonic() - moved > _PATIENCE_S:
                raise StalledError(
                    f"consumer group {self._group!r} has read nothing of {self._topic} for {_PATIENCE_S:.0f} s, "
                    "and the embedded broker would drop what is not read; is `tidegate serve` running and ready?"
                )
            else:
                time.sleep(_POLL_S)

    def close(self) -> None:
        """Let go of the connection."""
        self._consumer.close()

    def _first_committed(self) -> list[TopicPartition]:
        """The group's offsets, if need be after waiting for the cluster to agree who keeps them."""
        deadline = time.monotonic() + _KAFKA_TIMEOUT_S
        while True:
            try:
                return self._consumer.committed(self._partitions, timeout=_KAFKA_TIMEOUT_S)
            except KafkaException as error:
                if error.args[0].code() not in _UNDECIDED or time.monotonic() > deadline:
                    raise
            time.sleep(_POLL_S)

    def _forget_read(self) -> bool:
        try:
            positions = self._consumer.committed(self._partitions, timeout=_KAFKA_TIMEOUT_S)
        except KafkaException:
            return False  # the broker is busy; patience bounds how often
        moved = False
        for position in positions:
            unread = self._unread.get(position.partition, deque())
            while unread and unread[0][0] < position.offset:
                self._bytes[position.partition] -= unread.popleft()[1]
                moved = True
        return moved

    def _add(self, partition: int, offset: int, size: int) -> None:
        if size > 0:
            self._unread.setdefault(partition, deque()).append((offset, size))
            self._bytes[partition] = self._bytes.get(partition, 0) + size


class Pace:
    """Says when each flow is due: by the traffic's own time, by a rate, or at once."""

    def __init__(self, *, speed: float | None = None, rate: float | None = None) -> None:
        """``speed`` is traffic seconds per second, ``rate`` flows per second; with neither, all is due at once."""
        self._speed = speed
        self._rate = rate
        self._flows = 0
        self._latest: float | None = None  # largest flow end seen, s since 1970
        self.traffic_s = 0.0  # traffic time replayed

    def due(self, batch: FlowBatch) -> npt.NDArray[np.float64]:
        """Return when each flow of the next batch is due, ``float64[n]``, s after the first; never decreasing."""
        n = len(batch)
        ends = batch.start + np.where(np.isfinite(batch.duration), batch.duration, 0.0)
        known = np.isfinite(ends)
        if self._latest is None and known.any():
            self._latest = float(ends[known][0])
        before = self._latest if self._latest is not None else 0.0
        clock = np.maximum.accumulate(np.concatenate([[before], np.where(known, ends, -np.inf)]))
        elapsed = self.traffic_s + np.cumsum(np.minimum(np.diff(clock), _CLOCK_STEP_S))
        if n and known.any():
            self._latest = float(clock[-1])
            self.traffic_s = float(elapsed[-1])
        self._flows += n
        if self._speed is not None:
            return np.asarray(elapsed / self._speed, dtype=np.float64)
        if self._rate is not None:
            return np.arange(self._flows - n, self._flows, dtype=np.float64) / self._rate
        return np.zeros(n, dtype=np.float64)
