"""The lines of a log that grows: each once, whole, in order, whatever happens to the file meanwhile.

Like ``tail -F``, but from a remembered position and without a gap at a rotation. A log is a path and, beside it, the
files that once had that name. Which file is which is told by its inode and its first bytes, never by its name alone.

* **Renamed**: the old file is read to its end. It is over once there is something in the file after it, because a
  writer goes on with the old one until it has opened the new one. What then stands after its last newline is a line.
* **Copied and truncated**: the file is shorter than what was read of it, or begins otherwise. If a copy with the same
  beginning lies beside it, that is read on; then the file is read from its start. What was written between the copy
  and the truncation is nowhere, and nobody can read it.
* **While nobody followed**: the file at hand is found again, at the path or beside it, by inode and first bytes, or as
  a copy. Files that are named as rotation names them and were written to after it come next, in the order of their
  last change, and the path's own file comes last.

Nothing here sleeps or knows Kafka: :meth:`Tail.read` gives what there is now.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Final
from zlib import crc32

import msgspec

from flows.errors import UsageError
from serving.growing import GrowingFile, Mark, TailError

log = logging.getLogger(__name__)

_REMEMBERED: Final = 8  # finished files, so that a clock too coarse to tell which was changed last does no harm
_SETTLED_NS: Final = 1_000_000_000  # a folder that changed longer ago than this has a later time when it changes again
_COMPRESSED: Final = (".gz", ".bz2", ".xz", ".zst", ".lz4")
# What rotation puts before a name's ending or after it: a number, or times.
_ADDED: Final = r"(?=[^0-9]*[0-9])[-._][-._:TZ+0-9]*"


class Position(msgspec.Struct, frozen=True):
    """How far a log was read.

    ``offset`` is where the next line of ``file`` begins, in bytes; ``modified_ns`` when the file had been changed last
    when it was looked at last; ``finished`` the files before it, the latest last.
    """

    file: Mark
    offset: int
    modified_ns: int
    finished: tuple[Mark, ...] = ()


Trace = tuple[int, int]  # where a line starts in its file, and its CRC-32


@dataclass(frozen=True, slots=True)
class Piece:
    """Whole lines of one file, without their newlines; ``starts`` is where in the file each begins, in bytes.

    With the first piece of a file, and when reading is taken up again, ``before`` holds the file's first lines that
    are not given again, for the sake of column headers. Otherwise it is None.
    """

    lines: list[bytes]
    starts: list[int]
    before: list[bytes] | None

    def traces(self) -> list[Trace]:
        """What tells each line from every other of the log, near enough."""
        return [(start, crc32(line)) for start, line in zip(self.starts, self.lines, strict=True)]


class Tail:
    """Follows one log. Used by one thread only."""

    def __init__(
        self,
        path: Path,
        position: Position | None = None,
        given: Collection[Trace] = (),
        others: Collection[Path] = (),
    ) -> None:
        """Follow ``path`` from ``position``, or from the start of the file that has the name now.

        Args:
            path: the log; it need not exist yet.
            position: from :attr:`position`, of an earlier tail of this path.
            given: traces of lines after the position that are not to be given again.
            others: logs, by absolute paths, that are no rotated files of this one, whatever they are called.

        Raises:
            UsageError: the path is a directory or another thing that has no lines.
        """
        self._path = path
        self._left = position  # where there is nothing to go on yet
        self._searched = False
        self._given = set(given)
        self._others = others
        self._finished: tuple[Mark, ...] = () if position is None else position.finished
        self._file: GrowingFile | None = None
        self._begins = True  # with the next piece
        self._complaint = ""
        self._scanned_ns = 0
        self._rotated = re.compile(
            f"{re.escape(path.stem)}{_ADDED}{re.escape(path.suffix)}|{re.escape(path.name)}{_ADDED}"
        )
        _look_at(path)

    @property
    def position(self) -> Position | None:
        """After the lines given so far; None as long as there was no file."""
        if self._file is None:
            return self._left
        file = self._file
        return Position(file.mark(file.line_start), file.line_start, file.modified_ns, self._finished)

    @property
    def in_doubt(self) -> bool:
        """Whether lines may still come that are not to be given again."""
        return bool(self._given)

    def begin(self) -> Position | None:
        """Open the file to begin with, if there is one now, so that :attr:`position` can be kept before it is read."""
        if self._file is None:
            self._begin()
        return self.position

    def read(self) -> Piece | None:
        """Return the next lines, some hundred KB at most; None when there are no more now.

        Raises:
            UsageError: the path has become something else than a file, or the file is compressed.
            TailError: the file cannot be read.
        """
        while True:
            file = self._file or self._begin()
            if file is None:
                return None
            piece: Piece | None = None
            match file.look():
                case "more":
                    piece = self._piece(file, *file.read_lines())
                case "changed":
                    piece = self._after_truncation(file)
                case "end":
                    following = self._following(file)
                    if following is None:
                        self._given.clear()  # they were all there before
                        return None
                    if file.look() == "end":  # else the writer went on until there was something in the next file
                        piece = self._finish(file, following)
                    else:
                        following.close()
            if piece is not None:
                return piece

    def close(self) -> None:
        """Let go of the file."""
        self._left = self.position
        if self._file is not None:
            self._file.close()
            self._file = None

    def _piece(self, file: GrowingFile, lines: list[bytes], starts: list[int]) -> Piece | None:
        before = file.first_lines(starts[0]) if self._begins and lines else None
        piece = Piece(lines, starts, before)
        if self._given:
            kept = [at for at, trace in enumerate(piece.traces()) if trace not in self._given]
            self._given.difference_update(piece.traces())
            piece = Piece([lines[at] for at in kept], [starts[at] for at in kept], before)
        if not piece.lines:
            return None
        self._begins = False
        return piece

    # --- What comes next

    def _begin(self) -> GrowingFile | None:
        left = self._left
        if left is None:
            self._file = self._open(self._path)
            return self._file
        found = None
        if not self._searched:
            self._searched = True
            found = self._search(left.file, left.offset, left.offset, left.modified_ns)
            if found is None:
                log.error(
                    "the file that was followed up to byte %d as %s is neither there nor beside it any more; what was "
                    "written to it after that is not sent; going on with what came after it",
                    left.offset,
                    self._path,
                )
            self._tell_compressed(left.modified_ns)
        if found is None or (found.path == self._path and left.offset == 0):
            # Of an empty file there are no first bytes by which to find a copy: what is new beside it comes first.
            older = self._oldest(left.modified_ns, {found.inode} if found else set())
            if older is not None and found is not None:
                found.close()
            found = older or found or self._open(self._path)
        self._file = found
        return found

    def _after_truncation(self, file: GrowingFile) -> Piece | None:
        seen = file.mark(file.read_to)
        copy = self._search(seen, file.line_start, file.read_to, file.modified_ns)
        if copy is not None:
            log.info("%s was truncated; going on in its copy %s", file.path, copy.path)
            self._switch(copy)
            return None
        log.warning("%s was truncated; going on at its start", file.path)
        piece = self._piece(file, *file.end_line())
        self._remember(seen)
        self._left = Position(seen, file.read_to, file.modified_ns, self._finished)
        self._switch(self._oldest(file.modified_ns, {file.inode}) or self._open(self._path))
        return piece

    def _following(self, file: GrowingFile) -> GrowingFile | None:
        """Open the file after this one, if there is one with something in it: then this one is over."""
        named = _status(self._path)
        if named is not None and (named.st_ino, named.st_dev) == (file.inode, file.device):
            return None
        if named is None or named.st_size == 0:
            if self._scanned_ns == (scanned_ns := _settled_ns(self._path.parent)) != 0:
                return None
            self._scanned_ns = scanned_ns
        if found := self._oldest(file.modified_ns, {file.inode}):
            return found
        if named is None or named.st_size == 0:
            return None
        return self._open(self._path, named.st_ino)

    def _finish(self, file: GrowingFile, following: GrowingFile) -> Piece | None:
        piece = self._piece(file, *file.end_line())
        log.info("%s is read to its end; going on with %s", file.path, following.path)
        self._remember(file.mark(file.read_to))
        self._switch(following)
        return piece

    def _switch(self, file: GrowingFile | None) -> None:
        if self._file is not None:
            self._file.close()
        self._file = file
        self._begins = True
        self._scanned_ns = 0

    def _remember(self, mark: Mark) -> None:
        if mark.length:
            self._finished = (*self._finished, mark)[-_REMEMBERED:]

    # --- Finding files

    def _search(self, mark: Mark, offset: int, at_least: int, since_ns: int) -> GrowingFile | None:
        """Open the marked file at ``offset``, or else a copy of it, if it has ``at_least`` bytes."""
        beside = list(self._beside())
        by_inode = [path for path in (self._path, *beside) if (s := _status(path)) and s.st_ino == mark.inode]
        copies = [path for path in beside if (s := _status(path)) and s.st_mtime_ns >= since_ns and mark.length]
        for path in (*by_inode, *copies):
            file = self._open(path)
            if file is None:
                if path in by_inode and _status(path):
                    raise TailError(f"{path} has to be read on and cannot be opened; check its permissions")
                continue
            if file.status().st_size >= at_least and file.begins_as(mark):
                file.move_to(offset)
                return file
            file.close()
        return None

    def _oldest(self, since_ns: int, but: Collection[int]) -> GrowingFile | None:
        """Open, of the files beside the path that were changed since, the one whose last change was first."""
        named = _status(self._path)
        known = {*but, named.st_ino} if named else but
        found = [(status.st_mtime_ns, status.st_ctime_ns, path) for path in self._beside() if (status := _status(path))
                 and status.st_mtime_ns >= since_ns and status.st_size and status.st_ino not in known]  # fmt: skip
        for _, _, path in sorted(found):
            file = self._open(path)
            if file is None:
                continue
            if file.inode not in known and not self._is_finished(file):
                log.info("%s came before %s, and was not read yet", path, self._path)
                return file
            file.close()
        return None

    def _is_finished(self, file: GrowingFile) -> bool:
        return any(mark.inode == file.inode and file.begins_as(mark) for mark in self._finished)

    def _beside(self, ending: str = "") -> Iterator[Path]:
        """Files that are named as rotation names them."""
        try:
            names = os.listdir(self._path.parent)  # noqa: PTH208  (names, of which few become paths)
        except OSError:
            return
        for name in names:
            if not name.endswith(ending) or not self._rotated.fullmatch(name.removesuffix(ending)):
                continue
            path = self._path.parent / name
            if path.absolute() not in self._others:
                yield path

    def _tell_compressed(self, since_ns: int) -> None:
        for ending in _COMPRESSED:
            for path in self._beside(ending):
                status = _status(path)
                if status is not None and status.st_mtime_ns > since_ns:
                    log.error(
                        "%s was written to after it was last followed, and then compressed; compressed files are not "
                        "followed, so send what is missing of it without --follow",
                        path,
                    )

    def _open(self, path: Path, inode: int | None = None) -> GrowingFile | None:
        """Open a file; None when it is not there, cannot be opened now, or is another than that with the inode."""
        _look_at(path)
        try:
            file = GrowingFile(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            complaint = f"{path} cannot be opened: {error.strerror}; check its permissions"
            if complaint != self._complaint:
                log.error("%s; trying again", complaint)
            self._complaint = complaint
            return None
        if inode is not None and file.inode != inode:
            file.close()
            return None
        return file


def _look_at(path: Path) -> None:
    status = _status(path)
    if status is not None and S_ISDIR(status.st_mode):
        raise UsageError(f"{path} is a directory; name the log in it")
    if status is not None and not S_ISREG(status.st_mode):
        raise UsageError(f"{path} is no file that grows; name a log")


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None


def _settled_ns(folder: Path) -> int:
    """When a folder was changed last, ns since 1970; 0 when that is so recent that another change may not show."""
    status = _status(folder)
    changed_ns = status.st_mtime_ns if status else 0
    return changed_ns if changed_ns < time.time_ns() - _SETTLED_NS else 0
