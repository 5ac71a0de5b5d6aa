"""``tidegate replay``: flow files into Kafka, keyed by key host, losing nothing.

What the serving half reads as it is (Zeek's JSON, canonical flows) is sent as it stands in the file; other lines are
decoded and sent as canonical flows. Lines that cannot be decoded are sent too, so that the reader's dead letters
account for every line.
"""

from __future__ import annotations

import json
import math
import signal
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

from flows.batch import FlowBatch
from flows.errors import TidegateError, UsageError
from flows.files import FileChunk, FileSpec, parse_spec, read_flows
from flows.formats import FORMATS, encode_canonical
from flows.keying import HomeNetworks
from serving.cli import config_option, given_settings, setting_options
from serving.config import Settings
from serving.follow import follow_logs
from serving.kafka import is_embedded
from serving.keys import message_keys
from serving.logs import set_up_logging
from serving.pacing import Backlog, Pace
from serving.positions import POSITION_FILE, default_position_file
from serving.sink import Headers, Outgoing, Sink
from serving.stopping import Stop

_SLICE: Final = 512  # messages sent before the backlog is looked at again
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
        stop: Stop | None = None,
        patient: bool = False,
    ) -> None:
        """Connect.

        Args:
            settings: where Kafka is, the topic of flows, the home networks and the group of the reader.
            speed: traffic seconds per second; as fast as it goes when neither this nor ``rate`` is given.
            rate: flows per second.
            follow_group: stay close to this consumer group; with the embedded broker, which drops what is not read
                in time, the settings' group is followed without asking.
            stop: leave off when it is requested.
            patient: wait for Kafka however long it takes, and finish what is at hand when a stop is requested.

        Raises:
            ReplayError: no broker answers, or the topic does not exist.
        """
        self.summary = Summary()
        self._settings = settings
        self._home = HomeNetworks(settings.home)
        self._pace = Pace(speed=speed, rate=rate)
        self._stop = stop or Stop()
        self._patience_s = math.inf if patient else _PATIENCE_S
        self._give_up = self._stop.overdue if patient else lambda: self._stop.requested
        self._backlog: Backlog | None = None
        self._sink = Sink(settings, self._confirmed, patient=patient)
        self._started: float | None = None
        try:
            if self._sink.missing_topics([settings.topic_flows], timeout_s=_CONNECT_S):
                raise ReplayError(f"topic {settings.topic_flows} does not exist at {settings.bootstrap}; create it")
            self.cluster = self._sink.cluster()
            if follow_group is not None or is_embedded(self.cluster):
                self._backlog = Backlog(settings, follow_group or settings.group)
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
        if self._backlog is not None:
            self._backlog.close()

    def send_batch(self, batch: FlowBatch) -> None:
        """Send flows as canonical ones, each when it is due; returns when all are confirmed."""
        messages = self._flows(batch, encode_canonical(batch), "canonical", [()] * len(batch))
        self._send(messages, self._pace.due(batch))

    def send_chunk(self, chunk: FileChunk, headers: Sequence[Headers] | None = None) -> bool:
        """Send a piece of a file: flows and undecodable lines in the file's order, no headers, no comments.

        Args:
            chunk: the lines and what they decode to.
            headers: for each line, those of its message, besides its format.

        Returns:
            Whether all is confirmed; if it is not, the stop was requested.
        """
        decoded = chunk.decoded
        more = headers or [()] * len(chunk.raw)
        due = self._pace.due(decoded.batch)
        values, format_name = _as_sent(chunk)
        flows = self._flows(decoded.batch, values, format_name, [more[place] for place in decoded.index.tolist()])
        letters = [letter for letter in decoded.dead if letter.raw.strip()]  # a blank message would be no dead letter
        topic, name = self._settings.topic_flows, ("format", (chunk.spec.format or "canonical").encode())
        dead = [
            Outgoing(topic, None, letter.raw, (name, *more[letter.index]), cuttable=True, tally="undecodable")
            for letter in letters
        ]
        at = np.concatenate([decoded.index, np.array([letter.index for letter in letters], dtype=np.int64)])
        order = np.argsort(at, kind="stable")
        # An undecodable line has no time; it goes with the flow before it.
        times = np.maximum.accumulate(np.concatenate([due, np.zeros(len(dead))])[order])
        messages = [*flows, *dead]
        return self._send([messages[place] for place in order.tolist()], times)

    def _flows(
        self, batch: FlowBatch, values: Sequence[bytes], format_name: str, headers: Sequence[Headers]
    ) -> list[Outgoing]:
        topic, name = self._settings.topic_flows, ("format", format_name.encode())
        return [
            Outgoing(topic, key, value, (name, *more), cuttable=True, tally="flow")
            for key, value, more in zip(message_keys(batch, self._home), values, headers, strict=True)
        ]

    def _send(self, messages: Sequence[Outgoing], due: npt.NDArray[np.float64]) -> bool:
        if self._started is None:
            self._started = time.monotonic()
        sizes = np.cumsum([len(message.value) for message in messages], dtype=np.int64)
        first = 0
        while first < len(messages) and not self._give_up():
            elapsed = time.monotonic() - self._started
            if due[first] > elapsed:
                self._stop.wait(due[first] - elapsed)
                continue
            before = sizes[first - 1] if first else 0
            by_size = int(np.searchsorted(sizes, before + _SLICE_BYTES, side="right"))
            by_time = int(np.searchsorted(due, elapsed, side="right"))
            last = max(first + 1, min(first + _SLICE, by_size, by_time))
            if self._backlog is not None:
                self._backlog.wait(self._give_up)
            if not self._deliver(messages[first:last]):
                break
            first = last
        self.summary.seconds = time.monotonic() - self._started
        self.summary.traffic_s = self._pace.traffic_s
        return first == len(messages)

    def _deliver(self, messages: Sequence[Outgoing]) -> bool:
        deadline = time.monotonic() + self._patience_s
        while undelivered := self._sink.deliver(messages, self._give_up):
            self._stop.wait(_RETRY_S)
            if self._give_up():
                return False
            if time.monotonic() > deadline:
                raise ReplayError(
                    f"Kafka has not taken {len(undelivered)} messages for {_PATIENCE_S:.0f} s: {self._sink.trouble}; "
                    "everything before them was delivered"
                )
            messages = undelivered
        return True

    def _confirmed(self, outgoing: Outgoing, message: Message) -> None:
        if outgoing.tally == "flow":
            self.summary.flows += 1
        else:
            self.summary.undecodable += 1
        self.summary.bytes += len(outgoing.value)
        if self._backlog is not None:
            self._backlog.sent(message)


