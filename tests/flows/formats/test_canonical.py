"""Canonical flows: exact there and back, and strict about everything else."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.addresses import address_array
from flows.batch import ABSENT, SCHEMA, FlowBatch, Service, State
from flows.formats import MAX_LINE, Decoded, encode_canonical, make_decoder
from flows.formats.canonical import CanonicalFlow
from tests.support.batches import batches, same

FLOW = {
    "start": 1545403848.981338,
    "duration": 1.5,
    "src_addr": "192.168.1.195",
    "dst_addr": "2001:db8::1",
    "src_port": 41040,
    "dst_port": 80,
    "protocol": 6,
    "src_packets": 94,
    "dst_packets": 96.0,
    "src_bytes": 5525,
    "src_flags": 27,
    "state": "closed",
    "service": "http",
    "sensor_id": "tap-1",
    "flow_id": "C1",
}


def line(**changes: object) -> bytes:
    return json.dumps({name: value for name, value in (FLOW | changes).items() if value is not ...}).encode()


def decode(*lines: bytes) -> Decoded:
    return make_decoder("canonical").decode(lines)


def reason(bad: bytes) -> str:
    decoded = decode(line(flow_id="a"), bad, line(flow_id="b"))
    assert decoded.batch.flow_id.tolist() == ["a", "b"]
    (letter,) = decoded.dead
    assert (letter.index, letter.raw) == (1, bad)
    assert 0 < len(letter.error) <= 300
    return letter.error


def test_a_line_is_the_schema_in_its_order_and_a_label() -> None:
    assert CanonicalFlow.__struct_fields__ == (*(spec.name for spec in SCHEMA), "label")


def test_a_flow() -> None:
    decoded = decode(line())
    batch = decoded.batch
    assert batch.start.tolist() == [1545403848.981338]
    assert (batch.src_addr.tolist(), batch.dst_addr.tolist()) == (
        address_array(["192.168.1.195"]).tolist(),
        address_array(["2001:db8::1"]).tolist(),
    )
    assert (batch.src_port[0], batch.dst_port[0], batch.protocol[0], batch.src_flags[0]) == (41040, 80, 6, 27)
    assert (batch.src_packets[0], batch.dst_packets[0], batch.src_bytes[0]) == (94, 96, 5525)
    assert (batch.state[0], batch.service[0]) == (State.CLOSED, Service.HTTP)
    assert (batch.sensor_id[0], batch.flow_id[0]) == ("tap-1", "C1")
    assert decoded.labels is None
    assert decoded.dead == []


@pytest.mark.parametrize("absent", [..., None])
def test_what_is_left_out_or_null_is_absent(absent: object) -> None:
    batch = decode(line(**{name: absent for name in FLOW if not name.endswith("addr")})).batch
    expected = FlowBatch.from_columns(
        1, {"src_addr": address_array(["192.168.1.195"]), "dst_addr": address_array(["2001:db8::1"])}
    )
    assert same(batch, expected)
    assert json.loads(encode_canonical(batch)[0]) == {"src_addr": "192.168.1.195", "dst_addr": "2001:db8::1"}


def test_every_state_and_service_has_its_name() -> None:
    for state in State:
        assert decode(line(state=state.name.lower())).batch.state.tolist() == [state]
    for service in Service:
        assert decode(line(service=service.name.lower())).batch.service.tolist() == [service]


def test_labels_there_and_back() -> None:
    decoded = decode(line(label="C&C"), line(), line(label="Übel"))
    assert decoded.labels is not None
    assert decoded.labels.tolist() == ["C&C", "", "Übel"]
    again = decode(*encode_canonical(decoded.batch, decoded.labels))
    assert again.labels is not None
    assert again.labels.tolist() == decoded.labels.tolist()
    assert b"label" not in encode_canonical(decoded.batch, decoded.labels)[1]


def test_blank_lines_and_line_ends() -> None:
    decoded = decode(b"", b"\n", line() + b"\r\n", b"   ", b" " + line())
    assert (len(decoded), decoded.index.tolist(), decoded.dead) == (2, [2, 4], [])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("start", "1545403848"), ("start", -1), ("start", True), ("start", 1545403848981.0), ("duration", -0.1),
        ("src_addr", ...), ("dst_addr", None), ("src_addr", ""), ("src_addr", "10.0.0.256"), ("dst_addr", 167772161),
        ("src_port", 65536), ("src_port", -1), ("dst_port", "80"), ("dst_port", 80.5), ("protocol", 256),
        ("protocol", "tcp"), ("src_packets", -1), ("dst_packets", "3"), ("src_bytes", 10**30), ("src_flags", 4096),
        ("state", "CLOSED"), ("state", 3), ("state", "SF"), ("service", "ssl"), ("iat_mean", []), ("flow_id", 5),
        ("label", 1), ("dstport", 80), ("Start", 1.0),
    ],
)  # fmt: skip
def test_what_is_not_of_the_schema_is_a_dead_letter_naming_it(name: str, value: object) -> None:
    assert name in reason(line(**{name: value}))


@pytest.mark.parametrize(
    "bad",
    [
        b"{}",
        b"[]",
        b"null",
        b"1",
        b"# a comment",
        line() + line(),
        line()[:-1],
        line() + b"\n" + line(),
        line().replace(b"1.5", b"NaN"),
        line().replace(b"1.5", b"Infinity"),
        line().replace(b"1.5", b"1e999"),
        line().replace(b"1.5", b"9" * 5000),
        line().replace(b"41040", b"9" * 5000),
        line().replace(b"tap-1", b"\xff"),
        line().replace(b"tap-1", b"\\ud800"),
        line().replace(b"tap-1", b"\x00"),
        line().decode().encode("utf-16"),
        b"\xef\xbb\xbf" + line(),
        line().replace(b"1.5", b"[" * 100_000),
        b"[" * 200_000,
        b'{"' + b"x" * 10_000 + b'":1,' + line()[1:],
        b'{"x":' * 100_000,
    ],
)
def test_a_broken_line_is_a_dead_letter_and_stops_nothing(bad: bytes) -> None:
    reason(bad)


def test_an_oversized_line_is_a_dead_letter() -> None:
    assert "the line is longer than" in reason(line(flow_id="x" * MAX_LINE))
    assert len(decode(line() + b" " * (MAX_LINE - 1000))) == 1


@pytest.mark.parametrize(
    ("name", "value"), [("start", np.inf), ("iat_max", -np.inf), ("state", 6), ("state", -2), ("service", 14)]
)
def test_what_has_no_canonical_form_is_not_written(name: str, value: float) -> None:
    ends = {"src_addr": [[0, 1]], "dst_addr": [[0, 2]]}
    with pytest.raises(ValueError, match=name):
        encode_canonical(FlowBatch.from_columns(1, {**ends, name: [value]}))


def test_no_flows() -> None:
    assert encode_canonical(FlowBatch.empty()) == []
    assert len(decode()) == 0


@settings(max_examples=150)
@given(batches())
def test_decoding_what_was_encoded_gives_the_same_bits(batch: FlowBatch) -> None:
    decoded = decode(*encode_canonical(batch))
    assert decoded.dead == []
    assert same(decoded.batch, batch)
    assert decoded.index.tolist() == list(range(len(batch)))


@given(st.floats(0, 253_402_300_799.0))
def test_times_come_back_to_the_last_bit(start: float) -> None:
    batch = FlowBatch.from_columns(1, {"src_addr": [[0, 1]], "dst_addr": [[0, 2]], "start": [start]})
    assert decode(*encode_canonical(batch)).batch.start[0] == start


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A flow with a piece cut out or replaced."""
    text = line(label="C&C")
    start = draw(st.integers(0, len(text)))
    end = draw(st.integers(start, min(len(text), start + 12)))
    junk = draw(st.one_of(st.binary(max_size=6), st.sampled_from([b"null", b"-1", b'"', b"1e999", b"{", b"[[", b","])))
    return text[:start] + junk + text[end:]


@settings(max_examples=200)
@given(st.lists(st.one_of(st.binary(max_size=60), mutated(), st.just(line())), max_size=10))
def test_every_line_is_accounted_for_once(lines: list[bytes]) -> None:
    decoded = decode(*lines)
    flows, dead = decoded.index.tolist(), [letter.index for letter in decoded.dead]
    blank = [index for index, text in enumerate(lines) if not text or text.isspace()]
    assert sorted([*flows, *dead, *blank]) == list(range(len(lines)))
    assert flows == sorted(flows)
    assert dead == sorted(dead)
    assert same(decode(*encode_canonical(decoded.batch)).batch, decoded.batch)
    assert (decoded.batch.src_port >= ABSENT).all()
