"""Scoring files: the documents of the serving process to the byte, and an account of every line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from detection.detector import Detector
from model_registry.manifest import MANIFEST
from model_registry.registry import Registry
from tests.support.command import Outcome, tidegate_command
from tests.support.serving import ZEEK_FLOW, Running, Topics, artifact_path, flow, serving_registry

KINDS = ("benign", "ddos", "malware", "anomaly")


def score(registry: Registry, *arguments: object) -> Outcome:
    return tidegate_command("score", "--registry", registry.path, *arguments)


@pytest.fixture
def traffic() -> list[bytes]:
    """Flows of two hosts with a past, in one partition, of every kind."""
    return [flow(at * 2, KINDS[at * at % 11 % 4], f"10.0.0.{at % 2}") for at in range(120)]


def test_a_file_is_decided_as_the_serving_process_decides_it(
    topics: Topics, registry: Registry, detector: Detector, tmp_path: Path, traffic: list[bytes]
) -> None:
    file = tmp_path / "flows.ndjson.gz"
    file.write_bytes(gzip.compress(b"\n".join(traffic)))
    code, out, _ = score(registry, "--verdicts", "all", file)
    assert code == 0

    running = Running(topics.settings(registry, verdicts="all", batch_size=50), detector)
    topics.send(traffic, partition=0)
    running.until(lambda: topics.committed() == len(traffic))
    running.leave()
    served = topics.read(topics.verdicts, len(traffic))
    scored = [without_id(line.encode()) for line in out.splitlines()]
    assert sorted(scored) == sorted(without_id(message.value() or b"") for message in served)


def without_id(document: bytes) -> bytes:
    head, _, rest = document.partition(b'","')
    assert head.startswith(b'{"id":"')
    return rest


def test_only_what_is_not_plainly_benign_is_written_unless_asked(registry: Registry, tmp_path: Path) -> None:
    file = tmp_path / "flows.ndjson"
    file.write_bytes(b"\n".join([flow(0), flow(1, "malware"), flow(2)]))
    code, out, err = score(registry, file)
    assert code == 0
    (verdict,) = map(json.loads, out.splitlines())
    assert (verdict["verdict"], verdict["id"]) == ("malware", f"{file}:2/1")
    assert err == "3 flows: 2 benign, 1 malware; 0 undecodable lines\n"


def test_a_file_does_not_remember_another(registry: Registry, tmp_path: Path, traffic: list[bytes]) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"\n".join(traffic))
    two.write_bytes(b"\n".join(traffic))
    both = score(registry, one, two).out.replace(str(two), str(one)).splitlines()
    assert both[: len(both) // 2] == both[len(both) // 2 :]


def test_what_cannot_be_decoded_is_told_by_file_and_line_and_stops_nothing(registry: Registry, tmp_path: Path) -> None:
    file = tmp_path / "conn.json"
    file.write_bytes(ZEEK_FLOW + b'\n{"ts":1}\n\n' + ZEEK_FLOW)
    code, out, err = score(registry, file)
    assert code == 0
    assert len(out.splitlines()) == 2
    assert err.startswith(f"{file}:2: ")
    assert err.endswith("2 flows: 2 malware; 1 undecodable lines\n")


def test_a_refused_model_is_told(tmp_path: Path) -> None:
    registry = serving_registry(tmp_path)
    artifact_path(registry, "ddos_lgbm").unlink()
    file = tmp_path / "flows.ndjson"
    file.write_bytes(flow())
    code, _, err = score(registry, file)
    assert code == 0
    assert "scoring without ddos_lgbm: " in err


def test_what_is_not_trusted_ends_with_3(tmp_path: Path) -> None:
    registry = serving_registry(tmp_path)
    manifest = registry.path / MANIFEST
    manifest.write_bytes(manifest.read_bytes().replace(b"ddos", b"DDOS", 1))
    file = tmp_path / "flows.ndjson"
    file.write_bytes(flow())
    code, out, err = score(registry, file)
    assert (code, out) == (3, "")
    assert MANIFEST in err


def test_wrong_usage_ends_with_2(registry: Registry, tmp_path: Path) -> None:
    assert score(registry, tmp_path / "none").code == 2
    assert score(registry).code == 2
    assert tidegate_command("score", "--registry", "https://example.org/registry", __file__).code == 2


def test_people_get_a_table(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.score._for_people", lambda: True)
    monkeypatch.setattr("serving.score._TABLE_ROWS", 3)
    monkeypatch.setenv("COLUMNS", "200")
    file = tmp_path / "flows.ndjson"
    file.write_bytes(b"\n".join(flow(at, "malware") for at in range(5)))
    _, out, _ = score(registry, file)
    assert out.count("malware") == 3
    assert "the first 3 of 5 verdicts" in out
