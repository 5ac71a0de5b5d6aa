"""Fuzz target: any Kafka messages, each with any format header. A line is a message, its first byte the header."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from flows.formats import FORMATS, Decoded
from flows.formats.base import MAX_ERROR
from serving.messages import decode_messages
from tests.fuzz.seeds import streams
from tests.support.contract import check_batch, check_canonical

_MOST: Final = 8  # messages of an input
_HEADERS: Final = (*(name.encode() for name in FORMATS), None, b"", b"Zeek", b"\xff")


def one_input(data: bytes) -> None:
    """Hold the messages' account: each is a flow, rejected with a reason, or nothing."""
    lines = data.split(b"\n", _MOST - 1)
    names = [_HEADERS[line[0] % len(_HEADERS)] if line else None for line in lines]
    values = [line[1:] if line else None for line in lines]
    decoded, rejected = decode_messages(values, names, "canonical")
    flows, refused = decoded.index.tolist(), [one.index for one in rejected]
    assert flows == sorted(flows)
    assert refused == sorted(refused)
    accounted = [*flows, *refused]
    assert len(set(accounted)) == len(accounted)
    assert all(0 <= index < len(lines) for index in accounted)
    assert all(0 < len(one.error) <= MAX_ERROR for one in rejected)
    check_batch(decoded.batch)
    check_canonical(decoded.batch, decoded.labels)
    _check_each_stands_for_itself(values, names, decoded)


def _check_each_stands_for_itself(values: list[bytes | None], names: list[bytes | None], decoded: Decoded) -> None:
    """No message changes what another one is: each alone is as many flows as among the others."""
    for index, (value, name) in enumerate(zip(values, names, strict=True)):
        alone, _ = decode_messages([value], [name], "canonical")
        assert len(alone) == (decoded.index == index).sum()


def seeds() -> Iterator[bytes]:
    """Messages of one format, and of all formats mixed."""
    mixed = []
    for name, lines in streams():
        messages = [bytes([FORMATS.index(name)]) + line for line in lines]
        mixed.append(messages[-1])
        yield b"\n".join(messages[:3])
    yield b"\n".join(mixed)
