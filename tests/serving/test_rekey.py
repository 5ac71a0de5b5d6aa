"""The rekeying process: kill it, run two of it, stop it; nothing is lost, and what it writes is served."""

from __future__ import annotations

import json
import re
import signal
import socket
import time
from pathlib import Path

from confluent_kafka import Message

from detection.detector import Detector
from model_registry.registry import Registry
from tests.support.command import tidegate_command
from tests.support.serving import ZEEK_FLOW, Running, Served, Topics, flow, header, wait_until


def send_flows(topics: Topics, first: int, count: int) -> set[str]:
    """Send raw flows of 40 hosts, each host in one partition, in the order of time; returns their ids."""
    for partition in range(4):
        numbers = [number for number in range(first, first + count) if number % 4 == partition]
        flows = [flow(number / 10, host=f"10.0.0.{number % 40}", flow_id=str(number)) for number in numbers]
        topics.send(flows, topic=topics.raw, partition=partition, key=None)
    return {str(number) for number in range(first, first + count)}


def flow_ids(messages: list[Message]) -> list[str]:
    return [json.loads(message.value() or b"")["flow_id"] for message in messages]


def test_after_a_kill_nothing_is_lost_and_a_host_s_flows_stay_in_order(kafka_topics: Topics, tmp_path: Path) -> None:
    topics = kafka_topics
    total = 20_000
    sent = send_flows(topics, 0, total)
    settings = topics.settings(batch_size=100)
    with Served(settings, tmp_path / "first.log", command="rekey") as first:
        wait_until(lambda: topics.committed_raw() > 0, 60, first.log.read_text)
        first.process.send_signal(signal.SIGKILL)
        first.process.wait()
    assert 0 < topics.committed_raw() < total
    with Served(settings, tmp_path / "second.log", command="rekey") as second:
        wait_until(lambda: topics.committed_raw() == total, 90, second.log.read_text)
        assert second.leave()[0] == 0, second.log.read_text()
    done = re.search(r"in all (\d+) flows", second.log.read_text())
    assert done
    assert int(done[1]) < total  # the first one had committed some
    messages = topics.read_all(topics.flows)
    assert set(flow_ids(messages)) == sent
    latest: dict[bytes | None, int] = {}
    partitions: dict[bytes | None, set[int | None]] = {}
    seen: set[str] = set()
    for message, number in zip(messages, flow_ids(messages), strict=True):
        partitions.setdefault(message.key(), set()).add(message.partition())
        if number not in seen:
            assert int(number) > latest.get(message.key(), -1)
            latest[message.key()] = int(number)
            seen.add(number)
    assert len(partitions) == 40
    assert all(len(found) == 1 for found in partitions.values())


def test_two_members_share_the_partitions_and_one_takes_over(kafka_topics: Topics) -> None:
    topics = kafka_topics
    first = Running(topics.settings(), None)

    def assigned(loop: Running) -> float:
        return loop.metrics.registry.get_sample_value("tidegate_assigned_partitions") or 0.0

    sent = send_flows(topics, 0, 400)
    first.until(lambda: topics.committed_raw() == 400)
    second = Running(topics.settings(), None)
    deadline = time.monotonic() + 60
    while (assigned(first), assigned(second)) != (2, 2):
        assert time.monotonic() < deadline
        first.loop.step()
        second.loop.step()
    sent |= send_flows(topics, 400, 400)
    while topics.committed_raw() < 800:
        assert time.monotonic() < deadline
        first.loop.step()
        second.loop.step()
    first.leave()
    sent |= send_flows(topics, 800, 400)
    second.until(lambda: topics.committed_raw() == 1200, 60)
    second.leave()
    assert set(flow_ids(topics.read_all(topics.flows))) == sent


def test_serve_reads_what_rekey_writes(any_topics: Topics, registry: Registry, detector: Detector) -> None:
    topics = any_topics
    several = b"\n".join(flow(at, "malware", "10.0.0.7") for at in range(10))
    topics.send([ZEEK_FLOW, several, b'{"src_addr":"::","dst_addr":"::"}', b"poison"], topic=topics.raw, key=None)
    settings = topics.settings(registry, verdicts="all")
    rekeying = Running(settings, None)
    rekeying.until(lambda: topics.committed_raw() == 4)
    rekeying.leave()
    deciding = Running(settings, detector)
    deciding.until(lambda: topics.committed() == 12)
    deciding.leave()
    verdicts = topics.documents(topics.verdicts, 12)
    assert [verdict["key_host"] for verdict in verdicts].count("10.0.0.7") == 10
    assert [verdict["verdict"] for verdict in verdicts].count("malware") == 11
    (letter,) = topics.read(topics.dead_letters, 1)
    assert header(letter, "source.topic") == topics.raw.encode()


def test_the_process_says_how_it_is_and_leaves_when_asked(topics: Topics, tmp_path: Path) -> None:
    topics.send([ZEEK_FLOW] * 50 + [b"poison"] * 3, topic=topics.raw, key=None)
    with Served(topics.settings(), tmp_path / "log", command="rekey") as process:
        process.wait_ready()
        wait_until(lambda: topics.committed_raw() == 53, 30, process.log.read_text)
        assert process.get("/health") == (200, {"alive": True})
        metrics = process.get("/metrics")[1]
        assert f'tidegate_published_messages_total{{topic="{topics.flows}"}} 50.0' in metrics
        assert 'tidegate_dead_letters_total{reason="unrecognised"} 3.0' in metrics
        code, document = process.get("/models")
        assert (code, document) == (404, {"error": "no such path; there are: /health, /ready, /metrics"})
        code, seconds = process.leave()
    assert code == 0, process.log.read_text()
    assert seconds < 10
    assert "in all 50 flows, 3 dead letters" in process.log.read_text()


def test_a_topic_that_does_not_exist_is_named(kafka_topics: Topics, tmp_path: Path) -> None:
    with Served(kafka_topics.settings(topic_raw="nobody.made.this"), tmp_path / "log", command="rekey") as process:
        wait_until(lambda: "nobody.made.this; create it" in str(process.get("/ready")), 30, process.log.read_text)
        assert process.get("/ready")[0] == 503


def test_a_port_in_use_and_wrong_settings_are_clear_errors() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        code, out, err = tidegate_command("rekey", "--listen", f"127.0.0.1:{port}")
    assert (code, out) == (1, "")
    assert f"cannot listen on 127.0.0.1:{port}" in err
    assert "--listen" in err
    code, _, err = tidegate_command("rekey", "--format", "netflow9")
    assert code == 2
    assert "format_raw" in err
    assert "zeek" in err
