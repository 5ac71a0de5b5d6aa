"""A capture through the whole serving half: every flow accounted for, what was found per label, and how fast.

    python -m benchmarks.capture --registry var/registry --root var/demo/1.root.json FILE [FILE…]

Serving runs in a process of its own on Apache Kafka (``make real-parts``; ``--embedded`` for the embedded broker) and
publishes every verdict. The replay is as fast as it goes, so the latency is that of a full queue; the baseline of the
throughput is decoding and scoring the same files in this process without Kafka, in the same minute.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
import numpy as np
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from rich.console import Console
from rich.table import Table

from demo.collector import Collector, percentiles
from demo.judge import Seen
from demo.stage import Stage, ask, free_port, serving
from detection.detector import Detector
from detection.verdict import Kind
from flows.features import FeatureExtractor
from flows.files import FileChunk, parse_spec, read_flows
from model_registry.registry import Registry
from serving.broker import EmbeddedBroker
from serving.config import Settings
from serving.replay import Replayer
from tests.support.kafka import KafkaServer

PATIENCE_S = 120.0


@click.command()
@click.option("--registry", type=click.Path(path_type=Path), required=True)
@click.option("--root", type=click.Path(path_type=Path), required=True)
@click.option("--embedded", is_flag=True, help="Use the embedded broker instead of Apache Kafka.")
@click.argument("files", nargs=-1, required=True)
def main(registry: Path, root: Path, embedded: bool, files: tuple[str, ...]) -> None:
    """Measure."""
    chunks = list(read_flows([parse_spec(file) for file in files]))
    flow_ids = [one for chunk in chunks for one in chunk.decoded.batch.flow_id.tolist()]
    labels = [label for chunk in chunks for label in _labels(chunk)]
    seen = Seen.nothing(len(flow_ids))
    alerts: list[dict[str, Any]] = []
    baseline = _alone(registry, root, chunks)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if embedded:
            bootstrap = stack.enter_context(EmbeddedBroker()).bootstrap
        else:
            bootstrap = stack.enter_context(KafkaServer(folder / "kafka")).bootstrap
        settings = Settings(bootstrap=bootstrap)
        topics = (settings.topic_flows, settings.topic_verdicts, settings.topic_alerts, settings.topic_dead_letters)
        if not embedded:
            _create_topics(bootstrap, topics)
        stage = Stage(registry, folder)
        stage.root.parent.mkdir(parents=True)
        stage.root.write_bytes(root.read_bytes())
        port = free_port()
        began = time.monotonic()
        process = stack.enter_context(serving(stage, bootstrap, port))
        cold_start = time.monotonic() - began
        row_of = {flow_id: row for row, flow_id in enumerate(flow_ids)}
        collector = stack.enter_context(Collector(settings, seen, row_of, alerts.append))
        sent_from = time.time()
        with Replayer(settings) as replayer:
            for chunk in chunks:
                replayer.send_chunk(chunk)
        summary = replayer.summary
        deadline = time.monotonic() + PATIENCE_S
        while collector.accounted < summary.flows + summary.undecodable and time.monotonic() < deadline:
            time.sleep(0.1)
        resident = _resident_megabytes(process.pid)
        stats = ask(port, "/detections/stats")
    rate = len(flow_ids) / (collector.last_verdict_s - sent_from)
    _show(labels, seen)
    opened = Counter(alert["verdict"] for alert in alerts if alert["change"] == "opened")
    print(f"{summary.flows} flows and {summary.undecodable} undecodable lines sent")  # noqa: T201  (a script's output)
    print(f"{int((seen.verdict >= 0).sum())} verdicts, {collector.dead_letters} dead letters")  # noqa: T201  (the same)
    print(f"alerts opened: {dict(opened)}; serving counted: {stats}")  # noqa: T201  (the same)
    print(  # noqa: T201  (the same)
        f"{rate:.0f} flows/s end to end, all verdicts published; {rate / baseline:.2f} of decoding and deciding alone "
        f"({baseline:.0f} flows/s); flow to verdict under a full queue {percentiles(collector.latencies())} ms; "
        f"ready {cold_start:.1f} s after start; {resident:.0f} MB resident"
    )


def _create_topics(bootstrap: str, topics: tuple[str, ...]) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for made in admin.create_topics(
        [NewTopic(topic, num_partitions=4, replication_factor=1) for topic in topics]
    ).values():
        made.result(timeout=60)


def _alone(registry: Path, root: Path, chunks: list[FileChunk]) -> float:
    """Flows per second of reading, measuring and deciding in this process, once warm."""
    detector = Detector.from_registry(Registry(registry).load(root=root))
    detector.warm_up()
    FeatureExtractor().extract(chunks[0].decoded.batch)
    extractor = FeatureExtractor()
    began = time.monotonic()
    flows = 0
    for chunk in read_flows([chunk.spec for chunk in chunks[:1]]):
        detector.decide(extractor.extract(chunk.decoded.batch))
        flows += len(chunk.decoded.batch)
    return flows / (time.monotonic() - began)


def _labels(chunk: FileChunk) -> list[str]:
    labels = chunk.decoded.labels
    return [""] * len(chunk.decoded.batch) if labels is None else [str(label) for label in labels]


def _resident_megabytes(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def _show(labels: list[str], seen: Seen) -> None:
    names = [kind.label for kind in Kind]
    table = Table("label", "flows", *names, title="Flows by label (rows) and verdict (columns)")
    truth = np.array([label or "(none)" for label in labels])
    for label in np.unique(truth):
        rows = truth == label
        counts = [int((rows & (seen.verdict == kind)).sum()) for kind in Kind]
        table.add_row(label, str(int(rows.sum())), *map(str, counts))
    Console().print(table)


if __name__ == "__main__":
    main()
