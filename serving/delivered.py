"""What a replay that died had sent and not noted: looked up in the topic itself.

Every message made of a followed log has a header that names the log's entry in the position file, the line's place
and its CRC-32.
"""

from __future__ import annotations

import logging
import re
import time
from typing import Any, Final

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaException, Message, TopicPartition

from flows.errors import TidegateError
from serving.config import Settings
from serving.kafka import client_logger, client_options, is_embedded
from serving.tailing import Trace

log = logging.getLogger(__name__)

TRACE_HEADER: Final = "log.line"

_WRITTEN: Final = re.compile(rb"([^/]+)/([0-9]{1,19})/([0-9]{1,10})")
_TIMEOUT_S: Final = 10.0
_PATIENCE_S: Final = 60.0
# Where a topic's messages are timed by the broker, its clock may differ from ours.
_CLOCKS_DIFFER_MS: Final = 10_000
_BATCH: Final = 5000


class DeliveredError(TidegateError):
    """The topic cannot be read back."""


def trace_header(entry_id: str, trace: Trace) -> tuple[str, bytes]:
    """The header of a line's message."""
    start, checksum = trace
    return TRACE_HEADER, f"{entry_id}/{start}/{checksum}".encode()


def delivered_since(settings: Settings, cluster: str, entry_id: str, since_ms: int) -> set[Trace]:
    """Return the traces of an entry's lines that are in the topic of flows and came there since some time.

    Raises:
        DeliveredError: Kafka does not let them be read.
    """
    found: set[Trace] = set()
    # A member of a group only in name: it is given its partitions, and commits nothing.
    consumer = Consumer(
        {**client_options(settings), "group.id": settings.group, "enable.auto.commit": False},
        logger=client_logger("delivered"),
    )
    try:
        ends = _assign(consumer, settings.topic_flows, None if is_embedded(cluster) else since_ms - _CLOCKS_DIFFER_MS)
        log.info("looking in %s for lines that were sent and not noted", settings.topic_flows)
        heard = time.monotonic()
        while ends:
            for message in consumer.consume(_BATCH, 0.2):
                heard = time.monotonic()
                if (error := message.error()) is not None:
                    raise KafkaException(error)
                if (trace := _trace(message, entry_id)) is not None:
                    found.add(trace)
            for position in consumer.position([TopicPartition(settings.topic_flows, number) for number in ends]):
                if position.offset >= ends[position.partition]:
                    del ends[position.partition]
            if time.monotonic() - heard > _PATIENCE_S:
                raise DeliveredError(f"{settings.topic_flows} cannot be read back: nothing comes; start again")
    except KafkaException as error:
        raise DeliveredError(
            f"{settings.topic_flows} cannot be read back to see what was sent: {error.args[0].str()}; check that this "
            "login may read the topic, and start again"
        ) from None
    finally:
        consumer.close()
    return found


def _assign(consumer: Consumer, topic: str, since_ms: int | None) -> dict[int, int]:
    """Begin at a time, or at the beginning; returns, for each partition with something to read, where it ends now."""
    numbers = consumer.list_topics(topic, timeout=_TIMEOUT_S).topics[topic].partitions
    begin = [TopicPartition(topic, number, OFFSET_BEGINNING if since_ms is None else since_ms) for number in numbers]
    if since_ms is not None:
        begin = [
            place
            for place in consumer.offsets_for_times(begin, timeout=_TIMEOUT_S)
            if place.offset not in {OFFSET_END, -1}
        ]
    ends: dict[int, int] = {}
    for place in begin:
        low, high = consumer.get_watermark_offsets(place, timeout=_TIMEOUT_S)
        if high > max(low, place.offset):
            ends[place.partition] = high
    consumer.assign([place for place in begin if place.partition in ends])
    return ends


def _trace(message: Message, entry_id: str) -> Trace | None:
    headers: Any = message.headers()  # its stub is too wide
    for name, value in headers or ():
        if name == TRACE_HEADER:
            written = _WRITTEN.fullmatch(value or b"")  # others may write to the topic, and anything
            if written is None or written[1] != entry_id.encode():
                return None
            return int(written[2]), int(written[3])
    return None
