"""Lines that are one JSON object each, read into typed records, each line with an answer of its own.

What msgspec does with doubtful JSON, and so what every format built on this does: of a key that stands twice the last
counts, ``NaN`` and ``Infinity`` are no JSON, and a text in a key that nobody reads need not be UTF-8.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from flows.formats.base import MAX_LINE, DeadLetter, dead_letter, json_fault, oversized
from flows.formats.columns import Faults

Record = TypeVar("Record")


def read_records(
    lines: Sequence[bytes], decode: Callable[[bytes], Record | None]
) -> tuple[list[Record], list[int], list[DeadLetter]]:
    """Decode each line that is not blank: the records, the line of each, and the dead letters.

    ``decode`` returns None for what is no flow and no fault, and raises as msgspec's decoders do.
    """
    records: list[Record] = []
    indices: list[int] = []
    dead: list[DeadLetter] = []
    for index, raw in enumerate(lines):
        if len(raw) > MAX_LINE:
            dead.append(oversized(index, raw))
        elif raw and not raw.isspace():
            try:
                record = decode(raw)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                dead.append(dead_letter(index, raw, json_fault(error)))
            else:
                if record is not None:
                    records.append(record)
                    indices.append(index)
    return records, indices, dead


def durations(start: npt.NDArray[np.float64], end: npt.NDArray[np.float64], faults: Faults) -> npt.NDArray[np.float64]:
    """Return the seconds from start to end, float64[n], NaN where either is; an end before the start is a fault.

    They are rounded to microseconds, the finest that these exporters tell: the difference of two times since 1970 has
    an error of a quarter of one.
    """
    for row in np.flatnonzero(end < start).tolist():
        faults.setdefault(row, "the flow ends before it starts")
    return np.round(end - start, 6)
