"""What a follower finds again in the topic: its own lines, whatever others wrote there."""

from __future__ import annotations

from typing import Any

import pytest

from serving import delivered
from serving.delivered import TRACE_HEADER, trace_header


class Written:
    """A message with headers, as confluent_kafka gives it."""

    def __init__(self, *headers: tuple[str, bytes | None]) -> None:
        self._headers = list(headers)

    def headers(self) -> list[tuple[str, bytes | None]]:
        return self._headers


def trace(*headers: tuple[str, bytes | None]) -> Any:
    return delivered._trace(Written(*headers), "entry")  # type: ignore[arg-type]  # all of a message that is read


def test_a_line_of_ones_own_is_known_by_its_header() -> None:
    assert trace(("format", b"zeek"), trace_header("entry", (120, 99))) == (120, 99)
    assert trace(trace_header("another", (120, 99))) is None
    assert trace(("format", b"zeek")) is None


@pytest.mark.parametrize("value", [None, b"", b"entry", b"entry/1", b"entry/x/1", b"\xff/1/2", b"entry/1/2/3",
                                   b"entry/" + b"9" * 40 + b"/1", b"entry/-1/2"])  # fmt: skip
def test_what_others_write_there_is_nobodys_line(value: bytes | None) -> None:
    assert trace((TRACE_HEADER, value)) is None
