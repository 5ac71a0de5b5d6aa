"""The loop, on the embedded broker and on Apache Kafka: what comes in, what goes out, when offsets are committed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence

import pytest

from detection.detector import Detector
from model_registry.registry import Registry
from serving.config import Settings
from serving.sink import Outgoing, Sink
from tests.support.serving import ZEEK_FLOW, Running, Topics, flow, header


@pytest.fixture
def running(any_topics: Topics, registry: Registry, detector: Detector) -> Iterator[Running]:
    loop = Running(any_topics.settings(registry, verdicts="all"), detector)
    yield loop
    loop.leave()


def test_every_message_comes_out_once_and_then_its_offset_is_committed(any_topics: Topics, running: Running) -> None:
    topics = any_topics
    benign = [flow(at, host=f"10.0.0.{at}") for at in range(60)]
    for host in range(60):
        topics.send([benign[host]], key=f"10.0.0.{host}".encode())
    topics.send([flow(at, "malware", "10.0.0.1") for at in range(20)])
    topics.send([ZEEK_FLOW] * 3, format="zeek", key=b"10.0.0.9")
    topics.send([b"poison", None, b""])
    topics.send([flow()], format=b"\xff")
    running.until(lambda: topics.committed() == 87)

    verdicts = topics.documents(topics.verdicts, 83)
    assert len({verdict["id"] for verdict in verdicts}) == 83
    assert all(verdict["id"].startswith(f"{topics.flows}/") for verdict in verdicts)
    assert [verdict["verdict"] for verdict in verdicts].count("malware") == 23
    alerts = topics.documents(topics.alerts, 3)
    assert {(alert["key_host"], alert["change"]) for alert in alerts} == {
        ("10.0.0.1", "opened"),
        ("10.0.0.1", "escalated"),
        ("10.0.0.9", "opened"),
    }
    assert running.count("flows", verdict="benign") == 60
    assert running.count("skipped_messages") == 1
    assert running.count("published_messages", topic=topics.verdicts) == 83
    assert running.status.stats.document()["dead_letters"] == 3
    running.until(lambda: running.status.ready()[0])


def test_dead_letters_carry_the_bytes_the_reason_and_the_origin(any_topics: Topics, running: Running) -> None:
    topics = any_topics
    topics.send([flow(), b'{"start": "yesterday"}', None], partition=2, key=b"k")
    topics.send([flow()], partition=2, format="netflow9", key=b"k")
    running.until(lambda: topics.committed() == 4)
    letters = topics.read(topics.dead_letters, 3)
    assert [letter.value() for letter in letters] == [b'{"start": "yesterday"}', b"", flow()]
    assert [letter.key() for letter in letters] == [b"k"] * 3
    assert [header(letter, "source.offset") for letter in letters] == [b"1", b"2", b"3"]
    assert {header(letter, "source.partition") for letter in letters} == {b"2"}
    assert {header(letter, "source.topic") for letter in letters} == {topics.flows.encode()}
    assert [header(letter, "format") for letter in letters] == [b"canonical", b"canonical", b"netflow9"]
    assert [header(letter, "reason") for letter in letters] == [b"undecodable", b"no value", b"unknown format"]
    assert b"start" in (header(letters[0], "error") or b"")


class RefusingSink(Sink):
    """Kafka takes nothing for the topic of alerts."""

    on_refusal: Callable[[], None]

    def deliver(self, messages: Sequence[Outgoing], give_up: Callable[[], bool]) -> list[Outgoing]:
        self.trouble = "the topic of alerts is gone"
        refused = [message for message in messages if message.topic.startswith("alerts")]
        taken = [message for message in messages if message not in refused]
        if refused:
            self.on_refusal()
        return [*super().deliver(taken, give_up), *refused]


def test_what_is_not_delivered_is_not_committed_and_the_next_reader_loses_nothing(
    any_topics: Topics, registry: Registry, detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.stopping.DRAIN_S", 0.2)
    topics = any_topics
    topics.send([flow(at, "malware") for at in range(20)])
    settings = topics.settings(registry)
    sinks: list[RefusingSink] = []

    def make_sink(settings: Settings) -> RefusingSink:
        sinks.append(RefusingSink(settings))
        return sinks[0]

    first = Running(settings, detector, make_sink)
    sinks[0].on_refusal = first.stop.request  # so that it gives up soon
    first.until(lambda: first.count("delivery_failures") > 0, timeout=30)
    ready, document = first.status.ready()
    assert not ready
    assert any("the topic of alerts is gone" in one["reason"] for one in document["reasons"])
    first.leave()
    assert topics.committed() == 0

    second = Running(settings, detector)
    second.until(lambda: topics.committed() == 20)
    second.leave()
    verdicts = [json.loads(message.value() or b"") for message in topics.read_all(topics.verdicts)]
    assert len({verdict["id"] for verdict in verdicts}) == 20
    assert {alert["change"] for alert in topics.documents(topics.alerts, 2)} == {"opened", "escalated"}


class HesitantSink(Sink):
    """Kafka takes everything, the second time."""

    refusals = 2

    def deliver(self, messages: Sequence[Outgoing], give_up: Callable[[], bool]) -> list[Outgoing]:
        if messages and self.refusals:
            self.refusals -= 1
            return list(messages)
        return super().deliver(messages, give_up)


def test_what_is_not_delivered_is_sent_again(
    topics: Topics, registry: Registry, detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.loop._RETRY_S", 0.05)
    topics.send([flow(at, "ddos") for at in range(5)])
    running = Running(topics.settings(registry), detector, HesitantSink)
    running.until(lambda: topics.committed() == 5)
    assert running.count("delivery_failures") > 0
    topics.read(topics.verdicts, 5)
    assert "output" not in {one["part"] for one in running.status.ready()[1]["reasons"]}
    running.leave()


def test_partitions_are_shared_out_and_taken_over_with_nothing_lost(
    kafka_topics: Topics, registry: Registry, detector: Detector
) -> None:
    topics = kafka_topics
    settings = topics.settings(registry, verdicts="all")
    first = Running(settings, detector)

    def assigned(loop: Running) -> float:
        return loop.metrics.registry.get_sample_value("tidegate_assigned_partitions") or 0.0

    def spread(round_: int) -> None:
        for partition in range(4):
            topics.send([flow(round_ * 100 + at) for at in range(25)], partition=partition)

    spread(0)
    first.until(lambda: topics.committed() == 100)
    second = Running(settings, detector)
    deadline = time.monotonic() + 60
    while (assigned(first), assigned(second)) != (2, 2):
        assert time.monotonic() < deadline
        first.loop.step()
        second.loop.step()
    spread(1)
    while topics.committed() < 200:
        assert time.monotonic() < deadline
        first.loop.step()
        second.loop.step()
    first.leave()
    spread(2)
    second.until(lambda: topics.committed() == 300, 60)
    second.leave()
    ids = [json.loads(message.value() or b"")["id"] for message in topics.read_all(topics.verdicts)]
    assert len(set(ids)) == 300
