"""A day of a topic as a Parquet file: the records as they came."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from flows.errors import TidegateError
from orchestration.recording.log import Log, Offsets, Record

SCHEMA: Final = pa.schema(
    [
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("time_ms", pa.int64()),
        ("key", pa.binary()),
        ("format", pa.binary()),
        ("value", pa.binary()),
    ]
)


GROUP: Final = 5_000  # rows that are written, and read, at once


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a day: its file, the records in it, and those that Kafka had dropped before they were read."""

    path: Path
    kept: int
    read: int
    lost: int


def day_path(folder: Path, topic: str, day: date) -> Path:
    """Where a day of a topic lies."""
    return folder / topic / f"{day}.parquet"


def record_day(
    path: Path,
    log: Log,
    topic: str,
    begin: Offsets,
    end: Offsets,
    keep: Callable[[Record], bool] = lambda _: True,
) -> Recorded:
    """Write the records from ``begin`` to ``end`` that are to be kept, chunk by chunk; the file is there whole or not.

    Raises:
        LogError: Kafka cannot be read.
        TidegateError: Kafka has dropped some of the records, and the day has been recorded before: that file is kept.
    """
    kept_from = {partition: max(first, log.bounds(topic, partition)[0]) for partition, first in begin.items()}
    lost = sum(max(0, min(kept_from[p], end[p]) - begin[p]) for p in begin)
    if lost and path.exists():
        raise TidegateError(
            f"{path} is kept: Kafka has dropped {lost} of its records since, so the day cannot be recorded again"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f"{path.name}.{os.getpid()}.partial")
    kept = read = 0
    waiting: list[Record] = []
    with pq.ParquetWriter(scratch, SCHEMA, compression="zstd") as writer:
        for chunk in log.read(topic, {p: min(kept_from[p], end[p]) for p in begin}, end):
            read += len(chunk)
            waiting += [record for record in chunk if keep(record)]
            # In groups of one size, however the records came: a day that is read twice is the same file.
            while len(waiting) >= GROUP:
                writer.write_table(_table(waiting[:GROUP]))
                kept += GROUP
                del waiting[:GROUP]
        if waiting:
            writer.write_table(_table(waiting))
            kept += len(waiting)
    scratch.replace(path)
    return Recorded(path, kept, read, lost)


def _table(records: list[Record]) -> pa.Table:
    return pa.table([[getattr(record, name) for record in records] for name in SCHEMA.names], schema=SCHEMA)


def records_of(path: Path) -> Iterator[dict[str, Any]]:
    """The records of a day, as dicts of the columns. Raises TidegateError if the day was not recorded."""
    try:
        table = pq.ParquetFile(path)
    except FileNotFoundError:
        raise TidegateError(f"{path} is not there: materialize that day first") from None
    with table:
        for batch in table.iter_batches(batch_size=GROUP):
            yield from batch.to_pylist()
