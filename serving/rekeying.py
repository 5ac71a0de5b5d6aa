"""What `tidegate rekey` does with raw messages: canonical flows keyed by key host, and dead letters.

Every record of a message becomes a flow, a dead letter or, being blank, a comment or a column header, nothing. Each
output names the message it was made of. The flows of one host leave in the order of their partition.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Final

from flows.formats import encode_canonical
from flows.keying import HomeNetworks
from flows.messages import decode_messages
from serving.config import Settings
from serving.dead_letters import DeadLetterWatch, dead_letter, provenance
from serving.keys import message_keys
from serving.metrics import Metrics
from serving.sink import Headers, Outgoing
from serving.source import Arrivals, Reading
from serving.status import Status

log = logging.getLogger(__name__)

# Of one part, which is delivered before the next is made: a message may hold thousands of records.
_PART_RECORDS: Final = 4096
_PART_BYTES: Final = 8 << 20
_CANONICAL: Final = (("format", b"canonical"),)
_REPORT_S: Final = 60.0


def raw_reading(settings: Settings) -> Reading:
    """What `tidegate rekey` reads."""
    return Reading(settings.topic_raw, settings.group_raw)


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a message, and its line in the message, from 1, where that has several."""

    arrivals: Arrivals
    index: int
    value: bytes | None
    line: int | None = None


class Rekeying:
    """Turns records into keyed canonical flows; :class:`serving.loop.Work`."""

    def __init__(self, settings: Settings, status: Status, metrics: Metrics) -> None:
        self._settings = settings
        self._home = HomeNetworks(settings.home)
        self._status = status
        self._metrics = metrics
        self._watch = DeadLetterWatch()
        self._done: Counter[str] = Counter()
        self._next_report = time.monotonic() + _REPORT_S

    def assigned(self, partitions: list[int]) -> None:
        """Nothing is remembered of a partition."""

    def lost(self, partitions: list[int]) -> None:
        """Nothing is remembered of a partition."""

    def process(self, batch: list[Arrivals]) -> Iterator[list[Outgoing]]:
        """Yield the flows and dead letters of the batch, as :class:`serving.loop.Work` says."""
        for part in _parts(record for arrivals in batch for record in _records(arrivals)):
            outgoing, kinds = self._rekey(part)
            yield outgoing
            self._done.update(kinds)
        if time.monotonic() >= self._next_report:
            self._next_report = time.monotonic() + _REPORT_S
            log.info("so far %s", self.account())

    def account(self) -> str:
        """What became of the records until now, in words."""
        done = self._done
        return f"{done['flow']} flows, {done['dead letter']} dead letters, {done['neither']} records that are neither"

    def _rekey(self, part: list[Record]) -> tuple[list[Outgoing], dict[str, int]]:
        """What is published about some records, and how many of them are what."""
        settings, metrics = self._settings, self._metrics
        formats = [record.arrivals.formats[record.index] for record in part]
        with metrics.timed("decode"):
            decoded, rejected = decode_messages([record.value for record in part], formats, settings.format_raw)
        with metrics.timed("documents"):
            keys = message_keys(decoded.batch, self._home)
            lines = encode_canonical(decoded.batch, decoded.labels)
            outgoing = [
                Outgoing(settings.topic_flows, key, line, (*_CANONICAL, *self._source(part[place])), cuttable=True)
                for key, line, place in zip(keys, lines, decoded.index.tolist(), strict=True)
            ]
        for one in rejected:
            record = part[one.index]
            key = record.arrivals.keys[record.index]
            name = formats[one.index] or (settings.format_raw or "").encode() or None
            outgoing.append(
                dead_letter(settings.topic_dead_letters, key, record.value, one, self._source(record), name)
            )
            metrics.dead_letters.labels(one.reason).inc()
        skipped = len(part) - len(decoded) - len(rejected)
        metrics.skipped.inc(skipped)
        self._look_at_the_share(len(decoded) + len(rejected), len(rejected))
        return outgoing, {"flow": len(decoded), "dead letter": len(rejected), "neither": skipped}

    def _source(self, record: Record) -> Headers:
        return provenance(self._settings.topic_raw, record.arrivals, record.index, record.line)

    def _look_at_the_share(self, records: int, dead: int) -> None:
        """A topic that nobody can decode must not be drained into dead letters unnoticed."""
        self._watch.add(records, dead)
        self._metrics.undecodable_share.set(self._watch.share)
        if not self._watch.nearly_all:
            if self._status.clear("input"):
                log.info("records of %s can be decoded again", self._settings.topic_raw)
            return
        reason = (
            f"nearly all of the latest records of {self._settings.topic_raw} cannot be decoded; see the `error` "
            f"headers in {self._settings.topic_dead_letters}, and name the format by --format or a `format` header"
        )
        if self._status.block("input", reason):
            log.error("%s; going on", reason)


def _parts(records: Iterable[Record]) -> Iterator[list[Record]]:
    part: list[Record] = []
    size = 0
    for record in records:
        part.append(record)
        size += len(record.value or b"")
        if len(part) >= _PART_RECORDS or size >= _PART_BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part


def _records(arrivals: Arrivals) -> Iterator[Record]:
    for index, value in enumerate(arrivals.values):
        if value is None or not _has_lines(value):
            yield Record(arrivals, index, value)
            continue
        for number, line in enumerate(BytesIO(value), 1):  # one line in memory after the other
            if not line.isspace():
                yield Record(arrivals, index, line.rstrip(b"\n"), number)


def _has_lines(value: bytes) -> bool:
    """Whether a message holds one record per line; a JSON object that is printed over several lines is one record."""
    if b"\n" not in value:
        return False
    first, _, rest = value.strip().partition(b"\n")
    return rest != b"" and (first[:1] != b"{" or first.rstrip()[-1:] == b"}")
