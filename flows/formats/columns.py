"""Columns of text, as line-based formats have them, to columns of values.

Every function takes the texts of one column and returns its values; for a text that is no value it notes in
``faults`` (row -> reason) what is wrong with the row. Texts repeat a lot in flow records, so each distinct text of
a column is parsed once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from flows.addresses import parse_address
from flows.batch import ABSENT
from flows.formats.base import MAX_COUNT, MAX_PORT, MAX_SECONDS

Faults = dict[int, str]
Value = TypeVar("Value")

UNSET: Final = frozenset({"-", "(empty)"})
_QUOTED: Final = 40  # characters of a faulty text that its reason quotes


def values(
    texts: Sequence[str], name: str, parse: Callable[[str], Value], what: str, absent: Value, faults: Faults
) -> list[Value]:
    """Parse a column: ``absent`` where unset, and where ``parse`` raises ValueError, which is a fault."""
    table: dict[str, Value] = {}
    bad: set[str] = set()
    for text in set(texts):
        table[text] = absent
        if text not in UNSET:
            try:
                table[text] = parse(text)
            except ValueError:
                bad.add(text)
    if bad:
        for row, text in enumerate(texts):
            if text in bad:
                faults.setdefault(row, f"{name}: {text[:_QUOTED]!r} is not {what}")
    return [table[text] for text in texts]


def seconds(texts: Sequence[str], name: str, faults: Faults) -> npt.NDArray[np.float64]:
    """Times or durations in decimal notation: float64[n], NaN where unset."""
    what = "a number of seconds from 0 to the year 9999"
    return np.array(values(texts, name, _seconds, what, float("nan"), faults), dtype=np.float64)


def counts(texts: Sequence[str], name: str, faults: Faults) -> npt.NDArray[np.float64]:
    """Whole numbers: float64[n], NaN where unset."""
    return np.array(values(texts, name, _count, "a count from 0 to 2^53", float("nan"), faults), dtype=np.float64)


def ports(texts: Sequence[str], name: str, faults: Faults) -> npt.NDArray[np.int32]:
    """Ports: int32[n], ABSENT where unset."""
    return np.array(values(texts, name, _port, "a port from 0 to 65535", ABSENT, faults), dtype=np.int32)


def addresses(texts: Sequence[str], name: str, faults: Faults) -> npt.NDArray[np.uint64]:
    """Addresses: uint64[n, 2]. A flow needs both of its addresses, so an unset one is a fault."""
    for row, text in enumerate(texts):
        if text in UNSET:
            faults.setdefault(row, f"{name} is unset, and a flow needs both of its addresses")
    parsed = values(texts, name, parse_address, "an IP address", (0, 0), faults)
    return np.array(parsed, dtype=np.uint64).reshape(-1, 2)


def _seconds(text: str) -> float:
    value = float(text)
    # Python reads more as a number than a log may hold: "1_0", " 1", "inf" and other alphabets' digits.
    if not 0 <= value <= MAX_SECONDS or text.strip("0123456789.eE+-"):
        raise ValueError
    return value


def _count(text: str) -> int:
    return _whole(text, MAX_COUNT)


def _port(text: str) -> int:
    return _whole(text, MAX_PORT)


def _whole(text: str, most: int) -> int:
    if not (text.isdecimal() and text.isascii()) or (value := int(text)) > most:
        raise ValueError
    return value
