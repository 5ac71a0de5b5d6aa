"""Zeek connection logs: what their fields, headers and labels become."""

from __future__ import annotations

import numpy as np
import pytest

from flows.addresses import address_texts
from flows.batch import ABSENT, SCHEMA, FlowBatch, Service, State
from flows.formats import make_decoder
from flows.formats.zeek_terms import ACK, FIN, PSH, RST, SYN
from tests.support.batches import same
from tests.support.zeek import FIELDS, as_json, decode, header, reason, tsv


def one(**changes: str) -> FlowBatch:
    decoded = decode(*header(), tsv(fields=FIELDS, **changes))
    assert decoded.dead == []
    assert len(decoded) == 1
    return decoded.batch


def check_the_usual_flow(batch: FlowBatch) -> None:
    assert batch.start.tolist() == [1545403848.981338]
    assert batch.duration.tolist() == [1.477656]
    assert address_texts(batch.src_addr) == ["192.168.1.195"]
    assert address_texts(batch.dst_addr) == ["185.244.25.235"]
    assert (batch.src_port[0], batch.dst_port[0], batch.protocol[0]) == (41040, 80, 6)
    assert (batch.src_packets[0], batch.dst_packets[0]) == (94, 96)
    assert (batch.src_bytes[0], batch.dst_bytes[0]) == (5525, 139044)
    assert (batch.src_payload[0], batch.dst_payload[0]) == (149, 128252)
    assert (batch.state[0], batch.service[0]) == (State.CLOSED, Service.HTTP)
    assert batch.src_flags[0] == SYN | ACK | PSH | FIN
    assert batch.dst_flags[0] == SYN | ACK | PSH | FIN
    assert (batch.flow_id[0], batch.sensor_id[0]) == ("CDrkrSobGYxHhYfth", "")
    for spec in SCHEMA[SCHEMA.index(next(s for s in SCHEMA if s.name == "packet_size_min")) : -2]:
        assert np.isnan(getattr(batch, spec.name)).all()


# What fields become


def test_a_row_of_text() -> None:
    decoded = decode(*header(), tsv())
    check_the_usual_flow(decoded.batch)
    assert decoded.index.tolist() == [8]
    assert decoded.labels is None
    assert decoded.dead == []


def test_a_line_of_json_is_the_same_flow() -> None:
    assert same(decode(as_json()).batch, decode(*header(), tsv()).batch)


def test_text_and_json_in_one_stream_keep_their_order() -> None:
    decoded = decode(as_json(uid="a"), *header(), tsv(uid="b"), b"junk", as_json(uid="c"), b"{", tsv(uid="d"))
    assert decoded.batch.flow_id.tolist() == ["a", "b", "c", "d"]
    assert decoded.index.tolist() == [0, 9, 11, 13]
    assert [letter.index for letter in decoded.dead] == [10, 12]


@pytest.mark.parametrize("unset", ["-", "(empty)"])
def test_what_zeek_left_unset_is_absent_and_never_zero(unset: str) -> None:
    names = ["duration", "orig_bytes", "resp_bytes", "orig_pkts", "resp_pkts", "orig_ip_bytes", "resp_ip_bytes",
             "id.orig_p", "id.resp_p", "history", "conn_state", "uid"]  # fmt: skip
    in_text = one(**{name.replace(".", "__"): unset for name in names})
    missing: dict[str, object] = {name.replace(".", "__"): ... for name in names if name != "conn_state"}
    null: dict[str, object] = dict.fromkeys(missing)
    in_json = [decode(as_json(**changes)) for changes in (missing, null)]
    for batch in [in_text, *(decoded.batch for decoded in in_json)]:
        for name in ("duration", "src_payload", "dst_payload", "src_packets", "dst_packets", "src_bytes", "dst_bytes"):
            assert np.isnan(getattr(batch, name)).all(), name
        for name in ("src_port", "dst_port", "src_flags", "dst_flags"):
            assert getattr(batch, name).tolist() == [ABSENT], name
        assert batch.flow_id.tolist() == [""]
    assert in_text.state.tolist() == [ABSENT]


def test_a_count_of_zero_stays_zero() -> None:
    batch = one(orig_bytes="0", resp_bytes="0", resp_pkts="0", resp_ip_bytes="0", history="S", duration="0.000000")
    assert (batch.src_payload[0], batch.dst_payload[0], batch.dst_packets[0], batch.duration[0]) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("S0", State.ATTEMPT), ("SH", State.ATTEMPT), ("RSTOS0", State.ATTEMPT), ("REJ", State.REJECTED),
        ("S1", State.ESTABLISHED), ("S2", State.ESTABLISHED), ("S3", State.ESTABLISHED), ("SF", State.CLOSED),
        ("RSTO", State.RESET), ("RSTR", State.RESET), ("RSTRH", State.OTHER), ("SHR", State.OTHER),
        ("OTH", State.OTHER),
    ],
)  # fmt: skip
def test_connection_states(word: str, state: State) -> None:
    assert one(conn_state=word).state.tolist() == [state]
    assert decode(as_json(conn_state=word)).batch.state.tolist() == [state]


