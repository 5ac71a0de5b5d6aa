"""Logs that grow, are rotated and cut: each line comes once, whole and in order, whenever one looks."""

from __future__ import annotations

import gzip
import os
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.errors import UsageError
from flows.formats import MAX_LINE
from serving.tailing import Position, Tail, Trace


def lines_of(tail: Tail) -> list[bytes]:
    """All lines that there are now."""
    found: list[bytes] = []
    while piece := tail.read():
        assert len(piece.lines) == len(piece.starts) > 0
        found += piece.lines
    return found


def kept(tail: Tail) -> Position:
    """The position as it comes back from a file."""
    assert tail.position is not None
    return msgspec.json.decode(msgspec.json.encode(tail.position), type=Position)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "conn.log"


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def test_lines_come_when_they_are_whole(log: Path) -> None:
    tail = Tail(log)
    assert tail.read() is None
    assert tail.position is None
    append(log, b"one\ntwo\nthr")
    assert lines_of(tail) == [b"one", b"two"]
    append(log, b"ee")
    assert lines_of(tail) == []
    append(log, b"\n\nfive\n")
    assert lines_of(tail) == [b"three", b"", b"five"]
    tail.close()


def test_starts_are_places_in_the_file(log: Path) -> None:
    data = b"".join(b"%d\n" % (number**9) for number in range(20_000))
    log.write_bytes(data[: len(data) // 2])
    tail = Tail(log)
    found = []
    for _ in range(2):
        while piece := tail.read():
            for start, line in zip(piece.starts, piece.lines, strict=True):
                assert data[start : start + len(line) + 1] == line + b"\n"
            found += piece.lines
        append(log, data[len(data) // 2 :])
    assert len(found) == 20_000


def test_the_old_file_is_read_to_its_end_before_the_new_one(log: Path) -> None:
    append(log, b"1\n")
    tail = Tail(log)
    assert lines_of(tail) == [b"1"]
    append(log, b"2\n")
    with log.open("ab") as old:
        log.rename(log.with_name("conn.log.1"))
        log.touch()
        assert lines_of(tail) == [b"2"]
        old.write(b"3\nthe rest")  # the writer has not opened the new file yet
        old.flush()
        assert lines_of(tail) == [b"3"]
    append(log, b"4\n")
    assert lines_of(tail) == [b"the rest", b"4"]


def test_another_file_brings_its_own_beginning(log: Path) -> None:
    append(log, b"#fields\ta\n1\n2\n")
    tail = Tail(log)
    first = tail.read()
    assert first is not None
    assert first.before == []
    append(log, b"3\n")
    second = tail.read()
    assert second is not None
    assert second.before is None
    again = Tail(log, kept(tail))
    append(log, b"4\n")
    third = again.read()
    assert third is not None
    assert (third.lines, third.before) == ([b"4"], [b"#fields\ta", b"1", b"2", b"3"])
    log.rename(log.with_name("conn.2026-01-01-00-00-00.log"))
    append(log, b"#fields\tb\n")
    fourth = again.read()
    assert fourth is not None
    assert (fourth.lines, fourth.before) == ([b"#fields\tb"], [])


def test_a_line_without_end_takes_bounded_memory_and_is_cut(log: Path) -> None:
    tail = Tail(log)
    for _ in range(5):
        append(log, b"x" * MAX_LINE)
        assert tail.read() is None
    append(log, b"\nnext\n")
    assert [len(line) for line in lines_of(tail)] == [MAX_LINE + 1, 4]
    append(log, b"last\n")
    piece = tail.read()
    assert piece is not None
    assert piece.starts == [5 * MAX_LINE + 6]


@pytest.mark.parametrize("copied", [True, False])
def test_a_truncated_file_is_read_from_its_start(log: Path, copied: bool) -> None:
    append(log, b"1\n2\npart")
    tail = Tail(log)
    assert lines_of(tail) == [b"1", b"2"]
    if copied:
        append(log, b" and more\nunread\n")
        shutil.copyfile(log, log.with_name("conn.log.1"))
    log.write_bytes(b"")
    assert lines_of(tail) == ([b"part and more", b"unread"] if copied else [b"part"])
    append(log, b"3\n")
    assert lines_of(tail) == [b"3"]


def test_a_file_that_grew_again_since_it_was_truncated_is_read_from_its_start(log: Path) -> None:
    append(log, b"1\n")
    tail = Tail(log)
    assert lines_of(tail) == [b"1"]
    log.write_bytes(b"2\n3\n4\n")
    assert lines_of(tail) == [b"2", b"3", b"4"]
    log.write_bytes(b"5\n6\n7\n")
    os.utime(log, (2e9, 2e9))
    assert lines_of(tail) == [b"5", b"6", b"7"]


def test_what_was_rotated_while_nobody_followed_comes_first(log: Path) -> None:
    old = log.with_name("conn.2025-12-31-22-00-00.log")
    old.write_bytes(b"long ago\n")
    os.utime(old, (1e9, 1e9))
    append(log, b"1\n2\n")
    tail = Tail(log)
    assert lines_of(tail) == [b"1", b"2"]
    position = kept(tail)
    append(log, b"3\n")
    clock = time.time_ns()
    for number, name in enumerate(["conn.2026-01-01-00-00-00.log", "conn.2026-01-01-01-00-00.log"]):
        log.rename(log.with_name(name))
        os.utime(log.with_name(name), ns=(clock + number * 10**9,) * 2)
        append(log, b"%d\nend %d" % (number + 4, number))
    (log.parent / "conn-summary.log").write_bytes(b"another log\n")
    (log.parent / "http.2026-01-01-00-00-00.log").write_bytes(b"another log\n")
    assert lines_of(Tail(log, position)) == [b"3", b"4", b"end 0", b"5"]


def test_another_log_of_a_similar_name_is_no_rotated_file(log: Path) -> None:
    other = log.with_name("conn.1.log")
    append(log, b"1\n")
    tail = Tail(log, others=[log, other])
    assert lines_of(tail) == [b"1"]
    append(other, b"the other's\n")
    log.rename(log.with_name("conn.log.1"))
    append(log, b"2\n")
    assert lines_of(tail) == [b"2"]


def test_a_file_that_is_gone_is_told(log: Path, caplog: pytest.LogCaptureFixture) -> None:
    append(log, b"1\n")
    tail = Tail(log)
    assert lines_of(tail) == [b"1"]
    position = kept(tail)
    tail.close()
    append(log, b"2\n")
    (log.parent / "conn.log.2.gz").write_bytes(gzip.compress(log.read_bytes()))
    log.unlink()
    append(log, b"3 is in another file\n")
    again = Tail(log, position)
    assert lines_of(again) == [b"3 is in another file"]
    assert lines_of(again) == []
    told = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert len(told) == 2
    assert "followed up to byte 2" in told[0]
    assert "conn.log.2.gz" in told[1]
    assert "without --follow" in told[1]


def test_what_was_given_already_is_left_out(log: Path) -> None:
    append(log, b"1\n22\n333\n4444\n")
    piece = Tail(log).read()
    assert piece is not None
    traces = piece.traces()
    tail = Tail(log, None, [traces[1], traces[3], (0, 5)])
    assert lines_of(tail) == [b"1", b"333"]
    append(log, b"5\n")
    shutil.copyfile(log, log.with_name("copy"))
    log.rename(log.with_name("conn.log.1"))
    log.with_name("copy").rename(log)
    assert lines_of(tail) == [b"5", b"1", b"22", b"333", b"4444", b"5"]


def test_a_file_that_does_not_grow_is_refused(log: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a directory"):
        Tail(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="no file that grows"):
        Tail(tmp_path / "pipe")
    log.write_bytes(gzip.compress(b"1\n"))
    with pytest.raises(UsageError, match=r"gzipped.*without --follow"):
        Tail(log).read()


def test_nothing_new_costs_next_to_nothing(log: Path) -> None:
    for number in range(3_000):
        log.with_name(f"conn.2026-01-01-{number}.log").write_bytes(b"old\n")
    os.utime(log.parent, (1e9, 1e9))
    append(log, b"1\n")
    tail = Tail(log)
    lines_of(tail)
    log.rename(log.with_name("conn.2027-01-01.log"))
    os.utime(log.parent, (1e9, 1e9))
    lines_of(tail)
    started = time.process_time()
    for _ in range(100):
        assert tail.read() is None
    assert time.process_time() - started < 0.1  # 25 s of following


# --- Random histories


@dataclass
class History:
    """A log that is written and rotated, on a clock of its own, what whole lines there have been, and its tail."""

    path: Path
    numbered: bool  # conn.log.1, conn.log.2, … as logrotate does; else dates as Zeek does
    created: bool  # an empty file is made at once
    lines: list[bytes] = field(default_factory=list)
    found: list[bytes] = field(default_factory=list)
    given: set[Trace] = field(default_factory=set)
    part: bytes = b""
    clock: int = field(default_factory=time.time_ns)
    written: int = 0
    rotations: int = 0

    def __post_init__(self) -> None:
        self.line()
        self.tail = Tail(self.path)
        self.look()

    def line(self) -> None:
        self.part_of_a_line()
        self.end_of_a_line()

    def many_lines(self) -> None:
        self.written += 1
        self._write(b"".join(b"line %d.%d\n" % (self.written, number) for number in range(5)) + b"and")

    def part_of_a_line(self) -> None:
        self.written += 1
        self._write(b"line %d" % self.written)

    def end_of_a_line(self) -> None:
        if self.part:  # blank lines alone would make files that nobody can tell apart
            self._write(b"\n")

    def rename(self) -> None:
        if self.path.exists():
            self.path.rename(self._free_name())
            self._over()
        if self.created:
            self.path.touch()
            self._touch(self.path)

    def copy_and_truncate(self) -> None:
        if not self.path.exists():
            return
        copy = self._free_name()
        shutil.copyfile(self.path, copy)
        self._touch(copy)
        os.truncate(self.path, 0)
        self._touch(self.path)
        self._over()

    def look(self) -> None:
        self.found += lines_of(self.tail)
        assert self.found == self.lines[: len(self.found)]

    def restart(self) -> None:
        position = kept(self.tail)
        self.tail.close()
        self.tail = Tail(self.path, position, self.given)

    def kill(self) -> None:
        """Die when some lines of a piece were delivered, and before that was noted; and start again."""
        position = kept(self.tail)
        if piece := self.tail.read():
            delivered = (len(piece.lines) + 1) // 2
            self.given |= set(piece.traces()[:delivered])
            self.found += piece.lines[:delivered]
        self.tail.close()
        self.tail = Tail(self.path, position, self.given)

    def _write(self, data: bytes) -> None:
        append(self.path, data)
        *whole, self.part = (self.part + data).split(b"\n")
        self.lines += whole
        self._touch(self.path)

    def _over(self) -> None:
        if self.part:
            self.lines.append(self.part)
            self.part = b""

    def _free_name(self) -> Path:
        self.rotations += 1
        if not self.numbered:
            return self.path.with_name(f"conn.2026-01-01-00-00-{self.rotations:02}.log")
        for number in range(self.rotations, 0, -1):
            old = self.path.with_name(f"conn.log.{number}")
            if old.exists():
                old.rename(self.path.with_name(f"conn.log.{number + 1}"))
        return self.path.with_name("conn.log.1")

    def _touch(self, path: Path) -> None:
        self.clock += 10_000_000
        os.utime(path, ns=(self.clock, self.clock))


_STEPS = ["line", "many_lines", "part_of_a_line", "end_of_a_line", "look", "look", "restart", "kill"]


@pytest.mark.parametrize("rotate", ["rename", "copy_and_truncate"])
@given(data=st.data(), numbered=st.booleans(), created=st.booleans())
def test_the_lines_are_those_that_were_written(rotate: str, data: st.DataObject, numbered: bool, created: bool) -> None:
    with TemporaryDirectory() as folder:
        history = History(Path(folder) / "conn.log", numbered, created)
        for step in data.draw(st.lists(st.sampled_from([*_STEPS, rotate]), max_size=40)):
            getattr(history, step)()
        history.line()
        history.look()
        assert history.found == history.lines
        history.tail.close()
