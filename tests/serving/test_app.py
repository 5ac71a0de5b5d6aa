"""The serving process as a whole, mostly as a process of its own with real signals."""

from __future__ import annotations

import json
import signal
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from model_registry.manifest import MANIFEST
from model_registry.registry import Registry
from serving.app import serve
from serving.broker import EmbeddedBroker
from serving.config import Settings
from serving.stopping import Stop
from tests.support.command import tidegate_command
from tests.support.serving import Served, Topics, artifact_path, flow, get, serving_registry, wait_until

LEAVES_WITHIN_S = 10.0


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def served(settings: Settings) -> Iterator[int]:
    """Serve within this process; yields the port, and leaves in good order."""
    port = free_port()
    stop = Stop()
    changed = {name: getattr(settings, name) for name in settings.__slots__} | {"listen": ("127.0.0.1", port)}
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(serve, Settings(**changed), stop)
        try:
            wait_until(lambda: running.done() or answers(port), 30)
            yield port
        finally:
            stop.request()
        assert running.result(LEAVES_WITHIN_S)


def answers(port: int) -> bool:
    try:
        return get(port, "/health")[0] == 200
    except OSError:
        return False


def reasons(port: int) -> str:
    code, document = get(port, "/ready")
    assert code == 503
    return json.dumps(document["reasons"])


def ready(port: int) -> bool:
    return get(port, "/ready")[0] == 200


def test_sigterm_under_load_finishes_the_batch_and_loses_nothing(
    topics: Topics, registry: Registry, tmp_path: Path
) -> None:
    stop = threading.Event()

    def load() -> int:
        at = 0
        while not stop.wait(0.05):  # not faster: the embedded broker drops what is not read in time
            flows = [flow(at + step / 500, host=f"10.0.0.{step % 50}") for step in range(500)]
            topics.send(flows, partition=at % 4)
            at += 1
        return at * 500

    settings = topics.settings(registry, verdicts="all", log_json=True)
    with ThreadPoolExecutor(1) as pool, Served(settings, tmp_path / "log") as process:
        process.wait_ready()
        sent = pool.submit(load)
        try:
            wait_until(lambda: process.get("/detections/stats")[1]["flows"] > 1000, 30, process.log.read_text)
            code, seconds = process.leave()
        finally:
            stop.set()
    assert sent.result() >= 1000
    assert code == 0, process.log.read_text()
    assert seconds < LEAVES_WITHIN_S
    decided = {json.loads(message.value() or b"")["id"] for message in topics.read_all(topics.verdicts)}
    assert len(decided) == topics.committed()
    for line in process.log.read_text().splitlines():
        assert {"time", "level", "logger", "message"} <= set(json.loads(line))


def test_sigterm_while_it_still_compiles_is_obeyed(topics: Topics, registry: Registry, tmp_path: Path) -> None:
    with Served(topics.settings(registry), tmp_path / "log", NUMBA_CACHE_DIR=str(tmp_path / "cold")) as process:
        assert process.get("/health")[0] == 200
        assert "models" in reasons(process.port)
        code, seconds = process.leave()
    assert code == 0, process.log.read_text()
    assert seconds < LEAVES_WITHIN_S


def test_after_a_kill_the_next_process_reads_again_what_was_not_committed(
    kafka_topics: Topics, registry: Registry, tmp_path: Path
) -> None:
    topics = kafka_topics
    settings = topics.settings(registry, verdicts="all", batch_size=200)
    total = 6000
    for part in range(12):
        topics.send([flow(part * 10 + at / 50) for at in range(500)], partition=part % 4)
    with Served(settings, tmp_path / "first.log") as first:
        wait_until(lambda: topics.committed() > 0, 60, first.log.read_text)
        first.process.send_signal(signal.SIGKILL)
        first.process.wait()
    with Served(settings, tmp_path / "second.log") as second:
        wait_until(lambda: topics.committed() == total, 60, second.log.read_text)
        assert second.leave()[0] == 0
    ids = {json.loads(message.value() or b"")["id"] for message in topics.read_all(topics.verdicts)}
    assert len(ids) == total


