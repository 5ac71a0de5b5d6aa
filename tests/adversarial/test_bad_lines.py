"""Lines that no exporter should write: in every format a defined answer, a dead letter with its reason or a flow.

What holds for all formats is held here for all; what is a format's own is in ``tests/flows/formats``.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import product
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.addresses import address_texts
from flows.batch import FlowBatch
from flows.formats import FORMATS, MAX_LINE, Decoded, make_decoder, sniff
from tests.support.batches import same
from tests.support.contract import check_blanks, check_decoded
from tests.support.samples import SAMPLES, START, Sample, Token

JSON: Final = [sample for sample in SAMPLES if sample.is_json]
TEXT: Final = [sample for sample in SAMPLES if not sample.is_json]
YEAR_1900, YEAR_9999 = -2_208_988_800.0, 253_402_300_000.0

# Values that are no number of any kind, in JSON and in columns of text.
NO_NUMBERS: Final = ["NaN", "Infinity", "-Infinity", "-1", "1e999", "1" + "0" * 400, "9" * 5000]
JSON_ONLY: Final = ["true", "false", "[]", "{}", "[1]", '{"x": 1}', '"NaN"', '"inf"', '"1e999"', '"\\ud800"']
TEXT_ONLY: Final = ["nan", "inf", "-inf", "1_000", "True", "one", "\u0661", "1;2", "0x"]
NO_PORTS: Final = ["70000", "65536", "80x", "8 0", "1.5"]
NO_TIMES: Final = ["1e18", "1545403848981", "yesterday", "1900-01-01T00:00:00", "10000-01-01T00:00:00",
                   "2018-02-31T00:00:00", "2018-01-01T25:00:00"]  # fmt: skip
NO_ADDRESSES: Final = ["10.0.0", "10.0.0.256", "10.0.0.1/8", "host.example", "fe80::1::2", "fe80::1%" + "x" * 100, "%"]


def decode(sample: Sample, *lines: bytes) -> Decoded:
    """Decode lines after the sample's header; positions are those among the lines alone."""
    decoder = make_decoder(sample.format)
    assert len(decoder.decode(sample.header)) == 0
    decoded = decoder.decode(lines)
    check_decoded(lines, decoded)
    check_blanks(lines, decoded)
    return decoded


def reason(sample: Sample, line: bytes) -> str:
    """Why a line is a dead letter: the only one between two good lines, which it leaves alone."""
    decoded = decode(sample, sample.line(), line, sample.line())
    assert decoded.index.tolist() == [0, 2]
    (letter,) = decoded.dead
    return letter.error


def says(error: str, *names: str) -> bool:
    """Whether a reason names the value, or says that the line is no JSON at all."""
    return any(name in error for name in (*names, "JSON", "truncated"))


def spoilt(sample: Sample, role: str, text: str) -> bytes:
    """The sample with another value for a role; in JSON a bare word is put in as it stands, a quoted one is a text."""
    if sample.is_json:
        return sample.line(**{role: Token(text)})
    return sample.line(**{role: text})


def cases(samples: Sequence[Sample], roles: tuple[str, ...], *texts: str) -> list[Any]:
    """Each sample that has a role, with each text for it."""
    return [
        pytest.param(sample, role, text, id=f"{sample.name}-{role}-{text[:12]!a}")
        for sample, role, text in product(samples, roles, texts)
        if role in sample.roles
    ]


def quoted(*texts: str) -> list[str]:
    return [f'"{text}"' for text in texts]


def samples(*which: Sample) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("sample", which, ids=lambda sample: sample.name)


every_sample = samples(*SAMPLES)


def test_every_format_has_a_sample() -> None:
    assert {sample.format for sample in SAMPLES} == set(FORMATS)


@every_sample
def test_a_sample_is_one_flow_that_only_its_own_format_recognises(sample: Sample) -> None:
    decoded = decode(sample, sample.line())
    assert len(decoded) == 1
    assert not decoded.dead
    assert sniff([sample.line()]) == sample.format
    if "start" in sample.roles:
        assert decoded.batch.start.tolist() == [START]
    others = [name for name in FORMATS if name != sample.format and make_decoder(name).recognises(sample.line())]
    assert others == []


