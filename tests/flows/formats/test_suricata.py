"""Suricata's EVE log: what its flow events become, what is passed over, and what is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.addresses import address_texts, parse_address
from flows.batch import ABSENT, FlowBatch, Service, State
from flows.formats import MAX_LINE, Decoded, make_decoder
from flows.formats.suricata import SuricataDecoder
from flows.formats.times import parse_time
from flows.formats.zeek_terms import ACK, FIN, PSH, RST, SYN
from tests.support.batches import same

FLOW: dict[str, object] = {
    "pkts_toserver": 22,
    "pkts_toclient": 12,
    "bytes_toserver": 3724,
    "bytes_toclient": 888,
    "start": "2021-06-06T17:41:54.276768+0200",
    "end": "2021-06-06T17:43:28.321620+0200",
    "age": 94,
    "state": "established",
    "reason": "timeout",
    "alerted": False,
}
TCP: dict[str, object] = {"tcp_flags": "1b", "tcp_flags_ts": "1b", "tcp_flags_tc": "12", "syn": True, "state": "closed"}
EVENT: dict[str, object] = {
    "timestamp": "2021-06-06T15:57:37.272281+0200",
    "flow_id": 1300129227356448,
    "event_type": "flow",
    "src_ip": "182.237.17.202",
    "src_port": 59502,
    "dest_ip": "192.168.1.129",
    "dest_port": 80,
    "proto": "TCP",
    "app_proto": "http",
    "flow": FLOW,
    "tcp": TCP,
    "host": "stratosphere.org",
}
ALERT = json.dumps({**EVENT, "event_type": "alert", "flow": {"start": 5}, "tcp": None, "src_port": 70000}).encode()
STATS = b'{"timestamp":"2021-06-06T15:57:37.272281+0200","event_type":"stats","stats":{"uptime":8}}'


def eve(**changes: object) -> bytes:
    """The usual event with changes; those of ``flow__x`` and ``tcp__x`` are inside. ``...`` leaves a key out."""
    record = {**EVENT, "flow": dict(FLOW), "tcp": dict(TCP)}
    for name, value in changes.items():
        outer, _, inner = name.partition("__")
        place = record[outer] if inner else record
        assert isinstance(place, dict)
        if value is ...:
            del place[inner or outer]
        else:
            place[inner or outer] = value
    return json.dumps(record).encode()


def decode(*lines: bytes) -> Decoded:
    return make_decoder("suricata").decode(lines)


def one(**changes: object) -> FlowBatch:
    decoded = decode(eve(**changes))
    assert decoded.dead == []
    assert len(decoded) == 1
    return decoded.batch


def reason(line: bytes) -> str:
    decoded = decode(line)
    assert len(decoded) == 0
    (letter,) = decoded.dead
    assert letter.raw == line
    return letter.error


# What events become


def test_a_flow_event() -> None:
    batch = one()
    assert batch.start.tolist() == [datetime(2021, 6, 6, 15, 41, 54, 276768, tzinfo=UTC).timestamp()]
    assert batch.duration.tolist() == [94.044852]
    assert address_texts(batch.src_addr) == ["182.237.17.202"]
    assert address_texts(batch.dst_addr) == ["192.168.1.129"]
    assert (batch.src_port[0], batch.dst_port[0], batch.protocol[0]) == (59502, 80, 6)
    assert (batch.src_packets[0], batch.dst_packets[0]) == (22, 12)
    assert (batch.src_bytes[0], batch.dst_bytes[0]) == (3724 - 22 * 14, 888 - 12 * 14)
    assert batch.src_flags[0] == SYN | ACK | PSH | FIN
    assert batch.dst_flags[0] == SYN | ACK
    assert (batch.state[0], batch.service[0]) == (State.ESTABLISHED, Service.HTTP)
    assert (batch.flow_id[0], batch.sensor_id[0]) == ("1300129227356448", "stratosphere.org")
    assert np.isnan(batch.src_payload[0])
    assert np.isnan(batch.iat_mean[0])


def test_other_events_are_neither_flows_nor_dead_letters() -> None:
    decoded = decode(ALERT, eve(flow_id=1), STATS, b"", b"{", eve(flow_id=2), ALERT)
    assert decoded.batch.flow_id.tolist() == ["1", "2"]
    assert decoded.index.tolist() == [1, 5]
    assert [letter.index for letter in decoded.dead] == [4]
    assert decoded.labels is None


def test_what_suricata_left_out_is_absent() -> None:
    names = ["tcp", "src_port", "dest_port", "app_proto", "flow_id", "host", "flow__end"]
    for value in (..., None):
        batch = one(**dict.fromkeys(names, value))
        assert np.isnan(batch.duration[0])
        for name in ("src_port", "dst_port", "src_flags", "dst_flags", "state"):
            assert getattr(batch, name).tolist() == [ABSENT], name
        assert (batch.flow_id[0], batch.sensor_id[0]) == ("", "")


@pytest.mark.parametrize(
    ("proto", "number"),
    [("TCP", 6), ("udp", 17), ("ICMP", 1), ("IPv6-ICMP", 58), ("SCTP", 132), ("GRE", 47), ("IP-in-IP", 4), ("088", 88),
     ("255", 255), ("Any", ABSENT)],
)  # fmt: skip
def test_protocols_are_names_or_numbers(proto: str, number: int) -> None:
    batch = one(proto=proto)
    assert batch.protocol.tolist() == [number]
    assert (batch.src_port[0] == 59502) == (number in {6, 17, 132})
    assert (batch.src_flags[0] != ABSENT) == (number == 6)


def test_addresses_of_version_6_lose_their_zone() -> None:
    batch = one(src_ip="fe80::1%eth0", dest_ip="2001:db8::2")
    assert address_texts(batch.src_addr) == ["fe80::1"]
    assert address_texts(batch.dst_addr) == ["2001:db8::2"]


@pytest.mark.parametrize(
    ("text", "service"),
    [("http", Service.HTTP), ("http2", Service.HTTP), ("tls", Service.TLS), ("quic", Service.TLS), ("dns", Service.DNS),
     ("doh2", Service.DNS), ("ftp-data", Service.FTP), ("krb5", Service.OTHER), ("failed", Service.UNRECOGNISED),
     ("unknown", Service.UNRECOGNISED), (None, Service.UNRECOGNISED), ("", Service.UNRECOGNISED)],
)  # fmt: skip
def test_services_are_zeeks(text: str | None, service: Service) -> None:
    assert one(app_proto=text).service.tolist() == [service]


def test_a_protocol_that_went_over_to_tls_is_told_by_its_first_name() -> None:
    assert one(app_proto="tls", app_proto_orig="smtp").service.tolist() == [Service.SMTP]


@pytest.mark.parametrize(
    ("to_server", "to_client", "state"),
    [
        (SYN, 0, State.ATTEMPT), (SYN, RST | ACK, State.REJECTED), (0xC2, RST | ACK, State.REJECTED),
        (SYN | ACK | FIN, SYN | ACK | FIN, State.CLOSED), (0, SYN | ACK, State.OTHER),
    ],
)  # fmt: skip
def test_the_state_is_told_by_the_flags(to_server: int, to_client: int, state: State) -> None:
    answered = 2 if to_client else 0
    spoken = 2 if to_server else 0
    batch = one(tcp__tcp_flags_ts=f"{to_server:02x}", tcp__tcp_flags_tc=f"{to_client:02X}",
                flow__pkts_toserver=spoken, flow__pkts_toclient=answered)  # fmt: skip
    assert (batch.src_flags[0], batch.dst_flags[0]) == (to_server, to_client)
    assert batch.state.tolist() == [state]


def test_flags_of_packets_that_were_not_followed_are_absent() -> None:
    unfollowed = {"tcp_flags": "00", "tcp_flags_ts": "00", "tcp_flags_tc": "00"}  # as Suricata writes it, without state
    batch = one(tcp=unfollowed)
    assert (batch.src_flags[0], batch.dst_flags[0], batch.state[0]) == (ABSENT, ABSENT, State.OTHER)
    batch = one(tcp=unfollowed, flow__pkts_toclient=0)
    assert (batch.src_flags[0], batch.dst_flags[0], batch.state[0]) == (ABSENT, 0, State.OTHER)


@pytest.mark.parametrize(
    ("proto", "packets", "state"),
    [("UDP", (1, 1), State.ESTABLISHED), ("UDP", (3, 0), State.ATTEMPT), ("UDP", (0, 3), State.OTHER),
     ("ICMP", (1, 1), State.OTHER), ("ICMP", (1, 0), State.OTHER)],
)  # fmt: skip
def test_without_connections_the_state_is_zeeks_too(proto: str, packets: tuple[int, int], state: State) -> None:
    batch = one(proto=proto, tcp=..., flow__pkts_toserver=packets[0], flow__pkts_toclient=packets[1])
    assert batch.state.tolist() == [state]


def test_more_headers_than_bytes_is_no_negative_size() -> None:
    assert one(flow__bytes_toserver=100).src_bytes.tolist() == [0]


@pytest.mark.parametrize("zone", ["+0200", "-0930", "+0000", "Z", "+02:00", ""])
def test_times_of_any_zone(zone: str) -> None:
    begin, end = "2004-01-10T13:37:04.123456" + zone, "2004-01-10T13:37:05.123457" + zone
    batch = one(flow__start=begin, flow__end=end)
    assert batch.start.tolist() == [parse_time(begin)]
    assert batch.duration.tolist() == [1.000001]


def test_summer_and_winter_in_one_batch() -> None:
    texts = ["2021-03-28T01:59:59.999999+0100", "2021-03-28T03:00:00.000000+0200"]
    batch = decode(*(eve(flow__start=text, flow__end=text) for text in texts)).batch
    assert batch.start.tolist() == [parse_time(text) for text in texts]
    assert batch.duration.tolist() == [0, 0]


# What is refused


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("timestamp", ...), ("event_type", 5), ("event_type", ...), ("src_ip", ...), ("src_ip", "10.0.0.256"),
        ("dest_ip", ""), ("dest_ip", None), ("proto", "TCP/IP"), ("proto", 6), ("proto", "256"), ("proto", ""),
        ("src_port", 70000), ("src_port", -1), ("dest_port", "80"), ("dest_port", 80.5), ("app_proto", 5),
        ("flow_id", "x"), ("flow_id", -1), ("flow_id", 2**63), ("host", {}),
        ("flow", ...), ("flow", []), ("flow__start", ...), ("flow__start", "-"), ("flow__start", "yesterday"),
        ("flow__start", 1622865525.5), ("flow__start", "1969-12-31T23:59:59.000000+0000"),
        ("flow__start", "1970-01-01T00:30:00.000000+0100"), ("flow__start", "9999-12-31T23:59:59.000000-0100"),
        ("flow__start", "2021-02-31T00:00:00.000000+0200"), ("flow__start", "2021-06-06T17:41:54.276768+9999"),
        ("flow__end", "2021-06-06T17:41:54.276767+0200"), ("flow__end", "never"),
        ("flow__pkts_toserver", -1), ("flow__pkts_toclient", 1.5), ("flow__pkts_toclient", ...),
        ("flow__bytes_toserver", 2**53 + 1), ("flow__bytes_toclient", 10**30), ("flow__bytes_toclient", "12"),
        ("tcp", []), ("tcp__tcp_flags_ts", "1g"), ("tcp__tcp_flags_tc", 2), ("tcp__tcp_flags_tc", "0x12"),
        ("tcp__tcp_flags_ts", "1000"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_is_a_dead_letter_naming_its_field(field: str, value: object) -> None:
    error = reason(eve(**{field: value}))
    assert field.split("__")[-1] in error
    assert len(error) <= 300


BROKEN = {
    "cut": eve()[:-20],
    "only a brace": b"{",
    "an empty object": b"{}",
    "an array": b"[]",
    "null": b"null",
    "a word": b"flow",
    "something after it": eve() + b"x",
    "NaN": eve().replace(b"22,", b"NaN,"),
    "an infinity in a key that nobody reads": eve().replace(b"94,", b"-Infinity,"),
    "a number beyond floats": eve().replace(b"22,", b"1e999,"),
    "a number of many digits": eve().replace(b"22,", b"9" * 5000 + b","),
    "no UTF-8": eve().replace(b"stratosphere", b"\xff\xfe"),
    "UTF-16": eve().decode().encode("utf-16"),
    "deep nesting": eve().replace(b"false", b"[" * 100_000 + b"]" * 100_000),
    "pmacct": b'{"event_type":"purge","ip_src":"10.0.0.1","ip_dst":"10.0.0.2","timestamp_start":"2021-06-06 00:00:00"}',
    "canonical": b'{"src_addr":"10.0.0.1","dst_addr":"10.0.0.2"}',
}


@pytest.mark.parametrize("line", BROKEN.values(), ids=BROKEN)
def test_a_broken_line_is_a_dead_letter_and_stops_nothing(line: bytes) -> None:
    decoded = decode(eve(flow_id=1), line, eve(flow_id=2))
    assert decoded.batch.flow_id.tolist() == ["1", "2"]
    (letter,) = decoded.dead
    assert (letter.index, letter.raw) == (1, line)
    assert letter.error


def test_a_line_that_is_too_long_is_refused_and_one_of_the_greatest_length_is_read() -> None:
    line = eve()
    assert len(decode(line + b" " * (MAX_LINE - len(line)))) == 1
    assert "longer than" in reason(line + b" " * (MAX_LINE - len(line) + 1))


def test_of_a_key_that_stands_twice_the_last_counts() -> None:
    line = eve().replace(b'"src_port": 59502', b'"src_port": 7, "src_port": 1')
    assert decode(line).batch.src_port.tolist() == [1]


def test_what_is_in_keys_that_nobody_reads_is_not_looked_at() -> None:
    line = eve().replace(b'"timeout"', b'"\xff"')
    assert len(decode(line)) == 1


def test_recognises_only_eve() -> None:
    for line in (eve(), ALERT, STATS):
        assert SuricataDecoder.recognises(line)
    for line in (b"", b"{}", b'{"event_type": "purge", "timestamp_start": "x"}', b'{"ts":1,"id.orig_h":"10.0.0.1"}',
                 b'{"src_addr":"10.0.0.1","dst_addr":"10.0.0.2"}', b" " + eve(), b"\x1f\x8b"):  # fmt: skip
        assert not SuricataDecoder.recognises(line)


# Anything at all

IPS = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)
COUNTS = st.integers(0, 2**53)
PORTS = st.none() | st.integers(0, 65535)
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
# Not the last days of the year 9999, which another zone has no name for.
MOMENTS = st.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 29), timezones=ZONES)


@given(IPS, IPS, PORTS, PORTS, COUNTS, COUNTS, MOMENTS, st.integers(0, 10**12), st.integers(0, 255))
def test_what_is_written_is_read(
    src: str, dst: str, src_port: int | None, dst_port: int | None, packets: int, octets: int, begin: datetime,
    microseconds: int, flags: int,
) -> None:  # fmt: skip
    end = min(begin + timedelta(microseconds=microseconds), begin.replace(year=9999, month=12, day=30))
    batch = one(
        src_ip=src, dest_ip=dst, src_port=src_port, dest_port=dst_port,
        flow__pkts_toserver=packets, flow__pkts_toclient=0, flow__bytes_toserver=octets, flow__bytes_toclient=0,
        flow__start=begin.strftime("%Y-%m-%dT%H:%M:%S.%f%z"), flow__end=end.strftime("%Y-%m-%dT%H:%M:%S.%f%z"),
        tcp__tcp_flags_ts=f"{flags:02x}", tcp__tcp_flags_tc="00",
    )  # fmt: skip
    assert batch.src_addr.tolist() == [list(parse_address(src))]
    assert batch.dst_addr.tolist() == [list(parse_address(dst))]
    assert batch.src_port.tolist() == [ABSENT if src_port is None else src_port]
    assert batch.dst_port.tolist() == [ABSENT if dst_port is None else dst_port]
    assert (batch.src_packets[0], batch.dst_packets[0], batch.dst_bytes[0]) == (packets, 0, 0)
    assert batch.src_bytes[0] == max(octets - 14 * float(packets), 0)
    assert batch.start[0] == pytest.approx(begin.timestamp(), abs=1e-4)
    assert batch.duration[0] == pytest.approx((end - begin).total_seconds(), abs=1e-4)
    assert batch.src_flags[0] == (flags if flags or not packets else ABSENT)


@given(st.lists(st.tuples(MOMENTS, st.sampled_from(["%z", "", "Z"])), min_size=1, max_size=4))
def test_a_batch_reads_its_times_as_each_line_alone_does(moments: list[tuple[datetime, str]]) -> None:
    texts = [moment.strftime(f"%Y-%m-%dT%H:%M:%S.%f{zone}") for moment, zone in moments]
    batch = decode(*(eve(flow__start=text, flow__end=text) for text in texts)).batch
    assert batch.start.tolist() == [parse_time(text) for text in texts]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A real-looking line with a piece cut out or replaced."""
    line = draw(st.sampled_from([eve(), eve(proto="UDP", tcp=...), ALERT, STATS]))
    start = draw(st.integers(0, len(line)))
    end = draw(st.integers(start, min(len(line), start + 12)))
    junk = draw(
        st.one_of(st.binary(max_size=6), st.sampled_from([b"null", b'"', b"-1", b"1e999", b"NaN", b'"flow"', b"{}"]))
    )
    return line[:start] + junk + line[end:]


