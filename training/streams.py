"""Labelled files as streams to evaluate on: each file is one, in file order, in bounded chunks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from detection.verdict import Kind
from flows.batch import FlowBatch
from flows.errors import UsageError
from flows.files import FileChunk
from training.datasets import NO_TRUTH

INFECTED: Final = -2  # a flow of a capture that is malware as a whole: which of its flows are, nobody says

Overlay = Callable[[FlowBatch, FlowBatch], tuple[FlowBatch, npt.NDArray[np.int64]]]

_CODES: Final = {"": NO_TRUTH, **{kind.label: int(kind) for kind in Kind}}


@dataclass(frozen=True, slots=True)
class LabelledChunk:
    """Some consecutive flows of a stream.

    Attributes:
        begins: whether a stream begins here, with no past.
        batch: ``n`` flows in arrival order.
        truth: int8[n], a Kind (never ABSTAIN), NO_TRUTH or INFECTED.
        label: object[n] of str, the original label of a flow that has a truth; for a whole file's, the truth's name.
        name: what the stream is called; "" if it has no name.
    """

    begins: bool
    batch: FlowBatch
    truth: npt.NDArray[np.int8]
    label: npt.NDArray[Any]
    name: str = ""

    def __len__(self) -> int:
        return len(self.batch)

    @property
    def attack(self) -> npt.NDArray[np.bool_]:
        """Which flows are labelled attacks, bool[n]; all of a file that is malware as a whole."""
        return np.asarray((self.truth > Kind.BENIGN) | (self.truth == INFECTED))


def labelled(chunks: Iterable[FileChunk]) -> Iterator[LabelledChunk]:
    """Give each flow the truth of its file, or of its label."""
    for chunk in chunks:
        truths = chunk.truths()
        truth = np.array([_CODES[text] for text in truths.tolist()], dtype=np.int8)
        labels = truths if chunk.spec.truth is not None or chunk.decoded.labels is None else chunk.decoded.labels
        if chunk.spec.truth == Kind.MALWARE.label:
            truth[:] = INFECTED
        yield LabelledChunk(chunk.first_line == 1, chunk.decoded.batch, truth, labels, chunk.spec.path.name)


def whole(chunks: Iterable[LabelledChunk]) -> list[LabelledChunk]:
    """Put the chunks of each stream together."""
    streams: list[list[LabelledChunk]] = []
    for chunk in chunks:
        if chunk.begins:
            streams.append([])
        streams[-1].append(chunk)
    return [
        LabelledChunk(
            begins=True,
            batch=FlowBatch.concatenate([chunk.batch for chunk in stream]),
            truth=np.concatenate([chunk.truth for chunk in stream]),
            label=np.concatenate([chunk.label for chunk in stream]),
            name=stream[0].name,
        )
        for stream in streams
    ]


def mixed(streams: list[LabelledChunk], below: list[LabelledChunk], lay_over: Overlay) -> Iterator[LabelledChunk]:
    """Lay whole streams that are nothing but attack over benign ones, in turn; the other streams stay as they are.

    A benign stream that serves more than once counts once: its own flows are rows of nothing from the second time on.
    One that is left over stands for itself.

    Raises:
        UsageError: there is nothing to lay over anything, or a stream to lay it over has no benign flow.
        TidegateError: as ``lay_over`` raises.
    """
    if not any(_attack_only(stream) for stream in streams):
        raise UsageError("nothing to lay over a benign capture: none of the files is attack from end to end")
    if not all((stream.truth == Kind.BENIGN).any() for stream in below):
        raise UsageError("a capture to lay attacks over has no benign flow; if it is all benign, give benign:PATH")
    turn = 0
    for stream in streams:
        if not _attack_only(stream):
            yield stream
            continue
        benign = below[turn % len(below)]
        batch, sources = lay_over(benign.batch, stream.batch)
        known = benign.truth if turn < len(below) else np.full_like(benign.truth, NO_TRUTH)
        yield LabelledChunk(
            begins=True,
            batch=batch,
            truth=np.concatenate([known, stream.truth])[sources],
            label=np.concatenate([benign.label, stream.label])[sources],
            name=f"{stream.name} over {benign.name}",
        )
        turn += 1
    yield from below[turn:]


def _attack_only(stream: LabelledChunk) -> bool:
    return len(stream) > 0 and bool(stream.attack.all())


def cut(streams: Iterable[LabelledChunk], rows: int) -> Iterator[LabelledChunk]:
    """Cut chunks to at most ``rows`` flows each."""
    for stream in streams:
        for start in range(0, max(len(stream), 1), rows):
            part = slice(start, start + rows)
            yield replace(
                stream,
                begins=stream.begins and start == 0,
                batch=stream.batch.take(part),
                truth=stream.truth[part],
                label=stream.label[part],
            )
