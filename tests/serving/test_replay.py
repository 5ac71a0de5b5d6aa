"""Replaying files: every line arrives, where its host belongs, in order, in time, and not too early for its reader."""

from __future__ import annotations

import gzip
import json
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from confluent_kafka import Consumer, TopicPartition

from flows.batch import FlowBatch
from flows.files import parse_spec, read_flows
from flows.formats import make_decoder
from flows.labels import truth_of
from flows.messages import decode_messages
from model_registry.registry import Registry
from serving.config import Settings
from serving.pacing import LIMIT_BYTES, Backlog, Pace, StalledError
from serving.replay import Replayer, ReplayError
from serving.stopping import Stop
from tests.support.batches import same
from tests.support.command import tidegate_command
from tests.support.serving import ZEEK_FLOW, Served, Topics, flow, header, wait_until

TSV = b"\n".join(
    [
        b"#separator \\x09",
        b"#path\tconn",
        b"#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tservice\tduration\torig_bytes\tresp_bytes\t"
        b"conn_state\tlocal_orig\tlocal_resp\tmissed_bytes\thistory\torig_pkts\torig_ip_bytes\tresp_pkts\tresp_ip_bytes\t"
        b"tunnel_parents",
        *(
            b"1700000000.%d\tC%d\t10.0.0.%d\t40000\t198.51.100.7\t80\ttcp\thttp\t0.1\t10\t20\tSF\tT\tF\t0\tShADadFf\t5\t300\t5\t400\t-"
            % (at, at, at % 5)
            for at in range(10, 40)
        ),
        b"1700000000.5\tcut off",
        b"#close\t2026-01-01",
    ]
)


def batch_of(lines: list[bytes]) -> FlowBatch:
    return make_decoder("canonical").decode(lines).batch


def in_one_order(batch: FlowBatch) -> FlowBatch:
    return batch.take(np.lexsort((batch.start, batch.src_addr[:, 1])))


def replay(topics: Topics, *arguments: object) -> dict[str, Any]:
    """Run the command against these topics."""
    code, out, err = tidegate_command(
        "replay", "--bootstrap", topics.bootstrap, "--topic", topics.flows, "--json", *arguments
    )
    assert code == 0, err
    summary: dict[str, Any] = json.loads(out)
    return summary


def test_every_line_arrives_and_decodes_to_the_same_flow(topics: Topics, tmp_path: Path) -> None:
    text, objects, canonical = tmp_path / "conn.log.gz", tmp_path / "conn.json", tmp_path / "flows.ndjson"
    text.write_bytes(gzip.compress(TSV))
    objects.write_bytes(ZEEK_FLOW + b"\n" + ZEEK_FLOW[:-9] + b"\n\n" + ZEEK_FLOW)
    canonical.write_bytes(flow(1) + b"\n" + b"{}\n" + flow(2))
    summary = replay(topics, text, objects, canonical)
    assert (summary["flows"], summary["undecodable"], summary["interrupted"]) == (34, 3, False)

    messages = topics.read(topics.flows, 37)
    formats = [header(message, "format") for message in messages]
    decoded, rejected = decode_messages([message.value() for message in messages], formats, "canonical")
    assert (len(decoded), len(rejected)) == (34, 3)
    specs = [parse_spec(str(path)) for path in (text, objects, canonical)]
    wanted = FlowBatch.concatenate([chunk.decoded.batch for chunk in read_flows(specs)])
    assert same(in_one_order(decoded.batch), in_one_order(wanted))
    assert {message.value() for message in messages} >= {ZEEK_FLOW, flow(1), flow(2), b"{}"}


def test_labels_go_along_where_lines_become_canonical(topics: Topics, tmp_path: Path) -> None:
    text, objects = tmp_path / "conn.log", tmp_path / "conn.json"
    rows = TSV.splitlines()
    labelled = [b"1700000000.1\tC1\t10.0.0.1\t40000\t198.51.100.7\t80\ttcp\thttp\t0.1\t10\t20\tSF\tT\tF\t0\tShADadFf"
                b"\t5\t300\t5\t400\t-\tMalicious\tDDoS"]  # fmt: skip
    text.write_bytes(b"\n".join([*rows[:2], rows[2] + b"\tlabel\tdetailedlabel", *labelled]))
    objects.write_bytes(ZEEK_FLOW)
    replay(topics, text, f"malware:{text}", f"benign:{objects}", objects)
    documents = [json.loads(message.value() or b"") for message in topics.read(topics.flows, 4)]
    assert [document["label"] for document in documents if document.get("flow_id") == "C1"] == ["DDoS", "malware"]
    (canonical,) = (document for document in documents if document.get("flow_id") == "CtxTBc1")
    assert canonical["label"] == "benign"
    assert truth_of("malware") == "malware"


