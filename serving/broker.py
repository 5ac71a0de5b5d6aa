"""The embedded broker: librdkafka's mock cluster, so that Tidegate can be tried without installing Kafka."""

from __future__ import annotations

import json
import signal
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import click
from confluent_kafka import Producer

from flows.errors import TidegateError

PARTITIONS: Final = 4
# What the mock cluster keeps of a partition before it drops the oldest, silently: 5 MB less what it drops at a time,
# which is one produced batch (measured: 4.2 to 4.9 MB).
KEPT_BYTES: Final = 5 * 1000 * 1000

LIMITS: Final = (
    "for development only: nothing is on disk, and everything is gone when it stops",
    "about 5 MB are kept of each partition; the oldest messages are dropped silently",
    f"every topic has {PARTITIONS} partitions and is made when first asked for",
    "at least once only: transactions are accepted and not kept",
    "it listens on this machine only, on a port it chooses",
)


class BrokerError(TidegateError):
    """The embedded broker did not come up."""


class EmbeddedBroker:
    """A Kafka broker inside this process, on a free port of 127.0.0.1, for as long as the context is open."""

    def __init__(self) -> None:
        self._owner: Producer | None = None
        self.bootstrap = ""

    def __enter__(self) -> Self:
        # librdkafka starts the cluster for a client that asks for it, and ends it with that client.
        self._owner = Producer({"test.mock.num.brokers": 1, "log_level": 0})
        brokers = self._owner.list_topics(timeout=10).brokers.values()
        if not brokers:
            raise BrokerError("the embedded broker did not answer within 10 s; start it again")
        self.bootstrap = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End it at once, with all it holds."""
        self._owner = None
        self.bootstrap = ""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the address and the limits as one JSON object.")
@click.option(
    "--port-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write the bootstrap address to this file once the broker answers; removed at the end.",
)
def broker(as_json: bool, port_file: Path | None) -> None:
    """Run the embedded Kafka broker until interrupted. Development only."""
    stop = threading.Event()

    def request_stop(*_: Any) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, request_stop)
    with EmbeddedBroker() as running:
        if as_json:
            click.echo(json.dumps({"bootstrap": running.bootstrap, "limits": LIMITS}))
        else:
            click.echo(f"bootstrap {running.bootstrap}")
            for limit in LIMITS:
                click.echo(f"  - {limit}")
        if port_file is not None:
            _write_whole(port_file, running.bootstrap + "\n")
        try:
            stop.wait()
        finally:
            if port_file is not None:
                port_file.unlink(missing_ok=True)


def _write_whole(path: Path, text: str) -> None:
    """Write so that a reader finds either nothing or all of it."""
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(text)
        part.replace(path)
    except OSError as error:
        raise BrokerError(f"cannot write {path}: {error.strerror}; give --port-file another path") from None