# Values


NUMBERS: Final = ("packets", "bytes", "duration")


@pytest.mark.parametrize(
    ("sample", "role", "text"),
    [
        *cases(SAMPLES, (*NUMBERS, "src_port", "dst_port"), *NO_NUMBERS),
        *cases(JSON, (*NUMBERS, "src_port", "dst_port"), *JSON_ONLY, *quoted("-1")),
        *cases(TEXT, (*NUMBERS, "src_port", "dst_port"), *TEXT_ONLY),
        *cases(TEXT, ("src_port", "dst_port"), *NO_PORTS),
        *cases(JSON, ("src_port", "dst_port"), *NO_PORTS, *quoted(*NO_PORTS)),
    ],
)
def test_what_is_no_number_no_count_and_no_port_is_a_dead_letter(sample: Sample, role: str, text: str) -> None:
    error = reason(sample, spoilt(sample, role, text))
    assert says(error, sample.roles[role].replace("/", ".").strip(), role)


@pytest.mark.parametrize(
    ("sample", "role", "text"),
    [
        *cases(SAMPLES, ("start", "end"), *NO_NUMBERS),
        *cases(JSON, ("start", "end"), *JSON_ONLY, *NO_TIMES[:2], *quoted(*NO_TIMES)),
        *cases(TEXT, ("start", "end"), *TEXT_ONLY, *NO_TIMES),
    ],
)
def test_what_is_no_time_is_a_dead_letter(sample: Sample, role: str, text: str) -> None:
    error = reason(sample, spoilt(sample, role, text))
    assert says(error, sample.roles[role].replace("/", ".").strip(), role)


@pytest.mark.parametrize(
    ("sample", "role", "text"),
    [
        *cases(JSON, ("src_addr", "dst_addr"), *quoted(*NO_ADDRESSES), "5", "true", "[]", '"\\udc00"'),
        *cases(TEXT, ("src_addr", "dst_addr"), *NO_ADDRESSES),
    ],
)
def test_what_is_no_address_is_a_dead_letter(sample: Sample, role: str, text: str) -> None:
    reason(sample, spoilt(sample, role, text))


@every_sample
def test_a_flow_that_ends_before_it_starts_is_a_dead_letter(sample: Sample) -> None:
    if "end" in sample.roles:
        assert "before" in reason(sample, sample.line(end=sample.time(START - 60)))
    else:
        reason(sample, sample.line(duration=-0.5))


@samples(*[sample for sample in SAMPLES if "start" in sample.roles])
def test_a_time_before_1970_is_a_dead_letter_and_one_in_9999_a_flow(sample: Sample) -> None:
    reason(sample, sample.line(start=sample.time(YEAR_1900)))
    ends = {"end": sample.time(YEAR_9999 + 1)} if "end" in sample.roles else {}
    decoded = decode(sample, sample.line(start=sample.time(YEAR_9999), **ends))
    assert decoded.batch.start.tolist() == [YEAR_9999]


@samples(*[sample for sample in SAMPLES if "src_addr" in sample.roles])
def test_a_zone_is_dropped_from_an_ipv6_address(sample: Sample) -> None:
    decoded = decode(sample, sample.line(src_addr="fe80::1%eth0", dst_addr="fe80::2%25"))
    batch = decoded.batch
    assert [*address_texts(batch.src_addr), *address_texts(batch.dst_addr)] == ["fe80::1", "fe80::2"]


@every_sample
def test_flows_of_one_id_are_all_flows(sample: Sample) -> None:
    decoded = decode(sample, *[sample.line()] * 3)
    assert len(decoded) == 3
    assert not decoded.dead
    assert len(set(decoded.batch.flow_id)) == 1


