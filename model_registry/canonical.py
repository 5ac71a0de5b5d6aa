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
from itertools import chain, zip_longest
from typing import Any, Final, NoReturn, TypeVar

import msgspec
from securesystemslib.exceptions import FormatError
from securesystemslib.formats import encode_canonical

from model_registry.errors import Reason, TrustError
from model_registry.shapes import readable

# Bytes of a manifest, root or proposal; a manifest of three models takes some 20 KiB. To read one and to verify it may
# take 48 times its length in memory and a second or two (tests/adversarial/test_registry_limits.py holds that), and to
# plant proposals costs nothing.
MAX_METADATA: Final = 1024 * 1024
MAX_DEPTH: Final = 16  # levels of objects and lists; a manifest has 7
MAX_DIGITS: Final = 16  # of an integer; 2^53, the largest that every reader of JSON reads alike, has as many

# Texts, in which no mark means anything, and marks. Possessive, and with the closing quote optional: linear in the
# length of the file, whatever is in it.
_MARKS: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{},]', re.DOTALL)

_LAYOUT: Final = json.JSONEncoder(indent=1, sort_keys=True, ensure_ascii=True, allow_nan=False)

T = TypeVar("T")


def signed_bytes(document: Any, name: str = "the document") -> bytes:
    """Return securesystemslib's canonical form, the bytes a signature is over.

    Raises TrustError for what has no canonical form: floats, and text that is not Unicode (lone surrogates).
    """
    try:
        return str(encode_canonical(document)).encode()
    except (FormatError, UnicodeEncodeError) as error:
        raise TrustError(
            f"{name}: has no canonical form, so it cannot be signed or verified: {readable(str(error))}",
            Reason.MALFORMED,
        ) from None


def file_bytes(document: Any) -> bytes:
    """Return the one layout a metadata file may have: ASCII, one space of indent, sorted keys, a newline at the end."""
    return (_LAYOUT.encode(document) + "\n").encode()


def parse_file(data: bytes, name: str) -> dict[str, Any]:
    """Read a metadata file called ``name`` that must be in the layout of :func:`file_bytes`.

    Raises TrustError, naming the file and the reason, for anything else; nothing in ``data`` raises another error.
    """
    if len(data) > MAX_METADATA:
        raise TrustError(
            f"{name}: longer than {MAX_METADATA} bytes, the most a metadata file may have", Reason.OVERSIZED
        )
    _check_marks(data, name)

    def read_integer(text: str) -> int:
        if len(text.removeprefix("-")) > MAX_DIGITS:
            raise TrustError(
                f"{name}: holds the integer {text[:40]}, of more than {MAX_DIGITS} digits; longer numbers must be "
                f"decimal strings",
                Reason.LAYOUT,
            )
        return int(text)

    def refuse_number(text: str) -> NoReturn:
        raise TrustError(
            f"{name}: holds the number {text[:40]}; numbers that are not integers must be decimal strings",
            Reason.NOT_AN_INTEGER,
        )

    def refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        document = dict(pairs)
        if len(document) < len(pairs):
            duplicate, _ = Counter(key for key, _ in pairs).most_common(1)[0]
            raise TrustError(f"{name}: the key {duplicate[:80]!a} stands twice in one object", Reason.LAYOUT)
        return document

    try:
        text = data.decode("ascii")
        document = json.loads(
            text,
            object_pairs_hook=refuse_duplicates,
            parse_int=read_integer,
            parse_float=refuse_number,
            parse_constant=refuse_number,
        )
    except ValueError as error:
        raise TrustError(f"{name}: not JSON in the defined layout: {error}", Reason.LAYOUT) from None
    if not isinstance(document, dict):
        raise TrustError(f"{name}: not a JSON object", Reason.LAYOUT)
    _check_layout(text, document, name)
    return document


def convert(document: Any, shape: type[T], name: str) -> T:
    """Turn parsed JSON into ``shape``, exactly: unknown, missing or respelt fields raise TrustError."""
    try:
        value = msgspec.convert(document, shape, str_keys=True)
    except (msgspec.ValidationError, UnicodeEncodeError) as error:  # the latter for field names that are not Unicode
        raise TrustError(f"{name}: {readable(str(error))}", Reason.MALFORMED) from None
    if msgspec.to_builtins(value, str_keys=True) != document:
        raise TrustError(f"{name}: a field is spelt in another way than it would be written", Reason.MALFORMED)
    return value


def _check_marks(data: bytes, name: str) -> None:
    """Refuse what would take a deep stack or much memory to parse, by its brackets and commas alone.

    Every value takes some 100 bytes of memory, and in the layout every value has a line of its own.
    """
    depth = crowded = 0
    for match in _MARKS.finditer(data):
        mark, end = match[0], match.end()
        behind = data[end : end + 1]
        if mark in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise TrustError(f"{name}: nested deeper than {MAX_DEPTH} levels", Reason.LAYOUT)
            crowded = crowded or (behind not in b"\n]}" and end)
        elif mark in b"]},":
            depth -= mark != b","
            crowded = crowded or (mark == b"," and behind not in b"\n" and end)
            if crowded:
                raise _other_layout(name, crowded)


def _check_layout(text: str, document: dict[str, Any], name: str) -> None:
    """Refuse a text that is not the document's in the one layout. Piece by piece, as a layout may be a longer text."""
    position = 0
    for piece in chain(_LAYOUT.iterencode(document), ["\n"]):
        if not text.startswith(piece, position):
            pairs = enumerate(zip_longest(piece, text[position : position + len(piece)]))
            raise _other_layout(name, position + next(at for at, (ours, theirs) in pairs if ours != theirs))
        position += len(piece)
    if position != len(text):
        raise _other_layout(name, position)


def _other_layout(name: str, position: int) -> TrustError:
    return TrustError(f"{name}: not in the defined layout from byte {position} on", Reason.LAYOUT)
