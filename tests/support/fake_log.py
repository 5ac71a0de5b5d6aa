"""A topic in memory, as recording reads it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from orchestration.recording.log import LogError, Offsets, Record


@dataclass
class FakeLog:
    """One topic; ``first`` is the first offset that is kept of each partition. ``away``: it cannot be read."""

    records: dict[int, list[Record]] = field(default_factory=dict)
    first: Offsets = field(default_factory=dict)
    away: bool = False

    def append(self, partition: int, time_ms: int, value: bytes = b"", key: bytes | None = None) -> Record:
        """Append a record to a partition, which is there from then on."""
        row = self.records.setdefault(partition, [])
        record = Record(partition, len(row), time_ms, key, None, value)
        row.append(record)
        return record

    def partitions(self, topic: str) -> list[int]:
        self._ask(topic)
        return sorted(self.records)

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        self._ask(topic)
        return self.first.get(partition, 0), len(self.records[partition])

    def offset_at(self, topic: str, partition: int, time_ms: int) -> int:
        first, end = self.bounds(topic, partition)
        later = (record.offset for record in self.records[partition][first:] if record.time_ms >= time_ms)
        return next(later, end)

    def read(self, topic: str, begin: Offsets, end: Offsets) -> Iterator[list[Record]]:
        self._ask(topic)
        for partition, first in begin.items():
            rows = self.records[partition][first : end[partition]]
            for place in range(0, len(rows), 3):
                yield rows[place : place + 3]

    def _ask(self, topic: str) -> None:
        if self.away:
            raise LogError(f"{topic}: are the brokers there?")
