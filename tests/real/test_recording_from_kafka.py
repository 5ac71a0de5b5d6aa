"""A week of Apache Kafka's topics read back by days: each record once, in any order, through crashes."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from orchestration.defs.recorded.assets import RECORDED, recorded_flows, recorded_verdicts
from orchestration.kafka import KafkaTopics
from orchestration.recording.days import day_path, records_of
from orchestration.resources import AssetStore
from tests.support.kafka import create_topic
from tests.support.real import REPOSITORY
from tests.support.recorded import days_of, verdict

pytestmark = pytest.mark.real

YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)
WEEK = days_of(YESTERDAY - timedelta(days=6), 7)
PARTITIONS = 3
A_DAY = 40  # records


def moment(day: date, share: float) -> int:
    """Milliseconds of a moment in a day."""
    return int((datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() + share * 86_400) * 1000)


def fill(bootstrap: str, topic: str, days: list[date] = WEEK, *, transaction: bool = False) -> dict[bytes, date]:
    """Write records of each day with timestamps of their own, and return what was written with its day."""
    options: dict[str, Any] = {"bootstrap.servers": bootstrap}
    if transaction:
        options["transactional.id"] = topic
    producer = Producer(options)
    written = {}
    if transaction:
        producer.init_transactions(30)
        producer.begin_transaction()
    for day in days:
        for number in range(A_DAY):
            value = f"{day} {number}".encode()
            written[value] = day
            producer.produce(
                topic, value, key=b"10.0.0.5", partition=number % PARTITIONS, timestamp=moment(day, number / A_DAY)
            )
    if transaction:
        producer.commit_transaction(30)
    assert producer.flush(30) == 0
    return written


@pytest.fixture
def topics(kafka_bootstrap: str) -> KafkaTopics:
    flows, verdicts = (create_topic(kafka_bootstrap, PARTITIONS, stem=what) for what in ("flows", "verdicts"))
    return KafkaTopics(bootstrap=kafka_bootstrap, home=["10.0.0.0/8"], flows=flows, verdicts=verdicts)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as one:
        yield one


def record(topics: KafkaTopics, folder: Path, instance: dg.DagsterInstance, day: date, *, raises: bool = True) -> Any:
    """Materialize a day's flows, and its verdicts before."""
    return dg.materialize(
        [recorded_verdicts, recorded_flows],
        partition_key=str(day),
        instance=instance,
        resources={"kafka": topics, "store": AssetStore(folder=str(folder), drop=str(folder / "drop"))},
        raise_on_error=raises,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )


def read(folder: Path, topic: str) -> dict[date, list[bytes]]:
    paths = sorted((folder / RECORDED / topic).glob("*.parquet"))
    return {date.fromisoformat(path.stem): [one["value"] for one in records_of(path)] for path in paths}


def digests(folder: Path) -> dict[str, str]:
    paths = sorted((folder / RECORDED).rglob("*.parquet"))
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


@pytest.mark.parametrize("transaction", [False, True])
def test_a_week_is_backfilled_in_any_order_and_again_each_record_once(
    topics: KafkaTopics, tmp_path: Path, instance: dg.DagsterInstance, transaction: bool
) -> None:
    written = fill(topics.bootstrap, topics.flows, transaction=transaction)

    for day in (WEEK[3], WEEK[0], WEEK[6], WEEK[1], WEEK[5], WEEK[2], WEEK[4]):
        record(topics, tmp_path, instance, day)
    first = digests(tmp_path)
    for day in reversed(WEEK):
        record(topics, tmp_path, instance, day)

    found = read(tmp_path, topics.flows)
    assert sorted(found) == WEEK
    assert {value: day for day, values in found.items() for value in values} == written
    assert sum(map(len, found.values())) == len(written)
    assert digests(tmp_path) == first
    assert instance.get_dynamic_partitions("source") == ["production"]


