"""Following logs: what is sent and remembered of them, and that no line is lost or sent twice, whoever is killed."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import pytest
from confluent_kafka import KafkaException

from flows.errors import UsageError
from flows.files import FileChunk, FileSpec
from flows.formats import make_decoder
from serving.broker import EmbeddedBroker
from serving.config import Settings
from serving.follow import follow_logs
from serving.positions import PositionError, Positions
from serving.replay import Replayer
from serving.sink import Headers
from serving.stopping import Stop
from tests.support.command import tidegate_command
from tests.support.following import Following
from tests.support.kafka import KafkaServer
from tests.support.serving import ZEEK_FLOW, Topics, flow, header, wait_until

HEADER: Final = (
    b"#separator \\x09\n#path\tconn\n#fields\tuid\tts\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tservice\t"
    b"duration\torig_bytes\tresp_bytes\tconn_state\tmissed_bytes\thistory\torig_pkts\torig_ip_bytes\tresp_pkts\t"
    b"resp_ip_bytes\n"
)


def row(number: int) -> bytes:
    """A row under HEADER, whose columns stand in an order of their own."""
    return (
        b"C%d\t1700000000.%d\t10.0.0.5\t40000\t198.51.100.7\t80\ttcp\thttp\t0.1\t10\t20\tSF\t0\tShADadFf\t5\t300\t5\t400\n"
        % (number, number)
    )


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


class Sent:
    """Takes what is sent; asks for the end when nothing came for some rounds."""

    def __init__(self, *, fail_at: int | None = None) -> None:
        self.ids: list[str] = []
        self.dead: list[bytes] = []
        self.formats: list[str | None] = []
        self.headers: list[Headers] = []
        self.fail_at = fail_at

    def send(self, chunk: FileChunk, headers: Sequence[Headers]) -> bool:
        if self.fail_at is not None and len(self.ids) >= self.fail_at:
            return False
        assert len(headers) == len(chunk.raw)
        self.ids += chunk.decoded.batch.flow_id.tolist()
        self.dead += [letter.raw for letter in chunk.decoded.dead]
        self.formats.append(chunk.spec.format)
        self.headers += headers
        return True

    def follow(self, *specs: FileSpec, positions: Path, cluster: str = "c") -> bool:
        """Follow until all that is there has been sent."""
        stop = Stop()
        threading.Timer(0.35, stop.request).start()
        return follow_logs(Settings(), cluster, specs, positions, self.send, stop)


@pytest.fixture
def log(tmp_path: Path) -> FileSpec:
    return FileSpec(tmp_path / "conn.log")


@pytest.fixture
def positions(tmp_path: Path) -> Path:
    return tmp_path / "state" / "positions.json"


def test_a_file_s_header_holds_for_its_rows_and_is_read_again_after_a_restart(log: FileSpec, positions: Path) -> None:
    append(log.path, HEADER + row(1) + row(2))
    first = Sent()
    assert first.follow(log, positions=positions)
    assert (first.ids, first.dead, first.formats) == (["C1", "C2"], [], ["zeek"])
    append(log.path, row(3))
    log.path.rename(log.path.with_name("conn.2026-01-01-00-00-00.log"))
    append(log.path, ZEEK_FLOW + b"\nwhat?\n" + flow(flow_id="never") + b"\n")
    second = Sent()
    assert second.follow(log, positions=positions)
    assert (second.ids, second.dead) == (["C3", "CtxTBc1"], [b"what?", flow(flow_id="never")])
    append(log.path, ZEEK_FLOW.replace(b"CtxTBc1", b"C5") + b"\n")
    third = Sent()
    assert third.follow(log, positions=positions)
    assert third.ids == ["C5"]


def test_another_file_may_be_of_another_format_unless_one_is_given(log: FileSpec, positions: Path) -> None:
    append(log.path, ZEEK_FLOW + b"\n")
    sent = Sent()
    assert sent.follow(log, positions=positions)
    log.path.rename(log.path.with_name("conn.log.1"))
    append(log.path, flow(flow_id="f") + b"\n")
    given = FileSpec(log.path, "zeek")
    assert sent.follow(given, positions=positions, cluster="another")
    assert (sent.ids, sent.dead) == (["CtxTBc1"], [flow(flow_id="f")])
    assert sent.follow(log, positions=positions)
    assert (sent.ids, sent.formats) == (["CtxTBc1", "f"], ["zeek", "zeek", "canonical"])


def test_several_logs_are_followed_and_a_position_is_of_one_cluster(tmp_path: Path, positions: Path) -> None:
    specs = [FileSpec(tmp_path / name) for name in ("conn.log", "flows.json")]
    append(specs[1].path, b"\n" + flow(flow_id="f") + b"\n")
    sent = Sent()
    assert sent.follow(*specs, positions=positions)
    append(specs[0].path, ZEEK_FLOW + b"\n")
    assert sent.follow(*specs, positions=positions)
    assert sorted(sent.ids) == ["CtxTBc1", "f"]
    assert sent.follow(*specs, positions=positions, cluster="another")
    assert sorted(sent.ids) == ["CtxTBc1", "CtxTBc1", "f", "f"]
    names = {dict(headers)["log.line"].split(b"/")[0] for headers in sent.headers}
    assert len(names) == 4


def test_what_was_not_confirmed_is_not_noted(log: FileSpec, positions: Path) -> None:
    append(log.path, flow(flow_id="a") + b"\n")
    sent = Sent(fail_at=0)
    assert not sent.follow(log, positions=positions)
    with Positions(positions) as kept:
        entry = kept.entry("c", "tidegate.flows", log.path)
        assert entry.position is not None
        assert entry.position.offset == 0
        assert entry.sending_since_ms is not None
        entry.sending_since_ms = None  # or Kafka would be asked what came of it
        kept.save()
    log.path.rename(log.path.with_name("conn.log.1"))
    append(log.path, flow(flow_id="b") + b"\n")
    sent.fail_at = None
    assert sent.follow(log, positions=positions)
    assert sent.ids == ["a", "b"]


def test_a_file_that_was_seen_is_remembered_before_anything_is_written_to_it(log: FileSpec, positions: Path) -> None:
    log.path.touch()
    sent = Sent()
    assert sent.follow(log, positions=positions)
    append(log.path, ZEEK_FLOW + b"\n")
    log.path.rename(log.path.with_name("conn.log.1"))
    append(log.path, ZEEK_FLOW.replace(b"CtxTBc1", b"C2") + b"\n")
    assert sent.follow(log, positions=positions)
    assert sent.ids == ["CtxTBc1", "C2"]


class CrashError(Exception):
    """Stands for the end of a process."""


@pytest.mark.parametrize("sent_before", [0, 1, 150, 199])
def test_after_a_crash_what_was_sent_is_found_in_the_topic(
    any_topics: Topics, log: FileSpec, positions: Path, sent_before: int
) -> None:
    topics = any_topics
    append(log.path, b"what?\n" + b"".join(flow(at, flow_id=str(at), host=f"10.0.0.{at}") + b"\n" for at in range(199)))
    settings = topics.settings()
    spec = FileSpec(log.path, "canonical")

    def follow(send: Callable[[Replayer, FileChunk, Sequence[Headers]], bool]) -> None:
        stop = Stop()
        with Replayer(settings, stop=stop, patient=True) as replayer:
            threading.Timer(1.0, stop.request).start()
            follow_logs(settings, replayer.cluster, [spec], positions, partial(send, replayer), stop)

    def crash(replayer: Replayer, chunk: FileChunk, headers: Sequence[Headers]) -> bool:
        lines = chunk.raw[:sent_before]
        part = FileChunk(chunk.spec, make_decoder("canonical").decode(lines), 1, lines)
        assert replayer.send_chunk(part, headers[:sent_before])
        raise CrashError

    with pytest.raises(CrashError):
        follow(crash)
    assert topics.count(topics.flows) == sent_before
    topics.send([flow(flow_id="another's")])
    follow(Replayer.send_chunk)
    values = Counter(message.value() for message in topics.read_all(topics.flows))
    assert values == Counter([*log.path.read_bytes().splitlines(), flow(flow_id="another's")])


def test_what_cannot_be_followed_is_refused(log: FileSpec, positions: Path) -> None:
    append(log.path, b"dear diary\n")
    with pytest.raises(UsageError, match=r"format of .*conn.log is not recognised.*FORMAT:.*conn.log"):
        Sent().follow(log, positions=positions)
    with pytest.raises(UsageError, match="named twice"):
        Sent().follow(log, FileSpec(log.path, "zeek"), positions=positions)
    log.path.write_bytes(gzip.compress(ZEEK_FLOW))
    with pytest.raises(UsageError, match=r"gzipped.*without --follow"):
        Sent().follow(log, positions=positions)


def test_a_position_file_is_one_process_s_and_nothing_else(positions: Path) -> None:
    with Positions(positions), pytest.raises(PositionError, match=r"in use.*another --position-file"):
        Positions(positions)
    for text in (b"{", b"[]", b'{"version": 2}', b'{"version": 1, "logs": [{"path": 1}]}', b"\xff", b"[" * 9999):
        positions.write_bytes(text)
        with pytest.raises(UsageError, match="no position file"):
            Positions(positions)
    with pytest.raises(PositionError, match="cannot be made"):
        Positions(Path("/dev/null/positions.json"))
    positions.unlink()
    leftover = positions.with_name(f".{positions.name}.{os.getpid()}.tmp")
    leftover.write_bytes(b"half")
    with Positions(positions) as kept:
        kept.save()
    assert not leftover.exists()


def test_a_log_of_suricata_s_is_followed_in_parts(datasets: Path, tmp_path: Path, positions: Path) -> None:
    whole = gzip.decompress((datasets / "producers/suricata-eve/slips_test6-malicious.eve.json.gz").read_bytes())
    lines = whole.splitlines(keepends=True)
    log = FileSpec(tmp_path / "eve.json")
    sent = Sent()
    for number in range(4):
        part = b"".join(lines[number * 1250 : (number + 1) * 1250])
        append(log.path, part[: len(part) // 2])  # which ends within a line
        assert sent.follow(log, positions=positions)
        append(log.path, part[len(part) // 2 :])
        log.path.rename(log.path.with_name(f"eve.json.{9 - number}"))
    append(log.path, b"\n")
    assert sent.follow(log, positions=positions)
    wanted = make_decoder("suricata").decode(lines)
    assert len(wanted) + len(wanted.dead) == 3512
    assert sent.ids == wanted.batch.flow_id.tolist()


def test_options_that_exclude_each_other(tmp_path: Path) -> None:
    for options in (["--follow", "--rate", "5"], ["--follow", "--speed", "5"], ["--position-file", "x"]):
        code, _, err = tidegate_command("replay", tmp_path / "conn.log", *options)
        assert code == 2
        assert "--follow" in err


# --- As a process


def test_a_line_is_sent_within_about_a_second_and_waiting_costs_nothing(topics: Topics, tmp_path: Path) -> None:
    log = tmp_path / "conn.log"
    with Following(topics, tmp_path, log) as following:
        following.wait()
        append(log, HEADER + row(1))
        topics.read(topics.flows, 1)
        append(log, row(2)[:20])
        time.sleep(1.0)
        used = following.processor_s()
        time.sleep(2.0)
        assert following.processor_s() - used < 0.2  # of 2 s, on a machine that other tests use
        started = time.monotonic()
        append(log, row(2)[20:])
        messages = topics.read(topics.flows, 2)
        assert time.monotonic() - started < 3.0
        summary = following.leave()
    assert (summary["flows"], summary["undecodable"], summary["interrupted"]) == (2, 0, False)
    assert {header(message, "format") for message in messages} == {b"canonical"}


def there_are(topics: Topics, count: int) -> bool:
    """Whether the topic has that many messages; not, while a broker that was killed is not yet back in office."""
    try:
        return topics.count(topics.flows) >= count
    except KafkaException:
        return False


def test_while_kafka_is_gone_lines_wait_and_are_sent_once(kafka_server: KafkaServer, tmp_path: Path) -> None:
    topics = Topics(kafka_server.bootstrap, create=True)
    log = tmp_path / "conn.log"
    with Following(topics, tmp_path, log) as following:
        following.wait()
        append(log, HEADER + b"".join(map(row, range(100))))
        wait_until(lambda: topics.count(topics.flows) == 100, 30, following.error.read_text)
        for first in range(100, 2000, 100):
            append(log, b"".join(map(row, range(first, first + 100))))
            if first == 500:
                kafka_server.kill()
            time.sleep(0.02)
        time.sleep(1.0)
        kafka_server.start()
        wait_until(lambda: there_are(topics, 2000), 60, following.error.read_text)
        assert following.leave()["flows"] == 2000
    ids = [json.loads(message.value() or b"")["flow_id"] for message in topics.read_all(topics.flows)]
    assert sorted(ids) == sorted(f"C{number}" for number in range(2000))


def test_it_leaves_when_asked_though_kafka_is_gone_and_says_that_something_is_left(tmp_path: Path) -> None:
    log = tmp_path / "conn.log"
    with EmbeddedBroker() as broker:
        topics = Topics(broker.bootstrap, create=False)
        with Following(topics, tmp_path, log) as following:
            following.wait()
            append(log, HEADER + row(1))
            wait_until(lambda: there_are(topics, 1), 30, following.error.read_text)
            broker.stop()
            append(log, row(2))
            time.sleep(1.0)
            started = time.monotonic()
            summary = following.leave()
            assert time.monotonic() - started < 10
    assert (summary["flows"], summary["interrupted"]) == (1, True)


# Writes parts of a log, each as Zeek does: the rotated file keeps its rows, the new one begins with a header.
WRITER: Final = """
import sys, time
from pathlib import Path
log, parts, pause = Path(sys.argv[1]), [Path(name) for name in sys.argv[3:]], float(sys.argv[2])
for number, part in enumerate(parts):
    data = part.read_bytes()
    with log.open("wb") as file:
        for at in range(0, len(data), 60_000):
            file.write(data[at : at + 60_000])
            file.flush()
            time.sleep(pause)
    if number + 1 < len(parts):
        log.rename(log.with_name(f"conn.2024-04-19-{number:02}-00-00.log"))
