"""What people say of verdicts and alerts: the messages of ``tidegate.feedback``.

A message is JSON: ``{"id": …, "label": …, "by": …, "at": …}``. The id is a verdict's or an alert's, as it was
published; a word about an alert is about every verdict that it folded. The label says what the flows are. Of several
words about the same id the last counts, by ``at`` and then by when it came.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import msgspec

Label = Literal["benign", "ddos", "malware", "anomaly"]
_TEXT: Final = msgspec.Meta(min_length=1, max_length=1024)


class Feedback(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A person's word: ``at`` in seconds since 1970."""

    id: Annotated[str, _TEXT]
    label: Label
    by: Annotated[str, _TEXT]
    at: Annotated[float, msgspec.Meta(ge=0)]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Words:
    """The last word about each id, and why messages were none, counted by reason."""

    by_id: dict[str, Feedback]
    refused: Counter[str]


def words_of(records: Iterable[dict[str, Any]]) -> Words:
    """Read recorded messages, in the order of days; what is no feedback is counted and passed over."""
    decoder = msgspec.json.Decoder(Feedback)
    by_id: dict[str, Feedback] = {}
    refused: Counter[str] = Counter()
    for record in records:
        try:
            word = decoder.decode(record["value"] or b"")
        except msgspec.ValidationError as error:
            refused[str(error)] += 1
            continue
        except msgspec.DecodeError:
            refused["it is no JSON"] += 1
            continue
        before = by_id.get(word.id)
        if before is None or word.at >= before.at:
            by_id[word.id] = word
    return Words(by_id, refused)