def test_what_is_told_of_a_day_is_its_file(topics: KafkaTopics, tmp_path: Path, instance: dg.DagsterInstance) -> None:
    fill(topics.bootstrap, topics.flows, WEEK[2:4])

    result = record(topics, tmp_path, instance, WEEK[2])

    (made,) = result.asset_materializations_for_node("recorded_flows")
    told = {name: entry.value for name, entry in made.metadata.items()}
    path = day_path(tmp_path / RECORDED, topics.flows, WEEK[2])
    assert told["path"] == str(path)
    assert (told["dagster/row_count"], told["read"], told["lost"]) == (A_DAY, A_DAY, 0)
    assert told["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert sum(end - begin for begin, end in told["offsets"].values()) == A_DAY


def test_of_a_share_of_hosts_those_that_were_accused_are_kept(
    topics: KafkaTopics, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    producer = Producer({"bootstrap.servers": topics.bootstrap})
    for number in range(100):
        host = f"10.0.0.{number}".encode()
        producer.produce(topics.flows, host, key=host, timestamp=moment(YESTERDAY, 0.5))
    document = {**verdict(0).document, "key_host": "10.0.0.77"}
    producer.produce(topics.verdicts, json.dumps(document).encode(), timestamp=moment(YESTERDAY, 0.5))
    assert producer.flush(30) == 0

    few = KafkaTopics(
        bootstrap=topics.bootstrap, home=topics.home, flows=topics.flows, verdicts=topics.verdicts, flow_share=0.1
    )
    record(few, tmp_path, instance, YESTERDAY)

    (values,) = read(tmp_path, topics.flows).values()
    assert b"10.0.0.77" in values
    assert 1 < len(values) < 40


def test_a_broker_that_is_away_is_waited_for_and_then_told(
    tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestration.retrying.FIRST_WAIT_S", 0.0)
    monkeypatch.setattr("orchestration.recording.log._TIMEOUT_S", 0.5)
    away = KafkaTopics(bootstrap="127.0.0.1:1", home=["10.0.0.0/8"])

    result = record(away, tmp_path, instance, YESTERDAY, raises=False)

    assert not result.success
    assert len([event for event in result.all_events if event.is_step_up_for_retry]) == 3
    (failure,) = result.get_step_failure_events()
    assert "tidegate.verdicts: " in str(failure.step_failure_data.error)
    assert not list(tmp_path.rglob("*.parquet"))


KILLED = """
import sys, time
from datetime import date
from orchestration.recording import days
from orchestration.recording.log import KafkaLog
from pathlib import Path
folder, bootstrap, topic, day = sys.argv[1:]
log = KafkaLog({"bootstrap.servers": bootstrap})
begin = {p: 0 for p in log.partitions(topic)}
end = {p: log.bounds(topic, p)[1] for p in begin}
def keep(record):
    print("reading", flush=True)
    time.sleep(600)
days.record_day(days.day_path(Path(folder), topic, date.fromisoformat(day)), log, topic, begin, end, keep)
"""


def test_a_day_that_was_killed_half_read_leaves_no_day_and_is_whole_the_next_time(
    topics: KafkaTopics, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    written = fill(topics.bootstrap, topics.flows, [YESTERDAY])
    command = [sys.executable, "-c", KILLED, str(tmp_path / RECORDED), topics.bootstrap, topics.flows, str(YESTERDAY)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == b"reading\n"
        reader.send_signal(signal.SIGKILL)
    assert read(tmp_path, topics.flows) == {}

    record(topics, tmp_path, instance, YESTERDAY)

    assert Counter(read(tmp_path, topics.flows)[YESTERDAY]) == Counter(list(written))


def test_what_retention_took_is_told_as_lost(topics: KafkaTopics, tmp_path: Path, instance: dg.DagsterInstance) -> None:
    fill(topics.bootstrap, topics.flows, WEEK[:2])
    record(topics, tmp_path, instance, WEEK[0])
    kept = digests(tmp_path)
    admin = AdminClient({"bootstrap.servers": topics.bootstrap})
    gone = [TopicPartition(topics.flows, partition, 20) for partition in range(PARTITIONS)]
    for future in admin.delete_records(gone).values():
        future.result(30)

    result = record(topics, tmp_path, instance, WEEK[1])
    again = record(topics, tmp_path, instance, WEEK[0], raises=False)

    (made,) = result.asset_materializations_for_node("recorded_flows")
    read_, lost = made.metadata["read"].value, made.metadata["lost"].value
    assert (read_, lost) == (20, 20)
    assert not again.success
    assert digests(tmp_path).items() >= kept.items()