def test_flows_without_addresses_have_no_key_and_count_as_flows(topics: Topics, tmp_path: Path) -> None:
    file = tmp_path / "flows.ndjson"
    file.write_bytes(b'{"src_addr":"::","dst_addr":"::","src_packets":1}\n' * 600 + b"{}")
    summary = replay(topics, file)
    assert (summary["flows"], summary["undecodable"]) == (600, 1)
    messages = topics.read(topics.flows, 601)
    assert {message.key() for message in messages} == {None}


def test_a_host_keeps_to_one_partition_in_order(topics: Topics, tmp_path: Path) -> None:
    file = tmp_path / "flows.ndjson"
    outward = [flow(at, host=f"10.0.0.{at % 7}") for at in range(70)]
    inward = [flow(at + 0.5, src_addr="203.0.113.5", dst_addr=f"10.0.0.{at % 7}") for at in range(70)]
    file.write_bytes(b"\n".join(line for pair in zip(outward, inward, strict=True) for line in pair))
    replay(topics, file)
    partitions: dict[bytes, set[int | None]] = {}
    starts: dict[bytes, list[float]] = {}
    for message in topics.read(topics.flows, 140):
        host = message.key() or b""
        partitions.setdefault(host, set()).add(message.partition())
        starts.setdefault(host, []).append(json.loads(message.value() or b"")["start"])
    assert sorted(partitions) == [b"10.0.0.%d" % host for host in range(7)]
    assert all(len(found) == 1 for found in partitions.values())
    assert all(found == sorted(found) and len(found) == 20 for found in starts.values())


def test_the_traffic_s_own_time_sets_the_pace(topics: Topics, registry: Registry) -> None:
    batch = batch_of([flow(at / 10) for at in range(100)])  # 9.9 s of traffic
    with Replayer(topics.settings(registry), speed=20) as replayer:
        started = time.monotonic()
        replayer.send_batch(batch.take(slice(0, 50)))
        replayer.send_batch(batch.take(slice(50, 100)))
        taken = time.monotonic() - started
    assert 0.45 < taken < 3.0
    assert replayer.summary.traffic_s == pytest.approx(9.9)
    assert replayer.summary.flows == len(topics.read(topics.flows, 100))


def test_a_rate_sets_the_pace_and_a_stop_ends_it(topics: Topics, registry: Registry) -> None:
    stop = Stop()
    with Replayer(topics.settings(registry), rate=100, stop=stop) as replayer:
        threading.Timer(0.5, stop.request).start()
        replayer.send_batch(batch_of([flow(at) for at in range(1000)]))
    assert 10 < replayer.summary.flows < 500
    assert len(topics.read_all(topics.flows)) == replayer.summary.flows


def test_one_bad_date_does_not_stop_the_clock() -> None:
    pace = Pace(speed=1.0)
    due = pace.due(batch_of([flow(0), flow(1), flow(86_400 * 3000), flow(2), flow(3)]))
    assert due.tolist() == [0.0, 1.0, 601.0, 601.0, 601.0]
    absent = pace.due(batch_of([json.dumps({"src_addr": "10.0.0.1", "dst_addr": "10.0.0.2"}).encode()]))
    assert absent.tolist() == [601.0]
    assert Pace().due(FlowBatch.empty()).tolist() == []


class SlowReader:
    """A reader of one partition in the group's name, that commits what it read."""

    def __init__(self, topics: Topics, seconds_per_read: float) -> None:
        self._topics = topics
        self._pause = seconds_per_read
        self.values: list[bytes] = []
        self.stop = threading.Event()
        self._thread = threading.Thread(target=self._read)

    def _read(self) -> None:
        consumer = Consumer(
            {
                "bootstrap.servers": self._topics.bootstrap,
                "group.id": self._topics.group,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "log_level": 0,
            }
        )
        partitions = consumer.list_topics(self._topics.flows, timeout=10).topics[self._topics.flows].partitions
        consumer.assign([TopicPartition(self._topics.flows, number, 0) for number in partitions])
        while not self.stop.is_set():
            messages = consumer.consume(500, 0.05)
            self.values += [message.value() or b"" for message in messages]
            ends = {message.partition(): (message.offset() or 0) + 1 for message in messages}
            if ends:
                offsets = [TopicPartition(self._topics.flows, number or 0, end) for number, end in ends.items()]
                consumer.commit(offsets=offsets, asynchronous=False)
            time.sleep(self._pause)
        consumer.close()

    def __enter__(self) -> SlowReader:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop.set()
        self._thread.join()


