"""What cannot be decoded: where it goes, what it carries, and when there is too much of it."""

from __future__ import annotations

from collections import deque
from typing import Final

from flows.messages import Rejected
from serving.sink import Headers, Outgoing
from serving.source import Arrivals

_KEPT_BYTES: Final = 256
_WATCHED: Final = 1000  # records
_NEARLY_ALL: Final = 0.95


def provenance(topic: str, arrivals: Arrivals, index: int, line: int | None = None) -> Headers:
    """Headers that say which message something was made of, and of which of its lines where it has several."""
    headers = (
        ("source.topic", topic.encode()),
        ("source.partition", str(arrivals.partition).encode()),
        ("source.offset", str(arrivals.offsets[index]).encode()),
    )
    return headers if line is None else (*headers, ("source.line", str(line).encode()))


def dead_letter(
    topic: str, key: bytes | None, value: bytes | None, rejected: Rejected, source: Headers, format_name: bytes | None
) -> Outgoing:
    """The message for the topic of dead letters: the original bytes, the error, and where they came from.

    A key and a format's name are kept up to 256 bytes: every line of a message gets them, and strangers choose them.
    """
    headers = (("error", rejected.error.encode()), ("reason", rejected.reason.encode()), *source)
    if format_name is not None:
        headers = (*headers, ("format", format_name[:_KEPT_BYTES]))
    return Outgoing(topic, None if key is None else key[:_KEPT_BYTES], value or b"", headers, cuttable=True)


class DeadLetterWatch:
    """The share of dead letters among the latest records, by which a wrong format shows."""

    def __init__(self) -> None:
        self._recent: deque[tuple[int, int]] = deque()  # (records, dead letters among them)
        self._records = 0
        self._dead = 0

    def add(self, records: int, dead: int) -> None:
        """Take note of some records, in the order in which they came."""
        self._recent.append((records, dead))
        self._records += records
        self._dead += dead
        while self._records - self._recent[0][0] >= _WATCHED:
            records, dead = self._recent.popleft()
            self._records -= records
            self._dead -= dead

    @property
    def share(self) -> float:
        """Dead letters among the latest records, of which there are about a thousand; 0 before anything came."""
        return self._dead / self._records if self._records else 0.0

    @property
    def nearly_all(self) -> bool:
        """Whether enough came, and nearly all of it was undecodable."""
        return self._records >= _WATCHED and self.share >= _NEARLY_ALL
