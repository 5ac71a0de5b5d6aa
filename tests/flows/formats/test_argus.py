"""Argus's records: what their columns, headers and labels become."""

from __future__ import annotations

from typing import Any

import pytest

from flows.batch import ABSENT, State
from flows.formats import make_decoder
from flows.formats.base import MAX_COLUMNS
from tests.support.argus import CTU_13, FIELDS, LEFT, RIGHT, START, decode, ends, header, one, reason, row, sizes, told
from tests.support.batches import same

FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = (1 << bit for bit in range(8))
PUSHED = SYN | PSH | ACK


# What columns become


def test_a_row() -> None:
    decoded = decode(header(), row(Label="flow=Malware-TCP"))
    assert ends(decoded.batch) == [LEFT, RIGHT]
    assert told(decoded.batch, "start", "duration", "src_port", "dst_port", "protocol") == [START, 1.5, 49157, 80, 6]
    assert sizes(decoded.batch) == [6, 700 - 6 * 14, 4, 1300 - 4 * 14]
    assert told(decoded.batch, "src_flags", "dst_flags") == [FIN | SYN | PSH | ACK, FIN | SYN | ACK]
    assert told(decoded.batch, "state", "service", "flow_id", "sensor_id") == [State.CLOSED, ABSENT, "", ""]
    assert told(decoded.batch, "src_payload", "packet_size_min", "iat_mean") == [None, None, None]
    assert decoded.index.tolist() == [1]
    assert decoded.labels is not None
    assert decoded.labels.tolist() == ["flow=Malware-TCP"]


def test_tabs_and_seconds_since_1970_tell_the_same() -> None:
    usual = one()
    assert same(decode(header(separator="\t"), row(separator="\t")).batch, usual)
    assert same(one(StartTime="1525949569.500000"), usual)


def test_what_argus_left_empty_is_absent_and_never_zero() -> None:
    empty = dict.fromkeys(["Dur", "Sport", "Dir", "Dport", "State", "TotPkts", "TotBytes", "SrcBytes", "SrcPkts"], "")
    batch = one(**empty)
    assert sizes(batch) == [None] * 4
    assert told(batch, "duration", "src_port", "dst_port") == [None, ABSENT, ABSENT]
    assert told(batch, "state", "src_flags", "dst_flags") == [ABSENT, ABSENT, ABSENT]
    assert told(one(**empty | {"Proto": "udp"}), "state") == [ABSENT]
    assert same(one(["StartTime", "Proto", "SrcAddr", "DstAddr"]), batch)


@pytest.mark.parametrize(
    ("every", "sent", "packets", "known", "found"),
    [
        ("2000", "700", "10", "6", [6, 616, 4, 1244]),
        ("2000", "700", "10", "", [None, 700, None, 1300]),  # frames, since nobody says how many
        ("120", "120", "2", "", [2, 92, 0, 0]),
        ("120", "0", "2", "", [0, 0, 2, 92]),
        ("142", "63", "2", "", [1, 49, 1, 65]),  # one there and one back
        ("142", "63", "2", "2", [2, 35, 0, 79]),  # the exporter's own word goes first
        ("0", "0", "1", "", [None, 0, None, 0]),
        ("2000", "", "10", "", [None] * 4),
    ],
)
def test_packets_and_bytes_of_each_side(every: str, sent: str, packets: str, known: str, found: list[Any]) -> None:
    assert sizes(one(TotBytes=every, SrcBytes=sent, TotPkts=packets, SrcPkts=known)) == found


@pytest.mark.parametrize(
    ("proto", "number", "ported"),
    [
        ("tcp", 6, True), ("udp", 17, True), ("rtp", 17, True), ("rtcp", 17, True), ("udt", 17, True),
        ("icmp", 1, False), ("ipv6-icmp", 58, False), ("igmp", 2, False), ("esp", 50, False), ("gre", 47, False),
        ("ipnip", 4, False), ("ipv6", 41, False), ("pim", 103, False), ("sctp", 132, True), ("6", 6, True),
        ("unas", ABSENT, False),
    ],
)  # fmt: skip
def test_protocols_and_their_ports(proto: str, number: int, ported: bool) -> None:
    batch = one(Proto=proto, State="CON")
    assert told(batch, "protocol", "src_port", "dst_port") == [number, *([49157, 80] if ported else [ABSENT] * 2)]


def test_icmp_has_no_ports_though_its_type_and_code_stand_there() -> None:
    batch = one(Proto="icmp", Sport="0x000b", Dport="0x0000", State="TXD")
    assert told(batch, "src_port", "dst_port", "state", "src_flags") == [ABSENT, ABSENT, State.OTHER, ABSENT]
    assert told(one(Sport="0x0035", Dport="0xffff"), "src_port", "dst_port") == [53, 65535]


