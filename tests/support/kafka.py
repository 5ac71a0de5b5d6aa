"""Apache Kafka itself, as one process on this machine: a KRaft node that is broker and controller at once.

The jars come from ``make real-parts``. A server can be stopped, killed and started again on the same ports and data,
so that a test can see what survives a crash.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, Self

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.support.real import REPOSITORY, missing

KAFKA_FILES: Final = REPOSITORY / "deploy" / "kafka"
OLDEST_JAVA: Final = 17
START_SECONDS: Final = 120  # 4 s on an idle machine; the limit is for one that runs other tests as well
STOP_SECONDS: Final = 30

_PROPERTIES: Final = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=BROKER://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=BROKER://127.0.0.1:{broker}
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=BROKER
controller.listener.names=CONTROLLER
log.dirs={data}
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
"""


def kafka_jars() -> Path:
    """The folder of the jars that deploy/kafka pins, or the test's end."""
    digest = hashlib.sha256((KAFKA_FILES / "SHA256SUMS").read_bytes()).hexdigest()
    path = REPOSITORY / "var" / "kafka" / digest[:16]
    if not path.is_dir():
        missing(f"no Apache Kafka jars at {path}")
    return path


def java() -> str:
    """A Java that Kafka 4 runs on, or the test's end."""
    home = os.environ.get("JAVA_HOME")
    found = [Path(home) / "bin" / "java"] if home else []
    found += [Path(on_path)] if (on_path := shutil.which("java")) else []
    found += sorted(Path("/usr/lib/jvm").glob("java-*-openjdk-*/bin/java"))
    for candidate in found:
        if candidate.is_file() and _java_version(candidate) >= OLDEST_JAVA:
            return str(candidate)
    return missing(f"no Java {OLDEST_JAVA} or newer")


def _java_version(program: Path) -> int:
    told = subprocess.run([program, "-version"], capture_output=True, text=True, check=False, timeout=30).stderr
    match = re.search(r'version "(\d+)', told)
    return int(match[1]) if match else 0


class KafkaServer:
    """One Kafka node with its data under ``home``; a context manager that starts and stops it."""

    def __init__(self, home: Path) -> None:
        self._java = java()
        self._classpath = f"{kafka_jars()}/*"
        self._home = home
        self._process: subprocess.Popen[bytes] | None = None
        self.port, controller = _free_ports(2)
        self.bootstrap = f"127.0.0.1:{self.port}"
        self.log = home / "server.log"
        home.mkdir(parents=True, exist_ok=True)
        properties = _PROPERTIES.format(broker=self.port, controller=controller, data=home / "data")
        (home / "server.properties").write_text(properties)

    @property
    def pid(self) -> int:
        """The running broker's process id; raises RuntimeError when there is none."""
        if self._process is None:
            raise RuntimeError("the Kafka server is not running")
        return self._process.pid

    def start(self) -> None:
        """Start, on the first time with fresh data, and return when the broker answers; raises RuntimeError if not."""
        if self._process is not None:
            raise RuntimeError("the Kafka server is already running")
        if not (self._home / "data").exists():
            self._format()
        self._process = self._run("kafka.Kafka")
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"Apache Kafka did not start; the end of {self.log}:\n{self._log_tail()}")
            time.sleep(0.1)

    def stop(self) -> None:
        """Shut down in good order (SIGTERM), or kill what has not left in time."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def kill(self) -> None:
        """End at once (SIGKILL), as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _format(self) -> None:
        process = self._run("kafka.tools.StorageTool", "format", "--cluster-id", uuid.uuid4().hex[:22], "--config")
        if process.wait(START_SECONDS):
            raise RuntimeError(f"Apache Kafka could not format its storage; the end of {self.log}:\n{self._log_tail()}")

    def _run(self, main: str, *arguments: str) -> subprocess.Popen[bytes]:
        command = [self._java, "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        command += [f"-Dlog4j2.configurationFile={KAFKA_FILES / 'log4j2.properties'}", "-cp", self._classpath, main]
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [*command, *arguments, str(self._home / "server.properties")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return bool(AdminClient({"bootstrap.servers": self.bootstrap}).list_topics(timeout=START_SECONDS).brokers)

    def _log_tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])


@contextmanager
def shared_server(folder: Path) -> Iterator[str]:
    """The address of one server for every process that names the same ``folder``.

    The first process starts the server and stops it again, once all who hold the users' lock have let it go; a
    process that ends in any way lets it go. One that comes after the stop starts a server of its own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    address = folder / "address"
    with (folder / "users.lock").open("w") as users, ExitStack() as stack:
        with (folder / "start.lock").open("w") as starting:
            fcntl.flock(starting, fcntl.LOCK_EX)
            fcntl.flock(users, fcntl.LOCK_SH)
            if not address.exists():
                server = stack.enter_context(KafkaServer(folder / uuid.uuid4().hex[:8]))
                stack.callback(address.unlink)
                stack.callback(fcntl.flock, users, fcntl.LOCK_EX)
                address.write_text(server.bootstrap)
        yield address.read_text()


def create_topic(
    bootstrap: str, partitions: int = 1, *, stem: str = "test", config: dict[str, str] | None = None
) -> str:
    """Create a topic of a name nobody else has, and return the name once every partition has its leader."""
    name = f"{stem}.{uuid.uuid4().hex[:12]}"
    admin = AdminClient({"bootstrap.servers": bootstrap})
    topic = NewTopic(name, num_partitions=partitions, replication_factor=1, config=config or {})
    admin.create_topics([topic], operation_timeout=30)[name].result(timeout=60)
    deadline = time.monotonic() + 30
    while True:
        known = admin.list_topics(name, timeout=30).topics[name].partitions
        if len(known) == partitions and all(partition.leader >= 0 for partition in known.values()):
            return name
        if time.monotonic() > deadline:
            raise RuntimeError(f"topic {name} has no leader for each of its {partitions} partitions after 30 s")
        time.sleep(0.05)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
