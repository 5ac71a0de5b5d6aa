"""NetFlow in JSON, as pmacct and nfdump write it: what records become, what is passed over, and what is refused."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.addresses import address_texts, parse_address
from flows.batch import ABSENT, FlowBatch
from flows.formats import MAX_LINE, Decoded, make_decoder
from flows.formats.netflow import NetflowDecoder
from flows.formats.times import parse_time
from flows.formats.zeek_terms import ACK, FIN, PSH, RST, SYN
from tests.support.batches import same

# As pmacct 1.7.7 and nfdump 1.7.1 wrote them.
PMACCT: dict[str, object] = {
    "event_type": "purge",
    "peer_ip_src": "127.0.0.1",
    "ip_src": "147.32.80.37",
    "ip_dst": "147.32.80.40",
    "port_src": 902,
    "port_dst": 59658,
    "tcp_flags": "27",
    "ip_proto": "tcp",
    "tos": 0,
    "timestamp_start": "2026-10-07 18:58:31.250000",
    "timestamp_end": "2026-10-07 18:58:33.750000",
    "packets": 12,
    "bytes": 1444,
}
NFDUMP: dict[str, object] = {
    "type": "FLOW",
    "sampled": 0,
    "export_sysid": 1,
    "first": "2026-10-07T18:58:31.250",
    "last": "2026-10-07T18:58:33.750",
    "received": "1970-01-01T00:00:00.000",
    "in_packets": 12,
    "in_bytes": 1444,
    "proto": 6,
    "tcp_flags": "...AP.SF",
    "src_port": 902,
    "dst_port": 59658,
    "src_tos": 0,
    "src4_addr": "147.32.80.37",
    "dst4_addr": "147.32.80.40",
    "ip4_router": "127.0.0.1",
    "label": "<none>",
}
MARKERS = [
    b'{"event_type": "purge_init", "writer_id": "default_kafka/9988"}',
    b'{"event_type": "purge_close", "writer_id": "a/9988", "purged_entries": 29, "total_entries": 29, "duration": 0}',
]
NOT_ENDED = [
    "0.000000",
    "0000-00-00 00:00:00.000000",
    "0000-00-00T00:00:00.000000Z",
    "0000-00-00T00:00:00.000000+01:00",
]


def line(record: dict[str, object], **changes: object) -> bytes:
    changed = {**record, **changes}
    return json.dumps({name: value for name, value in changed.items() if value is not ...}).encode()


def pmacct(**changes: object) -> bytes:
    return line(PMACCT, **changes)


def nfdump(**changes: object) -> bytes:
    return line(NFDUMP, **changes)


def decode(*lines: bytes) -> Decoded:
    return make_decoder("netflow").decode(lines)


def one(raw: bytes) -> FlowBatch:
    decoded = decode(raw)
    assert decoded.dead == []
    assert len(decoded) == 1
    return decoded.batch


def reason(raw: bytes) -> str:
    decoded = decode(raw)
    assert len(decoded) == 0
    (letter,) = decoded.dead
    assert letter.raw == raw
    return letter.error


def check_that_nothing_is_told_of_the_way_back(batch: FlowBatch) -> None:
    for name in ("dst_packets", "dst_bytes", "src_payload", "dst_payload"):
        assert np.isnan(getattr(batch, name)).all(), name
    for name in ("dst_flags", "state", "service"):
        assert (getattr(batch, name) == ABSENT).all(), name


# What records become


@pytest.mark.parametrize("raw", [pmacct(), nfdump()], ids=["pmacct", "nfdump"])
def test_a_record(raw: bytes) -> None:
    batch = one(raw)
    assert batch.start.tolist() == [parse_time("2026-10-07 18:58:31.250")]
    assert batch.duration.tolist() == [2.5]
    assert address_texts(batch.src_addr) == ["147.32.80.37"]
    assert address_texts(batch.dst_addr) == ["147.32.80.40"]
    assert (batch.src_port[0], batch.dst_port[0], batch.protocol[0]) == (902, 59658, 6)
    assert (batch.src_packets[0], batch.src_bytes[0]) == (12, 1444)
    assert batch.src_flags.tolist() == [SYN | ACK | PSH | FIN]
    assert (batch.sensor_id[0], batch.flow_id[0]) == ("127.0.0.1", "")
    check_that_nothing_is_told_of_the_way_back(batch)


def test_both_exporters_in_one_stream_keep_their_order() -> None:
    decoded = decode(nfdump(src_port=1), MARKERS[0], pmacct(port_src=2), b"x", nfdump(src_port=3), *MARKERS, b"\n")
    assert decoded.batch.src_port.tolist() == [1, 2, 3]
    assert decoded.index.tolist() == [0, 2, 4]
    assert [letter.index for letter in decoded.dead] == [3]
    assert decoded.labels is None


def test_numbers_may_be_texts() -> None:
    numbers = ("port_src", "port_dst", "packets", "bytes")
    assert same(one(pmacct(**{name: str(PMACCT[name]) for name in numbers})), one(pmacct()))
    assert same(one(pmacct(tcp_flags=27, ip_proto=6)), one(pmacct()))
    assert same(one(nfdump(proto="6", tcp_flags="27")), one(nfdump()))


def test_an_object_over_many_lines_is_the_same_record() -> None:
    assert same(one(json.dumps(NFDUMP, indent="\t", separators=(",", " : ")).encode()), one(nfdump()))


@pytest.mark.parametrize("text", NOT_ENDED)
def test_a_flow_that_has_not_ended_has_no_duration(text: str) -> None:
    batch = one(pmacct(timestamp_end=text))
    assert np.isnan(batch.duration[0])
    assert not np.isnan(batch.start[0])


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1700000000.009999", 1700000000.009999), ("2023-11-14T22:13:20.009999Z", 1700000000.009999),
     ("2023-11-14T23:13:20.000000+01:00", 1700000000), ("2023-11-14 22:13:20", 1700000000)],
)  # fmt: skip
def test_pmacct_writes_times_in_four_ways(text: str, seconds: float) -> None:
    batch = one(pmacct(timestamp_start=text, timestamp_end=text))
    assert (batch.start[0], batch.duration[0]) == (seconds, 0)


def test_without_times_a_flow_has_none() -> None:
    for value in (..., None, "0.000000"):
        batch = one(pmacct(timestamp_start=value, timestamp_end=...))
        assert np.isnan([batch.start[0], batch.duration[0]]).all()


def test_what_is_not_told_is_absent_and_never_zero() -> None:
    names = ["port_src", "port_dst", "tcp_flags", "ip_proto", "packets", "bytes", "peer_ip_src", "event_type"]
    for value in (..., None):
        batch = one(pmacct(**dict.fromkeys(names, value)))
        assert np.isnan([batch.src_packets[0], batch.src_bytes[0]]).all()
        for name in ("src_port", "dst_port", "src_flags", "protocol"):
            assert getattr(batch, name).tolist() == [ABSENT], name
        assert batch.sensor_id.tolist() == [""]


def test_a_true_zero_stays_zero() -> None:
    batch = one(pmacct(packets=0, bytes=0, tcp_flags="0", port_src=0))
    assert (batch.src_packets[0], batch.src_bytes[0], batch.src_flags[0], batch.src_port[0]) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("text", "bits"),
    [("0", 0), ("2", SYN), ("20", RST | ACK), ("194", 0xC2), ("255", 255), ("4095", 0xFFF), ("........", 0),
     ("......S.", SYN), ("...A.R..", RST | ACK), ("CE....S.", 0xC2), ("CEUAPRSF", 255), (24, PSH | ACK)],
)  # fmt: skip
def test_flags_are_a_number_or_letters(text: str | int, bits: int) -> None:
    assert one(nfdump(tcp_flags=text)).src_flags.tolist() == [bits]
    assert one(nfdump(tcp_flags=text, proto=17)).src_flags.tolist() == [ABSENT]


def test_what_stands_for_ports_of_icmp_is_absent() -> None:
    of_nfdump = nfdump(proto=1, tcp_flags=..., src_port=..., dst_port=..., icmp_type=3, icmp_code=10)
    of_pmacct = pmacct(ip_proto="icmp", tcp_flags="0", port_src=0, port_dst=0)
    of_version_5 = pmacct(ip_proto="icmp", tcp_flags="0", port_src=0, port_dst=3 * 256 + 3)  # type and code
    of_version_6 = pmacct(ip_proto="ipv6-icmp", tcp_flags="0", port_src=0, port_dst=0)
    for raw, number in ((of_nfdump, 1), (of_pmacct, 1), (of_version_5, 1), (of_version_6, 58)):
        batch = one(raw)
        assert (batch.protocol[0], batch.src_port[0], batch.dst_port[0]) == (number, ABSENT, ABSENT)
        assert batch.src_flags.tolist() == [ABSENT]


@pytest.mark.parametrize(
    ("proto", "number"), [("udp", 17), ("gre", 47), ("IPcomp", 108), ("ax.25", 93), ("61", 61), (255, 255), ("0", 0)]
)
def test_protocols_are_names_or_numbers(proto: str | int, number: int) -> None:
    assert one(pmacct(ip_proto=proto)).protocol.tolist() == [number]


def test_ports_of_sctp_count_where_they_were_read() -> None:
    assert one(nfdump(proto=132, src_port=0, dst_port=36412)).src_port.tolist() == [ABSENT]
    assert one(nfdump(proto=132, src_port=0, dst_port=36412)).dst_port.tolist() == [36412]


def test_addresses_of_version_6() -> None:
    six = nfdump(src4_addr=..., dst4_addr=..., src6_addr="240e:f7::3", dst6_addr="2a01:4f8::8f5e", ip6_router="::1")
    assert address_texts(one(six).src_addr) == ["240e:f7::3"]
    assert address_texts(one(six).dst_addr) == ["2a01:4f8::8f5e"]
    assert address_texts(one(pmacct(ip_src="fe80::1%3", ip_dst="fe80::2")).src_addr) == ["fe80::1"]


def test_what_nfdump_merged_tells_of_both_ways() -> None:
    batch = one(nfdump(out_packets=3, out_bytes=279, aggr_flows=2))
    assert (batch.src_packets[0], batch.src_bytes[0]) == (12, 1444)
    assert (batch.dst_packets[0], batch.dst_bytes[0]) == (3, 279)
    assert (batch.dst_flags[0], batch.state[0]) == (ABSENT, ABSENT)
    check_that_nothing_is_told_of_the_way_back(one(nfdump(out_packets=0, out_bytes=0, aggr_flows=3)))


def test_packets_in_the_place_of_bytes_are_no_bytes() -> None:
    batch = one(nfdump(in_packets=7, in_bytes=7))
    assert batch.src_packets.tolist() == [7]
    assert np.isnan(batch.src_bytes[0])


def test_labels() -> None:
    decoded = decode(nfdump(label="DDoS"), nfdump(), pmacct(label="benign"), pmacct(), nfdump(label=""))
    assert decoded.labels is not None
    assert decoded.labels.tolist() == ["DDoS", "", "benign", "", ""]
    assert decode(nfdump(), pmacct(label="")).labels is None


# What is refused


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ip_src", 5), ("ip_src", "10.0.0"), ("ip_dst", "10.0.0.256"), ("ip_dst", "10.0.0.1/24"),
        ("port_src", 70000), ("port_src", "70000"), ("port_dst", -1), ("port_dst", "http"), ("port_dst", "8_0"),
        ("tcp_flags", "4096"), ("tcp_flags", "-1"), ("tcp_flags", "SA"), ("tcp_flags", "FSRPAUEC"), ("tcp_flags", 1.5),
        ("tcp_flags", "\u0662"), ("ip_proto", "tcp/ip"), ("ip_proto", "256"), ("ip_proto", -1), ("ip_proto", ""),
        ("packets", -1), ("packets", "1.5"), ("packets", ""), ("packets", True), ("packets", 2**53 + 1),
        ("bytes", "many"), ("bytes", [1]), ("bytes", 10**40), ("bytes", "9" * 5000), ("bytes", "nan"),
        ("peer_ip_src", 1), ("label", {}), ("event_type", "flow"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_is_a_dead_letter_naming_its_field(field: str, value: object) -> None:
    error = reason(pmacct(**{field: value}))
    names = {"ip_src": "source", "ip_dst": "destination", "ip_proto": "protocol"}
    assert field in error or names[field] in error
    assert len(error) <= 300


@pytest.mark.parametrize(
    "text", ["yesterday", "1969-12-31 23:59:59", "2026-02-31 00:00:00", "1700000000009", "nan", "1e9", "0000-01-01"]
)
def test_a_time_that_cannot_be_is_a_dead_letter(text: str) -> None:
    assert reason(pmacct(timestamp_start=text)).startswith("start: ")
    assert reason(nfdump(last=text)).startswith("end: ")
    assert "timestamp_start" in reason(pmacct(timestamp_start=1700000000))


def test_a_flow_that_ends_before_it_starts_is_a_dead_letter() -> None:
    assert "ends before" in reason(nfdump(last="2026-10-07T18:58:31.249"))


@pytest.mark.parametrize("name", ["src4_addr", "dst4_addr"])
def test_a_record_without_both_addresses_is_no_flow(name: str) -> None:
    for value in (..., None, ""):
        assert "both of its addresses" in reason(nfdump(**{name: value}))


def test_a_firewalls_event_is_not_taken_for_a_flow() -> None:
    assert "EVENT" in reason(nfdump(type="EVENT", event="CREATE"))


BROKEN = {
    "cut": nfdump()[:-20],
    "only a brace": b"{",
    "an empty object": b"{}",
    "an array": b"[" + nfdump() + b"]",
    "a piece of nfdump's array": b'\t"in_packets" : 1,',
    "a word": b"No matching flows",
    "NaN": nfdump().replace(b"1444", b"NaN"),
    "an infinity in a key that nobody reads": nfdump(sampled=5).replace(b"5,", b"Infinity,"),
    "no UTF-8": nfdump().replace(b"<none>", b"\xff"),
    "UTF-16": nfdump().decode().encode("utf-16"),
    "deep nesting": b'{"x":' + b"[" * 100_000,
    "an unescaped quotation mark": nfdump(label="x").replace(b'"x"', b'"a"b"'),
    "Suricata": b'{"timestamp":"2021-06-06T15:57:37.272281+0200","event_type":"flow","src_ip":"10.0.0.1"}',
    "canonical": b'{"src_addr":"10.0.0.1","dst_addr":"10.0.0.2"}',
}


@pytest.mark.parametrize("raw", BROKEN.values(), ids=BROKEN)
def test_a_broken_record_is_a_dead_letter_and_stops_nothing(raw: bytes) -> None:
    decoded = decode(nfdump(src_port=1), raw, pmacct(port_src=2))
    assert decoded.batch.src_port.tolist() == [1, 2]
    (letter,) = decoded.dead
    assert (letter.index, letter.raw) == (1, raw)
    assert letter.error


def test_a_line_that_is_too_long_is_refused_and_one_of_the_greatest_length_is_read() -> None:
    raw = pmacct()
    assert len(decode(raw + b" " * (MAX_LINE - len(raw)))) == 1
    assert "longer than" in reason(raw + b" " * (MAX_LINE - len(raw) + 1))


def test_of_a_key_that_stands_twice_the_last_counts() -> None:
    assert one(pmacct().replace(b'"packets": 12', b'"packets": 3, "packets": 4')).src_packets.tolist() == [4]


def test_recognises_only_these_two() -> None:
    for raw in (pmacct(), nfdump(), *MARKERS, nfdump(src4_addr=..., src6_addr="::1")):
        assert NetflowDecoder.recognises(raw)
    for raw in (b"", b"{}", BROKEN["Suricata"], BROKEN["canonical"], b"[" + nfdump(), b'{"id.orig_h":"10.0.0.1"}'):
        assert not NetflowDecoder.recognises(raw)


# Anything at all

IPS = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)
COUNTS = st.integers(0, 2**53)
PORTS = st.integers(0, 65535)
MOMENTS = st.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 29))


@given(IPS, IPS, PORTS, PORTS, COUNTS, COUNTS, MOMENTS, st.integers(0, 10**9), st.integers(0, 255), st.booleans())
def test_what_is_written_is_read(
    src: str, dst: str, src_port: int, dst_port: int, packets: int, octets: int, begin: datetime, milliseconds: int,
    flags: int, as_text: bool,
) -> None:  # fmt: skip
    end = min(begin + timedelta(milliseconds=milliseconds), datetime(9999, 12, 30))
    letters = "".join(letter if flags >> (7 - place) & 1 else "." for place, letter in enumerate("CEUAPRSF"))

    def number(value: int) -> int | str:
        return str(value) if as_text else value

    version = 6 if ":" in src else 4
    of_pmacct = pmacct(
        ip_src=src, ip_dst=dst, port_src=number(src_port), port_dst=number(dst_port), packets=number(packets),
        bytes=number(octets), tcp_flags=str(flags), timestamp_start=str(begin), timestamp_end=str(end),
    )  # fmt: skip
    of_nfdump = nfdump(
        **{"src4_addr": ..., "dst4_addr": ..., f"src{version}_addr": src, f"dst{version}_addr": dst},
        src_port=number(src_port), dst_port=number(dst_port), in_packets=number(packets), in_bytes=number(octets),
        tcp_flags=letters, first=begin.isoformat(), last=end.isoformat(),
    )  # fmt: skip
    batch = one(of_pmacct)
    assert same(batch, one(of_nfdump))
    assert batch.src_addr.tolist() == [list(parse_address(src))]
    assert batch.dst_addr.tolist() == [list(parse_address(dst))]
    assert (batch.src_port[0], batch.dst_port[0], batch.src_flags[0]) == (src_port, dst_port, flags)
    assert batch.src_packets.tolist() == [packets]
    assert octets == packets or batch.src_bytes.tolist() == [octets]
    assert batch.duration[0] == pytest.approx((end - begin).total_seconds(), abs=1e-4)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A real-looking record with a piece cut out or replaced."""
    raw = draw(st.sampled_from([pmacct(), nfdump(), nfdump(proto=1, tcp_flags=...), MARKERS[0]]))
    start = draw(st.integers(0, len(raw)))
    end = draw(st.integers(start, min(len(raw), start + 12)))
    junk = draw(st.one_of(st.binary(max_size=6), st.sampled_from([b"null", b'"', b"-1", b"1e999", b"NaN", b"{}"])))
    return raw[:start] + junk + raw[end:]


@settings(max_examples=200)
@given(st.lists(st.one_of(st.binary(max_size=40), mutated(), st.sampled_from(MARKERS)), max_size=10), st.integers(1, 5))
def test_every_line_is_accounted_for_once_however_the_stream_is_cut(lines: list[bytes], size: int) -> None:
    decoded = decode(*lines)
    flows, dead = decoded.index.tolist(), [letter.index for letter in decoded.dead]
    assert flows == sorted(flows)
    assert dead == sorted(dead)
    assert set(flows).isdisjoint(dead)
    for index in set(range(len(lines))) - {*flows, *dead}:
        assert not lines[index].strip() or b"purge_" in lines[index]
    assert all(letter.error and letter.raw == lines[letter.index] for letter in decoded.dead)
    pieces = [decode(*lines[at : at + size]) for at in range(0, len(lines), size)]
    assert same(FlowBatch.concatenate([piece.batch for piece in pieces]), decoded.batch)
    assert [letter.error for piece in pieces for letter in piece.dead] == [letter.error for letter in decoded.dead]
