"""What every decoder promises, whatever it was given: checked in tests and by the fuzz targets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from flows.batch import ABSENT, SCHEMA, FlowBatch, Service, State
from flows.formats import Decoded, encode_canonical, make_decoder
from flows.formats.base import MAX_COUNT, MAX_ERROR, MAX_PORT, MAX_SECONDS, MAX_TEXT
from tests.support.batches import same

_LARGEST: Final = {
    "src_port": MAX_PORT,
    "dst_port": MAX_PORT,
    "protocol": 255,
    "src_flags": 0xFFF,
    "dst_flags": 0xFFF,
    "state": max(State),
    "service": max(Service),
}


def check_decoded(lines: Sequence[bytes], decoded: Decoded) -> None:
    """Hold what became of some lines to the decoder's contract. Raises AssertionError."""
    check_account(lines, decoded)
    if decoded.labels is not None:
        assert len(decoded.labels) == len(decoded)
        _check_texts(decoded.labels)
    check_batch(decoded.batch)
    check_canonical(decoded.batch, decoded.labels)


def check_account(lines: Sequence[bytes], decoded: Decoded) -> None:
    """No line is accounted for twice, all in order, and every dead letter has a reason. Raises AssertionError."""
    flows, dead = decoded.index.tolist(), [letter.index for letter in decoded.dead]
    accounted = [*flows, *dead]
    assert len(decoded.batch) == len(flows)
    assert flows == sorted(flows), "the flows are not in the lines' order"
    assert dead == sorted(dead), "the dead letters are not in the lines' order"
    assert len(set(accounted)) == len(accounted), "a line is accounted for twice"
    assert all(0 <= index < len(lines) for index in accounted), "an index is not that of a line"
    for letter in decoded.dead:
        assert letter.raw == lines[letter.index]
        assert 0 < len(letter.error) <= MAX_ERROR
        assert letter.error.isprintable()


def check_blanks(lines: Sequence[bytes], decoded: Decoded) -> None:
    """To a decoder, blank lines are neither flows nor dead letters. Raises AssertionError."""
    accounted = {*decoded.index.tolist(), *(letter.index for letter in decoded.dead)}
    assert all(lines[index].strip() for index in accounted), "a blank line is a flow or a dead letter"


def check_batch(batch: FlowBatch) -> None:
    """Hold the columns of a batch to the schema and its bounds. Raises AssertionError."""
    for spec in SCHEMA:
        column = getattr(batch, spec.name)
        assert column.shape == ((len(batch),) if spec.width == 1 else (len(batch), spec.width)), spec.name
        assert column.dtype == spec.dtype, spec.name
        if spec.dtype == "object":
            _check_texts(column)
        elif spec.dtype == "float64":
            most = MAX_SECONDS if spec.unit.startswith("s") else MAX_COUNT
            assert (np.isnan(column) | ((column >= 0) & (column <= most))).all(), spec.name
        elif spec.width == 1:
            assert ((column >= ABSENT) & (column <= _LARGEST[spec.name])).all(), spec.name


def check_canonical(batch: FlowBatch, labels: npt.NDArray[Any] | None) -> None:
    """Flows survive being written as canonical ones, bit for bit. Raises AssertionError."""
    again = make_decoder("canonical").decode(encode_canonical(batch, labels))
    assert not again.dead
    assert same(again.batch, batch)
    told = [] if labels is None else labels.tolist()
    assert (again.labels.tolist() if again.labels is not None else [""] * len(told)) == told


def _check_texts(texts: npt.NDArray[Any]) -> None:
    for text in texts:
        assert isinstance(text, str)
        assert len(text) <= MAX_TEXT
        text.encode()  # a lone surrogate has no bytes
