"""A few seconds of the lab, in miniature, through every exporter; and that it leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from benchmarks.lab.metering import METERS, meter, missing_programs, packets
from benchmarks.lab.network import PREFIX, network, what_is_missing
from benchmarks.lab.plan import WEB, Part, Scenario
from benchmarks.lab.recording import Played, record
from flows.addresses import address_texts
from flows.batch import FlowBatch, State
from flows.errors import TidegateError
from flows.files import parse_spec, read_flows
from flows.labels import truth_of
from tests.support.real import REPOSITORY, missing

SECONDS: Final = 2.0
ALL: Final = ((0.0, SECONDS),)
MINIATURE: Final = Scenario(
    "miniature",
    "a little of much",
    SECONDS,
    (
        Part("browse", "Benign-web", 1, 4, ALL, arrivals=8.0),
        Part("resolve", "Benign-DNS", 4, 4, ALL, arrivals=20.0),
        Part("send_mail", "Benign-mail", 7, 4, ALL, arrivals=4.0),
        Part("check_health", "Benign-health-check", 8, 1, ALL),
        Part("ask_anew", "DDoS-HTTP-flood", 1, 4, ((0.0, 1.5),), pace=5.0),
        Part("syn", "DDoS-SYN-flood", 16, 300, ((0.5, 1.0),), arrivals=200.0, silent=True),
        Part("syn", "DDoS-SYN-flood-reset", 24, 300, ((0.5, 1.0),), arrivals=200.0),
        Part("syn_to_closed_port", "DDoS-SYN-flood-closed", 32, 300, ((0.5, 1.0),), arrivals=200.0),
        Part("datagram_to_closed_port", "DDoS-UDP-flood", 40, 300, ((0.5, 1.0),), arrivals=200.0),
        Part("echo", "DDoS-ICMP-flood", 48, 300, ((0.5, 1.0),), arrivals=200.0),
    ),
)
LABELS: Final = {part.label for part in MINIATURE.parts}


@dataclass(frozen=True)
class Recording:
    capture: Path
    played: Played


@dataclass(frozen=True)
class Metered:
    batch: FlowBatch
    labels: list[str]

    def of(self, label: str) -> FlowBatch:
        return self.batch.take(np.flatnonzero([one == label for one in self.labels]))


@pytest.fixture(scope="module")
def lab() -> None:
    """A machine on which the lab can be built."""
    if shutil.which("ip") is None:
        missing("there is no program `ip`", "install iproute2")
    if programs := missing_programs():
        missing(f"there is no {', '.join(programs)}")
    if (lack := what_is_missing()) is not None:
        pytest.skip(lack)  # a right that the user lacks, and no program


@pytest.fixture(scope="module")
def recording(flow_exporters: None, lab: None, tmp_path_factory: pytest.TempPathFactory) -> Recording:  # noqa: ARG001  (must be there)
    capture = tmp_path_factory.mktemp("lab") / "miniature.pcap"
    return Recording(capture, record(MINIATURE, capture, 7, lambda _: None))


def metered(recording: Recording, exporter: str) -> Metered:
    path = meter(exporter, recording.capture, MINIATURE, recording.capture.parent)
    chunks = list(read_flows([parse_spec(str(path))]))
    assert [letter.error for chunk in chunks for letter in chunk.decoded.dead] == []
    labels = [label for chunk in chunks for label in (chunk.decoded.labels if chunk.decoded.labels is not None else [])]
    return Metered(FlowBatch.concatenate([chunk.decoded.batch for chunk in chunks]), labels)


@pytest.fixture(scope="module", params=METERS)
def flows(recording: Recording, request: pytest.FixtureRequest) -> Metered:
    return metered(recording, request.param)


@pytest.fixture(scope="module")
def argus(recording: Recording) -> Metered:
    return metered(recording, "argus")


def namespaces() -> list[str]:
    return subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.long
def test_every_part_acts_and_hardly_any_act_fails(recording: Recording) -> None:
    assert set(recording.played.begun) == LABELS
    assert sum(recording.played.failed.values()) <= 0.05 * sum(recording.played.begun.values())


@pytest.mark.long
def test_every_packet_is_told_of_and_every_flow_is_labelled(recording: Recording, flows: Metered) -> None:
    told = np.nansum(flows.batch.src_packets) + np.nansum(flows.batch.dst_packets)
    assert told == packets(recording.capture)
    assert set(flows.labels) == LABELS


@pytest.mark.long
def test_the_truth_is_that_of_who_was_there(flows: Metered) -> None:
    ends = zip(address_texts(flows.batch.src_addr), address_texts(flows.batch.dst_addr), flows.labels, strict=True)
    for source, destination, label in ends:
        client, server = sorted((source, destination), key=lambda end: end.startswith("10."))
        assert server.startswith("10.77.1.")
        assert truth_of(label) == ("ddos" if client.startswith("198.19.") else "benign"), (client, label)


@pytest.mark.long
def test_as_many_flows_as_were_made(recording: Recording, argus: Metered) -> None:
    # Every one of these is a connection or an exchange of its own; some packets of them were lost on the way.
    for label in ("DDoS-SYN-flood", "DDoS-SYN-flood-reset", "DDoS-SYN-flood-closed", "DDoS-ICMP-flood"):
        begun = recording.played.begun[label]
        assert 0.95 * begun - 2 <= len(argus.of(label)) <= begun, label


@pytest.mark.long
def test_the_victim_answers_as_real_ones_do(argus: Metered) -> None:
    assert (argus.of("DDoS-SYN-flood-closed").state == State.REJECTED).mean() > 0.95
    for label in ("DDoS-SYN-flood", "DDoS-SYN-flood-reset", "DDoS-ICMP-flood"):
        assert (argus.of(label).dst_packets > 0).mean() > 0.95, label
    assert (argus.of("DDoS-SYN-flood-reset").src_packets > argus.of("DDoS-SYN-flood").src_packets.mean()).mean() > 0.9
    unreachable = argus.of("DDoS-UDP-flood")
    answers = [source == WEB for source in address_texts(unreachable.src_addr)]
    assert 0 < sum(answers) < len(answers)
    assert set(unreachable.protocol[answers].tolist()) == {1}


@pytest.mark.long
def test_visits_carry_pages(argus: Metered) -> None:
    assert np.nansum(argus.of("Benign-web").dst_bytes) > 20_000
    assert np.nanmax(argus.of("DDoS-HTTP-flood").dst_bytes) > 1_000


def test_nothing_is_left_behind_when_a_part_of_the_lab_fails(lab: None, tmp_path: Path) -> None:  # noqa: ARG001  (must be there)
    broken = Scenario("broken", "", 1.0, (Part("sleep-walk", "Benign", 1, 1, ALL),))
    with pytest.raises(TidegateError, match=r"the lab's clients-\w+ ended with code 1, and said: (.|\n)*sleep-walk"):
        record(broken, tmp_path / "broken.pcap", 1, lambda _: None)
    assert not [name for name in namespaces() if name.startswith(f"{PREFIX}{os.getpid()}-")]


def test_what_a_killed_lab_left_is_removed_by_the_next_one(lab: None) -> None:  # noqa: ARG001  (must be there)
    with subprocess.Popen(["true"]) as process:
        process.wait()
    left = f"{PREFIX}{process.pid}-servers"
    subprocess.run(["ip", "netns", "add", left], check=True)
    with network(()) as made:
        assert made.servers in namespaces()
        assert left not in namespaces()
    assert made.servers not in namespaces()


@pytest.mark.usefixtures("flow_exporters")
@pytest.mark.parametrize("exporter", ["argus", "nfdump"])
def test_an_exporter_that_fails_is_named(tmp_path: Path, exporter: str) -> None:
    capture = tmp_path / "none.pcap"
    capture.write_bytes(b"no capture")
    with pytest.raises(TidegateError, match=f"(?s){exporter} failed on .*none.pcap: .*; run `make real-parts`"):
        meter(exporter, capture, MINIATURE, tmp_path)
    assert not list(tmp_path.rglob("*.gz"))


@pytest.mark.long
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_behind_when_it_is_interrupted(lab: None, tmp_path: Path, how: signal.Signals) -> None:  # noqa: ARG001  (must be there)
    command = [sys.executable, "-m", "benchmarks.lab", "--out", str(tmp_path), "benign"]
    with subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.PIPE) as process:
        own = f"{PREFIX}{process.pid}-"
        deadline = time.monotonic() + 60
        while not list(tmp_path.rglob("*.partial")) and time.monotonic() < deadline:
            time.sleep(0.1)
        inside = [
            pid
            for name in namespaces()
            if name.startswith(own)
            for pid in subprocess.run(["ip", "netns", "pids", name], capture_output=True, check=True).stdout.split()
        ]
        process.send_signal(how)
        process.communicate(timeout=60)
    assert process.returncode == (1 if how == signal.SIGINT else 143)  # click says Aborted!
    assert inside  # there was something to leave behind
    assert not [name for name in namespaces() if name.startswith(own)]
    assert not [pid for pid in inside if Path("/proc", pid.decode()).exists()]
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
