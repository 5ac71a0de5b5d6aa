"""Rekeying: records of any format to keyed canonical flows, each accounted for, and nothing remembered."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.batch import FlowBatch
from flows.files import parse_spec, read_flows
from flows.formats import make_decoder
from flows.messages import decode_messages
from serving.config import Settings
from serving.metrics import Metrics
from serving.rekeying import Rekeying
from serving.sink import Outgoing
from serving.source import Arrivals
from serving.status import Status
from tests.support.batches import same
from tests.support.serving import ZEEK_FLOW, Running, Topics, flow, header

ROW = b"\t".join(
    b"1700000000.1 C1 10.0.0.5 40000 198.51.100.7 80 tcp http 0.1 10 20 SF T F 0 ShADadFf 5 300 5 400 -".split()
)
NOWHERE = b'{"src_addr":"::","dst_addr":"::","src_packets":3}'
SETTINGS = Settings(topic_raw="raw", topic_flows="flows", topic_dead_letters="dlq")


def arrivals(values: Sequence[bytes | None], formats: Sequence[bytes | None] | None = None) -> Arrivals:
    """Messages of partition 3, from offset 100 on."""
    offsets = list(range(100, 100 + len(values)))
    return Arrivals(3, list(values), list(formats or [None] * len(values)), [b"k"] * len(values), offsets)


def rekeyed(batch: list[Arrivals], settings: Settings = SETTINGS) -> list[Outgoing]:
    status = Status(Metrics())
    return [outgoing for part in Rekeying(settings, status, Metrics()).process(batch) for outgoing in part]


def headers(outgoing: Outgoing) -> dict[str, bytes]:
    found = dict(outgoing.headers)
    assert len(found) == len(outgoing.headers)
    return found


@pytest.fixture
def running(any_topics: Topics) -> Iterator[Running]:
    loop = Running(any_topics.settings(), None)
    yield loop
    loop.leave()


def test_formats_mix_and_every_record_comes_out_once_before_its_offset_is_committed(
    any_topics: Topics, running: Running
) -> None:
    topics = any_topics
    topics.send([ZEEK_FLOW, ROW], format="zeek", topic=topics.raw, key=None, partition=0)
    topics.send([flow(2, label="DDoS"), ZEEK_FLOW, ROW + b"\n" + flow(3) + b"\n"], topic=topics.raw, partition=1)
    topics.send([b"poison", None, b"\n"], topic=topics.raw, partition=1)
    topics.send([flow(4)], format="netflow9", topic=topics.raw, partition=2)
    topics.send([b"#fields\tts\tuid", ROW + b"\npoison\n\n" + ROW], format="zeek", topic=topics.raw, partition=3)
    running.until(lambda: topics.committed_raw() == 11)

    flows = topics.read(topics.flows, 8)
    assert {header(message, "format") for message in flows} == {b"canonical"}
    decoded, rejected = decode_messages([message.value() for message in flows], [b"canonical"] * 8, None)
    assert not rejected
    wanted, _ = decode_messages([ZEEK_FLOW, ROW, flow(2), ZEEK_FLOW, ROW, flow(3), ROW, ROW], [None] * 8, None)
    origins = ("source.partition", "source.offset", "source.line")
    places = sorted(range(8), key=lambda at: [header(flows[at], name) or b"" for name in origins])
    assert same(decoded.batch.take(np.array(places)), wanted.batch)
    assert [message.key() for message in flows].count(b"10.0.0.9") == 2
    assert [json.loads(message.value() or b"").get("label") for message in flows].count("DDoS") == 1

    letters = {header(one, "source.partition"): one for one in topics.read(topics.dead_letters, 4)[::-1]}
    assert letters[b"1"].value() == b"poison"
    assert (header(letters[b"1"], "reason"), header(letters[b"1"], "source.offset")) == (b"unrecognised", b"3")
    assert header(letters[b"1"], "format") is None
    assert b"--format" in (header(letters[b"1"], "error") or b"")
    assert (header(letters[b"2"], "reason"), header(letters[b"2"], "format")) == (b"unknown format", b"netflow9")
    assert (header(letters[b"3"], "source.offset"), header(letters[b"3"], "source.line")) == (b"1", b"2")
    assert letters[b"3"].value() == b"poison"
    assert {header(one, "source.topic") for one in letters.values()} == {topics.raw.encode()}
    running.until(lambda: running.status.ready()[0])


def test_flows_name_the_record_they_were_made_of() -> None:
    alone, first, third = rekeyed([arrivals([ROW, ROW + b"\r\n \r\n" + flow() + b"\r\n"], [b"zeek", None])])
    assert headers(alone) == {
        "format": b"canonical",
        "source.topic": b"raw",
        "source.partition": b"3",
        "source.offset": b"100",
    }
    assert headers(first) == headers(alone) | {"source.offset": b"101", "source.line": b"1"}
    assert headers(third) == headers(first) | {"source.line": b"3"}
    assert [one.key for one in (alone, first, third)] == [b"10.0.0.5", b"10.0.0.5", b"10.0.0.1"]
    assert {one.topic for one in (alone, first, third)} == {"flows"}


def test_the_order_of_a_partition_stays() -> None:
    values = [flow(at) if at % 3 else flow(at) + b"\n" + flow(at + 0.5) for at in range(50)]
    starts = [json.loads(outgoing.value)["start"] for outgoing in rekeyed([arrivals(values)])]
    assert starts == sorted(starts)
    assert len(starts) == 67


def test_a_flow_without_addresses_may_go_to_any_partition() -> None:
    (outgoing,) = rekeyed([arrivals([NOWHERE])])
    assert outgoing.key is None
    assert json.loads(outgoing.value)["src_packets"] == 3


def test_an_object_printed_over_several_lines_is_one_record() -> None:
    printed = json.dumps(json.loads(flow()), indent=2).encode()
    (outgoing,) = rekeyed([arrivals([printed])])
    assert same(
        make_decoder("canonical").decode([outgoing.value]).batch, make_decoder("canonical").decode([flow()]).batch
    )
    (letter,) = rekeyed([arrivals([b"{\n" * 1000])])
    assert letter.topic == "dlq"


def test_the_format_that_is_set_holds_for_messages_that_name_none() -> None:
    settings = Settings(topic_raw="raw", topic_flows="flows", topic_dead_letters="dlq", format_raw="zeek")
    row, letter, canonical = rekeyed([arrivals([ROW, flow(), flow()], [None, None, b"canonical"])], settings)
    assert (row.topic, canonical.topic, letter.topic) == ("flows", "dlq", "flows")


def test_a_message_of_many_records_comes_in_parts() -> None:
    many = b"\n".join([b"x"] * 10_000 + [flow()])
    parts = list(Rekeying(SETTINGS, Status(Metrics()), Metrics()).process([arrivals([many, many])]))
    assert sum(map(len, parts)) == 20_002
    assert max(map(len, parts)) < 5_000
    lines = [int(headers(one)["source.line"]) for part in parts for one in part if one.topic == "dlq"]
    assert lines == [*range(1, 10_001)] * 2


def test_a_topic_that_nobody_can_decode_is_told_and_goes_on() -> None:
    metrics = Metrics()
    status = Status(metrics)
    rekeying = Rekeying(SETTINGS, status, metrics)

    def take(values: list[bytes | None]) -> int:
        return sum(map(len, rekeying.process([arrivals(values)])))

    assert take([b"poison"] * 999) == 999
    assert status.ready()[0]
    assert take([b"poison"] * 200) == 200
    ready, document = status.ready()
    assert not ready
    (reason,) = document["reasons"]
    assert reason["part"] == "input"
    assert "raw cannot be decoded" in reason["reason"]
    assert "--format" in reason["reason"]
    assert "tidegate_undecodable_share 1.0" in metrics.exposition().decode()
    take([flow()] * 300)
    assert status.ready()[0]
    assert rekeying.account() == "300 flows, 1199 dead letters, 0 records that are neither"


@pytest.mark.parametrize(
    "file",
    [
        "pmacct/nfacctd-1.7.7_ssh-bruteforce.json",
        "nfdump/slips_test1-malicious_2018-01-12.nfdump-1.7.1.json.gz",
        "suricata-eve/slips_test6-malicious.eve.json.gz",
        "argus/slips_test11-portscan.binetflow",
        "cicflowmeter/py-cicflowmeter-0.5.0_ssh-bruteforce.csv",
        "zeek-tsv/netflowlabeler_conn.tab.log",
        "zeek-json/slips_test9-mixed.conn.log.gz",
    ],
)
def test_what_real_exporters_write_needs_no_format_named(datasets: Path, file: str) -> None:
    chunks = list(read_flows([parse_spec(str(datasets / "producers" / file))]))
    outgoing = rekeyed([arrivals([line for chunk in chunks for line in chunk.raw])])
    flows = [one.value for one in outgoing if one.topic == "flows"]
    wanted = FlowBatch.concatenate([chunk.decoded.batch for chunk in chunks])
    assert same(make_decoder("canonical").decode(flows).batch, wanted)
    assert len(outgoing) - len(flows) == sum(len(chunk.decoded.dead) for chunk in chunks)
    assert len(flows) > 60


_RECORDS = st.one_of(
    st.binary(max_size=30),
    st.sampled_from([flow(), ZEEK_FLOW, ROW, NOWHERE, flow()[:-5], b"#fields\tx", b"[]", b"{}", b"null", b"[" * 5000]),
)
_MESSAGES = st.one_of(st.none(), st.lists(_RECORDS, max_size=6).map(b"\n".join))
_NAMES = st.one_of(st.none(), st.sampled_from([b"zeek", b"canonical"]), st.binary(max_size=8))


@given(st.lists(st.tuples(_MESSAGES, _NAMES), max_size=8))
def test_every_record_is_a_flow_or_a_dead_letter_or_nothing(messages: list[tuple[bytes | None, bytes | None]]) -> None:
    values, formats = [value for value, _ in messages], [name for _, name in messages]
    outgoing = rekeyed([arrivals(values, formats)])
    seen = [(headers(one)["source.offset"], headers(one).get("source.line")) for one in outgoing]
    assert len(set(seen)) == len(seen)
    for one in outgoing:
        value = values[int(headers(one)["source.offset"]) - 100]
        if one.topic == "dlq":
            assert one.value == b"" if value is None else one.value in value
            assert headers(one)["error"]
        else:
            assert headers(one)["format"] == b"canonical"
            assert len(make_decoder("canonical").decode([one.value])) == 1
    assert all(not value.strip() or b"#" in value for value in values if value is not None) or outgoing


def test_a_message_of_many_lines_does_not_multiply_its_key_and_its_format() -> None:
    lines, long = 1000, b"x" * 500_000
    for key, name in ((long, None), (b"k", long)):
        message = Arrivals(3, [b"?\n" * lines], [name], [key], [100])
        out = rekeyed([message])
        assert len(out) == lines
        size = sum(len(one.key or b"") + sum(len(text) for _, text in one.headers) for one in out)
        assert size < 1000 * lines
