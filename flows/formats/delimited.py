"""Delimited text whose columns a header names, as Argus and CICFlowMeter write it.

A header may come at any time, and again with other columns; the last one is remembered. A row before any header is
read by its number of columns, if the tool is known to write that many. Quotes mean nothing: these tools write none.
Text that is not UTF-8 is read as Windows-1252, as some published captures have their labels; every column that is
read as a value refuses such text anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy.typing as npt

from flows.formats.base import MAX_COLUMNS, MAX_LINE, DeadLetter, dead_letter, oversized, text_column
from flows.formats.columns import UNSET

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"  # some editors put it before the first line


@dataclass(frozen=True, slots=True)
class Dialect:
    """What is known of a tool's rows before any is seen.

    A line with a column called as one of ``marks`` is a header. ``layouts`` are the columns of rows without one, by
    their number. ``fault`` says why rows under a header of these columns cannot be read, "" if they can.
    """

    tool: str
    marks: frozenset[str]
    layouts: Mapping[int, tuple[str, ...]]
    fault: Callable[[Sequence[str]], str]

    def header(self, line: bytes) -> tuple[str, ...] | None:
        """Return the columns that a line names if it is a header; one that begins as JSON does is none."""
        if line[:1].isdigit() or line.startswith(b"{"):
            return None
        names = [name.strip() for name in cells(line.removeprefix(_BYTE_ORDER_MARK))]
        return None if self.marks.isdisjoint(names) else tuple(names)


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """The columns of a row and what separates them, or why they cannot be read."""

    names: tuple[str, ...]
    separator: bytes
    fault: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """``n`` rows of one layout: the index of each one's line, and all cells, row by row."""

    layout: Layout
    indices: list[int]
    cells: list[str]

    def __len__(self) -> int:
        return len(self.indices)

    def has(self, name: str) -> bool:
        """Tell whether the layout has a column."""
        return name in self.layout.names

    def texts(self, name: str) -> list[str]:
        """Return a column, ``-`` for what is empty and for a column that the layout lacks."""
        if name not in self.layout.names:
            return ["-"] * len(self)
        column = self.cells[self.layout.names.index(name) :: len(self.layout.names)]
        return [text or "-" for text in column] if "" in column else column

    def labels(self, name: str) -> npt.NDArray[Any] | None:
        """Return a column of labels, object[n] of str, "" for what is unset; None if the layout lacks it."""
        if name not in self.layout.names:
            return None
        return text_column(["" if text in UNSET else text for text in self.texts(name)])

    def without(self, rows: Sequence[int]) -> Table:
        """Return all rows but some, given in their order."""
        width, start = len(self.layout.names), 0
        indices: list[int] = []
        kept: list[str] = []
        for row in (*rows, len(self)):
            indices += self.indices[start:row]
            kept += self.cells[start * width : row * width]
            start = row + 1
        return Table(self.layout, indices, kept)


class TableReader:
    """Splits a stream of lines into tables; remembers the stream's last header."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._bare = {
            (separator, width): Layout(names, separator)
            for width, names in dialect.layouts.items()
            for separator in (b",", b"\t")
        }
        self._layout: Layout | None = None

    def read(self, lines: Sequence[bytes]) -> tuple[list[Table], list[DeadLetter]]:
        """Return the rows by layout, and the lines that are no rows; headers and blank lines are neither."""
        found: dict[Layout, tuple[list[int], list[bytes]]] = {}
        last: Layout | None = None
        separator, separators = b",", -1  # of the last row
        dead: list[DeadLetter] = []
        for index, raw in enumerate(lines):
            if len(raw) > MAX_LINE:
                dead.append(oversized(index, raw))
                continue
            if not raw[:1].isdigit() and (not raw or raw.isspace() or self._is_header(raw)):
                continue
            if self._layout is not last or raw.count(separator) != separators:
                try:
                    layout = self._layout_of(raw)
                except ValueError as error:
                    dead.append(dead_letter(index, raw, str(error)))
                    continue
                indices, rows = found.setdefault(layout, ([], []))
                last, separator, separators = layout, layout.separator, len(layout.names) - 1
            indices.append(index)
            rows.append(raw)
        return [Table(layout, indices, _split(layout, rows)) for layout, (indices, rows) in found.items()], dead

    def _is_header(self, raw: bytes) -> bool:
        names = self._dialect.header(raw)
        if names is None:
            return False
        separator, old = _separator(raw), self._layout
        if old is None or (old.names, old.separator) != (names, separator):
            many = len(names) > MAX_COLUMNS
            fault = f"the header names more than {MAX_COLUMNS} columns" if many else self._dialect.fault(names)
            self._layout = Layout(names, separator, fault)
        return True

    def _layout_of(self, raw: bytes) -> Layout:
        """Find the layout of a row. Raises ValueError with the reason why the row cannot be read."""
        layout = self._layout
        if layout is not None:
            width = raw.count(layout.separator) + 1
            if layout.fault or width != len(layout.names):
                raise ValueError(layout.fault or f"{width} columns where the header names {len(layout.names)}")
            return layout
        separator = _separator(raw)
        width = raw.count(separator) + 1
        if (separator, width) not in self._bare:
            widths = " or ".join(map(str, self._dialect.layouts))
            raise ValueError(f"{width} columns, and no header; without one {self._dialect.tool} has {widths}")
        return self._bare[separator, width]


def cells(line: bytes) -> list[str]:
    """Return the cells of a line that stands alone."""
    return _text(line).split(_separator(line).decode())


def header_fault(names: Sequence[str], needed: Sequence[str], optional: Sequence[str] = ()) -> str:
    """Say what a header lacks of the columns that a flow needs, or what of those that are read it names twice."""
    missing = [name for name in needed if name not in names]
    if missing:
        return f"the header lacks {', '.join(missing)}"
    twice = [name for name in (*needed, *optional) if names.count(name) > 1]
    return f"the header names {', '.join(twice)} twice" if twice else ""


def _split(layout: Layout, rows: Sequence[bytes]) -> list[str]:
    """Return all cells of rows that have as many as the layout: they are one row of many for a single split."""
    separator = layout.separator.decode()
    try:
        text = layout.separator.join([raw.rstrip(b"\r\n") for raw in rows]).decode()
    except UnicodeDecodeError:
        text = separator.join(map(_text, rows))
    return text.split(separator)


def _text(raw: bytes) -> str:
    line = raw.rstrip(b"\r\n")
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("cp1252", "replace")


def _separator(line: bytes) -> bytes:
    return b"\t" if b"\t" in line else b","