def test_a_slow_reader_of_the_embedded_broker_loses_nothing(topics: Topics, registry: Registry) -> None:
    # 16 MB to one partition, of which the broker keeps 5.
    batch = batch_of([flow(at / 100, flow_id=f"{at:06}" + "x" * 750, sensor_id="x" * 750) for at in range(8_000)])
    with SlowReader(topics, 0.02) as reader, Replayer(topics.settings(registry)) as replayer:
        replayer.send_batch(batch)
        deadline = time.monotonic() + 30
        while len(reader.values) < 8_000 and time.monotonic() < deadline:
            time.sleep(0.05)
    assert [json.loads(value)["flow_id"][:6] for value in reader.values] == [f"{at:06}" for at in range(8_000)]


def test_nobody_reading_is_told_and_nothing_dropped(
    topics: Topics, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.pacing._PATIENCE_S", 0.5)
    batch = batch_of([flow(at / 100, flow_id="x" * 1000, sensor_id="x" * 1000) for at in range(3_000)])
    with (
        Replayer(topics.settings(registry)) as replayer,
        pytest.raises(StalledError, match=rf"group '{topics.group}' has read nothing .*tidegate serve"),
    ):
        replayer.send_batch(batch)
    low = Consumer({"bootstrap.servers": topics.bootstrap, "group.id": "reader", "log_level": 0})
    marks = [low.get_watermark_offsets(TopicPartition(topics.flows, number), timeout=10) for number in range(4)]
    low.close()
    assert all(first == 0 for first, _ in marks)
    assert sum(end for _, end in marks) * 2500 > LIMIT_BYTES


def test_what_was_there_before_counts_as_unread(topics: Topics, registry: Registry) -> None:
    topics.send([flow()] * 3_000)
    backlog = Backlog(topics.settings(registry), topics.group)
    asked = iter([False, False, False, True])
    backlog.wait(lambda: next(asked))
    backlog.close()
    assert next(asked, None) is None


def test_a_broker_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.replay._CONNECT_S", 0.5)
    with pytest.raises(ReplayError, match="does not answer"):
        Replayer(Settings(bootstrap="127.0.0.1:1"))


def test_wrong_usage(topics: Topics, tmp_path: Path) -> None:
    file = tmp_path / "flows.ndjson"
    file.write_bytes(flow())
    assert tidegate_command("replay").code == 2
    assert tidegate_command("replay", tmp_path / "none", "--bootstrap", topics.bootstrap).code == 2
    both = tidegate_command("replay", file, "--speed", 2, "--rate", 5)
    assert both.code == 2
    assert "exclude each other" in both.err


def test_a_group_on_a_real_cluster_can_be_followed(kafka_topics: Topics, registry: Registry) -> None:
    topics = kafka_topics
    with Replayer(topics.settings(registry), follow_group=topics.group) as replayer:
        replayer.send_batch(batch_of([flow(at) for at in range(50)]))
    assert len(topics.read_all(topics.flows)) == 50


def test_every_line_of_a_real_capture_is_accounted_for(
    kafka_topics: Topics, datasets: Path, registry: Registry, tmp_path: Path
) -> None:
    (capture,) = (datasets / "iot23").glob("*34-1*")
    summary = replay(kafka_topics, capture)
    assert summary["flows"] + summary["undecodable"] == 23_145
    with Served(kafka_topics.settings(registry), tmp_path / "log") as process:
        wait_until(lambda: kafka_topics.committed() == 23_145, 90, process.log.read_text)
        stats = process.get("/detections/stats")[1]
    assert (stats["flows"], stats["dead_letters"]) == (summary["flows"], summary["undecodable"])
    published = sum(count for verdict, count in stats["verdicts"].items() if verdict != "benign")
    assert len(kafka_topics.read_all(kafka_topics.verdicts)) == published
    assert len(kafka_topics.read_all(kafka_topics.dead_letters)) == summary["undecodable"]