def test_ipv6_and_its_zones() -> None:
    batch = one(
        Proto="ipv6-icmp", SrcAddr="fe80::91d7:c7cc:5795:f857%eth0", Sport="133", DstAddr="ff02::2", State="NRS"
    )
    assert ends(batch) == ["fe80::91d7:c7cc:5795:f857", "ff02::2"]


# Who began


@pytest.mark.parametrize("arrow", ["   ->", "  <->", "  <?>", "   ?>", "->", "   |>", "   o>", "  <|>", "  who", ""])
def test_the_left_side_began(arrow: str) -> None:
    batch = one(Dir=arrow)
    assert (ends(batch), told(batch, "src_port")) == ([LEFT, RIGHT], [49157])


@pytest.mark.parametrize("arrow", ["  <?", "  <-", "  <|", "  <o", "<?"])
def test_an_arrow_to_the_left_swaps_the_sides(arrow: str) -> None:
    batch = one(Dir=arrow, State="SA_S")
    assert (ends(batch), told(batch, "src_port", "dst_port")) == ([RIGHT, LEFT], [80, 49157])
    assert sizes(batch) == [4, 1300 - 4 * 14, 6, 700 - 6 * 14]
    assert told(batch, "src_flags", "dst_flags", "state") == [SYN, SYN | ACK, State.ESTABLISHED]


# States


@pytest.mark.parametrize(
    ("text", "src", "dst", "state"),
    [
        ("S_", SYN, 0, State.ATTEMPT), ("SR_", SYN | RST, 0, State.ATTEMPT),
        ("S_RA", SYN, RST | ACK, State.REJECTED),
        ("S_SA", SYN, SYN | ACK, State.ESTABLISHED), ("SPA_FSPA", PUSHED, PUSHED | FIN, State.ESTABLISHED),
        ("FSPA_FSPA", PUSHED | FIN, PUSHED | FIN, State.CLOSED),
        ("FSRPA_FSPA", PUSHED | FIN | RST, PUSHED | FIN, State.CLOSED),
        ("SRPA_SPA", PUSHED | RST, PUSHED, State.RESET), ("SPA_SRA", PUSHED, SYN | RST | ACK, State.RESET),
        ("PA_PA", PSH | ACK, PSH | ACK, State.OTHER), ("_SA", 0, SYN | ACK, State.OTHER), ("_", 0, 0, State.OTHER),
        ("SEC_SAEU", SYN | ECE | CWR, SYN | ACK | ECE | URG, State.ESTABLISHED),
    ],
)  # fmt: skip
def test_flags_and_the_state_that_they_tell(text: str, src: int, dst: int, state: State) -> None:
    assert told(one(State=text), "src_flags", "dst_flags", "state") == [src, dst, state]


@pytest.mark.parametrize(
    ("word", "both", "one_side"),
    [
        ("S0", State.ATTEMPT, State.ATTEMPT), ("REQ", State.ATTEMPT, State.ATTEMPT),
        ("INT", State.ATTEMPT, State.ATTEMPT),
        ("ACC", State.ESTABLISHED, State.OTHER), ("EST", State.ESTABLISHED, State.OTHER),
        ("CON", State.ESTABLISHED, State.OTHER), ("TIM", State.ESTABLISHED, State.OTHER),
        ("FIN", State.ESTABLISHED, State.OTHER), ("CLO", State.CLOSED, State.OTHER), ("RST", State.RESET, State.OTHER),
    ],
)  # fmt: skip
def test_names_of_tcp_s_states(word: str, both: State, one_side: State) -> None:
    assert told(one(State=word), "state", "src_flags", "dst_flags") == [both, ABSENT, ABSENT]
    assert told(one(State=word, SrcBytes="2000", SrcPkts="10"), "state") == [one_side]
    assert told(one(State=word, SrcBytes="0", SrcPkts="0"), "state") == [one_side]
    assert told(one(State=word, Dir="  <?>"), "state") == [State.OTHER]  # nobody saw a SYN


def test_a_request_answered_by_a_reset_was_refused() -> None:
    refused = {"State": "RST", "TotPkts": "2", "TotBytes": "128", "SrcBytes": "74", "SrcPkts": ""}
    assert told(one(**refused), "state") == [State.REJECTED]
    assert told(one(**refused | {"TotPkts": "3"}), "state") == [State.RESET]
    assert told(one(**refused | {"Dir": "  <?>"}), "state") == [State.OTHER]


@pytest.mark.parametrize(
    ("proto", "sent", "state"),
    [
        ("udp", "700", State.ESTABLISHED), ("udp", "2000", State.ATTEMPT), ("udp", "0", State.OTHER),
        ("rtp", "700", State.ESTABLISHED), ("icmp", "700", State.OTHER), ("ipv6-icmp", "2000", State.OTHER),
        ("igmp", "2000", State.OTHER), ("gre", "700", State.OTHER),
    ],
)  # fmt: skip
@pytest.mark.parametrize("word", ["CON", "INT", "URP", "whatever"])
def test_without_tcp_the_state_is_who_spoke(proto: str, sent: str, state: State, word: str) -> None:
    batch = one(Proto=proto, State=word, SrcBytes=sent, SrcPkts="")
    assert told(batch, "state", "src_flags", "dst_flags") == [state, ABSENT, ABSENT]


