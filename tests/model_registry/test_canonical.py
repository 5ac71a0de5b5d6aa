from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.formats import encode_canonical

from model_registry.canonical import MAX_DEPTH, MAX_METADATA, file_bytes, parse_file, signed_bytes
from model_registry.errors import TrustError

texts = st.text(st.characters(exclude_categories=["Cs"]))
documents = st.dictionaries(
    texts,
    st.recursive(
        st.none() | st.booleans() | st.integers() | texts,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
        max_leaves=12,
    ),
    max_size=4,
)


@given(documents)
def test_what_is_written_is_read_back(document: dict[str, Any]) -> None:
    assert parse_file(file_bytes(document), "a file") == document


@given(documents)
def test_signed_bytes_are_securesystemslibs(document: dict[str, Any]) -> None:
    assert signed_bytes(document) == str(encode_canonical(document)).encode()


def test_the_file_is_readable_and_in_one_layout() -> None:
    assert file_bytes({"b": [1], "a": "é"}) == b'{\n "a": "\\u00e9",\n "b": [\n  1\n ]\n}\n'


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused_by_name_and_never_crash(data: bytes) -> None:
    with pytest.raises(TrustError, match=r"^a file: "):
        parse_file(data, "a file")


@given(documents, st.data())
def test_any_other_byte_is_refused_or_another_document(document: dict[str, Any], data: st.DataObject) -> None:
    good = file_bytes(document)
    position = data.draw(st.integers(0, len(good) - 1))
    changed = bytearray(good)
    changed[position] ^= data.draw(st.integers(1, 255))
    try:
        read = parse_file(bytes(changed), "a file")
    except TrustError:
        return
    assert read != document


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe{}", "not JSON in the defined layout: 'ascii'"),
        (b"[]\n", "not a JSON object"),
        (b"{}", "not in the defined layout from byte 2 on"),
        (b"{}\n\n", "not in the defined layout from byte 3 on"),
        (b'{"a": 1}\n', "not in the defined layout"),
        (b'{\n  "a": 1\n}\n', "not in the defined layout"),
        (b'{\n "b": 1,\n "a": 1\n}\n', "not in the defined layout"),
        (b'{\r\n "a": 1\r\n}\r\n', "not in the defined layout"),
        (b'{\n "a": "\\u0041"\n}\n', "not in the defined layout"),
        (b'{\n "a": "\\u00E9"\n}\n', "not in the defined layout"),
        ('{\n "a": "é"\n}\n'.encode(), "not JSON in the defined layout: 'ascii'"),
        (b'{\n "a": -0\n}\n', "not in the defined layout"),
        (b'{\n "a": 1,\n "a": 1\n}\n', "the key 'a' stands twice"),
        (b'{\n "x": {\n  "a": 1,\n  "a": 2\n }\n}\n', "the key 'a' stands twice"),
        (b'{\n "a": 1.5\n}\n', "the number 1.5"),
        (b'{\n "a": 1e3\n}\n', "the number 1e3"),
        (b'{\n "a": NaN\n}\n', "the number NaN"),
        (b'{\n "a": -Infinity\n}\n', "the number -Infinity"),
        (b'{\n "a": ' + b"1" * 5000 + b"\n}\n", "not JSON in the defined layout"),
        (b'{\n "a": ' + b"[" * 100_000 + b"]" * 100_000 + b"\n}\n", f"nested deeper than {MAX_DEPTH} levels"),
        (b'{"a":' * 100_000, f"nested deeper than {MAX_DEPTH} levels"),
        (b"[" * 1_000_000, f"nested deeper than {MAX_DEPTH} levels"),
        (b" " * (MAX_METADATA + 1), "longer than"),
        (b'"' + b'\\"' * 1_000_000, "not JSON"),
        (b'"\\', "not JSON"),
    ],
)
def test_other_spellings_are_refused_with_a_named_reason(data: bytes, reason: str) -> None:
    with pytest.raises(TrustError, match=r"^a file: ") as caught:
        parse_file(data, "a file")
    assert reason in str(caught.value)


def test_brackets_in_text_are_not_nesting() -> None:
    document = {"a": "[" * 100 + '\\"{' * 100}
    assert parse_file(file_bytes(document), "a file") == document


def test_nesting_is_allowed_up_to_the_limit() -> None:
    document: dict[str, Any] = {}
    for _ in range(MAX_DEPTH - 1):
        document = {"a": document}
    assert parse_file(file_bytes(document), "a file") == document
    with pytest.raises(TrustError, match="nested"):
        parse_file(file_bytes({"a": document}), "a file")


@pytest.mark.parametrize("document", [{"a": 1.5}, {"a": float("nan")}, {"a": "\ud800"}, {"\udfff": 1}, {"a": b""}])
def test_what_has_no_canonical_form_cannot_be_signed(document: Any) -> None:
    with pytest.raises(TrustError, match="no canonical form"):
        signed_bytes(document)


def test_lone_surrogates_in_a_file_are_refused_when_their_signature_is_checked() -> None:
    data = json.dumps({"a": "\ud800"}, indent=1).encode() + b"\n"
    with pytest.raises(TrustError, match=r"^a file: has no canonical form"):
        signed_bytes(parse_file(data, "a file"), "a file")
