"""One document, one spelling: whatever is not the one layout of one document is refused, and nothing else happens."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from securesystemslib.formats import encode_canonical

from model_registry.canonical import MAX_DEPTH, MAX_DIGITS, MAX_METADATA, convert, file_bytes, parse_file, signed_bytes
from model_registry.errors import Reason, TrustError
from model_registry.shapes import ModelName, Name, Positive

texts = st.text(st.characters(exclude_categories=["Cs"]))
integers = st.integers(-(10**MAX_DIGITS) + 1, 10**MAX_DIGITS - 1)
documents = st.dictionaries(
    texts,
    st.recursive(
        st.none() | st.booleans() | integers | texts,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
        max_leaves=12,
    ),
    max_size=4,
)


class Shape(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A made-up schema with the kinds of key and text that manifests have."""

    models: dict[ModelName, dict[Positive, Name]]


def canonical_form(value: Any) -> str:
    """Write the signed form again, from its description: sorted keys, no white space, quote and backslash escaped."""
    if isinstance(value, str):
        return '"' + "".join("\\" + character if character in '"\\' else character for character in value) + '"'
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, int):
        return f"{value:d}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical_form, value)) + "]"
    pairs = (f"{canonical_form(key)}:{canonical_form(value[key])}" for key in sorted(value, key=lambda key: [*key]))
    return "{" + ",".join(pairs) + "}"


def exactly(value: Any) -> Any:
    """A document that differs from every other: in Python, True == 1."""
    if isinstance(value, dict):
        return {key: exactly(item) for key, item in value.items()}
    return [exactly(item) for item in value] if isinstance(value, list) else (type(value), value)


def refusal(data: bytes) -> TrustError:
    with pytest.raises(TrustError, match=r"^a file: ") as caught:
        parse_file(data, "a file")
    return caught.value


@given(documents)
def test_what_is_written_is_read_back(document: dict[str, Any]) -> None:
    assert exactly(parse_file(file_bytes(document), "a file")) == exactly(document)


@given(documents)
def test_signed_bytes_are_securesystemslibs_and_those_of_the_description(document: dict[str, Any]) -> None:
    signed = signed_bytes(document)
    assert signed == str(encode_canonical(document)).encode()
    assert signed == canonical_form(document).encode()


near = st.sampled_from(
    ["", "a", '"', "\\", '\\"', '"a"', "a,b", "a\\", "\\\\", "null", "1", "{}", "\n", "é", "e\u0301"]
)
small = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 1) | near,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(near, inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=500)
@given(st.dictionaries(near, small, max_size=2), st.dictionaries(near, small, max_size=2))
def test_two_documents_are_signed_alike_only_if_they_are_one(one: dict[str, Any], other: dict[str, Any]) -> None:
    same = exactly(one) == exactly(other)
    assert (signed_bytes(one) == signed_bytes(other)) is same
    assert (file_bytes(one) == file_bytes(other)) is same


def test_the_file_is_readable_and_in_one_layout() -> None:
    assert file_bytes({"b": [1], "a": "é"}) == b'{\n "a": "\\u00e9",\n "b": [\n  1\n ]\n}\n'


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused_by_name_and_never_crash(data: bytes) -> None:
    refusal(data)


@settings(max_examples=300)
@given(documents, st.data())
def test_any_change_of_bytes_is_refused_or_another_document(document: dict[str, Any], data: st.DataObject) -> None:
    good = file_bytes(document)
    start = data.draw(st.integers(0, len(good)))
    end = data.draw(st.integers(start, min(start + 3, len(good))))
    changed = good[:start] + data.draw(st.binary(max_size=3) | st.sampled_from([b"\n", b" ", b",", b"[]"])) + good[end:]
    try:
        read = parse_file(changed, "a file")
    except TrustError:
        return
    assert file_bytes(read) == changed
    assert (exactly(read) == exactly(document)) is (changed == good)


