"""``tidegate replay``: flow files into Kafka, keyed by key host, losing nothing.

What the serving half reads as it is (Zeek's JSON, canonical flows) is sent as it stands in the file; other lines are
decoded and sent as canonical flows. Lines that cannot be decoded are sent too, so that the reader's dead letters
account for every line.
"""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import click
import numpy as np
import numpy.typing as npt
from confluent_kafka import KafkaException, Message
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from flows.addresses import address_texts
from flows.batch import FlowBatch
from flows.errors import TidegateError, UsageError
from flows.files import FileChunk, parse_spec, read_flows
from flows.formats import FORMATS, encode_canonical
from flows.keying import HomeNetworks, key_hosts
from serving.cli import config_option, given_settings, setting_options
from serving.config import Settings
from serving.following import Follower, Pace
from serving.sink import Outgoing, Sink

_SLICE: Final = 512  # messages sent before the follower is asked again
_SLICE_BYTES: Final = 256 * 1024
_CHUNK_LINES: Final = 4096
_PATIENCE_S: Final = 60.0
_RETRY_S: Final = 0.5
_CONNECT_S: Final = 10.0


class ReplayError(TidegateError):
    """Kafka does not take what is replayed."""


@dataclass
class Summary:
    """What a replay sent."""

    flows: int = 0
    undecodable: int = 0
    bytes: int = 0
    seconds: float = 0.0
    traffic_s: float = 0.0


class Replayer:
    """Sends flows to the topic of the settings: paced, keyed by key host, each delivery confirmed.

    Use as a context manager; ``summary`` tells what was sent so far.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        speed: float | None = None,
        rate: float | None = None,
        follow_group: str | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        """Connect.

        Args:
            settings: where Kafka is, the topic of flows, the home networks and the group of the reader.
            speed: traffic seconds per second; as fast as it goes when neither this nor ``rate`` is given.
            rate: flows per second.
            follow_group: stay close to this consumer group; with the embedded broker, which drops what is not read
                in time, the settings' group is followed without asking.
            stop: leave off when it is set.

        Raises:
            ReplayError: no broker answers, or the topic does not exist.
        """
        self.summary = Summary()
        self._settings = settings
        self._home = HomeNetworks(settings.home)
        self._pace = Pace(speed=speed, rate=rate)
        self._stop = stop or threading.Event()
        self._follower: Follower | None = None
        self._sink = Sink(settings, self._confirmed)
        self._started: float | None = None
        try:
            if self._sink.missing_topics([settings.topic_flows], timeout_s=_CONNECT_S):
                raise ReplayError(f"topic {settings.topic_flows} does not exist at {settings.bootstrap}; create it")
            if follow_group is not None or self._sink.embedded():
                self._follower = Follower(settings, follow_group or settings.group)
        except KafkaException as error:
            raise ReplayError(
                f"Kafka at {settings.bootstrap} does not answer: {error.args[0].str()}; "
                "is it running? (`tidegate broker` runs one to try things out)"
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._follower is not None:
            self._follower.close()

    def send_batch(self, batch: FlowBatch) -> None:
        """Send flows as canonical ones, each when it is due; returns when all are confirmed."""
        self._send(self._outgoing(batch, encode_canonical(batch), ["canonical"] * len(batch)), self._pace.due(batch))

    def send_chunk(self, chunk: FileChunk) -> None:
        """Send a piece of a file: flows and undecodable lines in the file's order, no headers, no comments."""
        decoded = chunk.decoded
        due = self._pace.due(decoded.batch)
        values, formats = _as_sent(chunk)
        flows = self._outgoing(decoded.batch, values, formats)
        format_name = (chunk.spec.format or "canonical").encode()
        letters = [letter for letter in decoded.dead if letter.raw.strip()]  # a blank message would be no dead letter
        dead = [self._message(None, letter.raw, format_name) for letter in letters]
        at = np.concatenate([decoded.index, np.array([letter.index for letter in letters], dtype=np.int64)])
        order = np.argsort(at, kind="stable")
        # An undecodable line has no time; it goes with the flow before it.
        times = np.maximum.accumulate(np.concatenate([due, np.zeros(len(dead))])[order])
        messages = [*flows, *dead]
        self._send([messages[place] for place in order.tolist()], times)

    def _outgoing(self, batch: FlowBatch, values: Sequence[bytes], formats: Sequence[str]) -> list[Outgoing]:
        keys = address_texts(key_hosts(batch, self._home.key_is_dst(batch)))
        return [
            self._message(key.encode(), value, name.encode())
            for key, value, name in zip(keys, values, formats, strict=True)
        ]

    def _message(self, key: bytes | None, value: bytes, format_name: bytes) -> Outgoing:
        return Outgoing(self._settings.topic_flows, key, value, (("format", format_name),), cuttable=True)

    def _send(self, messages: Sequence[Outgoing], due: npt.NDArray[np.float64]) -> None:
        if self._started is None:
            self._started = time.monotonic()
        sizes = np.cumsum([len(message.value) for message in messages], dtype=np.int64)
        first = 0
        while first < len(messages) and not self._stop.is_set():
            elapsed = time.monotonic() - self._started
            if due[first] > elapsed:
                self._stop.wait(due[first] - elapsed)
                continue
            before = sizes[first - 1] if first else 0
            by_size = int(np.searchsorted(sizes, before + _SLICE_BYTES, side="right"))
            by_time = int(np.searchsorted(due, elapsed, side="right"))
            last = max(first + 1, min(first + _SLICE, by_size, by_time))
            if self._follower is not None:
                self._follower.wait(self._stop.is_set)
            self._deliver(messages[first:last])
            first = last
        self.summary.seconds = time.monotonic() - self._started
        self.summary.traffic_s = self._pace.traffic_s

    def _deliver(self, messages: Sequence[Outgoing]) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while undelivered := self._sink.deliver(messages, self._stop.is_set):
            if self._stop.wait(_RETRY_S):
                return
            if time.monotonic() > deadline:
                raise ReplayError(
                    f"Kafka has not taken {len(undelivered)} messages for {_PATIENCE_S:.0f} s: {self._sink.trouble}; "
                    "everything before them was delivered"
                )
            messages = undelivered

    def _confirmed(self, message: Message) -> None:
        if message.key() is None:
            self.summary.undecodable += 1
        else:
            self.summary.flows += 1
        self.summary.bytes += len(message.value() or b"")
        if self._follower is not None:
            self._follower.sent(message)


