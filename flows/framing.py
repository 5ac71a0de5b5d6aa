"""The objects of a JSON array, found in a stream of bytes without parsing it: each is one record for a decoder.

nfdump writes all its flows as one array. What stands between the objects and is neither a comma nor blank is a
:class:`Stray` with its reason, and so is an object or an array that is cut short; another array may follow the first.
Of an object or a stray longer than MAX_LINE the first MAX_LINE + 1 bytes come out, which every decoder refuses, and
the rest is dropped. So memory is bounded, and no byte is looked at more than a few times, whatever the bytes are.

An object without objects inside, as flows are, is found by one match of an expression that cannot backtrack; any
other by counting its braces. A text ends at the end of its line at the latest, since JSON allows no line end in one:
a quotation mark too many spoils its own object, and not all after it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from flows.formats.base import MAX_LINE

BLANKS: Final = b" \t\r\n"
_TEXT: Final = rb'[^"\\\n]*+(?:\\.[^"\\\n]*+)*+'  # the inside of a text, up to what ends it
_GAP: Final = re.compile(rb"[ \t\r\n,]*+")
_FLAT: Final = re.compile(rb'[ \t\r\n,]*+(\{[^"{}]*+(?:"' + _TEXT + rb'"[^"{}]*+)*+\})', re.DOTALL)
# In the following, a text that is not over by the end of the bytes has no group 1.
_IN_OBJECT: Final = re.compile(rb'[{}]|"' + _TEXT + rb'(["\n])?', re.DOTALL)
_IN_STRAY: Final = re.compile(rb'[{\]]|"' + _TEXT + rb'(["\n])?', re.DOTALL)
_IN_TEXT: Final = re.compile(_TEXT + rb'(["\n])?', re.DOTALL)
_OPEN, _QUOTE, _BRACKET, _END_BRACKET = b'{"[]'


@dataclass(frozen=True, slots=True)
class Stray:
    """Bytes of an array that are no whole object, and why."""

    raw: bytes
    reason: str

    def __len__(self) -> int:
        return len(self.raw)


class ArrayFramer:
    """Cuts blocks of bytes, as they come, into the objects of the arrays in them."""

    def __init__(self) -> None:
        self._in_array = False
        self._depth = 0  # braces that are open
        self._in_stray = False
        self._in_text = False
        self._held = bytearray()  # of the object or stray that has begun
        self._unread = b""  # a backslash that ends a block: what it escapes is in the next

    @property
    def rest(self) -> bytes:
        """What has begun and not ended, or its beginning."""
        return bytes(self._held) + self._unread

    def records(self, blocks: Iterable[bytes]) -> Iterator[bytes | Stray]:
        """Yield the objects that end in these blocks, and the strays. After the last block comes :meth:`end`."""
        for block in blocks:
            yield from self._feed(self._unread + block)

    def end(self) -> Iterator[Stray]:
        """Yield what the end of the bytes cuts short, if anything."""
        if self._depth:
            yield Stray(self.rest, "the array is cut short: it ends within an object")
            return
        if self._in_stray:
            yield _stray(self.rest)
        if self._in_array:
            yield Stray(b"", "the array is cut short: its closing bracket is missing")

    def _feed(self, data: bytes) -> Iterator[bytes | Stray]:
        self._unread = b""
        at = 0
        while at < len(data):
            if self._depth or self._in_stray:
                end = self._go_on(data, at)
                self._held += data[at : min(end, at + MAX_LINE + 1 - len(self._held))]
                at = end
                if self._depth or self._in_stray:
                    self._unread = data[at:]
                    return
                raw = bytes(self._held)
                self._held.clear()
                yield raw if raw.startswith(b"{") else _stray(raw)
            elif match := _FLAT.match(data, at):
                yield match[1][: MAX_LINE + 1]
                at = match.end()
            else:
                at = self._begin(data, at)

    def _begin(self, data: bytes, at: int) -> int:
        """Pass over a gap and a bracket after it, or begin an object or a stray; return where to go on."""
        gap = _GAP.match(data, at)
        at = at if gap is None else gap.end()
        if at == len(data):
            return at
        byte = data[at]
        if byte == (_END_BRACKET if self._in_array else _BRACKET):
            self._in_array = not self._in_array
            return at + 1
        if byte != _OPEN:
            self._in_stray = True
            return at
        self._depth = 1
        self._held.append(byte)
        return at + 1

    def _go_on(self, data: bytes, at: int) -> int:
        """Look for the end of the object or stray that has begun; return where it is, or else where the bytes end."""
        if self._in_text:
            rest = _IN_TEXT.match(data, at)
            at = at if rest is None else rest.end()
            self._in_text = rest is None or rest[1] is None
            if self._in_text:
                return at
        for match in (_IN_OBJECT if self._depth else _IN_STRAY).finditer(data, at):
            byte = data[match.start()]
            if byte == _QUOTE:
                if match[1] is None:
                    self._in_text = True
                    return match.end()
            elif self._in_stray:
                if byte == _OPEN or self._in_array:  # after an array a bracket too many is stray itself
                    self._in_stray = False
                    return match.start()
            else:
                self._depth += 1 if byte == _OPEN else -1
                if not self._depth:
                    return match.end()
        return len(data)


def _stray(raw: bytes) -> Stray:
    return Stray(raw.rstrip(BLANKS + b","), "this stands between the objects of an array, where only a comma may")
