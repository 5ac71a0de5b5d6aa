"""Messages to flows: each decoded by its own format, in arrival order, and every one accounted for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from flows.errors import UsageError
from flows.formats import FORMATS, MAX_LINE, Decoded, make_decoder, sniff
from flows.formats.base import merge, oversized

# Why a message is no flow, in few enough words to count by.
RejectedBecause = Literal["no value", "too long", "unknown format", "unrecognised", "undecodable"]

_SHOWN_BYTES: Final = 40
_FORMAT_NAMES: Final = {name.encode(): name for name in FORMATS}


@dataclass(frozen=True, slots=True)
class Rejected:
    """A message that is no flow: its place in the batch, and why."""

    index: int
    reason: RejectedBecause
    error: str


def decode_messages(
    values: Sequence[bytes | None], formats: Sequence[bytes | None], default_format: str | None
) -> tuple[Decoded, list[Rejected]]:
    """Decode messages, of which each may name its format; None stands for the default one.

    Without a default format, a message that names none is recognised by itself.

    Returns:
        The flows in the messages' order, ``index`` being the message each came from; and the messages that are no
        flows. Blank messages, comments and column headers are neither.
    """
    rejected: list[Rejected] = []
    by_format: dict[str, list[int]] = {}
    for index, (value, name) in enumerate(zip(values, formats, strict=True)):
        if value is None:
            rejected.append(Rejected(index, "no value", "the message has no value"))
            continue
        known = default_format if name is None else _FORMAT_NAMES.get(name)
        if known is not None:
            by_format.setdefault(known, []).append(index)
        elif name is not None:
            shown = name[:_SHOWN_BYTES].decode(errors="replace")
            error = f"no format is called {shown!r}; the formats are {', '.join(FORMATS)}"
            rejected.append(Rejected(index, "unknown format", error))
        elif len(value) > MAX_LINE:
            rejected.append(Rejected(index, "too long", oversized(index, value).error))
        elif value.strip() and not value.startswith(b"#"):
            try:
                by_format.setdefault(sniff([value]), []).append(index)
            except UsageError as error:
                error_text = f"{error}; name its format by a `format` header, or all messages' by --format"
                rejected.append(Rejected(index, "unrecognised", error_text))
    parts = [_decode_as(name, places, values, rejected) for name, places in by_format.items()]
    rejected.sort(key=lambda one: one.index)
    return merge(parts), rejected


def _decode_as(name: str, places: list[int], values: Sequence[bytes | None], rejected: list[Rejected]) -> Decoded:
    """Decode the messages at ``places``; the result's indices are places among all messages.

    Every message stands for itself: a column header that came as a message is not remembered, since the other
    partitions, and whoever reads again from a committed offset, never see it.
    """
    lines = [values[place] or b"" for place in places]
    decoded = make_decoder(name).decode(lines)
    if headers := _headers(lines, decoded):
        for at in headers:
            lines[at] = b""
        decoded = make_decoder(name).decode(lines)
    for letter in decoded.dead:
        reason: RejectedBecause = "too long" if len(lines[letter.index]) > MAX_LINE else "undecodable"
        rejected.append(Rejected(places[letter.index], reason, letter.error))
    index = np.array(places, dtype=np.int64)[decoded.index]
    return Decoded(decoded.batch, index, decoded.labels, [])


def _headers(lines: Sequence[bytes], decoded: Decoded) -> list[int]:
    """Return where there may be column headers: lines that came to nothing, and are neither blank nor JSON."""
    silent = np.ones(len(lines), dtype=np.bool_)
    silent[decoded.index] = False
    silent[[letter.index for letter in decoded.dead]] = False
    return [at for at in np.flatnonzero(silent).tolist() if lines[at].strip() and not lines[at].startswith(b"{")]