def _as_sent(chunk: FileChunk) -> tuple[list[bytes], list[str]]:
    """The value and the format name of each flow: the line itself where serving reads it, else canonical."""
    decoded = chunk.decoded
    lines = [chunk.raw[place] for place in decoded.index.tolist()]
    if chunk.spec.format is not None and all(line.startswith(b"{") for line in lines):
        return lines, [chunk.spec.format] * len(lines)
    return encode_canonical(decoded.batch), ["canonical"] * len(lines)


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILES…")
@config_option
@setting_options("bootstrap", "home")
@click.option("--topic", metavar="NAME", help="Topic to send to.  [default: tidegate.flows]")
@click.option("--speed", type=click.FloatRange(min=0, min_open=True), help="Traffic seconds per second.")
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="Flows per second.")
@click.option("--follow-group", metavar="GROUP", help="Stay close to this consumer group, so that nothing is dropped.")
@click.option("--format", "default_format", type=click.Choice(FORMATS), help="Format of all files.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def replay(
    files: tuple[str, ...],
    config: Path | None,
    topic: str | None,
    speed: float | None,
    rate: float | None,
    follow_group: str | None,
    default_format: str | None,
    as_json: bool,
    **options: str | None,
) -> None:
    """Send flow files to a Kafka topic, keyed by key host, as fast as Kafka takes them or paced.

    FILES are [FORMAT:][TRUTH:]PATH, plain or gzipped. The embedded broker drops what is not read in time, so with
    it the replay waits for the consumer group of the settings without being told.
    """
    if speed is not None and rate is not None:
        raise UsageError("--speed and --rate exclude each other; give one of them")
    settings = given_settings(config, {**options, "topic_flows": topic})
    specs = [parse_spec(text, default_format) for text in files]
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with (
        Replayer(settings, speed=speed, rate=rate, follow_group=follow_group, stop=stop) as replayer,
        _progress() as progress,
    ):
        task = progress.add_task("", total=None, flows=0, traffic="0")
        for chunk in read_flows(specs, lines_per_batch=_CHUNK_LINES):
            replayer.send_chunk(chunk)
            progress.update(task, flows=replayer.summary.flows, traffic=f"{replayer.summary.traffic_s:.0f}")
            if stop.is_set():
                break
    summary = replayer.summary
    if as_json:
        click.echo(json.dumps({**asdict(summary), "interrupted": stop.is_set()}))
        return
    click.echo(
        f"{summary.flows} flows and {summary.undecodable} undecodable lines to {settings.topic_flows} "
        f"in {summary.seconds:.1f} s ({summary.bytes / 1e6:.1f} MB, {summary.traffic_s:.0f} s of traffic)"
        + (", interrupted" if stop.is_set() else "")
    )


def _progress() -> Progress:
    """A line on stderr that tells how far it is; silent unless stderr is a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.fields[flows]} flows, {task.fields[traffic]} s of traffic"), TimeElapsedColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal, transient=True)