# Headers


def test_extra_columns_in_any_order_are_skipped() -> None:
    fields = ["srcUdata", *reversed(FIELDS), "dstUdata"]
    line = b",".join([b"s[5]=abcde", *reversed(row().split(b",")), b""])
    assert same(decode(header(fields), line).batch, one())


def test_a_header_may_come_again_with_other_columns_and_separators() -> None:
    other = list(reversed(FIELDS))
    decoded = decode(
        header(), row(Dport="1"), header(), row(Dport="2"),
        header(other, "\t"), row(other, "\t", Dport="3"), b"", header(CTU_13), row(CTU_13, Dport="4"), b" ",
    )  # fmt: skip
    assert decoded.batch.dst_port.tolist() == [1, 2, 3, 4]
    assert decoded.dead == []
    assert decoded.labels is not None
    assert decoded.labels.tolist() == [""] * 4


def test_the_header_is_remembered_from_one_call_to_the_next() -> None:
    fields = list(reversed(FIELDS))
    decoder = make_decoder("argus")
    pieces = [decoder.decode([line]) for line in (header(fields), row(fields), row(fields))]
    assert [len(piece) for piece in pieces] == [0, 1, 1]


@pytest.mark.parametrize("separator", [",", "\t"])
@pytest.mark.parametrize("fields", [CTU_13, [*CTU_13, "Label"], FIELDS])
def test_rows_without_a_header_are_known_by_their_number_of_columns(fields: list[str], separator: str) -> None:
    assert same(decode(row(fields, separator)).batch, one(fields))


def test_other_rows_without_a_header_are_refused() -> None:
    assert reason(row() + b",") == "17 columns, and no header; without one Argus has 14 or 15 or 16"
    assert "1 columns" in reason(b"1")


@pytest.mark.parametrize("cut", [-1, 1])
def test_a_row_is_as_wide_as_its_header(cut: int) -> None:
    line = row(FIELDS[:cut]) if cut < 0 else row() + b",x"
    assert f"{16 + cut} columns where the header names 16" in reason(header(), line)


def test_a_header_that_cannot_be_meant_refuses_its_rows_until_the_next() -> None:
    lacking = [name for name in FIELDS if name not in {"Proto", "DstAddr"}]
    decoded = decode(header(lacking), row(lacking), header(), row())
    assert decoded.index.tolist() == [3]
    assert decoded.dead[0].error == "the header lacks Proto, DstAddr"
    assert "names SrcBytes twice" in reason(header([*FIELDS, "SrcBytes"]), row() + b",1")
    assert len(decode(header([*FIELDS, "sTos"]), row() + b",1")) == 1  # nobody reads it
    wide = [*FIELDS, *map(str, range(MAX_COLUMNS))]
    assert f"more than {MAX_COLUMNS} columns" in reason(header(wide), row() + b"," * MAX_COLUMNS)


def test_line_ends_and_a_byte_order_mark_do_not_matter() -> None:
    for end in (b"\n", b"\r\n"):
        decoded = decode(b"\xef\xbb\xbf" + header() + end, row(Label="a") + end, end)
        assert decoded.labels is not None
        assert (len(decoded), decoded.dead, decoded.labels.tolist()) == (1, [], ["a"])


def test_text_that_is_not_utf_8_may_stand_only_where_it_is_text() -> None:
    decoded = decode(header(), row(Label="LABEL").replace(b"LABEL", b"Caf\xe9 \x96"), row(Label="\u00e9"))
    assert decoded.labels is not None
    assert decoded.labels.tolist() == ["Caf\u00e9 \u2013", "\u00e9"]
    assert reason(header(), row().replace(b"tcp", b"tc\xff")).startswith("Proto")


def test_files_without_a_label_column_have_no_labels() -> None:
    assert decode(header(CTU_13), row(CTU_13)).labels is None


# Sniffing


@pytest.mark.parametrize(
    ("line", "known"),
    [
        (header(), True), (header(separator="\t"), True), (row(), True), (row(CTU_13, "\t"), True),
        (header([*FIELDS, "x"]), True), (row(Dir="  who", Proto="arp"), True), (row(Dir="x"), False),
        (row() + b",x", False), (b"StartTime,Dur,Proto", False), (b"", False), (b"{}", False),
        (b",".join([b"x"] * 14), False),
    ],
)  # fmt: skip
def test_what_is_argus_s(line: bytes, known: bool) -> None:
    assert make_decoder("argus").recognises(line) is known
