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
_ZONE: Final = r"(Z|[+-]\d\d:?\d\d)"
_NEVER: Final = re.compile(rf"0000-00-00[ T]00:00:00(?:\.0{{1,9}})?{_ZONE}?", re.ASCII)  # the same as a date
_SECONDS: Final = re.compile(r"\d{1,12}(?:\.\d{1,9})?", re.ASCII)
_DATE_TIME: Final = re.compile(
    r"(\d{4})[-/](\d\d)[-/](\d\d)[ T](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?" + _ZONE + "?", re.ASCII
)
# A whole column, each of its texts ended by a line end, is looked at by one match, which never goes back.
_ALL_SECONDS: Final = re.compile(r"(?:\d{1,12}+(?:\.\d{1,9}+)?+\n)++", re.ASCII)
_ALL_MOMENTS: Final = re.compile(r"(?:\d{4}[-/]\d\d[-/]\d\d[ T]\d\d:\d\d:\d\d(?:\.\d{1,6}+)?+\n)++", re.ASCII)
_ZONE_AT_END: Final = re.compile(_ZONE + r"\Z", re.ASCII)
_ZONE_LENGTH: Final = 6  # characters at most


def timestamps(texts: Sequence[str], name: str, faults: Faults) -> npt.NDArray[np.float64]:
    """Read a column of times: float64[n], s since 1970, NaN where unset; notes faults as its neighbours in columns.

    Understood are ``1622865525.551136``, ``2018-01-12T15:37:30.942``, ``2019/04/04 16:24:47.672448`` and a zone
    after a date and time: ``Z``, ``+02:00``, ``+0200``. Unset are also pmacct's ``0.000000`` and a date of zeros.
    """
    alike = _all_alike(texts)
    if alike is not None:
        return alike
    what = "a time from 1970 to 9999, as seconds or as a date and time"
    return np.array(values(texts, name, parse_time, what, _NAN, faults), dtype=np.float64)


def parse_time(text: str) -> float:
    """Read one time: s since 1970, NaN where unset. Raises ValueError for what is no time, or one before 1970."""
    if text in _NO_TIME or _NEVER.fullmatch(text):
        return _NAN
    seconds = float(text) if _SECONDS.fullmatch(text) else _date_time(text)
    if not 0 <= seconds <= MAX_SECONDS:
        raise ValueError(text)
    return seconds


def _date_time(text: str) -> float:
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        raise ValueError(text)
    *parts, fraction, zone = match.groups("")
    year, month, day, hour, minute, second = map(int, parts)
    digits = fraction.ljust(9, "0")
    moment = datetime(year, month, day, hour, minute, second, int(digits[:6]), tzinfo=_zone(zone))
    return ((moment - _EPOCH) // _MICROSECOND + int(digits[6:]) / 1000) / 1e6


def _zone(text: str) -> timezone:
    """Return the zone that a text names, UTC for "". Raises ValueError for one a day or more from UTC."""
    if text in {"", "Z"}:
        return UTC
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return timezone(-offset if text[0] == "-" else offset)


def _all_alike(texts: Sequence[str]) -> npt.NDArray[np.float64] | None:
    """Read a whole column at once: seconds only, or dates and times only, all of one zone. None for any other.

    What it returns is what parse_time returns for each.
    """
    column = "\n".join(texts) + "\n"
    if column.count("\n") != len(texts):  # a line end inside a text
        return None
    found = _seconds(texts) if _ALL_SECONDS.fullmatch(column) else _moments(column, texts)
    return None if found is None or ((found < 0) | (found > MAX_SECONDS)).any() else found


def _seconds(texts: Sequence[str]) -> npt.NDArray[np.float64]:
    found = np.array([*map(float, texts)], dtype=np.float64)
    found[[row for row in np.flatnonzero(found == 0).tolist() if texts[row] in _NO_TIME]] = _NAN
    return found


def _moments(column: str, texts: Sequence[str]) -> npt.NDArray[np.float64] | None:
    zone = match[0] if (match := _ZONE_AT_END.search(texts[-1][-_ZONE_LENGTH:])) else ""
    local = column.replace(zone + "\n", "\n")
    if len(column) - len(local) != len(zone) * len(texts) or not _ALL_MOMENTS.fullmatch(local):
        return None
    try:
        offset = _zone(zone).utcoffset(None) // _MICROSECOND
        moments = np.array(local[:-1].replace("/", "-").split("\n"), dtype="datetime64[us]")
    except ValueError:  # a zone that cannot be, the 31st of February
        return None
    return np.asarray((moments.astype(np.int64) - offset) / 1e6, dtype=np.float64)
