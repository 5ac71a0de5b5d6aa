"""What tests of serving need: a registry whose models are easy to foresee, flows, topics, and a served process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from detection.detector import Detector
from detection.engines.math import Baselines, baselines_to_json
from detection.engines.rules import default_rules
from detection.ensemble import MIN_SITE_FLOWS, default_ensemble, ensemble_to_json
from flows.catalogue import INDEX, catalogue_json
from flows.keying import HomeNetworks
from model_registry.content import Content
from model_registry.private_keys.key_files import load_signer
from model_registry.registry import Registry
from model_registry.writing.creation import create_registry
from model_registry.writing.publishing import publish
from serving.config import Settings
from serving.deciding import Deciding, flows_reading
from serving.loop import Loop, Work
from serving.metrics import Metrics
from serving.pipeline import Pipeline
from serving.rekeying import Rekeying, raw_reading
from serving.sink import Sink
from serving.status import Status
from serving.stopping import Stop
from tests.support.kafka import create_topic
from tests.support.real import REPOSITORY
from tests.support.registries import put_model, tiny_artifact

# A model's only feature: each sees one kind of flow, and nothing else.
SEES: Final = {"ddos_lgbm": "is_icmp", "malware_lgbm": "state_rejected", "anomaly_iforest": "state_reset"}
ALL: Final = tuple(SEES)


def serving_registry(folder: Path, models: Iterable[str] = ALL, *, rules: bytes | None = None) -> Registry:
    """Make ``folder/registry`` with a tiny model of each name, the shipped rules, and no baselines."""
    create_registry(folder / "registry", folder / "keys")
    registry = Registry(folder / "registry")

    def edit(content: Content) -> Content:
        content = content.with_blobs(
            catalogue=registry.put_blob(catalogue_json()).path,
            rules=registry.put_blob(default_rules() if rules is None else rules).path,
            math=registry.put_blob(baselines_to_json(Baselines(1, 0.995, {}))).path,
            ensemble=registry.put_blob(ensemble_to_json(default_ensemble(MIN_SITE_FLOWS))).path,
        )
        for name in models:
            artifact = tiny_artifact(name, feature=INDEX[SEES[name]])
            content = content.with_model(name, put_model(registry, artifact))
        return content

    publish(registry, edit, load_signer(folder / "keys", "targets"), run_id="run-1", now=datetime.now(UTC))
    return registry


def artifact_path(registry: Registry, model: str) -> Path:
    """Where the champion's blob lies."""
    champion = registry.manifest().content.champion(model)
    assert champion is not None
    return registry.path / champion.artifact


def flow(at: float = 0.0, kind: str = "benign", host: str = "10.0.0.1", **columns: Any) -> bytes:
    """One canonical flow that the tiny models decide to be of ``kind``, ``at`` seconds into the traffic."""
    document: dict[str, Any] = {
        "start": 1_700_000_000.0 + at,
        "duration": 0.25,
        "src_addr": host,
        "dst_addr": "198.51.100.7",
        "src_port": 40_000,
        "dst_port": 443,
        "protocol": 6,
        "src_packets": 5,
        "dst_packets": 4,
        "src_bytes": 700,
        "dst_bytes": 4_000,
        "src_payload": 440,
        "dst_payload": 3_800,
        "src_flags": 0x1B,
        "dst_flags": 0x1B,
        "state": "closed",
        "service": "tls",
    }
    if kind == "ddos":
        for name in ("src_port", "dst_port", "src_flags", "dst_flags", "service"):
            del document[name]
        document |= {"protocol": 1, "state": "other"}
    elif kind == "malware":
        document["state"] = "rejected"
    elif kind == "anomaly":
        document["state"] = "reset"
    return json.dumps(document | columns).encode()


ZEEK_FLOW: Final = (
    b'{"ts":1700000000.5,"uid":"CtxTBc1","id.orig_h":"10.0.0.9","id.orig_p":52000,"id.resp_h":"198.51.100.8",'
    b'"id.resp_p":80,"proto":"tcp","conn_state":"REJ","history":"Sr","duration":0.1,"orig_pkts":1,"resp_pkts":1,'
    b'"orig_ip_bytes":40,"resp_ip_bytes":40,"orig_bytes":0,"resp_bytes":0,"missed_bytes":0}'
)


