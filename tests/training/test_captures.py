"""Real captures as a data set: what is found, what each flow is, and how captures become streams."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from detection.verdict import Kind
from flows.errors import UsageError
from flows.files import FileSpec
from tests.support import argus
from tests.support.zeek import header, tsv
from training.datasets import NO_TRUTH, load_captures, measured
from training.datasets.captures import assemble, find_captures, load_capture
from training.datasets.known import KNOWN, known
from training.errors import TrainingError

BOTNET_4 = "ctu-botnet-4_LABELS-ARE-PLACEHOLDERS.conn.log.labeled"
RITA = "conn.2024-04-19.log"


def write(path: Path, *rows: tuple[str, str, str, str], labels: bool = True) -> Path:
    """Write a Zeek log of (time, source, destination, label)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        tsv(*(("Malicious", label) if label not in {"Benign", "Background"} else (label, "-")) if labels else (),
            ts=ts, id__orig_h=source, id__resp_h=destination)
        for ts, source, destination, label in rows
    ]  # fmt: skip
    path.write_bytes(b"\n".join([*header(*(("label", "detailedlabel") if labels else ())), *lines, b""]))
    return path


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    rows = [(f"{1000 + i}.0", "192.168.1.5", "8.8.8.8", "Benign") for i in range(10)]
    return write(tmp_path / "home.log", *rows, ("1010.0", "192.168.1.5", "9.9.9.9", "Background"))


@pytest.fixture
def flood(tmp_path: Path) -> Path:
    return write(tmp_path / "flood.log", *((f"{i}.0", f"7.7.7.{i}", "10.10.10.10", "") for i in range(5)), labels=False)


def test_a_folder_is_searched_for_known_captures_and_infected_hosts_are_left_out(tmp_path: Path) -> None:
    names = ("a/CTU-IoT-Malware-Capture-34-1.conn.log.labeled", f"b/{BOTNET_4}", "README.md", "b/unknown.log")
    for name in names:
        write(tmp_path / name, ("1.0", "192.168.1.5", "8.8.8.8", "Benign"))
    assert find_captures([str(tmp_path)]) == [FileSpec(tmp_path / names[0])]


def test_a_folder_without_known_captures_says_how_to_name_files(tmp_path: Path, mixed: Path) -> None:
    with pytest.raises(UsageError, match=r"no known capture below .*FORMAT:"):
        find_captures([str(tmp_path)])
    assert find_captures([str(mixed)]) == [FileSpec(mixed)]


def test_what_is_malware_as_a_whole_teaches_nothing(mixed: Path) -> None:
    with pytest.raises(UsageError, match="only the host is known"):
        find_captures([f"malware:{mixed}"])


def test_labels_tell_the_truth_and_background_is_nobodys(mixed: Path) -> None:
    capture = load_capture(FileSpec(mixed))
    assert capture.name == "home"
    assert capture.truth.tolist() == [Kind.BENIGN] * 10 + [NO_TRUTH]
    assert set(capture.attack.tolist()) == {"Benign", "Background"}
    assert capture.dead == 0


def test_what_else_a_bot_says_to_its_command_server_is_nobodys_ordinary_life(tmp_path: Path) -> None:
    bot, command, other = "192.168.1.5", "9.9.9.9", "8.8.8.8"
    rows = [
        *(("1.0", bot, command, "Benign"), ("2.0", bot, command, "C&C"), ("3.0", command, bot, "Benign")),
        *(("4.0", bot, other, "Benign"), ("5.0", "192.168.1.6", command, "Benign"), ("6.0", bot, other, "DDoS")),
    ]
    capture = load_capture(FileSpec(write(tmp_path / "bot.log", *rows)))
    assert capture.truth.tolist() == [NO_TRUTH, Kind.MALWARE, NO_TRUTH, Kind.BENIGN, Kind.BENIGN, Kind.DDOS]
    # What is said of a whole file is believed.
    assert set(load_capture(FileSpec(tmp_path / "bot.log", truth="benign")).truth.tolist()) == {Kind.BENIGN}


def test_the_truth_that_is_given_stands_above_the_labels(mixed: Path) -> None:
    capture = load_capture(FileSpec(mixed, truth="ddos"))
    assert set(capture.truth.tolist()) == {Kind.DDOS}
    assert set(capture.attack.tolist()) == {"home"}
    assert capture.attack_only


def test_what_is_known_of_a_file_stands_above_its_labels_but_not_above_what_is_given(tmp_path: Path) -> None:
    path = write(tmp_path / BOTNET_4, ("1.0", "10.0.2.19", "8.8.8.8", "Benign"))
    assert load_capture(FileSpec(path)).truth.tolist() == [Kind.MALWARE]
    assert load_capture(FileSpec(path, truth="benign")).truth.tolist() == [Kind.BENIGN]


def test_a_labelled_pair_is_labelled_both_ways_and_nothing_else_is(tmp_path: Path) -> None:
    beacon, server = "73.54.23.243", "64.225.56.201"
    rows = [("1.0", beacon, server, ""), ("2.0", server, beacon, ""), ("3.0", "5.5.5.5", server, "")]
    capture = load_capture(FileSpec(write(tmp_path / RITA, *rows, labels=False)))
    assert capture.truth.tolist() == [Kind.MALWARE, Kind.MALWARE, NO_TRUTH]
    assert capture.attack.tolist() == ["rita-day-1", "rita-day-1", ""]