def _as_sent(chunk: FileChunk) -> tuple[list[bytes], str]:
    """The value of each flow, and the format of them all: the line itself where serving reads it, else canonical."""
    decoded = chunk.decoded
    lines = [chunk.raw[place] for place in decoded.index.tolist()]
    if chunk.spec.truth is not None:  # of which a line knows nothing
        return encode_canonical(decoded.batch, chunk.truths()), "canonical"
    if chunk.spec.format is not None and all(line.startswith(b"{") for line in lines):
        return lines, chunk.spec.format
    return encode_canonical(decoded.batch, decoded.labels), "canonical"


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILES…")
@config_option
@setting_options("bootstrap", "home")
@click.option("--topic", metavar="NAME", help="Topic to send to.  [default: tidegate.flows]")
@click.option("--speed", type=click.FloatRange(min=0, min_open=True), help="Traffic seconds per second.")
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="Flows per second.")
@click.option("--follow", is_flag=True, help="Go on as the files grow, across rotation, until SIGTERM or SIGINT.")
@click.option(
    "--position-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help=f"Where --follow remembers how far it is.  [default: {POSITION_FILE} in TIDEGATE_STATE, else in var]",
)
@click.option("--follow-group", metavar="GROUP", help="Stay close to this consumer group, so that nothing is dropped.")
@click.option("--format", "default_format", type=click.Choice(FORMATS), help="Format of all files.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def replay(
    files: tuple[str, ...],
    config: Path | None,
    topic: str | None,
    speed: float | None,
    rate: float | None,
    follow: bool,
    position_file: Path | None,
    follow_group: str | None,
    default_format: str | None,
    as_json: bool,
    **options: str | None,
) -> None:
    """Send flow files to a Kafka topic, keyed by key host, as fast as Kafka takes them or paced.

    FILES are [FORMAT:][TRUTH:]PATH, plain or gzipped. The embedded broker drops what is not read in time, so with
    it the replay waits for the consumer group of the settings without being told.

    With --follow, FILES are logs that grow, one record per line and not compressed; a file may not exist yet. A log
    that is renamed is read to its end before the new one is begun. After a restart, the replay goes on where it was:
    files that were rotated meanwhile are found in the log's folder by inode and first bytes, and by their names
    (conn.2026-01-01-00-00-00.log, eve.json.1), unless they were compressed. No line is lost or sent twice, a kill
    included, as long as Kafka still has what was sent last. A log that is copied and truncated is followed, too, but
    what its writer writes between the copy and the truncation is lost, by the nature of the thing: prefer a rotation
    that renames.
    """
    if speed is not None and rate is not None:
        raise UsageError("--speed and --rate exclude each other; give one of them")
    if follow and (speed is not None or rate is not None):
        raise UsageError("--follow sends lines when they are written; leave out --speed and --rate")
    if position_file is not None and not follow:
        raise UsageError("--position-file is for --follow; give both, or neither")
    settings = given_settings(config, {**options, "topic_flows": topic})
    specs = [parse_spec(text, default_format) for text in files]
    stop = Stop()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.request())
    with Replayer(settings, speed=speed, rate=rate, follow_group=follow_group, stop=stop, patient=follow) as replayer:
        if follow:
            set_up_logging(settings)
            remembered = position_file or default_position_file(settings)
            whole = follow_logs(settings, replayer.cluster, specs, remembered, replayer.send_chunk, stop)
        else:
            whole = _replay_files(replayer, specs, stop)
    summary = replayer.summary
    if as_json:
        click.echo(json.dumps({**asdict(summary), "interrupted": not whole}))
        return
    click.echo(
        f"{summary.flows} flows and {summary.undecodable} undecodable lines to {settings.topic_flows} "
        f"in {summary.seconds:.1f} s ({summary.bytes / 1e6:.1f} MB, {summary.traffic_s:.0f} s of traffic)"
        + ("" if whole else ", interrupted")
    )


def _replay_files(replayer: Replayer, specs: Sequence[FileSpec], stop: Stop) -> bool:
    """Send files to their ends; False when that was interrupted."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.fields[flows]} flows, {task.fields[traffic]} s of traffic"), TimeElapsedColumn())
    # A line on stderr that tells how far it is; silent unless stderr is a terminal.
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task("", total=None, flows=0, traffic="0")
        for chunk in read_flows(specs, lines_per_batch=_CHUNK_LINES):
            replayer.send_chunk(chunk)
            progress.update(task, flows=replayer.summary.flows, traffic=f"{replayer.summary.traffic_s:.0f}")
            if stop.requested:
                return False
    return True
