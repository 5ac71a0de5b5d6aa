"""Broken Zeek lines: dead letters with their reasons, and no line lost or able to stop the stream."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.batch import FlowBatch
from flows.formats import MAX_LINE, make_decoder
from tests.support.batches import same
from tests.support.zeek import FIELDS, as_json, decode, header, reason, tsv


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("ts", "-"), ("ts", "nan"), ("ts", "inf"), ("ts", "-1.0"), ("ts", "1e300"), ("ts", "yesterday"), ("ts", ""),
        ("ts", "1517422326539.915"), ("ts", "1_0"), ("ts", " 1"), ("ts", "\u0661"),
        ("duration", "-0.5"), ("duration", "NaN"), ("duration", "1.2.3"),
        ("id.orig_h", "-"), ("id.orig_h", "10.0.0"), ("id.resp_h", ""), ("id.resp_h", "10.0.0.256"),
        ("id.orig_p", "70000"), ("id.resp_p", "-1"), ("id.resp_p", "80.0"), ("id.resp_p", "+80"), ("id.resp_p", "8_0"),
        ("proto", "TCP/IP"), ("proto", ""), ("conn_state", "XX"), ("conn_state", "sf"),
        ("orig_pkts", "-3"), ("resp_pkts", "1.5"), ("orig_ip_bytes", "1e3"), ("resp_ip_bytes", "9" * 5000),
        ("orig_bytes", "9007199254740993"), ("resp_bytes", "many"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_is_a_dead_letter_naming_its_field(field: str, text: str) -> None:
    error = reason(*header(), tsv(fields=FIELDS, **{field.replace(".", "__"): text}))
    assert error.startswith(field)
    assert len(error) <= 300


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ts", "1545403848.98"), ("ts", None), ("ts", ...), ("ts", -1), ("ts", True), ("ts", 10**30),
        ("ts", 1517422326539.915), ("duration", -0.5), ("id.orig_h", 5), ("id.orig_h", None), ("id.orig_h", ...),
        ("id.resp_h", ""), ("id.resp_h", "10.0.0.256"), ("id.orig_p", 70000), ("id.orig_p", "80"), ("id.resp_p", 80.5),
        ("id.resp_p", -1), ("proto", "sctp?"), ("conn_state", "XX"), ("orig_pkts", -3), ("resp_pkts", 1.5),
        ("orig_ip_bytes", "12"), ("resp_ip_bytes", 10**40), ("orig_bytes", [1]), ("uid", {}), ("history", 7),
    ],
)  # fmt: skip
def test_the_same_in_json(field: str, value: object) -> None:
    assert field in reason(as_json(**{field.replace(".", "__"): value}))


@pytest.mark.parametrize(
    "line",
    [
        b'{"ts":NaN}',
        b'{"ts":1e999}',
        b"{",
        b"{}",
        as_json()[:-20],
        as_json() + b"x",
        as_json().replace(b"tcp", b"\xff\xfe"),
        as_json().decode().encode("utf-16"),
        b'{"x":' + b"[" * 200_000,
        b"\xef\xbb\xbf" + as_json(),
        tsv().replace(b"http", b"\xff"),
        tsv()[:70],
        b"not a flow",
        b"\x00",
        b"\x1f\x8b\x08\x00",
        tsv() + b"\n" + tsv(),
    ],
)
def test_a_broken_line_is_a_dead_letter_and_stops_nothing(line: bytes) -> None:
    decoded = decode(*header(), tsv(uid="a"), line, tsv(uid="b"), as_json(uid="c"))
    assert decoded.batch.flow_id.tolist() == ["a", "b", "c"]
    (letter,) = decoded.dead
    assert (letter.index, letter.raw) == (9, line)
    assert letter.error


def test_an_oversized_line_is_a_dead_letter() -> None:
    for line in (b"x" * (MAX_LINE + 1), b"{" + b" " * MAX_LINE, b"#" * (MAX_LINE + 1)):
        assert "longer than" in reason(line)


def test_a_cut_row_is_never_taken_for_a_flow() -> None:
    row = tsv("Malicious", "PartOfAHorizontalPortScan")
    start_of_last_column = row.rindex(b"\t") + 1
    for cut in range(1, start_of_last_column):
        assert len(decode(*header("label", "detailedlabel"), row[:cut])) == 0


def test_the_first_fault_of_a_row_is_its_reason() -> None:
    assert reason(*header(), tsv(id__orig_p="70000", proto="x")).startswith("id.orig_p")


# Anything at all

LINES = st.one_of(
    st.binary(max_size=80),
    st.sampled_from([b"", b" ", b"\n", b"#", b"#fields", b"#fields\tts", b"#path\tdns", b"#path", b"{}", b"\t" * 20]),
    st.sampled_from([*header(), *header("label", "detailedlabel"), tsv(), tsv("Benign", "-"), as_json()]),
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A real-looking line with a piece cut out or replaced."""
    line = draw(st.sampled_from([tsv(), tsv("Malicious", "CC"), as_json(), header()[6]]))
    start = draw(st.integers(0, len(line)))
    end = draw(st.integers(start, min(len(line), start + 12)))
    junk = draw(
        st.one_of(st.binary(max_size=6), st.sampled_from([b"-", b"\t", b"   ", b'"', b"1e999", b"null", b"-1"]))
    )
    return line[:start] + junk + line[end:]


@settings(max_examples=200)
@given(st.lists(st.one_of(LINES, mutated()), max_size=12), st.integers(1, 5))
def test_every_line_is_accounted_for_once_however_the_stream_is_cut(lines: list[bytes], size: int) -> None:
    decoded = decode(*lines)
    flows, dead = decoded.index.tolist(), [letter.index for letter in decoded.dead]
    rest = [index for index, line in enumerate(lines) if not line or line.isspace() or line.startswith(b"#")]
    assert sorted([*flows, *dead, *rest]) == list(range(len(lines)))
    assert flows == sorted(flows)
    assert dead == sorted(dead)
    assert all(letter.error and letter.raw == lines[letter.index] for letter in decoded.dead)
    decoder = make_decoder("zeek")
    pieces = [decoder.decode(lines[at : at + size]) for at in range(0, len(lines), size)]
    assert same(FlowBatch.concatenate([piece.batch for piece in pieces]), decoded.batch)
    assert [letter.error for piece in pieces for letter in piece.dead] == [letter.error for letter in decoded.dead]
