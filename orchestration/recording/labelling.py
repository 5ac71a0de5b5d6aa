"""Recorded flows with what people said of them: a day to learn from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np

from detection.verdict import Kind
from flows.keying import HomeNetworks
from flows.messages import decode_messages
from orchestration.recording.feedback import Feedback, Label
from orchestration.recording.verdicts import Verdict, place_of, word_about
from training.datasets import NO_TRUTH, LabelledFlows, Origin
from training.datasets.parts import parts_in_time

SOURCE: Final = "production"
ABOUT: Final = "Flows that production saw, with the truth as analysts told it; of the others nobody has said anything."
_TRUTH: Final = {kind.label: kind for kind in Kind}


@dataclass(frozen=True, slots=True)
class Labelled:
    """A day's flows, and what became of messages and words: counted by what is said of them."""

    flows: LabelledFlows
    told: Counter[str]


def labelled_day(
    day: date,
    topic: str,
    records: Iterable[dict[str, Any]],
    verdicts: Iterable[Verdict],
    words: dict[str, Feedback],
    home: HomeNetworks,
) -> Labelled:
    """Put a day's flows and the words about them together.

    Args:
        topic: of the flows.
        records: the day's recorded flows.
        verdicts: what was decided of them, and perhaps of others.
        words: the last word about each verdict and alert.
        home: the home networks, as serving has them.

    Returns:
        One capture, each host's flows in the order in which they came. A flow of which nobody said anything has no
        truth. A word about a verdict counts more than one about its alert.
    """
    labels: dict[tuple[int, int], Label] = {}
    for verdict in verdicts:
        place, said = verdict.place(), word_about(verdict, words)
        if place is not None and place[0] == topic and said is not None:
            labels[place[1:]] = said.label
    for identity, word in words.items():  # a verdict that was not published, or not recorded, still names its flow
        place = place_of(identity)
        if place is not None and place[0] == topic:
            labels.setdefault(place[1:], word.label)
    ordered = list(records)  # by partition and offset, and so each host's in the order in which they came
    decoded, rejected = decode_messages(
        [record["value"] for record in ordered], [record["format"] for record in ordered], "canonical"
    )
    places = [(ordered[index]["partition"], ordered[index]["offset"]) for index in decoded.index.tolist()]
    given = [labels.get(place) for place in places]
    n = len(places)
    told = Counter({"flows": n, "no flow": len(rejected)})
    told.update(label for label in given if label is not None)
    networks = "" if home.networks == HomeNetworks().networks else ",".join(home.networks)
    flows = LabelledFlows(
        batch=decoded.batch,
        truth=np.array([NO_TRUTH if label is None else _TRUTH[label] for label in given], dtype=np.int8),
        attack=np.array(["" if label in (None, "benign") else f"reported {label}" for label in given], dtype=np.str_),
        capture=np.zeros(n, dtype=np.int16),
        part=parts_in_time(n),
        origin=Origin((f"{SOURCE} {day}",), ABOUT, (networks,), (SOURCE,)),
    )
    return Labelled(flows, told)
