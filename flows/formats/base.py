"""What every wire format has in common: the decoder's contract, what it returns, and the bounds of plausible values.

A decoder accounts for every line it is given exactly once: as a flow, as a dead letter with its reason, or, for
headers, comments and blank lines, as neither. It raises on no input.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Protocol

import numpy as np
import numpy.typing as npt
from msgspec import Meta

from flows.batch import FlowBatch

MAX_LINE: Final = 1 << 20  # bytes; the longest real flow record seen is under 1 KiB
MAX_COLUMNS: Final = 256  # no tool has as many; a bound of what a batch of rows takes in memory
MAX_ERROR: Final = 300  # characters; a reason may quote its input, which an attacker chooses
MAX_TEXT: Final = 1024  # characters of an id or a label; verdicts quote ids, and Kafka's messages are bounded

# Bounds. Seconds end before the year 10000, which tells milliseconds since 1970 from seconds; counts end where a
# float64 no longer holds every whole number.
MAX_SECONDS: Final = 253_402_300_799.0
MAX_COUNT: Final = 2**53
MAX_PORT: Final = 65_535

Seconds = Annotated[float, Meta(ge=0, le=MAX_SECONDS)]
Amount = Annotated[float, Meta(ge=0, le=MAX_COUNT)]
Port = Annotated[int, Meta(ge=0, le=MAX_PORT)]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A line that is no flow: its position among the lines given, its bytes, and what is wrong with it."""

    index: int
    raw: bytes
    error: str


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """What became of some lines: ``n`` flows in the lines' order, and the dead letters.

    ``index`` (int64[n]) is the line each flow came from. ``labels`` (object[n] of str, "" for none) is the text
    that :func:`flows.labels.truth_of` reads, or None when no line had a place for a label.
    """

    batch: FlowBatch
    index: npt.NDArray[np.int64]
    labels: npt.NDArray[Any] | None
    dead: list[DeadLetter]

    def __len__(self) -> int:
        return len(self.batch)


class Decoder(Protocol):
    """Turns lines of one wire format into flows. May remember a stream's header: use one per stream."""

    def decode(self, lines: Sequence[bytes]) -> Decoded:
        """Decode lines, each with or without its line end. Never raises for what a line holds."""
        ...

    @staticmethod
    def recognises(line: bytes) -> bool:
        """Tell whether a line could only be of this format."""
        ...


def merge(parts: Sequence[Decoded]) -> Decoded:
    """Put parts decoded from the same lines together again, in the lines' order."""
    labels = None
    if any(part.labels is not None for part in parts):
        labels = np.concatenate(
            [np.full(len(part), "", dtype=object) if part.labels is None else part.labels for part in parts]
        )
    batch = FlowBatch.concatenate([part.batch for part in parts])
    index = np.concatenate([np.empty(0, dtype=np.int64), *(part.index for part in parts)])
    if len(parts) > 1:
        order = np.argsort(index, kind="stable")
        batch, index = batch.take(order), index[order]
        labels = None if labels is None else labels[order]
    dead = sorted((letter for part in parts for letter in part.dead), key=lambda letter: letter.index)
    return Decoded(batch, index, labels, dead)


def dead_letter(index: int, raw: bytes, error: str) -> DeadLetter:
    """Make a dead letter whose reason stays short and printable whatever it quotes."""
    if not error.isprintable():  # a terminal would obey what a stranger wrote
        error = "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in error[:MAX_ERROR])
    return DeadLetter(index, raw, error if len(error) <= MAX_ERROR else error[: MAX_ERROR - 3] + "...")


def without_faults(
    batch: FlowBatch,
    indices: Sequence[int],
    labels: npt.NDArray[Any] | None,
    lines: Sequence[bytes],
    faults: Mapping[int, str],
) -> Decoded:
    """Return the rows of a batch without a fault as flows, and the others as dead letters.

    ``indices[row]`` is the line of ``lines`` that a row came from; ``faults`` is row -> reason. An id or a label
    longer than MAX_TEXT is a fault, too.
    """
    index = np.array(indices, dtype=np.int64)
    faults = {**_long_texts(batch, labels), **faults}
    if not faults:
        return Decoded(batch, index, labels, [])
    good = np.ones(len(index), dtype=np.bool_)
    good[list(faults)] = False
    dead = [dead_letter(indices[row], lines[indices[row]], reason) for row, reason in sorted(faults.items())]
    return Decoded(batch.take(good), index[good], None if labels is None else labels[good], dead)


def _long_texts(batch: FlowBatch, labels: npt.NDArray[Any] | None) -> dict[int, str]:
    faults: dict[int, str] = {}
    for name, texts in (("flow_id", batch.flow_id), ("sensor_id", batch.sensor_id), ("label", labels)):
        if texts is not None and max(map(len, texts), default=0) > MAX_TEXT:
            reason = f"{name} is longer than {MAX_TEXT} characters"
            faults |= {row: reason for row, text in enumerate(texts) if len(text) > MAX_TEXT}
    return faults


def oversized(index: int, raw: bytes) -> DeadLetter:
    """Make the dead letter of a line longer than MAX_LINE."""
    return dead_letter(index, raw, f"the line is longer than {MAX_LINE} bytes")


def nothing(dead: Sequence[DeadLetter] = ()) -> Decoded:
    """No flows, and these dead letters."""
    return Decoded(FlowBatch.empty(), np.empty(0, dtype=np.int64), None, list(dead))


def json_fault(error: Exception) -> str:
    """Say what msgspec found wrong with a line of JSON."""
    if isinstance(error, RecursionError):
        return "JSON is nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return f"not UTF-8: {error.reason}"
    return str(error)


def text_column(texts: Sequence[str]) -> npt.NDArray[Any]:
    """Return texts as an object column."""
    column = np.empty(len(texts), dtype=object)
    column[:] = texts
    return column