@samples(*[sample for sample in SAMPLES if isinstance(sample.record.get(sample.roles.get("id", "")), str)])
def test_an_id_too_long_for_a_verdict_is_a_dead_letter(sample: Sample) -> None:
    assert len(decode(sample, sample.line(id="x" * 1024))) == 1
    assert "longer than 1024" in reason(sample, sample.line(id="x" * 1025))


# Lines


@every_sample
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_a_line_s_end_is_no_part_of_it(sample: Sample, end: bytes) -> None:
    bare = decode(sample, sample.line())
    decoder = make_decoder(sample.format)
    ended = decoder.decode([line + end for line in (*sample.header, sample.line())])
    assert not ended.dead
    assert same(ended.batch, bare.batch)
    if bare.labels is not None and ended.labels is not None:
        assert ended.labels.tolist() == bare.labels.tolist()


@every_sample
def test_blank_lines_are_nothing(sample: Sample) -> None:
    decoded = decode(sample, b"", sample.line(), b"\n", b"\r\n", b"  ", b"\t\t", b"\x0b\x0c", sample.line())
    assert decoded.index.tolist() == [1, 7]
    assert not decoded.dead


@every_sample
@pytest.mark.parametrize("start", [b"", b"{", b"#", b"\t" * 8, b","])
def test_an_oversized_line_is_a_dead_letter(sample: Sample, start: bytes) -> None:
    assert "longer than" in reason(sample, start + b"x" * MAX_LINE + b"}")
    assert "longer than" in reason(sample, sample.line() + b" " * MAX_LINE)


@every_sample
@pytest.mark.parametrize("unit", [b"[", b'{"a":', b'{"flow":', b"[{", b'"', b"\\", b'"\\u', b",", b"\t", b"-", b"9"])
def test_deep_nesting_and_endless_repeats_are_dead_letters_at_once(sample: Sample, unit: bytes) -> None:
    lines = [unit * 100_000, b'{"x":' + unit * 100_000, sample.line()[:-1] + b',"x":' + unit * 100_000]
    started = time.monotonic()
    decoded = decode(sample, *lines, sample.line())
    assert time.monotonic() - started < 2.0
    assert decoded.index.tolist()[-1:] == [3]
    if sample.is_json:
        assert [letter.index for letter in decoded.dead] == [0, 1, 2][unit.isspace() :]


@samples(*JSON)
def test_balanced_nesting_in_a_key_that_nobody_reads_is_a_dead_letter_too(sample: Sample) -> None:
    nested = b"[" * 100_000 + b"]" * 100_000
    assert says(reason(sample, sample.line()[:-1] + b', "x": ' + nested + b"}"), "nested too deeply", "unknown field")


@samples(*JSON)
def test_of_a_key_that_stands_twice_the_last_counts(sample: Sample) -> None:
    name = sample.roles["dst_port"].encode()
    decoded = decode(sample, sample.line()[:-1] + b', "' + name + b'": 4711}')
    assert decoded.batch.dst_port.tolist() == [4711]
    assert sample.roles["dst_port"] in reason(sample, sample.line()[:-1] + b', "' + name + b'": 70000}')


@samples(*JSON)
@pytest.mark.parametrize("line", [b"[]", b"{}", b"null", b"1", b'"x"', b"[1,2]", b"{", b"}", b"nul", b"NaN"])
def test_other_json_is_a_dead_letter(sample: Sample, line: bytes) -> None:
    reason(sample, line)


@every_sample
def test_other_encodings_never_pass_for_a_flow_of_other_values(sample: Sample) -> None:
    text = sample.line().decode()
    for line in (text.encode("utf-16"), text.encode("utf-16-le"), text.encode("utf-32"), b"\x00" + text.encode()):
        reason(sample, line)
    reason(sample, text.encode("utf-16")[2:-7])


