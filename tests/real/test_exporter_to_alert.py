"""From packets to alerts, unattended: a capture, a real exporter, Apache Kafka, `tidegate rekey`, `tidegate serve`.

Every packet of the capture, every message and every flow is accounted for. pmacct runs by the shipped configurations.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Message

from model_registry.registry import Registry
from tests.support.exporters import TIMEOUT_S, softflowd
from tests.support.pcap import unpack
from tests.support.pmacct import Settings, dropped_datagrams, is_after, nfacctd_collecting, pmacctd_reading
from tests.support.serving import Served, Topics, serving_registry, wait_until

VICTIM = "10.10.10.10"
MOST_IN_A_DATAGRAM = 64  # flows of NetFlow v9, of at least 21 bytes each

pytestmark = [pytest.mark.usefixtures("flow_exporters"), pytest.mark.long]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    return serving_registry(tmp_path_factory.mktemp("registry"))


@pytest.fixture
def topics(kafka_bootstrap: str) -> Topics:
    return Topics(kafka_bootstrap, create=True)


class Chain:
    """`tidegate rekey` and `tidegate serve`, from the raw topic to alerts."""

    def __init__(self, topics: Topics, rekey: Served, serve: Served) -> None:
        self.topics = topics
        self._rekey = rekey
        self._serve = serve

    def follow(self, go_on: Callable[[list[dict[str, Any]]], bool]) -> None:
        """Read the exporter's messages as they come, while ``go_on(the messages until now)``."""
        told: list[dict[str, Any]] = []

        def more(messages: list[Message]) -> bool:
            told.extend(json.loads(message.value() or b"") for message in messages[len(told) :])
            return go_on(told)

        self.topics.read_while(self.topics.raw, more, TIMEOUT_S)

    def finish(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
        """When the exporter has ended: work up what is there; returns raw messages, flows and verdicts."""
        topics = self.topics
        raw = topics.read_all(topics.raw)
        wait_until(lambda: topics.committed_raw() == len(raw), TIMEOUT_S, self._rekey.log.read_text)
        assert self._rekey.leave()[0] == 0, self._rekey.log.read_text()
        flows = topics.documents(topics.flows, len(raw))
        verdicts = topics.documents(topics.verdicts, len(flows), TIMEOUT_S)
        assert self._serve.leave()[0] == 0, self._serve.log.read_text()
        assert topics.count(topics.dead_letters) == 0
        return [json.loads(message.value() or b"") for message in raw], flows, verdicts


@contextmanager
def chain(topics: Topics, registry: Registry, folder: Path) -> Iterator[Chain]:
    settings = topics.settings(registry, verdicts="all", format_raw="netflow")
    with (
        Served(settings, folder / "rekey.log", command="rekey") as rekey,
        Served(settings, folder / "serve.log") as serve,
    ):
        yield Chain(topics, rekey, serve)


def kafka(topics: Topics) -> Settings:
    host, _, port = topics.bootstrap.rpartition(":")
    return {"kafka_broker_host": host, "kafka_broker_port": port, "kafka_topic": topics.raw}


def of_capture(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [message for message in messages if not is_after(message)]


def packets(messages: list[dict[str, Any]]) -> int:
    return sum(int(message["packets"]) for message in of_capture(messages))


def check(topics: Topics, flows: list[dict[str, Any]], verdicts: list[dict[str, Any]]) -> None:
    """Every flow has its verdict, and the flood of bare SYNs its alert, by the rule that knows it."""
    assert Counter(verdict["key_host"] for verdict in verdicts) == Counter(flow["dst_addr"] for flow in flows)
    alerts = [json.loads(message.value() or b"") for message in topics.read_all(topics.alerts)]
    assert {(alert["verdict"], alert["key_host"]) for alert in alerts} == {("ddos", VICTIM)}
    assert [rule["id"] for rule in alerts[0]["evidence"]["rules"]] == ["syn_flood"]
    assert max(alert["count"] for alert in alerts) >= 1000  # it escalates by tens


def test_packets_that_pmacctd_counts_become_a_ddos_alert(
    topics: Topics, registry: Registry, datasets: Path, tmp_path: Path
) -> None:
    capture = unpack(datasets / "ddos-captures" / "pkt.TCP.synflood.spoofed.pcap.gz", tmp_path)
    with chain(topics, registry, tmp_path) as tidegate:
        with pmacctd_reading(capture, tmp_path, kafka(topics)):
            tidegate.follow(lambda told: packets(told) < 37_841)
        raw, flows, verdicts = tidegate.finish()
    assert packets(raw) == 37_841
    assert sum(flow["src_packets"] for flow in flows if flow["dst_addr"] == VICTIM) == 37_841
    check(topics, flows, verdicts)


def test_netflow_that_nfacctd_collects_becomes_a_ddos_alert(
    topics: Topics, registry: Registry, datasets: Path, tmp_path: Path
) -> None:
    # So many flows that all of their datagrams fit into the room that Linux grants anybody, should nobody read them.
    capture = unpack(datasets / "ddos-captures" / "pkt.TCP.synflood.spoofed.pcap.gz", tmp_path, 4_000)
    with chain(topics, registry, tmp_path) as tidegate:
        with nfacctd_collecting(tmp_path, kafka(topics)) as (port, _):
            exported = softflowd(capture, port)
            lost = dropped_datagrams(port)  # UDP may lose, on a machine that grants less, and the kernel says how much
            least = exported.flows - MOST_IN_A_DATAGRAM * lost
            tidegate.follow(lambda told: len(of_capture(told)) < least)
        raw, flows, verdicts = tidegate.finish()
    assert exported.packets_read == 4_000
    assert least <= len(of_capture(raw)) <= exported.flows
    assert lost or packets(raw) == 4_000
    assert sum(flow["dst_addr"] == VICTIM for flow in flows) == len(of_capture(raw))
    check(topics, flows, verdicts)
