"""The endpoints: what they say, whom they refuse, and how fast they answer."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from serving.health import HealthServer, ListenError, serving_endpoints
from serving.metrics import Metrics
from serving.pipeline import Pipeline
from serving.status import Status
from tests.support.serving import flow, get


@pytest.fixture
def status() -> Status:
    return Status(Metrics())


@pytest.fixture
def port(status: Status) -> Iterator[int]:
    with HealthServer(("127.0.0.1", 0), serving_endpoints(status, Metrics())) as server:
        yield server.port


def test_health_is_alive_whatever_else_holds(port: int, status: Status) -> None:
    status.block("kafka", "gone")
    assert get(port, "/health") == (200, {"alive": True})


def test_ready_names_each_obstacle_until_the_last_is_gone(port: int, status: Status) -> None:
    assert get(port, "/ready")[0] == 200
    assert status.block("models", "warming up")
    assert status.block("kafka", "no broker")
    assert not status.block("kafka", "no broker")
    code, document = get(port, "/ready")
    assert code == 503
    assert document["reasons"] == [
        {"part": "models", "reason": "warming up"},
        {"part": "kafka", "reason": "no broker"},
    ]
    assert status.clear("models")
    assert get(port, "/ready")[0] == 503
    assert status.clear("kafka")
    assert not status.clear("kafka")
    assert get(port, "/ready") == (200, {"ready": True, "reasons": [], "degraded": []})


def test_a_degraded_process_is_ready_and_says_so(port: int, status: Status) -> None:
    status.serve_models({"manifest_version": 3, "models": {}, "refused": {"m": "changed"}}, {"m": "changed"})
    code, document = get(port, "/ready")
    assert (code, document["degraded"]) == (200, [{"model": "m", "reason": "changed"}])
    assert get(port, "/models")[1]["manifest_version"] == 3


def test_statistics_add_up(port: int, status: Status) -> None:
    status.stats.add({"benign": 5, "ddos": 2}, {"ddos_lgbm": 2}, {"ddos": 1}, 3)
    status.stats.add({"benign": 1}, {"ddos_lgbm": 0}, {}, 0)
    _, document = get(port, "/detections/stats")
    assert (document["flows"], document["dead_letters"], document["flows_per_s"]) == (8, 3, 0.8)
    assert document["verdicts"] == {"benign": 6, "ddos": 2}
    assert document["models"] == {"ddos_lgbm": 2}
    assert document["alerts_opened"] == {"ddos": 1}


def test_metrics_are_prometheus_text(status: Status) -> None:
    metrics = Metrics()
    metrics.flows.labels("ddos").inc(2)
    with metrics.timed("decode"):
        pass
    with HealthServer(("127.0.0.1", 0), serving_endpoints(status, metrics)) as server:
        code, text = get(server.port, "/metrics")
    assert code == 200
    assert 'tidegate_flows_total{verdict="ddos"} 2.0' in text
    assert 'tidegate_stage_seconds_count{stage="decode"} 1.0' in text
    assert "_created" not in text


def test_the_status_page_needs_nothing_from_elsewhere(port: int) -> None:
    code, page = get(port, "/")
    assert code == 200
    assert "<title>Tidegate</title>" in page
    assert "http://" not in page
    assert "https://" not in page


def test_what_is_not_there_and_what_is_not_allowed_is_refused_in_json(port: int) -> None:
    assert get(port, "/nothing")[0] == 404
    assert "/health" in get(port, "/../etc/passwd")[1]["error"]
    assert get(port, "/ready?verbose=1")[0] == 200
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert get(port, "/health", method) == (405, {"error": "only GET and HEAD are answered here"})
    assert get(port, "/health", "HEAD") == (200, "")


def test_what_is_no_http_is_refused_and_harms_nobody(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(b"\x16\x03\x01 what\r\n\r\n")
        assert b'"error"' in client.recv(4096)
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")  # and goes away without reading
    assert get(port, "/health")[0] == 200


def test_a_port_in_use_is_a_clear_error(status: Status, port: int) -> None:
    with pytest.raises(ListenError, match=rf"cannot listen on 127.0.0.1:{port}: .*in use.*TIDEGATE_LISTEN"):
        HealthServer(("127.0.0.1", port), serving_endpoints(status, Metrics()))


def test_a_silent_client_does_not_hold_up_leaving(status: Status) -> None:
    started = time.monotonic()
    with HealthServer(("127.0.0.1", 0), serving_endpoints(status, Metrics())) as server:
        client = socket.create_connection(("127.0.0.1", server.port))
        get(server.port, "/health")
    client.close()
    assert time.monotonic() - started < 3.0


def test_answers_come_within_100_ms_while_the_pipeline_runs_flat_out(pipeline: Pipeline, status: Status) -> None:
    values: list[bytes | None] = [flow(at / 100, "malware", f"10.0.0.{at % 200}") for at in range(2048)]
    stop = threading.Event()

    def work() -> None:
        stream = pipeline.open_stream()
        while not stop.is_set():
            pipeline.run(stream, values, [None] * len(values), str)

    metrics = Metrics()
    worker = threading.Thread(target=work)
    with HealthServer(("127.0.0.1", 0), serving_endpoints(status, metrics)) as server:
        worker.start()
        taken = []
        for _ in range(10):
            for path in ("/health", "/ready", "/metrics", "/models", "/detections/stats", "/"):
                started = time.perf_counter()
                assert get(server.port, path)[0] == 200
                taken.append(time.perf_counter() - started)
        stop.set()
        worker.join()
    # The client shares the interpreter with the pipeline here, and the machine with other tests: the median is ours.
    assert sorted(taken)[len(taken) // 2] < 0.1
