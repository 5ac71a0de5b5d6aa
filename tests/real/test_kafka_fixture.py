"""The tests' own Apache Kafka does what the embedded broker cannot."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition

from tests.support.kafka import KafkaServer, create_topic, shared_server


def consume(bootstrap: str, topic: str, count: int, *, partitions: int = 1, isolation: str) -> list[Message]:
    """Up to ``count`` messages of all partitions, fewer if nothing more comes."""
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": f"{topic}.{isolation}", "isolation.level": isolation}
    )
    try:
        consumer.assign([TopicPartition(topic, partition, 0) for partition in range(partitions)])
        messages: list[Message] = []
        while len(messages) < count:
            more = consumer.consume(count - len(messages), timeout=5)
            if not more:
                break
            messages += more
        assert all(message.error() is None for message in messages)
        return messages
    finally:
        consumer.close()


def test_twelve_partitions_keep_every_message(kafka_bootstrap: str) -> None:
    topic = create_topic(kafka_bootstrap, 12)
    producer = Producer({"bootstrap.servers": kafka_bootstrap})
    for number in range(240):
        producer.produce(topic, str(number).encode(), partition=number % 12)
    assert producer.flush(30) == 0

    messages = consume(kafka_bootstrap, topic, 240, partitions=12, isolation="read_committed")

    assert sorted(int(message.value() or b"") for message in messages) == list(range(240))
    assert {message.partition() for message in messages} == set(range(12))


def test_a_topic_name_is_never_used_twice(kafka_bootstrap: str) -> None:
    assert create_topic(kafka_bootstrap) != create_topic(kafka_bootstrap)


def test_all_workers_of_a_run_share_one_server(kafka_bootstrap: str, run_folder: Path) -> None:
    if "TIDEGATE_TEST_BOOTSTRAP" in os.environ:
        assert kafka_bootstrap == os.environ["TIDEGATE_TEST_BOOTSTRAP"]
        return
    with shared_server(run_folder / "kafka") as joined:
        assert joined == kafka_bootstrap
    assert Consumer({"bootstrap.servers": kafka_bootstrap, "group.id": "still-there"}).list_topics(timeout=30).brokers


def test_transactions_hide_what_was_aborted_and_commit_offsets_with_the_output(kafka_bootstrap: str) -> None:
    source, sink = create_topic(kafka_bootstrap), create_topic(kafka_bootstrap)
    group = f"{source}.group"
    consumer = Consumer({"bootstrap.servers": kafka_bootstrap, "group.id": group, "enable.auto.commit": False})
    producer = Producer({"bootstrap.servers": kafka_bootstrap, "transactional.id": f"{sink}.writer"})
    try:
        producer.init_transactions(30)

        producer.begin_transaction()
        producer.produce(sink, b"aborted", partition=0)
        producer.flush(30)
        producer.abort_transaction(30)

        producer.begin_transaction()
        producer.produce(sink, b"committed", partition=0)
        producer.send_offsets_to_transaction([TopicPartition(source, 0, 7)], consumer.consumer_group_metadata(), 30)
        producer.commit_transaction(30)

        assert [offset.offset for offset in consumer.committed([TopicPartition(source, 0)], 30)] == [7]
    finally:
        consumer.close()

    committed = consume(kafka_bootstrap, sink, 1, isolation="read_committed")
    everything = consume(kafka_bootstrap, sink, 2, isolation="read_uncommitted")
    assert [message.value() for message in committed] == [b"committed"]
    assert [message.value() for message in everything] == [b"aborted", b"committed"]


@pytest.mark.long
def test_a_killed_server_comes_back_with_what_it_had_acknowledged(kafka_server: KafkaServer) -> None:
    topic = create_topic(kafka_server.bootstrap)
    producer = Producer({"bootstrap.servers": kafka_server.bootstrap, "acks": "all"})
    producer.produce(topic, b"kept", partition=0)
    assert producer.flush(30) == 0

    kafka_server.kill()
    with pytest.raises(KafkaException):
        Consumer({"bootstrap.servers": kafka_server.bootstrap, "group.id": "nobody"}).list_topics(timeout=1)
    kafka_server.start()

    messages = consume(kafka_server.bootstrap, topic, 1, isolation="read_committed")
    assert [message.value() for message in messages] == [b"kept"]
