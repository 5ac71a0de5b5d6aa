"""The kinds of text and number that metadata is made of, and how times and fractions are written."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Final

import msgspec

from flows.errors import UsageError
from model_registry.errors import Reason, TrustError

SPEC_VERSION: Final = "1.0.31"  # of TUF

# Controls, invisible characters and those that turn the direction of writing: none may mislead who reads a terminal.
_UNSEEN: Final = (
    r"\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"
)
_LONGEST: Final = 300  # characters of somebody else's that a message quotes

# What is left to parse_time is whether the month has such a day.
_DATE: Final = r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_TIME: Final = r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"

Hex32 = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Hex64 = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{128}\Z")]
LAST_VERSION: Final = 2**53  # beyond it, not every reader of JSON reads an integer exactly

Positive = Annotated[int, msgspec.Meta(ge=1, le=LAST_VERSION)]
Count = Annotated[int, msgspec.Meta(ge=0, le=LAST_VERSION)]
Name = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9._:@+/-]{0,127}\Z")]
ModelName = Annotated[str, msgspec.Meta(pattern=r"\A[a-z][a-z0-9_]{0,63}\Z")]
LONGEST_TEXT: Final = 1000  # characters
Text = Annotated[str, msgspec.Meta(pattern=rf"\A[^{_UNSEEN}]*\Z", max_length=LONGEST_TEXT)]
BlobPath = Annotated[str, msgspec.Meta(pattern=r"\Ablobs/[0-9a-f]{64}\Z")]
DecimalText = Annotated[str, msgspec.Meta(pattern=r"\A-?(0|[1-9][0-9]*)(\.[0-9]+)?\Z", max_length=400)]
UtcTime = Annotated[str, msgspec.Meta(pattern=rf"\A{_DATE}T{_TIME}Z\Z")]
SpecVersion = Annotated[str, msgspec.Meta(pattern=r"\A1\.[0-9]{1,4}\.[0-9]{1,4}\Z")]


def readable(text: str) -> str:
    """Return a stranger's text for a message: cut short, and without characters that change how the rest looks."""
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[: _LONGEST + 1])
    return shown if len(shown) <= _LONGEST else shown[:_LONGEST] + "…"


def parse_time(text: str, name: str) -> datetime:
    """Read a UTC time such as ``2030-01-31T12:00:00Z``. Raises TrustError, naming the file ``name``, for another."""
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise TrustError(f"{name}: {text!r} is not a time: {error}", Reason.MALFORMED) from None


def format_time(time: datetime) -> str:
    """Write a time as metadata has it: UTC, to the second."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def decimal_text(value: float) -> str:
    """Write a number as metadata has it: the shortest decimal that reads back as the same float, without exponent.

    Raises UsageError for NaN and infinities, which have no decimal.
    """
    decimal = Decimal(repr(float(value)))
    if not decimal.is_finite():
        raise UsageError(f"{value!r} cannot stand in a manifest: leave out what could not be measured")
    return format(decimal, "f")
