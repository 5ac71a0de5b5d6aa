"""The sink: deliveries are confirmed one by one, and what is too large is cut or stops everything."""

from __future__ import annotations

import os
import time

import pytest
from confluent_kafka import KafkaException, Message

from model_registry.registry import Registry
from serving.broker import EmbeddedBroker
from serving.kafka import is_embedded
from serving.sink import Outgoing, Sink, SinkError
from tests.support.kafka import create_topic
from tests.support.serving import Topics


def never() -> bool:
    return False


def test_everything_is_delivered_with_key_and_headers(topics: Topics, registry: Registry) -> None:
    confirmed: list[Message] = []
    sink = Sink(topics.settings(registry), lambda _, message: confirmed.append(message))
    messages = [Outgoing(topics.verdicts, b"10.0.0.1", b"%d" % number, (("a", b"b"),)) for number in range(500)]
    assert sink.deliver(messages, never) == []
    found = topics.read(topics.verdicts, 500)
    assert [message.value() for message in found] == [message.value for message in messages]
    assert {(message.key(), str(message.headers())) for message in found} == {(b"10.0.0.1", "[('a', b'b')]")}
    assert len(confirmed) == 500
    assert sink.deliver([], never) == []


def test_what_a_broker_that_is_gone_does_not_confirm_comes_back(registry: Registry) -> None:
    with EmbeddedBroker() as broker:
        topics = Topics(broker.bootstrap, create=False)
        sink = Sink(topics.settings(registry))
        assert sink.deliver([Outgoing(topics.alerts, None, b"first")], never) == []
    second = [Outgoing(topics.alerts, None, b"second")]
    give_up_at = time.monotonic() + 0.5
    assert sink.deliver(second, lambda: time.monotonic() > give_up_at) == second
    assert time.monotonic() < give_up_at + 2.0
    with pytest.raises(KafkaException):
        sink.missing_topics([topics.alerts], timeout_s=0.2)


def test_what_is_too_large_is_cut_where_it_may_be(kafka_bootstrap: str, registry: Registry) -> None:
    topics = Topics(kafka_bootstrap, create=True)
    sink = Sink(topics.settings(registry))
    large = Outgoing(topics.dead_letters, None, os.urandom(3_000_000), (("error", b"x"),), cuttable=True)
    (cut,) = sink.deliver([large], never)
    assert sink.deliver([cut], never) == []
    (message,) = topics.read(topics.dead_letters, 1)
    assert len(message.value() or b"") == 65_536
    assert dict(message.headers() or []) == {"error": b"x", "truncated.from": b"3000000"}
    with pytest.raises(SinkError, match=r"too large for the broker.*max\.message\.bytes"):
        sink.deliver([Outgoing(topics.verdicts, None, os.urandom(3_000_000))], never)


def test_a_key_or_a_header_that_is_too_large_is_cut_too(kafka_bootstrap: str, registry: Registry) -> None:
    # Nobody but the sender bounds them, and what he sent just fits the broker as long as nothing is added to it.
    topics = Topics(kafka_bootstrap, create=True)
    sink = Sink(topics.settings(registry))
    large = os.urandom(1_048_570)
    letters = [
        Outgoing(topics.dead_letters, large, b"value", (("error", b"x"),), cuttable=True),
        Outgoing(topics.dead_letters, b"key", b"value", (("error", b"x"), ("format", large)), cuttable=True),
    ]
    cut = sink.deliver(letters, never)
    assert len(cut) == 2
    assert sink.deliver(cut, never) == []
    found = {message.key(): dict(message.headers() or []) for message in topics.read(topics.dead_letters, 2)}
    assert found == {
        large[:1024]: {"error": b"x", "truncated.from": b"5"},
        b"key": {"error": b"x", "format": large[:1024], "truncated.from": b"5"},
    }


def test_topics_that_nobody_made_are_missing(kafka_bootstrap: str, registry: Registry) -> None:
    topics = Topics(kafka_bootstrap, create=True)
    there = create_topic(kafka_bootstrap)
    assert Sink(topics.settings(registry)).missing_topics([there, "nobody.made.this"]) == ["nobody.made.this"]


def test_the_embedded_broker_is_recognised(topics: Topics, registry: Registry) -> None:
    assert is_embedded(Sink(topics.settings(registry)).cluster())


def test_a_real_one_is_not_taken_for_it(kafka_topics: Topics, registry: Registry) -> None:
    assert not is_embedded(Sink(kafka_topics.settings(registry)).cluster())
