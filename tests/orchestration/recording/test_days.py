"""Each record is of exactly one day, in whatever order days are read, and whatever their timestamps say."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.errors import TidegateError
from orchestration.recording.boundaries import day_range, start_of
from orchestration.recording.days import day_path, record_day, records_of
from orchestration.recording.log import LogError
from tests.support.fake_log import FakeLog

TOPIC = "tidegate.flows"
FIRST = date(2026, 3, 1)
WEEK = [FIRST + timedelta(days=number) for number in range(7)]
NOW = start_of(FIRST + timedelta(days=8))
DAY_MS = 86_400_000


def at(day: float) -> int:
    """Milliseconds of a moment, so many days after the first."""
    return int(start_of(FIRST).timestamp() * 1000 + day * DAY_MS)


def record(folder: Path, log: FakeLog, day: date, now: datetime = NOW) -> Path:
    begin, end = day_range(folder / "boundaries", log, TOPIC, day, now)
    return record_day(day_path(folder, TOPIC, day), log, TOPIC, begin, end).path


def offsets(folder: Path) -> Counter[tuple[int, int]]:
    """How often each record is in any day."""
    paths = sorted((folder / TOPIC).glob("*.parquet"))
    return Counter((one["partition"], one["offset"]) for path in paths for one in records_of(path))


steps = st.one_of(
    st.tuples(st.just("append"), st.integers(0, 3), st.floats(-0.5, 7.5)),
    st.tuples(st.just("read"), st.sampled_from(WEEK), st.none()),
)


@settings(deadline=None, max_examples=150)
@given(st.lists(steps, max_size=40), st.permutations(WEEK))
def test_every_record_is_in_one_day_in_whatever_order_days_are_read(
    story: list[tuple[str, int | date, float | None]], order: list[date]
) -> None:
    """Records come, out of order and in new partitions, while days are read; at the end all days are read once more."""
    log = FakeLog({0: []})
    with TemporaryDirectory() as name:
        folder = Path(name)
        for what, which, moment in story:
            if what == "append" and isinstance(which, int):
                log.append(which, at(moment or 0.0))
            elif isinstance(which, date):
                record(folder, log, which)
        for day in order:
            record(folder, log, day)
        found = offsets(folder)
        # What came after the week's last boundary was settled is of a later day; what came before the first, of none.
        _, end = day_range(folder / "boundaries", log, TOPIC, WEEK[-1], NOW)
        begin, _ = day_range(folder / "boundaries", log, TOPIC, WEEK[0], NOW)
        expected = {(p, offset) for p in end for offset in range(begin.get(p, 0), end[p])}
        assert found == Counter(dict.fromkeys(expected, 1))


def test_a_record_is_of_the_day_of_its_timestamp(tmp_path: Path) -> None:
    log = FakeLog()
    for moment in (0.1, 0.9, 1.0, 1.5, 3.2):
        log.append(0, at(moment), value=f"{moment}".encode())

    told = [[one["value"] for one in records_of(record(tmp_path, log, day))] for day in WEEK[:4]]

    assert told == [[b"0.1", b"0.9"], [b"1.0", b"1.5"], [], [b"3.2"]]


def test_a_late_record_is_of_the_day_in_which_it_comes(tmp_path: Path) -> None:
    log = FakeLog()
    log.append(0, at(0.2))
    record(tmp_path, log, WEEK[0])
    late = log.append(0, at(0.3))
    log.append(0, at(1.5))

    record(tmp_path, log, WEEK[0])
    second = record(tmp_path, log, WEEK[1])

    assert [one["offset"] for one in records_of(second)] == [late.offset, 2]
    assert set(offsets(tmp_path).values()) == {1}


def test_a_day_that_has_not_ended_is_not_read(tmp_path: Path) -> None:
    log = FakeLog({0: []})
    with pytest.raises(TidegateError, match="2026-03-02 has not ended"):
        record(tmp_path, log, WEEK[1], now=datetime(2026, 3, 2, 23, 59, tzinfo=UTC))
    assert not list(tmp_path.glob("**/*.json"))


def test_a_day_read_again_is_the_same_to_the_byte(tmp_path: Path) -> None:
    log = FakeLog()
    for number in range(20):
        log.append(number % 3, at(0.04 * number), key=b"10.0.0.1", value=b"x" * number)

    first = record(tmp_path, log, WEEK[0]).read_bytes()

    assert record(tmp_path, log, WEEK[0]).read_bytes() == first


def test_what_retention_took_before_it_was_read_is_told(tmp_path: Path) -> None:
    log = FakeLog()
    for moment in (0.1, 0.2, 1.1, 1.2):
        log.append(0, at(moment))
    day_range(tmp_path / "boundaries", log, TOPIC, WEEK[0], NOW)
    log.first[0] = 3

    begin, end = day_range(tmp_path / "boundaries", log, TOPIC, WEEK[1], NOW)
    done = record_day(day_path(tmp_path, TOPIC, WEEK[1]), log, TOPIC, begin, end)

    assert (done.lost, done.read, done.kept) == (1, 1, 1)


def test_a_recorded_day_is_kept_when_kafka_has_it_no_more(tmp_path: Path) -> None:
    log = FakeLog()
    log.append(0, at(0.1), value=b"precious")
    path = record(tmp_path, log, WEEK[0])
    before = path.read_bytes()
    log.append(0, at(1.1))
    log.first[0] = 1

    with pytest.raises(TidegateError, match="is kept: Kafka has dropped 1 of its records"):
        record(tmp_path, log, WEEK[0])

    assert path.read_bytes() == before


def test_while_kafka_is_away_nothing_is_written(tmp_path: Path) -> None:
    log = FakeLog({0: []}, away=True)
    with pytest.raises(LogError):
        record(tmp_path, log, WEEK[0])
    assert not list(tmp_path.glob("**/*.json"))
    assert not list(tmp_path.glob("**/*.parquet"))


def test_a_day_that_was_not_recorded_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(TidegateError, match=r"2026-03-01\.parquet is not there: materialize that day first"):
        list(records_of(day_path(tmp_path, TOPIC, FIRST)))
