"""What was decided of recorded flows, as far as feedback needs it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from orchestration.recording.feedback import Feedback


class Verdict(msgspec.Struct, frozen=True):
    """A published verdict, without what nobody asks for here."""

    id: str
    verdict: str
    key_host: str
    alert_id: str | None = None

    def place(self) -> tuple[str, int, int] | None:
        """Topic, partition and offset of the flow; None for an id of another form."""
        return place_of(self.id)


def place_of(verdict_id: str) -> tuple[str, int, int] | None:
    """Where the flow of a verdict was read: topic, partition and offset; None for an id of another form."""
    parts = verdict_id.rsplit("/", 3)
    if len(parts) != 4 or not all(part.isdecimal() and part.isascii() for part in parts[1:]):
        return None
    return parts[0], int(parts[1]), int(parts[2])


def verdicts_of(records: Iterable[dict[str, Any]]) -> Iterator[Verdict]:
    """The verdicts among recorded messages; what is none is passed over."""
    decoder = msgspec.json.Decoder(Verdict)
    for record in records:
        try:
            yield decoder.decode(record["value"] or b"")
        except msgspec.MsgspecError:
            continue


def word_about(verdict: Verdict, words: dict[str, Feedback]) -> Feedback | None:
    """What people said of a verdict: of itself, else of its alert; None if nobody said anything."""
    return words.get(verdict.id) or words.get(verdict.alert_id or "")


def days_in(folder: Path) -> list[Path]:
    """The recorded days of a topic, in their order."""
    return sorted(folder.glob("*.parquet"))
