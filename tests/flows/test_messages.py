"""Messages to flows: formats, order, and an account of every message."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.addresses import address_texts
from flows.batch import FlowBatch
from flows.formats import FORMATS, MAX_LINE
from flows.messages import decode_messages
from tests.support.batches import same
from tests.support.serving import ZEEK_FLOW, flow


def test_formats_may_mix_and_the_order_of_arrival_stays() -> None:
    values = [flow(host="10.0.0.1"), ZEEK_FLOW, flow(host="10.0.0.2"), ZEEK_FLOW]
    decoded, rejected = decode_messages(values, [None, b"zeek", b"canonical", b"zeek"], "canonical")
    assert address_texts(decoded.batch.src_addr) == ["10.0.0.1", "10.0.0.9", "10.0.0.2", "10.0.0.9"]
    assert decoded.index.tolist() == [0, 1, 2, 3]
    assert not rejected


def test_what_is_no_flow_is_rejected_with_its_reason() -> None:
    values = [None, b"{", flow(), flow(), b"x" * (MAX_LINE + 1), b"\xff\xfe"]
    formats = [None, None, b"ipfix\xff", b"", None, None]
    decoded, rejected = decode_messages(values, formats, "canonical")
    assert len(decoded) == 0
    assert [(one.index, one.reason) for one in rejected] == [
        (0, "no value"),
        (1, "undecodable"),
        (2, "unknown format"),
        (3, "unknown format"),
        (4, "too long"),
        (5, "undecodable"),
    ]
    assert "the formats are zeek, suricata" in rejected[2].error


def test_blank_messages_comments_and_headers_are_neither() -> None:
    decoded, rejected = decode_messages(
        [b"", b"  \n", b"#close\t2026", flow()], [None, None, b"zeek", None], "canonical"
    )
    assert (len(decoded), rejected) == (1, [])


def test_a_header_that_came_as_a_message_changes_nothing_for_the_others() -> None:
    row = b"\t".join(
        b"1700000000.1 C1 10.0.0.5 40000 198.51.100.7 80 tcp http 0.1 10 20 SF T F 0 ShADadFf 5 300 5 400 -".split()
    )
    alone, _ = decode_messages([row], [b"zeek"], "zeek")
    after_poison, rejected = decode_messages([b"#fields\tts\tuid", row], [b"zeek"] * 2, "zeek")
    assert len(alone) == len(after_poison) == 1
    assert not rejected


@pytest.mark.parametrize(
    ("format_name", "file", "separator"),
    [
        ("argus", "argus/slips_test11-portscan.binetflow", b","),
        ("cicflowmeter", "cicflowmeter/py-cicflowmeter-0.5.0_ssh-bruteforce.csv", b","),
        ("zeek", "zeek-tsv/netflowlabeler_conn.tab.log", b"\t"),
    ],
)
def test_a_row_means_the_same_whatever_headers_come_beside_it(
    datasets: Path, format_name: str, file: str, separator: bytes
) -> None:
    lines = (datasets / "producers" / file).read_bytes().splitlines()
    header = next(line for line in lines if line.startswith((b"StartTime", b"src_ip", b"#fields")))
    rows: list[bytes | None] = [line for line in lines if line != header and not line.startswith(b"#")]
    named = [format_name.encode()] * len(rows)
    alone = [decode_messages([row], named[:1], None)[0] for row in rows]
    wanted = FlowBatch.concatenate([decoded.batch for decoded in alone])
    assert len(wanted) > 50
    first, *names = header.split(separator)
    if first != b"#fields":
        names.insert(0, first)
    other = separator.join([*([first] if first == b"#fields" else []), *reversed(names)])
    for header_line in (header, other):
        mixed: list[bytes | None] = [message for row in rows for message in (header_line, row)]
        together, _ = decode_messages(mixed, named * 2, None)
        assert same(together.batch, wanted)


_MESSAGES = st.one_of(
    st.none(),
    st.binary(max_size=200),
    st.sampled_from([flow(), ZEEK_FLOW, flow()[:-5], b"#fields\tx", b"[]", b"{}", b"null", b"[" * 5000]),
)
_NAMES = st.one_of(st.none(), st.sampled_from([name.encode() for name in FORMATS]), st.binary(max_size=8))


@given(st.lists(st.tuples(_MESSAGES, _NAMES), max_size=20))
def test_every_message_is_accounted_for_once(messages: list[tuple[bytes | None, bytes | None]]) -> None:
    values, formats = [value for value, _ in messages], [name for _, name in messages]
    decoded, rejected = decode_messages(values, formats, "canonical")
    accounted = [*decoded.index.tolist(), *(one.index for one in rejected)]
    assert len(set(accounted)) == len(accounted)
    assert decoded.index.tolist() == sorted(decoded.index.tolist())
    for index in set(range(len(values))) - set(accounted):
        value = values[index]
        assert value is not None
        assert not value.strip() or value.startswith(b"#")