def test_recordings_of_the_lab_are_found_and_tell_their_truth_by_label(tmp_path: Path) -> None:
    clients = (("198.18.1.7", "Benign-web"), ("198.19.1.7", "DDoS-HTTP-flood"), ("198.20.1.7", "Unknown"))
    rows = [argus.row(SrcAddr=client, DstAddr="10.77.1.10", Label=label) for client, label in clients]
    path = tmp_path / "argus" / "lab-http-flood.binetflow"
    path.parent.mkdir()
    path.write_bytes(b"\n".join([argus.header(), *rows, b""]))
    assert find_captures([str(tmp_path)]) == [FileSpec(path)]
    capture = load_capture(FileSpec(path))
    assert capture.name == "lab-http-flood-argus"
    assert capture.truth.tolist() == [Kind.BENIGN, Kind.DDOS, NO_TRUTH]


def test_an_attack_is_laid_over_ordinary_life_and_both_keep_their_truth(mixed: Path, flood: Path) -> None:
    flows = load_captures([str(mixed), f"ddos:{flood}"])
    assert flows.origin.names == ("home+flood",)
    assert (flows.truth == Kind.DDOS).sum() == 5
    assert (flows.truth == Kind.BENIGN).sum() == 10
    first = int(np.flatnonzero(flows.truth == Kind.DDOS)[0])
    assert (flows.truth[:first] == Kind.BENIGN).sum() == 6  # half of the host's flows are past
    assert np.bincount(flows.part[flows.truth == Kind.DDOS]).tolist() == [3, 1, 1]
    assert len(measured(flows)) == 16


def test_captures_that_are_no_attack_stay_streams_of_their_own(mixed: Path, tmp_path: Path) -> None:
    rows = (("5.0", "192.168.9.9", "8.8.8.8", "C&C"), ("6.0", "192.168.9.9", "8.8.8.8", "Background"))
    flows = load_captures([str(mixed), str(write(tmp_path / "other.log", *rows))])
    assert flows.origin.names == ("home", "other")
    assert np.bincount(flows.capture).tolist() == [11, 2]


def test_floods_take_different_networks_where_there_are_enough(tmp_path: Path, mixed: Path, flood: Path) -> None:
    benign = write(tmp_path / "office.log", *((f"{i}.0", "10.0.0.9", "8.8.8.8", "Benign") for i in range(4)))
    second = write(tmp_path / "second.log", ("1.0", "7.7.7.7", "10.10.10.10", ""), labels=False)
    flows = load_captures([str(mixed), str(benign), f"ddos:{flood}", f"ddos:{second}"])
    assert flows.origin.names == ("home+flood", "office+second")


def test_an_attack_without_ordinary_life_is_refused(flood: Path) -> None:
    with pytest.raises(TrainingError, match=r"flood: every flow is an attack.*benign:PATH"):
        load_captures([f"ddos:{flood}"])


def test_nothing_is_laid_over_an_infected_network(tmp_path: Path, flood: Path) -> None:
    infected = write(
        tmp_path / "infected.log",
        ("1.0", "192.168.1.5", "8.8.8.8", "Benign"),
        ("2.0", "192.168.1.5", "6.6.6.6", "C&C"),
    )
    with pytest.raises(TrainingError, match="no benign capture"):
        load_captures([str(infected), f"ddos:{flood}"])


def test_captures_can_be_left_out_by_name(mixed: Path, flood: Path) -> None:
    assert load_captures([str(mixed), f"ddos:{flood}"], leave_out=["flood"]).origin.names == ("home",)
    with pytest.raises(UsageError, match="cannot leave out tide; the captures are flood, home"):
        load_captures([str(mixed), f"ddos:{flood}"], leave_out=["tide"])
    with pytest.raises(UsageError, match="every capture is left out"):
        load_captures([str(mixed)], leave_out=["home"])


def test_a_path_that_does_not_exist_is_named() -> None:
    with pytest.raises(UsageError, match=r"there is no file or folder nowhere/x\.log"):
        find_captures(["zeek:ddos:nowhere/x.log"])


def test_captures_without_times_teach_nothing_and_are_named(tmp_path: Path, mixed: Path) -> None:
    timeless = write(tmp_path / "timeless.log", ("-", "192.168.1.5", "8.8.8.8", "Benign"))
    flows = load_captures([str(mixed), str(timeless)])
    assert flows.origin.names == ("home",)
    assert "for want of times and so of any past: timeless" in flows.origin.about


def test_assembling_nothing_is_refused() -> None:
    with pytest.raises(TrainingError, match="no captures"):
        assemble([])


def test_no_two_entries_of_the_table_are_the_same_file() -> None:
    assert len({entry.file for entry in KNOWN}) == len({entry.name for entry in KNOWN}) == len(KNOWN)
    assert known("nobody.log") is None
    for entry in KNOWN:
        assert known(entry.file) is known(f"{entry.file}.gz") is entry