class Topics:
    """Five topics of this test's own on some Kafka, the means to fill them, and to read them all."""

    def __init__(self, bootstrap: str, *, create: bool) -> None:
        self.bootstrap = bootstrap
        names = [f"{stem}.{uuid.uuid4().hex[:8]}" for stem in ("raw", "flows", "verdicts", "alerts", "dlq")]
        self.producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random", "log_level": 0})
        if create:
            names = [create_topic(bootstrap, 4, stem=name) for name in names]
        self.raw, self.flows, self.verdicts, self.alerts, self.dead_letters = names
        self.group, self.group_raw = (f"group.{uuid.uuid4().hex[:8]}" for _ in range(2))
        for name in names:
            self.producer.list_topics(name, timeout=10)

    def settings(self, registry: Registry | None = None, **changes: Any) -> Settings:
        """Settings to serve or rekey these topics by."""
        values: dict[str, Any] = {
            "bootstrap": self.bootstrap,
            "group": self.group,
            "group_raw": self.group_raw,
            "topic_raw": self.raw,
            "topic_flows": self.flows,
            "topic_verdicts": self.verdicts,
            "topic_alerts": self.alerts,
            "topic_dead_letters": self.dead_letters,
            **({} if registry is None else {"registry": registry.location}),
            "listen": ("127.0.0.1", 0),
            "linger_ms": 20,
        }
        return Settings(**(values | changes))

    def send(
        self,
        values: Sequence[bytes | None],
        *,
        format: str | bytes | None = None,  # noqa: A002  (the header's name)
        partition: int | None = None,
        key: bytes | None = b"10.0.0.1",
        topic: str | None = None,
    ) -> None:
        """Produce to a topic (if it is not named, that of flows), and wait until all is there."""
        headers: list[tuple[str, str | bytes | None]] = [] if format is None else [("format", format)]
        placed: dict[str, Any] = {} if partition is None else {"partition": partition}
        for value in values:
            self.producer.produce(topic or self.flows, value, key, headers=headers, **placed)
        assert self.producer.flush(30) == 0

    def read(self, topic: str, count: int, timeout: float = 30.0) -> list[Message]:
        """Read a topic from its beginning until there are ``count`` messages; fail if they do not come, or more do."""
        found = self.read_while(topic, lambda messages: len(messages) < count, timeout)
        assert len(found) == count, f"{len(found)} messages in {topic}, not {count}"
        return found

    def read_all(self, topic: str) -> list[Message]:
        """Everything in a topic now."""
        return self.read(topic, self.count(topic))

    def count(self, topic: str) -> int:
        """How many messages were ever in a topic."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "reader", "log_level": 0})
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        ends = [consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=10)[1] for number in partitions]
        consumer.close()
        return sum(ends)

    def read_while(self, topic: str, go_on: Callable[[list[Message]], bool], timeout: float) -> list[Message]:
        """Read a topic from its beginning while ``go_on(what was read)``, but not for longer than ``timeout`` s."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "reader", "log_level": 0})
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])
        found: list[Message] = []
        deadline = time.monotonic() + timeout
        while go_on(found) and time.monotonic() < deadline:
            for message in consumer.consume(1000, 0.1):
                assert message.error() is None, message.error()
                found.append(message)
        consumer.close()
        return found

    def documents(self, topic: str, count: int, timeout: float = 30.0) -> list[dict[str, Any]]:
        """The JSON documents of a topic."""
        return [json.loads(message.value() or b"") for message in self.read(topic, count, timeout)]

    def committed(self) -> int:
        """How many messages of the topic of flows their group has committed, all partitions together."""
        return self._committed(self.flows, self.group)

    def committed_raw(self) -> int:
        """The same for the raw topic."""
        return self._committed(self.raw, self.group_raw)

    def _committed(self, topic: str, group: str) -> int:
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": group, "log_level": 0})
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        try:
            offsets = consumer.committed([TopicPartition(topic, number) for number in partitions], timeout=10)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.NOT_COORDINATOR:
                raise
            return 0  # a new cluster has not agreed yet on who keeps the offsets of a group
        finally:
            consumer.close()
        return sum(max(0, position.offset) for position in offsets)