@pytest.mark.parametrize(
    ("data", "wrong"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe{}", "not JSON in the defined layout: 'ascii'"),
        (b"[]\n", "not a JSON object"),
        (b"{}", "not in the defined layout from byte 2 on"),
        (b"{}\n\n", "not in the defined layout from byte 3 on"),
        (b"{}\n\0", "not JSON"),
        (b'{"a": 1}\n', "not in the defined layout from byte 1 on"),
        (b'{\n "a": 1,"b": 2\n}\n', "not in the defined layout from byte 10 on"),
        (b'{\n  "a": 1\n}\n', "not in the defined layout from byte 3 on"),
        (b'{\n "b": 1,\n "a": 1\n}\n', "not in the defined layout from byte 4 on"),
        (b'{\r\n "a": 1\r\n}\r\n', "not in the defined layout"),
        (b'{\n "a": "\\u0041"\n}\n', "not in the defined layout from byte 9 on"),
        (b'{\n "a": "\\u00E9"\n}\n', "not in the defined layout"),
        (b'{\n "a": "\\/"\n}\n', "not in the defined layout"),
        (b'{\n "a": "\\ud83d\\uDE00"\n}\n', "not in the defined layout"),
        ('{\n "a": "é"\n}\n'.encode(), "not JSON in the defined layout: 'ascii'"),
        (b'{\n "a": "\0"\n}\n', "not JSON"),
        (b'{\n "a": -0\n}\n', "not in the defined layout"),
        (b'{\n "a": 01\n}\n', "not JSON"),
        (b'{\n "a": 1,\n "a": 1\n}\n', "the key 'a' stands twice"),
        (b'{\n "x": {\n  "a": 1,\n  "a": 2\n }\n}\n', "the key 'a' stands twice"),
        (b'{\n "x": [\n  {\n   "a\\n": 1,\n   "a\\u000a": 2\n  }\n ]\n}\n', "the key 'a\\n' stands twice"),
        (b'{\n "a": 1.5\n}\n', "the number 1.5"),
        (b'{\n "a": 1e3\n}\n', "the number 1e3"),
        (b'{\n "a": 1e999999\n}\n', "the number 1e999999;"),
        (b'{\n "a": -1E-999999999\n}\n', "the number -1E-999999999;"),
        (b'{\n "a": NaN\n}\n', "the number NaN"),
        (b'{\n "a": -Infinity\n}\n', "the number -Infinity"),
        (b'{\n "a": ' + b"9" * 17 + b"\n}\n", "the integer 99999999999999999, of more than 16 digits"),
        (b'{\n "a": -' + b"1" * 5000 + b"\n}\n", "of more than 16 digits"),
        (b'{\n "a": ' + b"[" * 100_000 + b"]" * 100_000 + b"\n}\n", f"nested deeper than {MAX_DEPTH} levels"),
        (b'{"a":' * 100_000, f"nested deeper than {MAX_DEPTH} levels"),
        (b"[\n" * 100_000, f"nested deeper than {MAX_DEPTH} levels"),
        (b"[" * 1_000_000, f"nested deeper than {MAX_DEPTH} levels"),
        (b" " * (MAX_METADATA + 1), "longer than"),
        (b'"' + b'\\"' * 500_000, "not JSON"),
        (b'"\\', "not JSON"),
    ],
)
def test_other_spellings_are_refused_with_a_named_reason(data: bytes, wrong: str) -> None:
    error = refusal(data)
    assert wrong in str(error)
    assert error.reason in {Reason.LAYOUT, Reason.NOT_AN_INTEGER, Reason.OVERSIZED}
    assert len(str(error)) < 300


@pytest.mark.parametrize("level", range(1, MAX_DEPTH))
def test_a_repeated_key_is_refused_at_every_level(level: int) -> None:
    document: dict[str, Any] = {"once": 1, "twice": 2}
    for _ in range(level - 1):
        document = {"inner": document}
    assert "the key 'once' stands twice" in str(refusal(file_bytes(document).replace(b'"twice"', b'"once"')))


