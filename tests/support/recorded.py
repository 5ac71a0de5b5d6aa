"""Days of production for tests: flows of a small network with an attack, verdicts about them, and words about those."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from orchestration.recording.days import SCHEMA, day_path
from orchestration.recording.log import Record

FLOWS, VERDICTS, ALERTS, FEEDBACK = (f"tidegate.{what}" for what in ("flows", "verdicts", "alerts", "feedback"))


def write_day(folder: Path, topic: str, day: date, records: Sequence[Record]) -> Path:
    """Write a recorded day as recording does."""
    path = day_path(folder, topic, day)
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = [[getattr(record, name) for record in records] for name in SCHEMA.names]
    pq.write_table(pa.table(columns, schema=SCHEMA), path)
    return path


def flow(
    offset: int, *, start: float, source: str = "10.0.0.5", destination: str = "192.0.2.9", partition: int = 0
) -> Record:
    """A canonical flow as a recorded message."""
    document = {
        "start": start,
        "duration": 0.5,
        "src_addr": source,
        "dst_addr": destination,
        "src_port": 40000 + offset % 1000,
        "dst_port": 443,
        "protocol": 6,
        "src_packets": 5,
        "dst_packets": 4,
        "src_bytes": 600,
        "dst_bytes": 900,
    }
    return Record(partition, offset, int(start * 1000), source.encode(), None, json.dumps(document).encode())


@dataclass(frozen=True, slots=True)
class Message:
    """A verdict or a word, before it is numbered."""

    document: dict[str, Any]


def verdict(offset: int, kind: str = "malware", alert: str | None = None, partition: int = 0) -> Message:
    """What was decided of a flow."""
    identity = f"{FLOWS}/{partition}/{offset}/7"
    return Message({"id": identity, "verdict": kind, "key_host": "10.0.0.5", "alert_id": alert, "confidence": 0.9})


def word(identity: str, label: str, at: float = 1.0) -> Message:
    """What somebody said."""
    return Message({"id": identity, "label": label, "by": "ann", "at": at})


def numbered(messages: Sequence[Message], first: int = 0) -> list[Record]:
    """Messages as the records of one partition."""
    return [
        Record(0, first + place, 0, None, None, json.dumps(message.document).encode())
        for place, message in enumerate(messages)
    ]


def days_of(first: date, count: int) -> list[date]:
    """So many days in a row."""
    return [first + timedelta(days=number) for number in range(count)]