def passed_over(line: bytes) -> bool:
    """Whether a line is blank or another event, as Python's own JSON sees it."""
    if not line.strip():
        return True
    record = json.loads(line.decode(errors="replace"))
    return isinstance(record["timestamp"], str) and isinstance(kind := record["event_type"], str) and kind != "flow"


@settings(max_examples=200)
@given(st.lists(st.one_of(st.binary(max_size=40), mutated()), max_size=10), st.integers(1, 5))
def test_every_line_is_accounted_for_once_however_the_stream_is_cut(lines: list[bytes], size: int) -> None:
    decoded = decode(*lines)
    flows, dead = decoded.index.tolist(), [letter.index for letter in decoded.dead]
    assert flows == sorted(flows)
    assert dead == sorted(dead)
    assert set(flows).isdisjoint(dead)
    assert all(passed_over(lines[index]) for index in set(range(len(lines))) - {*flows, *dead})
    assert all(letter.error and letter.raw == lines[letter.index] for letter in decoded.dead)
    pieces = [decode(*lines[at : at + size]) for at in range(0, len(lines), size)]
    assert same(FlowBatch.concatenate([piece.batch for piece in pieces]), decoded.batch)
    assert [letter.error for piece in pieces for letter in piece.dead] == [letter.error for letter in decoded.dead]