def test_a_udp_exchange_is_established_and_has_no_flags() -> None:
    batch = one(proto="udp", conn_state="SF", history="Dd", service="dns")
    assert (batch.protocol[0], batch.state[0]) == (17, State.ESTABLISHED)
    assert (batch.src_flags[0], batch.dst_flags[0]) == (ABSENT, ABSENT)
    assert batch.dst_port[0] == 80


@pytest.mark.parametrize(
    ("history", "packets", "src", "dst"),
    [
        ("S", ("1", "0"), SYN, 0),
        ("Sr", ("1", "1"), SYN, RST),
        ("Sh", ("1", "1"), SYN, SYN | ACK),
        ("ShA", ("2", "1"), SYN | ACK, SYN | ACK),
        ("ShADadfF", ("7", "7"), SYN | ACK | PSH | FIN, SYN | ACK | PSH | FIN),
        ("^hR", ("1", "1"), RST, SYN | ACK),
        ("H", ("1", "0"), SYN | ACK, 0),
        ("D", ("3", "0"), PSH | ACK, 0),
        ("I", ("1", "0"), FIN | RST, 0),
        ("Q", ("1", "0"), SYN, 0),
        ("SW", ("2", "0"), SYN, 0),
        ("G", ("2", "3"), ABSENT, ABSENT),
        ("S", ("1", "4"), SYN, ABSENT),  # the responder spoke, and nobody says how
        ("-", ("1", "0"), ABSENT, 0),
        ("-", ("1", "1"), ABSENT, ABSENT),
        ("S", ("1", "-"), SYN, ABSENT),
        ("C", ("0", "0"), ABSENT, 0),
        ("Cd", ("0", "1"), ABSENT, PSH | ACK),
    ],
)
def test_flags_from_the_history(history: str, packets: tuple[str, str], src: int, dst: int) -> None:
    batch = one(history=history, orig_pkts=packets[0], resp_pkts=packets[1])
    assert (batch.src_flags[0], batch.dst_flags[0]) == (src, dst)


def test_packets_that_zeek_saw_and_did_not_count_are_not_zero() -> None:
    batch = one(history="C", orig_pkts="0", orig_ip_bytes="0", orig_bytes="-", resp_pkts="0", resp_ip_bytes="0")
    assert np.isnan([batch.src_packets[0], batch.src_bytes[0], batch.src_payload[0]]).all()
    assert (batch.dst_packets[0], batch.dst_bytes[0]) == (0, 0)
    assert one(history="SC", orig_pkts="3").src_packets[0] == 3


@pytest.mark.parametrize(
    ("words", "service"),
    [
        ("dns", Service.DNS), ("http", Service.HTTP), ("ssl", Service.TLS), ("dtls", Service.TLS),
        ("ssh", Service.SSH), ("smtp", Service.SMTP), ("dhcp", Service.DHCP), ("ntp", Service.NTP),
        ("ftp", Service.FTP), ("ftp-data", Service.FTP), ("irc", Service.IRC), ("rdp", Service.RDP),
        ("smb", Service.SMB), ("snmp", Service.SNMP), ("krb", Service.OTHER), ("radius", Service.OTHER),
        ("ssl,http", Service.HTTP), ("http,ssl", Service.HTTP), ("ssl,quic", Service.TLS),
        ("gssapi,ntlm,smb", Service.SMB), ("-ssl", Service.UNRECOGNISED), ("-http,ssl", Service.TLS),
        ("-", Service.UNRECOGNISED), ("(empty)", Service.UNRECOGNISED), ("", Service.UNRECOGNISED),
    ],
)  # fmt: skip
def test_services(words: str, service: Service) -> None:
    assert one(service=words).service.tolist() == [service]
    assert decode(as_json(service=words)).batch.service.tolist() == [service]


def test_a_log_without_the_service_column_does_not_say_unrecognised() -> None:
    fields = [name for name in FIELDS if name != "service"]
    assert decode(*header(fields=fields), tsv(fields=fields)).batch.service.tolist() == [ABSENT]


@pytest.mark.parametrize(("src", "dst", "protocol"), [("10.0.0.1", "10.0.0.2", 1), ("fe80::1", "ff02::16", 58)])
def test_icmp_has_a_version_and_no_ports(src: str, dst: str, protocol: int) -> None:
    batch = one(proto="icmp", id__orig_h=src, id__resp_h=dst, id__orig_p="3", id__resp_p="3", conn_state="OTH")
    assert (batch.protocol[0], batch.src_port[0], batch.dst_port[0]) == (protocol, ABSENT, ABSENT)
    assert (batch.src_flags[0], batch.state[0]) == (ABSENT, State.OTHER)


def test_a_transport_unknown_to_zeek_is_absent() -> None:
    batch = one(proto="unknown_transport", id__orig_p="0", id__resp_p="0", conn_state="OTH", history="-")
    assert (batch.protocol[0], batch.src_port[0], batch.dst_port[0]) == (ABSENT, ABSENT, ABSENT)


