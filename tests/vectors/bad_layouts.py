"""Vectors whose manifest is spelt in another way than metadata may be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from model_registry import canonical
from model_registry.errors import Reason
from model_registry.manifest import MANIFEST
from tests.support.signers import ALICE
from tests.vectors.building import fresh, with_signed
from tests.vectors.vector import Files, Vector


def bad_layouts() -> Iterator[Vector]:
    """Yield them."""
    files = fresh()
    deep: Any = ""
    for _ in range(canonical.MAX_DEPTH):
        deep = [deep]
    umlaut = with_signed(files, MANIFEST, lambda signed: signed.update(reason="ü"), ALICE)[MANIFEST]
    data = files[MANIFEST]
    spellings = {
        "blank-at-the-end": ("a blank after the last byte", data + b" ", Reason.LAYOUT),
        "no-newline-at-the-end": ("the last byte missing", data[:-1], Reason.LAYOUT),
        "two-spaces": ("two spaces of indent", _dumped(data, indent=2), Reason.LAYOUT),
        "unsorted": ("keys in another order", _dumped(data, sort_keys=False), Reason.LAYOUT),
        "carriage-returns": ("lines that end in CR and LF", data.replace(b"\n", b"\r\n"), Reason.LAYOUT),
        "duplicate-key": (
            "a key twice in an object",
            data.replace(b' "signed": {', b' "signed": {},\n "signed": {'),
            Reason.LAYOUT,
        ),
        "escaped-letter": (
            "an escape where none is needed",
            data.replace(b'"publish"', b'"\\u0070ublish"'),
            Reason.LAYOUT,
        ),
        "upper-case-escape": ("an escape in upper case", umlaut.replace(b"\\u00fc", b"\\u00FC"), Reason.LAYOUT),
        "not-ascii": ("a letter in UTF-8", umlaut.replace(b"\\u00fc", "ü".encode()), Reason.LAYOUT),
        "byte-order-mark": ("a byte order mark", b"\xef\xbb\xbf" + data, Reason.LAYOUT),
        "minus-zero": ("-0 for 0", data.replace(b'"version": 1', b'"version": -0'), Reason.LAYOUT),
        "long-integer": (
            "an integer of 17 digits",
            data.replace(b'"version": 1', b'"version": 10000000000000000'),
            Reason.LAYOUT,
        ),
        "not-json": ("half a file", data[: len(data) // 2], Reason.LAYOUT),
        "not-an-object": ("a list", b"[]\n", Reason.LAYOUT),
        "deep": (
            "17 levels of objects and lists",
            with_signed(files, MANIFEST, lambda signed: signed.update(reason=deep[0]), ALICE)[MANIFEST],
            Reason.LAYOUT,
        ),
        "fraction": ("1.0 for 1", data.replace(b'"version": 1', b'"version": 1.0'), Reason.NOT_AN_INTEGER),
        "exponent": ("1e0 for 1", data.replace(b'"version": 1', b'"version": 1e0'), Reason.NOT_AN_INTEGER),
        "nan": ("NaN", data.replace(b'"version": 1', b'"version": NaN'), Reason.NOT_AN_INTEGER),
        "infinity": ("-Infinity", data.replace(b'"version": 1', b'"version": -Infinity'), Reason.NOT_AN_INTEGER),
        "upper-case-hex": ("a signature in upper case", _upper(data), Reason.MALFORMED),
        "lone-surrogate": (
            "half a character, which has no canonical form",
            data.replace(b'"reason": ""', b'"reason": "\\ud83d"'),
            Reason.MALFORMED,
        ),
    }
    for name, (shows, spelt, reason) in spellings.items():
        yield _bad(name, shows, {**files, MANIFEST: spelt}, reason)
    long = {"file": MANIFEST, "append": " ", "times": canonical.MAX_METADATA + 1 - len(data)}
    yield _bad("oversized", "blanks behind it, one over the limit", files, Reason.OVERSIZED, make=(long,))


def _dumped(data: bytes, *, indent: int = 1, sort_keys: bool = True) -> bytes:
    document = dict(reversed(json.loads(data).items()))
    return (json.dumps(document, indent=indent, sort_keys=sort_keys) + "\n").encode()


def _upper(data: bytes) -> bytes:
    document = json.loads(data)
    document["signatures"][0]["sig"] = document["signatures"][0]["sig"].upper()
    return canonical.file_bytes(document)


def _bad(name: str, shows: str, files: Files, reason: Reason, **more: Any) -> Vector:
    return Vector(name=f"manifest-{name}", shows=shows, files=files, refused=(MANIFEST, reason), **more)
