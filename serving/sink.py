"""Kafka out: messages handed over, and known to be delivered or known not to be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, Self

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from flows.errors import TidegateError
from serving.config import Settings
from serving.kafka import PARTITIONER, client_logger, client_options

_DELIVERY_TIMEOUT_MS: Final = 10_000
_FLUSH_SLICE_S: Final = 0.2
_MESSAGE_MAX_BYTES: Final = 16 * 1024 * 1024  # ours is no obstacle: the broker decides what is too large
_CUT_BYTES: Final = 64 * 1024
_CUT_KEY_BYTES: Final = 1024  # of a key, and of each header: strangers write them, too


Headers = tuple[tuple[str, bytes], ...]


class SinkError(TidegateError):
    """A message can never be delivered, and it must not be lost."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message for Kafka.

    ``cuttable`` ones may be shortened when the broker finds them too large. ``tally`` is what the sender counts it as.
    """

    topic: str
    key: bytes | None
    value: bytes
    headers: Headers = ()
    cuttable: bool = False
    tally: str = ""

    def cut(self) -> Self:
        """The first 64 KiB, with a header that tells the full length; of the key and each header the first KiB."""
        headers = tuple((name, text[:_CUT_KEY_BYTES]) for name, text in self.headers)
        return replace(
            self,
            key=None if self.key is None else self.key[:_CUT_KEY_BYTES],
            value=self.value[:_CUT_BYTES],
            headers=(*headers, ("truncated.from", str(len(self.value)).encode())),
            cuttable=False,
        )


class Sink:
    """Produces to Kafka with every delivery confirmed by all in-sync replicas. Used by one thread only."""

    def __init__(
        self,
        settings: Settings,
        on_confirmed: Callable[[Outgoing, Message], None] | None = None,
        *,
        patient: bool = False,
    ) -> None:
        """Make the producer.

        Args:
            settings: where Kafka is.
            on_confirmed: is told of each delivered message, with its partition and offset.
            patient: wait for the broker without limit, so that a message is never given up and sent a second time.
        """
        self._on_confirmed = on_confirmed
        self.trouble: str | None = None  # why the latest undelivered message was not delivered
        self._hopeless: SinkError | None = None  # raised outside librdkafka's callback
        self._producer = Producer(
            {
                **client_options(settings),
                "enable.idempotence": True,
                "acks": "all",
                "compression.type": "lz4",
                "linger.ms": 5,
                "partitioner": PARTITIONER,
                "delivery.timeout.ms": 0 if patient else _DELIVERY_TIMEOUT_MS,  # 0 stands for no limit
                "message.max.bytes": _MESSAGE_MAX_BYTES,
                "error_cb": self._note_error,
            },
            logger=client_logger("producer"),
        )

    def missing_topics(self, topics: Sequence[str], timeout_s: float = 2.0) -> list[str]:
        """Ask the brokers for topics, which makes them where brokers make topics by themselves.

        Returns:
            Names of those that do not exist.

        Raises:
            KafkaException: no broker answers.
        """
        known = {topic: self._producer.list_topics(topic, timeout=timeout_s).topics.get(topic) for topic in topics}
        return [topic for topic, about in known.items() if about is None or about.error or not about.partitions]

    def cluster(self, timeout_s: float = 10.0) -> str:
        """The cluster's own name for itself. Raises KafkaException when no broker answers."""
        return self._producer.list_topics(timeout=timeout_s).cluster_id or ""

    def deliver(self, messages: Sequence[Outgoing], give_up: Callable[[], bool]) -> list[Outgoing]:
        """Send ``messages`` and wait until each is confirmed or refused, or ``give_up`` says to leave off.

        Returns:
            What was not confirmed, to be sent again; what was too large comes back cut where it may be.

        Raises:
            SinkError: a message that must stay whole is too large for the broker, or the producer is beyond repair.
        """
        undelivered = dict(enumerate(messages))
        for index, message in enumerate(messages):
            if give_up():
                break
            self._produce(message, partial(self._confirm, undelivered, index), give_up)
        while self._producer.flush(_FLUSH_SLICE_S) > 0:
            if give_up():
                self._producer.purge()
                self._producer.flush(_FLUSH_SLICE_S)
                break
        if self._hopeless is not None:
            raise self._hopeless
        return list(undelivered.values())

    def _produce(self, message: Outgoing, confirm: Callable[[Any, Any], None], give_up: Callable[[], bool]) -> None:
        while not give_up():
            try:
                self._producer.produce(
                    message.topic, message.value, message.key, headers=list(message.headers), on_delivery=confirm
                )
            except BufferError:  # the queue towards the broker is full
                self._producer.poll(_FLUSH_SLICE_S)
            except KafkaException as error:
                confirm(error.args[0], None)
                return
            else:
                self._producer.poll(0)
                return

    def _confirm(
        self, undelivered: dict[int, Outgoing], index: int, error: KafkaError | None, sent: Message | None
    ) -> None:
        if error is None:
            message = undelivered.pop(index)
            if self._on_confirmed is not None and sent is not None:
                self._on_confirmed(message, sent)
            return
        self.trouble = error.str()
        if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            message = undelivered[index]
            if not message.cuttable:
                self._hopeless = SinkError(
                    f"a message of {len(message.value)} bytes for {message.topic} is too large for the broker; "
                    "raise the topic's max.message.bytes"
                )
            undelivered[index] = message.cut()
        elif error.fatal():
            self._hopeless = SinkError(f"the Kafka producer cannot go on: {error.str()}; start again")

    def _note_error(self, error: KafkaError) -> None:
        self.trouble = error.str()
