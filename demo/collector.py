"""Reads along while serving works: verdicts, alerts, dead letters, and when each flow was sent."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self

import msgspec
import numpy as np
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from demo.judge import Seen
from detection.verdict import Kind
from flows.errors import TidegateError
from serving.config import Settings
from serving.kafka import client_options

_BATCH: Final = 5000
_KINDS: Final = {kind.label: kind for kind in Kind}


class _Flow(msgspec.Struct):
    flow_id: str


class _LogOdds(msgspec.Struct):
    ddos: float
    malware: float
    anomaly: float


class _Vote(msgspec.Struct):
    log_odds: _LogOdds


class _Votes(msgspec.Struct):
    ml: _Vote


class _Verdict(msgspec.Struct):
    id: str
    verdict: str
    flow: _Flow
    votes: _Votes


class Collector:
    """A thread that reads every topic from its beginning, in step with serving. Use as a context manager."""

    def __init__(self, settings: Settings, seen: Seen, row_of: dict[str, int], told: Callable[[dict[str, Any]], None]):
        """Prepare.

        Args:
            seen: is told what was said about each flow.
            row_of: the row of each flow in the traffic, by flow id.
            told: is called with each alert document, as it comes.
        """
        self.dead_letters = 0
        self.last_verdict_s = 0.0  # Kafka's time of the latest verdict, s
        self._settings = settings
        self._seen = seen
        self._row_of = row_of
        self._told = told
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="collector")
        self._sent: dict[str, float] = {}  # topic/partition/offset -> Kafka's time, s
        self._said: dict[str, float] = {}
        self._row_of_id: dict[str, int] = {}
        self._trouble: BaseException | None = None
        self._verdict = msgspec.json.Decoder(_Verdict)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def check(self) -> None:
        """Raise TidegateError when reading along has failed."""
        if self._trouble is not None:
            raise TidegateError(f"the demo could not read along: {self._trouble}") from self._trouble

    @property
    def accounted(self) -> int:
        """How many flows have a verdict or are dead letters. Raises TidegateError when reading along has failed."""
        self.check()
        return len(self._said) + self.dead_letters

    def latencies(self) -> list[float]:
        """Milliseconds from the flow's message to its verdict's, by Kafka's clock, for every flow that has both."""
        sent = self._sent
        return [1000.0 * (said - sent[place]) for place, said in self._said.items() if place in sent]

    def _run(self) -> None:
        try:
            self._read()
        except (KafkaException, msgspec.MsgspecError, KeyError) as error:
            self._trouble = error

    def _read(self) -> None:
        settings = self._settings
        handlers = {
            settings.topic_flows: self._flow,
            settings.topic_verdicts: self._said_about,
            settings.topic_alerts: self._alert,
            settings.topic_dead_letters: self._dead_letter,
        }
        consumer = Consumer(
            {
                **client_options(settings),
                "group.id": "tidegate-demo",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 50,
            }
        )
        try:
            topics = {name: consumer.list_topics(name, timeout=10).topics[name] for name in handlers}
            consumer.assign([TopicPartition(name, number, 0) for name in topics for number in topics[name].partitions])
            while not self._stop.is_set():
                for message in consumer.consume(_BATCH, timeout=0.1):
                    if message.error() is not None:
                        raise KafkaException(message.error())
                    handlers[str(message.topic())](message)
        finally:
            consumer.close()

    def _flow(self, message: Message) -> None:
        place = f"{message.topic()}/{message.partition()}/{message.offset()}"
        self._sent[place] = message.timestamp()[1] / 1000.0

    def _said_about(self, message: Message) -> None:
        document = self._verdict.decode(message.value() or b"")
        row = self._row_of[document.flow.flow_id]
        self._seen.add(row, document.verdict, msgspec.structs.astuple(document.votes.ml.log_odds))
        self._row_of_id[document.id] = row
        self.last_verdict_s = message.timestamp()[1] / 1000.0
        self._said[document.id.rpartition("/")[0]] = self.last_verdict_s

    def _alert(self, message: Message) -> None:
        document = msgspec.json.decode(message.value() or b"")
        self._told(document)

    def _dead_letter(self, message: Message) -> None:  # noqa: ARG002  (one form for all handlers)
        self.dead_letters += 1

    def opened(self, alerts: list[dict[str, Any]]) -> list[tuple[int, Kind]]:
        """The row whose verdict opened each of the alerts, and the alert's kind."""
        return [
            (self._row_of_id[alert["verdict_id"]], _KINDS[alert["verdict"]])
            for alert in alerts
            if alert["change"] == "opened"
        ]


def percentiles(latencies: list[float]) -> dict[str, float | None]:
    """The median and the 99th percentile, ms."""
    if not latencies:
        return {"p50": None, "p99": None}
    p50, p99 = np.percentile(latencies, [50, 99])
    return {"p50": round(float(p50), 1), "p99": round(float(p99), 1)}
