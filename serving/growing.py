"""One file that grows: its whole lines, how far it was read, and what tells it from others."""

from __future__ import annotations

import hashlib
import os
from itertools import accumulate
from pathlib import Path
from typing import Final, Literal

import msgspec

from flows.errors import TidegateError, UsageError
from flows.formats import MAX_LINE

HEAD_BYTES: Final = 1024  # tell a file from others: a Zeek header and its first rows, or a JSON event or two
_BLOCK: Final = 256 << 10
_FIRST_LINES_BYTES: Final = 64 << 10
_GZIP: Final = b"\x1f\x8b"


class TailError(TidegateError):
    """A log cannot be read on."""


class Mark(msgspec.Struct, frozen=True):
    """Which file: its inode, and the SHA-256 of its first ``length`` bytes."""

    inode: int
    length: int
    digest: str


class GrowingFile:
    """An open file, read from some place on. Of a line longer than MAX_LINE the first MAX_LINE + 1 bytes come out."""

    def __init__(self, path: Path) -> None:
        """Open a file at its start. Raises OSError when that cannot be."""
        self.path = path
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        status = self.status()
        self.inode = status.st_ino
        self.device = status.st_dev
        self.modified_ns = status.st_mtime_ns  # when it was last looked at
        self.read_to = 0
        self.line_start = 0  # of the line that is not whole yet
        self._head = b""  # the first bytes, as they were when they were read
        self._rest = b""  # of the line that is not whole yet

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)

    def status(self) -> os.stat_result:
        """What the system says of the file, under whatever name it is now."""
        return os.fstat(self._descriptor)

    def move_to(self, offset: int) -> None:
        """Go on reading at the start of a line."""
        self.read_to = self.line_start = offset
        self._head = self._bytes(min(HEAD_BYTES, offset), 0)

    def mark(self, up_to: int) -> Mark:
        """What tells this file from others, by what was read of it before ``up_to``."""
        head = self._head[:up_to]
        return Mark(self.inode, len(head), hashlib.sha256(head).hexdigest())

    def begins_as(self, mark: Mark) -> bool:
        """Whether the first bytes are, now, those of a mark."""
        return hashlib.sha256(self._bytes(mark.length, 0)).hexdigest() == mark.digest

    def look(self) -> Literal["more", "end", "changed"]:
        """Whether there is more to read, or not now, or what was read is not there any more."""
        status = self.status()
        if (status.st_size, status.st_mtime_ns) == (self.read_to, self.modified_ns):
            return "end"
        if status.st_size < self.read_to or self._bytes(len(self._head), 0) != self._head:
            return "changed"
        self.modified_ns = status.st_mtime_ns
        return "more" if status.st_size > self.read_to else "end"

    def read_lines(self) -> tuple[list[bytes], list[int]]:
        """Read on; the lines that are whole now, without their newlines, and where each starts.

        Raises:
            UsageError: the file is compressed.
            TailError: the file cannot be read.
        """
        block = self._bytes(_BLOCK, self.read_to)
        if len(self._head) < HEAD_BYTES:
            self._head = (self._head + block)[:HEAD_BYTES]
            if self._head.startswith(_GZIP):
                raise UsageError(f"{self.path} is gzipped, and does not grow; replay it without --follow")
        lines = block.split(b"\n")
        rest = lines.pop()
        if not lines:
            self._rest = (self._rest + rest)[: MAX_LINE + 1]
            self.read_to += len(block)
            return [], []
        starts = list(accumulate((len(line) + 1 for line in lines), initial=self.read_to))
        self.read_to += len(block)
        starts[0], self.line_start = self.line_start, starts.pop()
        lines[0] = (self._rest + lines[0])[: MAX_LINE + 1]
        self._rest = rest
        return lines, starts

    def end_line(self) -> tuple[list[bytes], list[int]]:
        """The line that has no newline and will get none, as :meth:`read_lines` gives it, if there is one."""
        lines, starts = ([self._rest], [self.line_start]) if self._rest else ([], [])
        self._rest = b""
        self.line_start = self.read_to
        return lines, starts

    def first_lines(self, up_to: int) -> list[bytes]:
        """The file's first lines, as far as they end before ``up_to`` and in the first 64 KiB."""
        return self._bytes(min(_FIRST_LINES_BYTES, up_to), 0).split(b"\n")[:-1]

    def _bytes(self, size: int, at: int) -> bytes:
        try:
            return os.pread(self._descriptor, size, at)
        except OSError as error:
            raise TailError(f"{self.path} cannot be read: {error.strerror}; check the disk and start again") from error