def test_brackets_in_text_are_not_nesting() -> None:
    document = {"a": "[" * 100 + '\\"{' * 100}
    assert parse_file(file_bytes(document), "a file") == document


def test_nesting_is_allowed_up_to_the_limit() -> None:
    document: dict[str, Any] = {}
    for _ in range(MAX_DEPTH - 1):
        document = {"a": document}
    assert parse_file(file_bytes(document), "a file") == document
    assert "nested" in str(refusal(file_bytes({"a": document})))


def test_a_file_and_its_keys_may_be_as_long_as_the_limit() -> None:
    document = {"k" * 1000: "v", "": ""}
    document[""] = "x" * (MAX_METADATA - len(file_bytes(document)))
    assert parse_file(file_bytes(document), "a file") == document
    document[""] += "x"
    assert refusal(file_bytes(document)).reason is Reason.OVERSIZED


@pytest.mark.parametrize("document", [{"a": 1.5}, {"a": float("nan")}, {"a": "\ud800"}, {"\udfff": 1}, {"a": b""}])
def test_what_has_no_canonical_form_cannot_be_signed(document: Any) -> None:
    with pytest.raises(TrustError, match="no canonical form"):
        signed_bytes(document)


def test_lone_surrogates_in_a_file_are_refused_when_their_signature_is_checked() -> None:
    data = json.dumps({"a": "\ud800"}, indent=1).encode() + b"\n"
    with pytest.raises(TrustError, match=r"^a file: has no canonical form"):
        signed_bytes(parse_file(data, "a file"), "a file")


@pytest.mark.parametrize("key", ["\ud800", "\udfff\ud800", "unknown", "\0", "\x1b[2J\x1b[31m", "\u202e", "k" * 500_000])
def test_a_field_that_is_not_in_the_schema_is_refused_in_a_short_plain_line(key: str) -> None:
    with pytest.raises(TrustError, match=r"^a file: ") as caught:
        convert(parse_file(file_bytes({key: 1}), "a file"), Shape, "a file")
    assert caught.value.reason is Reason.MALFORMED
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


# They look like "ddos_lgbm", or are turned into it by a normal form or by a careless reader.
LOOKALIKES = [
    "ddo\u017f_lgbm",
    "\uff44dos_lgbm",
    "ddos\uff3flgbm",
    "ddo\u0455_lgbm",
    "dd\u006f\u0308s",
    "ddos_lgbm\n",
    "x\0",
]
NO_NUMBERS = ["01", "+1", "1_0", " 1", "1\n", "\u0661", "\uff11", "\xb9", "1.0", "1e0", "-0", "0", "", "9" * 5000]


@pytest.mark.parametrize(
    "models",
    [
        *({name: {"1": "x"}} for name in LOOKALIKES),
        *({"ddos_lgbm": {"1": name}} for name in LOOKALIKES),
        *({"ddos_lgbm": {number: "x"}} for number in NO_NUMBERS),
    ],
)
def test_what_looks_like_a_name_or_a_number_to_somebody_is_none(models: dict[str, dict[str, str]]) -> None:
    good = convert({"models": {"ddos_lgbm": {"1": "x"}}}, Shape, "a file")
    assert good == Shape({"ddos_lgbm": {1: "x"}})
    with pytest.raises(TrustError, match=r"^a file: .* at `(key` in )?`?\$\.models"):
        convert(parse_file(file_bytes({"models": models}), "a file"), Shape, "a file")


@given(texts)
def test_no_normal_form_is_applied_to_text(text: str) -> None:
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        other = unicodedata.normalize(form, text)
        assert (signed_bytes({"a": text}) == signed_bytes({"a": other})) is (text == other)
        assert (file_bytes({"a": text}) == file_bytes({"a": other})) is (text == other)
