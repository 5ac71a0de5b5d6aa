"""Columns of text, as line-based formats have them, to columns of values.

Every function takes the texts of one column and returns its values; for a text that is no value it notes in
``faults`` (row -> reason) what is wrong with the row. Texts repeat a lot in flow records, so each distinct text of
a column is parsed once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from socket import AF_INET, inet_pton
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from flows.addresses import parse_address
from flows.batch import ABSENT
from flows.formats.base import MAX_COUNT, MAX_PORT, MAX_SECONDS

Faults = dict[int, str]
Value = TypeVar("Value")

UNSET: Final = frozenset({"-", "(empty)"})
ETHERNET_HEADER: Final = 14  # bytes
_NAN: Final = float("nan")
# Python reads more as a number than a log may hold: "1_0", " 1", "inf" and other alphabets' digits.
_DECIMAL: Final = "0123456789.eE+-"
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
    return amounts(texts, name, "a number of seconds from 0 to the year 9999", MAX_SECONDS, faults)


def amounts(texts: Sequence[str], name: str, what: str, most: float, faults: Faults) -> npt.NDArray[np.float64]:
    """Numbers from 0 to ``most`` in decimal notation: float64[n], NaN where unset."""
    # Such numbers seldom repeat, so the whole column is tried at once; a doubt about any sends all to be looked at.
    all_set = UNSET.isdisjoint(texts)
    signs = "".join(texts if all_set else [text for text in texts if text not in UNSET])
    digits = signs.replace(".", "")
    if (digits.isdecimal() and digits.isascii()) or not signs.strip(_DECIMAL):
        try:
            read = map(float, texts) if all_set else [_NAN if text in UNSET else float(text) for text in texts]
            numbers = np.array([*read], dtype=np.float64)
        except ValueError:
            pass
        else:
            if not ((numbers < 0) | (numbers > most)).any():
                return numbers
    return np.array(values(texts, name, partial(_amount, most=most), what, _NAN, faults), dtype=np.float64)


def counts(texts: Sequence[str], name: str, faults: Faults) -> npt.NDArray[np.float64]:
    """Whole numbers: float64[n], NaN where unset."""
    plain = whole_column(texts, MAX_COUNT)
    if plain is not None:
        return plain.astype(np.float64)
    return np.array(values(texts, name, _count, "a count from 0 to 2^53", _NAN, faults), dtype=np.float64)


def ports(texts: Sequence[str], name: str, faults: Faults) -> npt.NDArray[np.int32]:
    """Ports: int32[n], ABSENT where unset."""
    plain = whole_column(texts, MAX_PORT)
    if plain is not None:
        return plain.astype(np.int32)
    return np.array(values(texts, name, _port, "a port from 0 to 65535", ABSENT, faults), dtype=np.int32)


def whole_column(texts: Sequence[str], most: int) -> npt.NDArray[np.int64] | None:
    """Read a column at once where all of it are decimal digits and no number is above ``most``; None elsewhere."""
    digits = "".join(texts)
    if not (digits.isdecimal() and digits.isascii()):
        return None
    try:
        numbers = np.array([*map(int, texts)], dtype=np.int64)
    except (ValueError, OverflowError):  # one is empty, or has too many digits for Python or for numpy
        return None
    return numbers if numbers.max() <= most else None


def addresses(texts: Sequence[str], name: str, faults: Faults) -> npt.NDArray[np.uint64]:
    """Addresses: uint64[n, 2]. A flow needs both of its addresses, so an unset one is a fault."""
    try:
        packed = b"".join([inet_pton(AF_INET, text) for text in texts])
    except (OSError, ValueError):  # not all of them are of version 4; ValueError: an embedded null character
        pass
    else:
        low = np.frombuffer(packed, dtype=">u4").astype(np.uint64)
        return np.stack([np.zeros_like(low), low | np.uint64(0xFFFF << 32)], axis=1)
    if not UNSET.isdisjoint(texts):
        for row, text in enumerate(texts):
            if text in UNSET:
                faults.setdefault(row, f"{name} is unset, and a flow needs both of its addresses")
    distinct = {text: position for position, text in enumerate(dict.fromkeys(texts))}
    bad: Faults = {}
    halves = np.array(values([*distinct], name, parse_address, "an IP address", (0, 0), bad), dtype=np.uint64)
    where = [distinct[text] for text in texts]
    if bad:
        for row, position in enumerate(where):
            if position in bad:
                faults.setdefault(row, bad[position])
    return halves.reshape(-1, 2)[where]


def ip_bytes(frame_bytes: npt.NDArray[np.float64], packets: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the bytes of IP packets from those of their Ethernet frames: float64[n], of flows.

    Where the packets are not known the frames' bytes stand. Padding of the shortest frames cannot be told and stays.
    """
    return np.where(np.isnan(packets), frame_bytes, np.maximum(frame_bytes - ETHERNET_HEADER * packets, 0.0))


def _amount(text: str, most: float) -> float:
    value = float(text)
    if not 0 <= value <= most or text.strip(_DECIMAL):
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
