"""Two byte forms of one JSON document: what is signed, and what stands in the file.

Signed is securesystemslib's canonical form (no white space, sorted keys, only quote and backslash escaped), so
that any TUF library computes the same bytes. The file is for people: indented, in one defined layout. A file in
any other bytes is refused by writing again what was read and comparing; so a document has one spelling, and a byte
that no signature covers (white space, an escape, a repeated key) cannot be changed unnoticed either.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from itertools import zip_longest
from typing import Any, Final, NoReturn, TypeVar

import msgspec
from securesystemslib.exceptions import FormatError
from securesystemslib.formats import encode_canonical

from model_registry.errors import TrustError

MAX_METADATA: Final = 4 * 1024 * 1024  # bytes of a manifest or root; a manifest of three models takes some 20 KiB
MAX_DEPTH: Final = 16  # levels of objects and lists; a manifest has 7

# Possessive, and with the closing quote optional: linear in the length of the file, whatever is in it.
_STRINGS: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_BRACKETS: Final = re.compile(rb"[\[\]{}]")

T = TypeVar("T")


def signed_bytes(document: Any, name: str = "the document") -> bytes:
    """Return securesystemslib's canonical form, the bytes a signature is over.

    Raises TrustError for what has no canonical form: floats, and text that is not Unicode (lone surrogates).
    """
    try:
        return str(encode_canonical(document)).encode()
    except (FormatError, UnicodeEncodeError) as error:
        raise TrustError(f"{name}: has no canonical form, so it cannot be signed or verified: {error}") from None


def file_bytes(document: Any) -> bytes:
    """Return the one layout a metadata file may have: ASCII, one space of indent, sorted keys, a newline at the end."""
    return (json.dumps(document, indent=1, sort_keys=True, ensure_ascii=True, allow_nan=False) + "\n").encode()


def parse_file(data: bytes, name: str) -> dict[str, Any]:
    """Read a metadata file called ``name`` that must be in the layout of :func:`file_bytes`.

    Raises TrustError, naming the file and the reason, for anything else; nothing in ``data`` raises another error.
    """
    if len(data) > MAX_METADATA:
        raise TrustError(f"{name}: longer than {MAX_METADATA} bytes, the most a metadata file may have")
    _check_depth(data, name)

    def refuse_number(text: str) -> NoReturn:
        raise TrustError(f"{name}: holds the number {text[:40]}; numbers that are not integers must be decimal strings")

    def refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        document = dict(pairs)
        if len(document) < len(pairs):
            duplicate, _ = Counter(key for key, _ in pairs).most_common(1)[0]
            raise TrustError(f"{name}: the key {duplicate[:80]!a} stands twice in one object")
        return document

    try:
        document = json.loads(
            data.decode("ascii"),
            object_pairs_hook=refuse_duplicates,
            parse_float=refuse_number,
            parse_constant=refuse_number,
        )
    except ValueError as error:
        raise TrustError(f"{name}: not JSON in the defined layout: {error}") from None
    if not isinstance(document, dict):
        raise TrustError(f"{name}: not a JSON object")
    expected = file_bytes(document)
    if data != expected:
        raise TrustError(f"{name}: not in the defined layout from byte {_first_difference(data, expected)} on")
    return document


def convert(document: Any, shape: type[T], name: str) -> T:
    """Turn parsed JSON into ``shape``, exactly: unknown, missing or respelt fields raise TrustError."""
    try:
        value = msgspec.convert(document, shape, str_keys=True)
    except msgspec.ValidationError as error:
        raise TrustError(f"{name}: {error}") from None
    if msgspec.to_builtins(value, str_keys=True) != document:
        raise TrustError(f"{name}: a field is spelt in another way than it would be written")
    return value


def _check_depth(data: bytes, name: str) -> None:
    depth = 0
    for match in _BRACKETS.finditer(_STRINGS.sub(b"", data)):
        depth += 1 if match[0] in b"[{" else -1
        if depth > MAX_DEPTH:
            raise TrustError(f"{name}: nested deeper than {MAX_DEPTH} levels")


def _first_difference(data: bytes, expected: bytes) -> int:
    return next(position for position, pair in enumerate(zip_longest(data, expected)) if pair[0] != pair[1])