"""


def zeek_hours(datasets: Path, folder: Path, day: str, count: int) -> list[Path]:
    """The first hours of a day of a capture, a file each, as Zeek wrote them."""
    whole = gzip.decompress((datasets / "rita-beacon" / f"conn.{day}.log.gz").read_bytes())
    hours = [b"#separator" + hour for hour in whole.split(b"#separator")[1 : count + 1]]
    paths = [folder / f"hour-{number:02}" for number in range(count)]
    for path, hour in zip(paths, hours, strict=True):
        path.write_bytes(hour)
    return paths


def flows_of(paths: Sequence[Path]) -> Counter[tuple[str, float]]:
    """The uid and start of every flow in Zeek logs, and how often each is there."""
    found: Counter[tuple[str, float]] = Counter()
    for path in paths:
        batch = make_decoder("zeek").decode(path.read_bytes().splitlines()).batch
        found.update(zip(batch.flow_id.tolist(), batch.start.tolist(), strict=True))
    return found


def test_every_flow_of_a_log_that_zeek_rotates_is_sent_once_whoever_is_killed(
    kafka_topics: Topics, datasets: Path, tmp_path: Path
) -> None:
    topics = kafka_topics
    hours = zeek_hours(datasets, tmp_path, "2024-04-19", 24)
    log = tmp_path / "zeek" / "conn.log"
    log.parent.mkdir()
    wanted = flows_of(hours)
    assert wanted.total() == 31_367
    with Following(topics, tmp_path, log) as following:
        following.wait()
        writer = subprocess.Popen([sys.executable, "-c", WRITER, log, "0.1", *hours])
        wait_until(lambda: topics.count(topics.flows) > 0, 30, following.error.read_text)
        following.kill()
    kills = 1
    while writer.poll() is None:
        if kills % 2:
            time.sleep(1.0)  # so that files are rotated while nobody follows
        with Following(topics, tmp_path, log) as following:
            following.wait()
            time.sleep(0.13 * kills)
            following.kill()
            kills += 1
    assert writer.returncode == 0
    assert kills >= 3
    with Following(topics, tmp_path, log) as following:
        wait_until(lambda: topics.count(topics.flows) >= wanted.total(), 60, following.error.read_text)
        time.sleep(1.0)  # were there more to come, it would have come
        summary = following.leave()
    assert summary["undecodable"] == 0
    documents = [json.loads(message.value() or b"") for message in topics.read_all(topics.flows)]
    assert Counter((document["flow_id"], document["start"]) for document in documents) == wanted
