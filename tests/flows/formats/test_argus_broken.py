"""Argus's records that are no flows, and anything at all: no line lost, and each with its reason."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.addresses import address_texts, format_address
from tests.support.argus import CTU_13, decode, header, reason, row

# What is no flow


def test_argus_s_records_of_itself_are_neither_flow_nor_dead_letter() -> None:
    man = row(Proto="man", SrcAddr="0", Sport="0", Dir="", DstAddr="0", Dport="0", State="STA")
    decoded = decode(header(), man, row(), man, row(Dport="443"))
    assert (decoded.index.tolist(), decoded.dead) == ([2, 4], [])
    assert decoded.batch.dst_port.tolist() == [80, 443]
    assert len(decode(header(), man)) == 0


@pytest.mark.parametrize("proto", ["arp", "rarp", "llc", "ipx/spx"])
def test_what_is_not_ip_is_a_dead_letter_that_says_so(proto: str) -> None:
    line = row(Proto=proto, SrcAddr="00:00:00:00:00:00", Sport="", Dir="  who", Dport="", State="INT")
    assert reason(header(), line) == f"not an IP flow: {proto}"


@pytest.mark.parametrize(
    ("name", "text", "word"),
    [
        ("StartTime", "", "unset"), ("StartTime", "0.000000", "zero"), ("StartTime", "10:52:49.5", "a time"),
        ("Proto", "quic", "IP protocol"), ("Proto", "256", "IP protocol"), ("Proto", "TCP ", "IP protocol"),
        ("SrcAddr", "", "unset"), ("SrcAddr", '"10.0.2.15"', "an IP address"), ("SrcAddr", "10.0.0.0/24", "an IP"),
        ("DstAddr", "host.example", "an IP address"), ("Sport", "http", "a port"), ("Dport", "0x10000", "a port"),
        ("Dport", "0xzz", "a port"), ("Dport", "70000", "a port"), ("Dir", "<>-", "a direction"),
        ("Dir", "--", "a direction"), ("State", "FSPA", "a state"), ("State", "s_", "a state"),
        ("State", "SS_" + "A" * 9, "a state"), ("State", "S_A_", "a state"), ("Dur", "-0.000001", "seconds"),
        ("Dur", "inf", "seconds"), ("TotPkts", "1.5", "a count"), ("SrcBytes", "2001", "more than TotBytes"),
        ("SrcPkts", "11", "more than TotPkts"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_is_a_dead_letter_naming_its_column(name: str, text: str, word: str) -> None:
    error = reason(header(), row(**{name: text}))
    assert error.startswith(name)
    assert word in error


def test_the_first_fault_of_a_row_is_its_reason() -> None:
    assert reason(header(), row(Proto="arp", StartTime="x")) == "not an IP flow: arp"


# Anything that is well formed

ADDRESSES = st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)).map(lambda halves: format_address(*halves))
MOMENTS = st.datetimes(datetime(1970, 1, 2), datetime(2262, 1, 1), timezones=st.just(UTC))
FLAGS = st.sets(st.sampled_from("FSRPAUEC")).map(lambda letters: "".join(sorted(letters, key="FSRPAUEC".index)))
FORM = "%Y/%m/%d %H:%M:%S.%f"


@st.composite
def records(draw: st.DrawFn) -> dict[str, str]:
    every, packets = draw(st.integers(0, 2**53)), draw(st.integers(0, 2**53))
    return {
        "StartTime": draw(MOMENTS).strftime(FORM),
        "Dur": f"{draw(st.floats(0, 1e9)):.6f}",
        "Proto": draw(st.sampled_from(["tcp", "udp"])),
        "SrcAddr": draw(ADDRESSES),
        "Sport": str(draw(st.integers(0, 65535))),
        "DstAddr": draw(ADDRESSES),
        "Dport": hex(draw(st.integers(0, 65535))),
        "State": f"{draw(FLAGS)}_{draw(FLAGS)}",
        "TotPkts": str(packets),
        "TotBytes": str(every),
        "SrcBytes": str(draw(st.integers(0, every))),
        "SrcPkts": str(draw(st.integers(0, packets))),
        "Label": draw(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters=",-"))),
    }


@settings(max_examples=50)
@given(st.lists(records(), min_size=1, max_size=6), st.sampled_from([",", "\t"]))
def test_well_formed_rows_come_out_as_they_went_in(some: list[dict[str, str]], separator: str) -> None:
    decoded = decode(header(separator=separator), *[row(separator=separator, **record) for record in some])
    batch = decoded.batch
    assert decoded.dead == []
    assert decoded.labels is not None
    assert decoded.labels.tolist() == [record["Label"] for record in some]
    starts = [datetime.strptime(record["StartTime"], FORM).replace(tzinfo=UTC).timestamp() for record in some]
    assert np.abs(batch.start - starts).max() < 4e-6  # in the year 2262 a float64 tells microseconds no better
    assert batch.duration.tolist() == [float(record["Dur"]) for record in some]
    assert address_texts(batch.src_addr) == [record["SrcAddr"] for record in some]
    assert address_texts(batch.dst_addr) == [record["DstAddr"] for record in some]
    assert [str(port) for port in batch.src_port.tolist()] == [record["Sport"] for record in some]
    assert [hex(port) for port in batch.dst_port.tolist()] == [record["Dport"] for record in some]
    assert (batch.src_packets + batch.dst_packets).tolist() == [float(record["TotPkts"]) for record in some]
    for flow, record in enumerate(some):
        sent, packets = int(record["SrcBytes"]), int(record["SrcPkts"])
        assert batch.src_bytes[flow] == pytest.approx(max(sent - 14 * packets, 0), abs=4)
        letters = [letter for bit, letter in enumerate("FSRPAUEC") if batch.src_flags[flow] >> bit & 1]
        assert record["Proto"] != "tcp" or "".join(letters) == record["State"].partition("_")[0]


LINES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [b"", b"\n", header(), header(CTU_13, "\t"), row(), row(CTU_13), row(Proto="man"), row(Proto="arp")]
    ),
    records().map(lambda record: row(**record)),
    st.tuples(st.sampled_from([row(), header()]), st.integers(0, 120)).map(lambda cut: cut[0][: cut[1]]),
)


@given(st.lists(LINES, max_size=10))
def test_a_line_is_a_flow_or_a_dead_letter_or_a_header_or_about_argus(lines: list[bytes]) -> None:
    decoded = decode(*lines)
    rest = set(range(len(lines))) - {*decoded.index.tolist(), *(letter.index for letter in decoded.dead)}
    for index in rest:
        line = lines[index]
        assert not line.strip() or b"StartTime" in line or b"Addr" in line or b"man" in line