def test_alive_at_once_and_not_ready_while_no_broker_answers(registry: Registry, tmp_path: Path) -> None:
    settings = Settings(registry=str(registry.path), bootstrap=f"127.0.0.1:{free_port()}", listen=("127.0.0.1", 0))
    with Served(settings, tmp_path / "log") as process:
        assert process.get("/health") == (200, {"alive": True})
        wait_until(lambda: "does not answer" in reasons(process.port), 30)
        assert settings.bootstrap in reasons(process.port)
        assert process.get("/models")[1]["manifest_version"] == 1
        code, seconds = process.leave(signal.SIGINT)
    assert code == 0
    assert seconds < LEAVES_WITHIN_S


def test_a_broker_that_goes_away_is_told(registry: Registry) -> None:
    with EmbeddedBroker() as broker:
        topics = Topics(broker.bootstrap, create=False)
        with served(topics.settings(registry)) as port:
            wait_until(lambda: ready(port), 30)
            broker.stop()
            wait_until(lambda: not ready(port), 30)
            assert "kafka" in reasons(port)
            assert get(port, "/health")[0] == 200


def test_a_changed_model_degrades_and_says_so(topics: Topics, tmp_path: Path) -> None:
    model = "ddos_lgbm"
    registry = serving_registry(tmp_path)
    path = artifact_path(registry, model)
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    topics.send([flow(at, "malware") for at in range(3)])
    with served(topics.settings(registry)) as port:
        wait_until(lambda: ready(port), 30)
        (degraded,) = get(port, "/ready")[1]["degraded"]
        assert degraded["model"] == model
        assert path.name in degraded["reason"]
        assert list(get(port, "/models")[1]["refused"]) == [model]
        metrics = get(port, "/metrics")[1]
        assert f'tidegate_model_loaded{{model="{model}"}} 0.0' in metrics
        assert "tidegate_ready 1.0" in metrics
        verdicts = topics.documents(topics.verdicts, 3)
    assert all(verdict["degraded"] == [model] for verdict in verdicts)


def test_an_untrusted_registry_keeps_it_alive_and_not_ready_until_it_is_mended(
    topics: Topics, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.app._LOAD_AGAIN_S", 0.2)
    registry = serving_registry(tmp_path)
    manifest = registry.path / MANIFEST
    whole = manifest.read_bytes()
    manifest.write_bytes(whole.replace(b'"version": 1', b'"version": 2'))
    with served(topics.settings(registry)) as port:
        wait_until(lambda: MANIFEST in reasons(port), 10)
        assert get(port, "/health")[0] == 200
        assert "tidegate_ready 0.0" in get(port, "/metrics")[1]
        manifest.write_bytes(whole)
        wait_until(lambda: ready(port), 30)


def test_no_registry_and_a_version_below_the_floor_are_not_ready(tmp_path: Path, registry: Registry) -> None:
    with served(Settings(registry=str(tmp_path / "none"))) as port:
        wait_until(lambda: "1.root.json" in reasons(port), 10)
    with served(Settings(registry=str(registry.path), min_version=7)) as port:
        wait_until(lambda: "version" in reasons(port) and "7" in reasons(port), 10)


def test_topics_that_do_not_exist_are_named(kafka_topics: Topics, registry: Registry) -> None:
    with served(kafka_topics.settings(registry, topic_alerts="nobody.made.this")) as port:
        wait_until(lambda: "no topic nobody.made.this; create it" in reasons(port), 30)


def test_the_first_batch_after_ready_takes_at_most_250_ms(topics: Topics, registry: Registry, tmp_path: Path) -> None:
    with Served(topics.settings(registry), tmp_path / "log") as process:
        process.wait_ready()
        topics.send([flow(at / 50, "malware", f"10.0.0.{at % 20}") for at in range(500)])
        wait_until(lambda: topics.committed() == 500, 30, process.log.read_text)
        lines = process.get("/metrics")[1].splitlines()
        batches = dict(line.split() for line in lines if line.startswith("tidegate_batch_seconds_"))
        assert batches['tidegate_batch_seconds_bucket{le="0.25"}'] == batches["tidegate_batch_seconds_count"], batches


def test_a_port_in_use_ends_it_with_1_and_names_the_setting(registry: Registry) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        code, out, err = tidegate_command("serve", "--listen", f"127.0.0.1:{port}", "--registry", registry.path)
    assert (code, out) == (1, "")
    assert "TIDEGATE_LISTEN" in err