class Running:
    """The loop with what surrounds it, run step by step in the test's own thread; rekeys if there is no detector."""

    def __init__(
        self, settings: Settings, detector: Detector | None, make_sink: Callable[[Settings], Sink] = Sink
    ) -> None:
        self.metrics = Metrics()
        self.status = Status(self.metrics)
        self.status.block("kafka", "joining")
        self.stop = Stop()
        reading = raw_reading(settings)
        work: Work = Rekeying(settings, self.status, self.metrics)
        if detector is not None:
            pipeline = Pipeline(
                detector,
                home=HomeNetworks(settings.home),
                default_format=settings.format,
                publish_all=settings.verdicts == "all",
            )
            reading, work = flows_reading(settings), Deciding(settings, pipeline, self.status, self.metrics)
        self.loop = Loop(settings, reading, work, make_sink(settings), self.status, self.metrics, self.stop)

    def until(self, condition: Callable[[], bool], timeout: float = 30.0) -> None:
        """Step until ``condition`` holds; fail if it does not in time."""
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, self.status.ready()
            self.loop.step()

    def leave(self) -> None:
        """Leave the group in good order."""
        self.stop.request()
        self.loop.run()

    def count(self, name: str, **labels: str) -> float:
        """A counter's value."""
        return self.metrics.registry.get_sample_value(f"tidegate_{name}_total", labels) or 0.0


class Served:
    """``tidegate serve``, or another command with endpoints, as a process of its own."""

    def __init__(self, settings: Settings, log: Path, *, command: str = "serve", **environment: str) -> None:
        options = {name: value for name, value in settings.shown().items() if value is not None}
        variables = {f"TIDEGATE_{name.upper()}": str(value) for name, value in options.items()}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("TIDEGATE_")}
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tidegate", command],
                env=inherited | variables | environment,
                cwd=REPOSITORY,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self._port = 0

    @property
    def port(self) -> int:
        """The port of its endpoints, once they answer."""
        deadline = time.monotonic() + 30
        while not self._port:
            for line in self.log.read_text().splitlines():
                if "endpoints on http://" in line:
                    self._port = int(line.rpartition(":")[2].strip('"} '))
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)
        return self._port

    def get(self, path: str) -> tuple[int, Any]:
        """Status and JSON of an endpoint."""
        return get(self.port, path)

    def wait_ready(self, timeout: float = 90.0) -> None:
        """Return when it is ready; fail if it does not get there."""
        wait_until(lambda: self.get("/ready")[0] == 200, timeout, lambda: self.log.read_text())

    def leave(self, number: signal.Signals = signal.SIGTERM, timeout: float = 30.0) -> tuple[int, float]:
        """Send a signal; return the exit code and the seconds it took."""
        started = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(timeout)
        return code, time.monotonic() - started

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def header(message: Message, name: str) -> bytes | None:
    """A message's header of that name, None without one."""
    headers: Any = message.headers()
    return next((value for known, value in headers or () if known == name), None)


def get(port: int, path: str, method: str = "GET") -> tuple[int, Any]:
    """Ask an endpoint; the body as JSON where it is JSON, else as text."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  (a fixed local address)
            status, kind, body = answer.status, answer.headers["Content-Type"], answer.read()
    except urllib.error.HTTPError as error:
        with error:
            status, kind, body = error.code, error.headers["Content-Type"], error.read()
    return status, json.loads(body) if kind == "application/json" and body else body.decode()


def wait_until(condition: Callable[[], bool], timeout: float, why: Callable[[], str] = str) -> None:
    """Return when ``condition`` holds; fail, telling ``why``, when it does not in time."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, why()
        time.sleep(0.05)