@every_sample
@pytest.mark.parametrize("junk", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\x00", b"\xe9", b"\x1b[2J"])
def test_bytes_that_are_no_text_of_a_value_are_a_dead_letter(sample: Sample, junk: bytes) -> None:
    for role in ("start", "dst_port", "packets"):
        if role in sample.roles:
            value = str(sample.record[sample.roles[role]]).encode()
            reason(sample, sample.line().replace(value, value + junk, 1))


@every_sample
def test_a_reason_holds_nothing_that_a_terminal_would_obey(sample: Sample) -> None:
    hostile = "\\u001b[2J\\u0007\\u202e" if sample.is_json else "\x1b[2J\x07\u202e"
    lines = [
        spoilt(sample, role, f'"{hostile}"' if sample.is_json else hostile)
        for role in ("start", "src_addr", "src_port", "packets")
        if role in sample.roles
    ]
    lines += [sample.line()[:-1] + f', "{hostile}": 1}}'.encode(), hostile.encode()]
    decode(sample, *lines)  # the contract has a reason printable


@pytest.mark.parametrize(("sample", "other"), [(a, b) for a, b in product(SAMPLES, SAMPLES) if a.format != b.format])
def test_lines_of_another_format_are_dead_letters(sample: Sample, other: Sample) -> None:
    decoded = decode(sample, sample.line(), other.line(), *other.header, sample.line())
    assert decoded.index.tolist() == [0, len(other.header) + 2]
    assert 1 in [letter.index for letter in decoded.dead]


# Anything at all

ANYTHING: Final = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([b"", b" ", b"\n", b"#", b"#fields", b"{}", b"[]", b"null", b",", b"\t" * 20, b"," * 90, b"{"]),
)
RECORDS: Final = [record for sample in SAMPLES for record in (*sample.header, sample.line())]
JUNK: Final = st.one_of(
    st.binary(max_size=4),
    st.sampled_from([b"-", b"\t", b",", b'"', b"1e999", b"null", b"-1", b"\\u0000", b"\xff", b"\x00", b"0", b"NaN"]),
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A record with a byte flipped, a piece lost, replaced or doubled, or spliced with another format's."""
    line = draw(st.sampled_from(RECORDS))
    start = draw(st.integers(0, len(line)))
    end = draw(st.integers(start, min(len(line), start + 12)))
    how = draw(st.sampled_from(["flip", "junk", "cut", "double", "splice"]))
    if how == "flip" and start < len(line):
        return line[:start] + bytes([line[start] ^ 1 << draw(st.integers(0, 7))]) + line[start + 1 :]
    if how == "junk":
        return line[:start] + draw(JUNK) + line[end:]
    if how == "cut":
        return line[:start]
    if how == "double":
        return line[:end] + line[start:]
    other = draw(st.sampled_from(RECORDS))
    return line[:start] + other[draw(st.integers(0, len(other))) :]


@settings(max_examples=150)
@pytest.mark.parametrize("name", FORMATS)
@given(lines=st.lists(st.one_of(ANYTHING, st.sampled_from(RECORDS), mutated()), max_size=10), size=st.integers(1, 4))
def test_whatever_is_decoded_keeps_the_contract_however_it_is_cut(name: str, lines: list[bytes], size: int) -> None:
    decoded = make_decoder(name).decode(lines)
    check_decoded(lines, decoded)
    check_blanks(lines, decoded)
    decoder = make_decoder(name)
    pieces = [decoder.decode(lines[at : at + size]) for at in range(0, len(lines), size)]
    assert same(FlowBatch.concatenate([piece.batch for piece in pieces]), decoded.batch)
    assert [letter.error for piece in pieces for letter in piece.dead] == [letter.error for letter in decoded.dead]


@settings(max_examples=50)
@every_sample
@given(data=st.data())
def test_a_line_cut_off_is_never_a_flow_of_other_addresses(sample: Sample, data: st.DataObject) -> None:
    line = sample.line()
    cut = decode(sample, line[: data.draw(st.integers(0, len(line) - 1))])
    whole = decode(sample, line)
    for name in ("src_addr", "dst_addr", "start"):
        if len(cut):
            assert np.array_equal(getattr(cut.batch, name), getattr(whole.batch, name), equal_nan=name == "start")
