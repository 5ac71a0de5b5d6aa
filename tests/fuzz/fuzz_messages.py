"""Fuzz target: any Kafka messages, each with any format header or none, with a default format or without.

A line is a message, its first byte the header. The highest bit of the very first byte takes the default away.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from flows.batch import FlowBatch
from flows.formats.base import MAX_ERROR
from flows.messages import decode_messages
from tests.fuzz.seeds import NAMES, streams
from tests.support.batches import same
from tests.support.contract import check_batch, check_canonical

_MOST: Final = 8  # messages of an input
_HEADERS: Final = (*(name.encode() for name in NAMES), None, b"", b"Zeek", b"\xff")


def one_input(data: bytes) -> None:
    """Hold the messages' account: each is a flow, rejected with a reason, or nothing."""
    lines = data.split(b"\n", _MOST - 1)
    names = [_HEADERS[line[0] % len(_HEADERS)] if line else None for line in lines]
    values = [line[1:] if line else None for line in lines]
    default = None if data[:1] > b"\x7f" else "canonical"
    decoded, rejected = decode_messages(values, names, default)
    flows, refused = decoded.index.tolist(), [one.index for one in rejected]
    assert flows == sorted(flows)
    assert refused == sorted(refused)
    accounted = [*flows, *refused]
    assert len(set(accounted)) == len(accounted)
    assert all(0 <= index < len(lines) for index in accounted)
    assert all(0 < len(one.error) <= MAX_ERROR for one in rejected)
    check_batch(decoded.batch)
    check_canonical(decoded.batch, decoded.labels)
    # No message changes what another one is: each alone is the flow that it is among the others, or none.
    alone = [decode_messages([value], [name], default)[0] for value, name in zip(values, names, strict=True)]
    assert [index for index, one in enumerate(alone) if len(one)] == flows
    assert same(FlowBatch.concatenate([one.batch for one in alone]), decoded.batch)


def seeds() -> Iterator[bytes]:
    """Messages of one format, and of several mixed, with a header and without."""
    last = []
    for name, lines in streams():
        last.append((name, lines[-1]))
        yield b"\n".join(bytes([NAMES.index(name)]) + line for line in lines[-3:])
    without = bytes([_HEADERS.index(None)])
    for at in range(0, len(last), _MOST - 1):
        some = last[at : at + _MOST - 1]
        yield b"\n".join(bytes([NAMES.index(name)]) + line for name, line in some)
        yield b"\n".join([b"\x80", *(without + line for _, line in some)])
