"""Times as exporters write them: seconds since 1970, or a date and a time of day, with or without a zone.

Without a zone a time is read as UTC; what a local clock shifts by hours is the date, no window and no interval.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

import numpy as np
import numpy.typing as npt

from flows.formats.base import MAX_SECONDS
from flows.formats.columns import UNSET, Faults, values

_NAN: Final = float("nan")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_NO_TIME: Final = UNSET | {"", "0.000000"}  # pmacct writes zero seconds for a flow that has not ended
_SECONDS: Final = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?", re.ASCII)
_DATE_TIME: Final = re.compile(
    r"([0-9]{4})[-/]([0-9]{2})[-/]([0-9]{2})[ T]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?"
    r"(Z|[+-][0-9]{2}:?[0-9]{2})?",
    re.ASCII,
)
_PLAIN: Final = re.compile(r"[0-9]{4}([-/])[0-9]{2}\1[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?", re.ASCII)


def timestamps(texts: Sequence[str], name: str, faults: Faults) -> npt.NDArray[np.float64]:
    """Read a column of times: float64[n], s since 1970, NaN where unset; notes faults as its neighbours in columns.

    Understood are ``1622865525.551136``, ``2018-01-12T15:37:30.942``, ``2019/04/04 16:24:47.672448`` and a zone
    after them: ``Z``, ``+02:00``, ``+0200``.
    """
    fast = _all_alike(texts)
    if fast is not None:
        return fast
    what = "a time from 1970 to 9999, as seconds or as a date and time"
    return np.array(values(texts, name, parse_time, what, _NAN, faults), dtype=np.float64)


def parse_time(text: str) -> float:
    """Read one time: s since 1970, NaN where unset. Raises ValueError for what is no time, or one before 1970."""
    if text in _NO_TIME:
        return _NAN
    seconds = float(text) if _SECONDS.fullmatch(text) else _date_time(text)
    if not 0 <= seconds <= MAX_SECONDS:
        raise ValueError(text)
    return seconds


def _date_time(text: str) -> float:
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        raise ValueError(text)
    *parts, fraction, zone = match.groups()
    year, month, day, hour, minute, second = map(int, parts)
    moment = datetime(year, month, day, hour, minute, second, tzinfo=_zone(zone))
    return ((moment - _EPOCH) // _MICROSECOND + int((fraction or "0").ljust(9, "0")) / 1000) / 1e6


def _zone(text: str | None) -> timezone:
    if text is None or text == "Z":
        return UTC
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return timezone(-offset if text[0] == "-" else offset)


def _all_alike(texts: Sequence[str]) -> npt.NDArray[np.float64] | None:
    """Read a whole column at once where numpy can: dates and times of one length, without a zone. None elsewhere."""
    if {len(text) for text in texts}.isdisjoint(range(19, 27)) or not all(map(_PLAIN.fullmatch, texts)):
        return None
    try:
        moments = np.array([text.replace("/", "-") for text in texts], dtype="datetime64[us]").astype(np.int64)
    except ValueError:  # the 31st of February
        return None
    seconds = np.asarray(moments / 1e6, dtype=np.float64)
    return None if ((seconds < 0) | (seconds > MAX_SECONDS)).any() else seconds
