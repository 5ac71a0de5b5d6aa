"""Every number that serving exposes, defined once: its name, type, labels, unit and meaning.

An instance has a registry of its own, so several services (in tests) can live in one process.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Final, Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

Stage = Literal["decode", "features", "decide", "documents", "publish", "commit"]

_BATCH_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_STAGE_BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)

# A second series for each counter, that says when it began; nobody asks.
disable_created_metrics()  # type: ignore[no-untyped-call]  # has no types


class Metrics:
    """The metrics of one serving process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        counter, gauge, histogram = self._counter, self._gauge, self._histogram

        self.flows = counter("flows", "Flows decided, by verdict.", "verdict")
        self.abstentions = counter("abstentions", "Flows abstained on, by reason.", "reason")
        self.detections = counter("model_detections", "Flows scored at or above a model's threshold.", "model")
        self.alerts = counter(
            "alerts", "Changes of alerts (opened, escalated, closed), by verdict.", "verdict", "change"
        )
        self.dead_letters = counter("dead_letters", "Messages sent to the dead-letter topic, by reason.", "reason")
        self.undecodable_share = gauge(
            "undecodable_share", "Dead letters among the latest 1,000 or more records of the raw topic (rekey only)."
        )
        self.skipped = counter("skipped_messages", "Messages that hold no flow: headers, comments, blank lines.")
        self.published = counter("published_messages", "Messages delivered to Kafka, by topic.", "topic")
        self.delivery_failures = counter("delivery_failures", "Messages Kafka did not take; each is sent again.")
        self.commit_failures = counter("commit_failures", "Commits of offsets that failed; covered by a later one.")
        self.batches = counter("batches", "Batches processed to the end.")
        self.batch_seconds = histogram(
            "batch_seconds", "From a batch's arrival to its committed offsets, s.", _BATCH_BUCKETS
        )
        self.stage_seconds = histogram("stage_seconds", "Time in each stage of a batch, s.", _STAGE_BUCKETS, "stage")
        self.lag = gauge("consumer_lag", "Messages in a partition not yet processed.", "partition")
        self.partitions = gauge("assigned_partitions", "Partitions this process reads.")
        self.ready = gauge("ready", "1 when fit for traffic, else 0.")
        self.manifest_version = gauge("manifest_version", "Version of the manifest that is served; 0 before one is.")
        self.model_loaded = gauge(
            "model_loaded", "1 for a model that is served, 0 for one refused or missing.", "model"
        )
        self.model_info = gauge("model_info", "Always 1; the labels say which artifact is served.", "model", "sha256")

    @contextmanager
    def timed(self, stage: Stage) -> Iterator[None]:
        """Observe how long the body takes as one of the stages of a batch."""
        started = perf_counter()
        yield
        self.stage_seconds.labels(stage).observe(perf_counter() - started)

    def exposition(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return generate_latest(self.registry)

    def _counter(self, name: str, about: str, *labels: str) -> Counter:
        return Counter(f"tidegate_{name}", about, labels, registry=self.registry)

    def _gauge(self, name: str, about: str, *labels: str) -> Gauge:
        return Gauge(f"tidegate_{name}", about, labels, registry=self.registry)

    def _histogram(self, name: str, about: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"tidegate_{name}", about, labels, buckets=buckets, registry=self.registry)
