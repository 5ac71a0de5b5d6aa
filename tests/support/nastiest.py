"""The nastiest metadata files of a given length: each is made to take as much time or memory as its bytes can.

Every one is at most ``limit`` bytes long and nearly that. Those in the layout are read to their end; the crowded ones
would, if they were parsed, become a hundred times as large.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterable
from itertools import count, product
from typing import Final

Maker = Callable[[int], bytes]

_CHARACTERS: Final = sorted((set(string.printable) - set(string.whitespace)) - {'"', "\\"})
_KEYS: Final = ["".join(three).encode() for three in product(_CHARACTERS, repeat=3)]  # sorted, as the layout wants
_BEGIN: Final = b'{\n "signatures": [],\n "signed": {\n'
_END: Final = b"\n }\n}\n"


def repeated(head: bytes, unit: bytes, tail: bytes) -> Maker:
    """The same unit over and over."""
    return lambda limit: head + unit * ((limit - len(head) - len(tail)) // len(unit)) + tail


def joined(head: bytes, parts: Callable[[], Iterable[bytes]], between: bytes, tail: bytes) -> Maker:
    """Different parts, as many as there is room for."""

    def make(limit: int) -> bytes:
        room = limit - len(head) - len(tail)
        taken = []
        for part in parts():
            room -= len(part) + len(between)
            if room < 0:
                break
            taken.append(part)
        return head + between.join(taken) + tail

    return make


def in_list(unit: bytes) -> Maker:
    """A list in the layout, of one value, each on its line."""
    return repeated(_BEGIN + b'  "a": [\n', unit + b",\n", b"   0\n  ]" + _END)


def in_object(value: bytes) -> Maker:
    """An object in the layout, of as many keys as possible."""
    return joined(_BEGIN, lambda: (b'  "%s": %s' % (key, value) for key in _KEYS), b",\n", _END)


NASTIEST: Final[dict[str, Maker]] = {
    # Nesting
    "only opening brackets": lambda limit: b"[" * limit,
    "only opening brackets, a line each": lambda limit: b"[\n" * (limit // 2),
    "objects and lists by turns": repeated(b"", b'{"":[', b""),
    "lists at the greatest depth": repeated(b'{"a":[', b"[" * 14 + b"]" * 14 + b",", b"[]]}"),
    "objects at the greatest depth": repeated(b'{"":[\n', b'{\n"":' * 14 + b"0" + b"}" * 14 + b",\n", b"0]}"),
    # Values by the million, which the layout has no room for
    "empty lists": repeated(b'{"a":[', b"[],", b"[]]}"),
    "small objects": repeated(b'{"a":[', b'{"":0},', b"{}]}"),
    "integers of one digit": repeated(b'{"a":[', b"1,", b"1]}"),
    "different keys": joined(b"{", lambda: (b'"%s":0' % key for key in _KEYS), b",", b"}"),
    "one key again and again": repeated(b"{\n", b'"":0,\n', b'"":0}\n'),
    "different keys, a line each": joined(b"{\n", lambda: (b'"%s":[]' % key for key in _KEYS), b",\n", b"}\n"),
    "small objects, a line each": repeated(b'{\n"":[\n', b'{\n"":0},\n', b"0]}\n"),
    # In the layout
    "integers in the layout": in_list(b"   300"),
    "empty lists in the layout": in_list(b"   []"),
    "small objects in the layout": in_list(b'   {\n    "": 0\n   }'),
    "keys in the layout": in_object(b"1"),
    "lists by key in the layout": in_object(b"[]"),
    "texts by key in the layout": in_object(b'"\\u00e9"'),
    "signatures": joined(
        b'{\n "signatures": [\n',
        lambda: (b'  {\n   "keyid": "%064x",\n   "sig": "%0128x"\n  }' % (n, n) for n in count()),
        b",\n",
        b'\n ],\n "signed": {}\n}\n',
    ),
    "signatures that are none": repeated(b'{\n "signatures": [\n', b"  [],\n", b'  []\n ],\n "signed": {}\n}\n'),
    # Single things as long as the file
    "one text": repeated(b'{\n "a": "', b"x", b'"\n}\n'),
    "one text of escapes": repeated(b'{\n "a": "', b"\\ud83d\\ude00", b'"\n}\n'),
    "one text that never ends": lambda limit: b'"' + b'\\"' * (limit // 2 - 1),
    "one text of lone surrogates": repeated(_BEGIN + b'  "a": "', b"\\ud800", b'"' + _END),
    "one key": repeated(b'{\n "', b"\\u001b", b'": 1\n}\n'),
    "one integer": repeated(b'{\n "a": ', b"9", b"\n}\n"),
    "one number with an exponent": repeated(b'{\n "a": 1e', b"9", b"\n}\n"),
    "integers of 4,300 digits": repeated(b'{\n "a": [\n', b"  " + b"9" * 4300 + b",\n", b"  0\n ]\n}\n"),
    "only quotes": lambda limit: b'"' * limit,
    "only backslashes": lambda limit: b'"' + b"\\" * (limit - 1),
    "only spaces": lambda limit: b" " * limit,
    "only line ends": lambda limit: b"\n" * limit,
    "only zeros": bytes,
}
