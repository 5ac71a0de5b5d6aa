"""Fuzz target: any lines to any decoder. The first byte chooses the format, the rest are the lines."""

from __future__ import annotations

from collections.abc import Iterator

from flows.batch import FlowBatch
from flows.formats import make_decoder
from tests.fuzz.seeds import NAMES, streams
from tests.support.batches import same
from tests.support.contract import check_blanks, check_decoded


def one_input(data: bytes) -> None:
    """Hold one decoder to its contract, on all lines at once and in two pieces."""
    name = NAMES[data[0] % len(NAMES)] if data else NAMES[0]
    lines = data[1:].split(b"\n")
    for line in lines:
        make_decoder(name).recognises(line)
    decoded = make_decoder(name).decode(lines)
    check_decoded(lines, decoded)
    check_blanks(lines, decoded)
    decoder = make_decoder(name)
    middle = len(lines) // 2
    pieces = [decoder.decode(lines[:middle]), decoder.decode(lines[middle:])]
    assert same(FlowBatch.concatenate([piece.batch for piece in pieces]), decoded.batch)
    letters = [letter.error for piece in pieces for letter in piece.dead]
    assert letters == [letter.error for letter in decoded.dead]


def seeds() -> Iterator[bytes]:
    """Real and usual lines, to their own decoder and to another."""
    for name, lines in streams():
        chosen = NAMES.index(name)
        for other in (chosen, (chosen + 1) % len(NAMES)):
            yield bytes([other]) + b"\n".join(lines)