def test_ipv6_with_a_zone() -> None:
    batch = one(id__orig_h="fe80::28fb:18bd:1770:8699%eth0", id__resp_h="2001:db8::1")
    assert address_texts(batch.src_addr) == ["fe80::28fb:18bd:1770:8699"]
    assert address_texts(batch.dst_addr) == ["2001:db8::1"]


def test_relative_and_disordered_times_are_kept_as_they_are() -> None:
    decoded = decode(*header(), tsv(ts="30.841637"), tsv(ts="0.000000"), tsv(ts="13.184015"))
    assert decoded.batch.start.tolist() == [30.841637, 0.0, 13.184015]


# Headers


def test_extra_columns_in_any_order_are_skipped_and_the_node_is_the_sensor() -> None:
    fields = ["_node_name", *reversed(FIELDS), "community_id"]
    row = b"\t".join([b"worker-eth0-1", *reversed(tsv().split(b"\t")), b"1:abc"])
    batch = decode(*header(fields=fields), row).batch
    assert batch.sensor_id.tolist() == ["worker-eth0-1"]
    assert batch.dst_port.tolist() == [80]


def test_a_repeated_header_and_a_close_line_are_nothing() -> None:
    decoded = decode(*header(), tsv(uid="a"), b"#close\t2024-04-19-01-00-00", *header(), tsv(uid="b"), b"", b"  ")
    assert decoded.batch.flow_id.tolist() == ["a", "b"]
    assert decoded.dead == []


def test_a_header_in_mid_stream_changes_the_columns_from_there() -> None:
    other = list(reversed(FIELDS))
    decoded = decode(
        *header(), tsv(uid="a"), *header(fields=other), tsv(uid="b", fields=other), *header(), tsv(uid="c")
    )
    assert decoded.batch.flow_id.tolist() == ["a", "b", "c"]
    assert decoded.batch.dst_port.tolist() == [80, 80, 80]


def test_the_header_is_remembered_from_one_call_to_the_next() -> None:
    fields = list(reversed(FIELDS))
    lines = [*header(fields=fields), tsv(fields=fields), tsv(fields=fields)]
    decoder = make_decoder("zeek")
    pieces = [decoder.decode([line]) for line in lines]
    assert sum(len(piece) for piece in pieces) == 2
    assert same(FlowBatch.concatenate([piece.batch for piece in pieces]), decode(*lines).batch)


def test_rows_without_any_header_are_in_the_order_of_conn_log() -> None:
    check_the_usual_flow(decode(tsv()).batch)
    labelled = decode(tsv("Malicious", "CC"))
    assert labelled.labels is not None
    assert labelled.labels.tolist() == ["CC"]
    assert "22 columns, and no #fields header" in reason(tsv("x"))


def test_line_ends_do_not_matter() -> None:
    for end in (b"\n", b"\r\n"):
        lines = [line + end for line in [*header("label"), tsv("Benign")]]
        decoded = decode(*lines)
        assert decoded.labels is not None
        assert decoded.labels.tolist() == ["Benign"]
        assert len(decode(as_json() + end)) == 1
        assert decode(end).dead == []


def test_another_log_of_zeeks_is_refused() -> None:
    assert "'dns'" in reason(*header(path="dns"), tsv())
    fields = [name for name in FIELDS if name != "conn_state"]
    assert "lacks conn_state" in reason(*header(fields=fields), tsv(fields=fields))
    assert "conn_state" in reason(as_json(conn_state=...))


def test_a_header_that_cannot_be_meant_refuses_its_rows() -> None:
    assert "twice" in reason(b"\t".join([b"#fields", *(name.encode() for name in [*FIELDS, "ts"])]), tsv("1"))
    assert "separated by tabs" in reason(b"#fields," + b",".join(name.encode() for name in FIELDS), tsv())
    assert "20 columns where the #fields header names 21" in reason(*header(), tsv().rpartition(b"\t")[0])


# Labels


def test_iot_23_separates_its_labels_by_three_spaces() -> None:
    spaced = [line.replace(b"\tlabel\tdetailed-label", b"   label   detailed-label") for line in
              header("label", "detailed-label")]  # fmt: skip
    rows = [tsv() + b"   Malicious   C&C", tsv() + b"   Benign   -", tsv("Malicious", "DDoS")]
    decoded = decode(*spaced, *rows)
    assert decoded.dead == []
    assert decoded.labels is not None
    assert decoded.labels.tolist() == ["C&C", "Benign", "DDoS"]


def test_labels_in_json() -> None:
    decoded = decode(as_json(label="Malicious", detailedlabel="CC"), as_json(label="Background"), as_json())
    assert decoded.labels is not None
    assert decoded.labels.tolist() == ["CC", "Background", ""]


def test_labelled_and_unlabelled_parts_of_a_stream() -> None:
    decoded = decode(*header(), tsv(), *header("label", "detailedlabel"), tsv("Benign", "(empty)"), tsv("-", "-"))
    assert decoded.labels is not None
    assert decoded.labels.tolist() == ["", "Benign", ""]
