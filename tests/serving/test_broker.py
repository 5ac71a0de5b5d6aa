"""The embedded broker: its address, its limits, and that it is gone afterwards."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

from confluent_kafka import Consumer, Producer, TopicPartition

from serving.broker import KEPT_BYTES, LIMITS, PARTITIONS, EmbeddedBroker
from tests.support.command import tidegate_command
from tests.support.real import REPOSITORY
from tests.support.serving import wait_until


def test_it_tells_its_address_and_limits_and_leaves_no_file(tmp_path: Path) -> None:
    port_file = tmp_path / "address"
    command = [sys.executable, "-m", "tidegate", "broker", "--json", "--port-file", str(port_file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=REPOSITORY) as process:
        wait_until(lambda: port_file.exists() or process.poll() is not None, 30)
        address = port_file.read_text().strip()
        assert Producer({"bootstrap.servers": address, "log_level": 0}).list_topics(timeout=10).brokers
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert process.stdout is not None
        document = json.loads(process.stdout.read())
    assert document == {"bootstrap": address, "limits": list(LIMITS)}
    assert not port_file.exists()


def test_an_address_file_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    code, _, err = tidegate_command("broker", "--port-file", tmp_path / "none" / "address")
    assert code == 1
    assert "--port-file" in err


def test_its_limits_are_what_they_are_said_to_be() -> None:
    with EmbeddedBroker() as broker:
        producer = Producer({"bootstrap.servers": broker.bootstrap, "log_level": 0})
        assert len(producer.list_topics("any", timeout=10).topics["any"].partitions) == PARTITIONS
        for _ in range(12_000):
            producer.produce("any", bytes(1000), partition=0)
            producer.poll(0)
        assert producer.flush(30) == 0
        reader = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "reader", "log_level": 0})
        low, high = reader.get_watermark_offsets(TopicPartition("any", 0), timeout=10)
        reader.close()
        assert high == 12_000
        # It drops what was produced together, together: up to 1 MB at a time.
        assert KEPT_BYTES - 1_500_000 < (high - low) * 1000 < 1.1 * KEPT_BYTES
