"""Where days begin in a topic: offsets, settled once, so that each record is of exactly one day.

A day begins at the first record with a timestamp of that day or later. Timestamps may go back and forth, and what is
asked again later may be answered otherwise; so what was answered first is written down, and counts for the day before
as its end. Boundaries of a later day are never before those of an earlier one, whichever was settled first. A
partition that a boundary does not name had not begun then: it is at 0.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from flows.errors import TidegateError
from orchestration.recording.log import Log, Offsets


def day_range(folder: Path, log: Log, topic: str, day: date, now: datetime) -> tuple[Offsets, Offsets]:
    """Return where a day's records begin and where they end, by partition.

    Args:
        folder: where boundaries are kept.
        now: the present time; raises TidegateError for a day that has not ended.

    Raises LogError where Kafka has to be asked and cannot be.
    """
    if start_of(day + timedelta(days=1)) > now:
        raise TidegateError(f"{topic}: {day} has not ended, so not all of it can be read; wait until it has")
    with _settling(folder, topic):
        begin = _boundary(folder, log, topic, day)
        end = _boundary(folder, log, topic, day + timedelta(days=1))
    return {partition: begin.get(partition, 0) for partition in end}, end


def start_of(day: date) -> datetime:
    """The first moment of a day in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


@contextmanager
def _settling(folder: Path, topic: str) -> Iterator[None]:
    """Have nobody else settle boundaries of the topic at the same time."""
    place = folder / topic
    place.mkdir(parents=True, exist_ok=True)
    with (place / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _boundary(folder: Path, log: Log, topic: str, day: date) -> Offsets:
    path = folder / topic / f"{day}.json"
    if path.exists():
        return _read(path)
    time_ms = int(start_of(day).timestamp() * 1000)
    settled = sorted(folder.joinpath(topic).glob("*.json"))
    before = [_read(other) for other in settled if other.stem < path.stem][-1:]
    after = [_read(other) for other in settled if other.stem > path.stem][:1]
    offsets = {}
    for partition in log.partitions(topic):
        offset = log.offset_at(topic, partition, time_ms)
        if before:
            offset = max(offset, before[0].get(partition, 0))
        if after:
            offset = min(offset, after[0].get(partition, 0))
        offsets[partition] = offset
    scratch = path.with_suffix(".partial")
    scratch.write_text(json.dumps(offsets))
    scratch.replace(path)
    return offsets


def _read(path: Path) -> Offsets:
    return {int(partition): int(offset) for partition, offset in json.loads(path.read_text()).items()}
