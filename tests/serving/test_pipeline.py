"""The pipeline: what is decided, what is published, and that batch borders and bystanders change none of it."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from detection.detector import Detector
from flows.keying import HomeNetworks
from model_registry.errors import TrustError
from serving.config import Settings
from serving.models import load_detector, missing_models
from serving.pipeline import Outcome, Pipeline
from serving.warmup import warm_up
from tests.support.serving import ALL, artifact_path, flow, serving_registry

KINDS = ("benign", "ddos", "malware", "anomaly")


def run(pipeline: Pipeline, values: list[bytes | None], size: int | None = None) -> list[Outcome]:
    """Run messages through one stream, in batches of ``size``."""
    stream = pipeline.open_stream()
    size = size or len(values)
    outcomes = []
    for first in range(0, len(values), size):
        part = values[first : first + size]
        outcomes.append(pipeline.run(stream, part, [None] * len(part), partial(_origin, first)))
    return outcomes


def _origin(first: int, index: int) -> str:
    return f"t/0/{first + index}"


def test_every_flow_is_decided_and_named_by_where_it_came_from(pipeline: Pipeline) -> None:
    warm: list[bytes | None] = [flow(at) for at in range(10)]  # an anomaly needs a past to be told from
    (outcome,) = run(pipeline, [*warm, *(flow(10 + at, kind) for at, kind in enumerate(KINDS))])
    documents = [json.loads(published.document) for published in outcome.verdicts.verdicts]
    assert [document["verdict"] for document in documents] == ["benign"] * 10 + list(KINDS)
    assert [document["id"] for document in documents] == [f"t/0/{place}/1" for place in range(14)]
    assert outcome.verdicts.by_kind == {"benign": 11, "ddos": 1, "malware": 1, "anomaly": 1}
    assert outcome.verdicts.detections == dict.fromkeys(ALL, 1)
    assert {published.key for published in outcome.verdicts.verdicts} == {b"10.0.0.1"}


def test_a_flood_that_one_way_netflow_tells_of_is_decided(tmp_path: Path) -> None:
    answers: list[bytes | None] = [
        json.dumps(
            {"event_type": "purge", "ip_src": f"198.51.{at // 250}.{at % 250 + 1}", "ip_dst": "10.0.0.9",
             "port_src": 161, "port_dst": 4000 + at % 50, "ip_proto": "udp", "packets": 2, "bytes": 2900,
             "timestamp_start": f"2026-01-01 00:00:{at // 100:02d}.{at % 100:02d}0000",
             "timestamp_end": f"2026-01-01 00:00:{at // 100:02d}.{at % 100:02d}1000"}
        ).encode()
        for at in range(400)
    ]  # fmt: skip
    by_rule = Detector.from_registry(serving_registry(tmp_path, ["malware_lgbm"]).load())
    pipeline = Pipeline(by_rule, home=HomeNetworks())
    outcome = pipeline.run(pipeline.open_stream(), answers, [b"netflow"] * len(answers), str)
    assert not outcome.rejected
    assert outcome.verdicts.by_kind["ddos"] == 300  # from the hundred and first on
    assert not outcome.verdicts.abstentions


def test_benign_flows_are_published_only_when_asked_for(detector: Detector) -> None:
    pipeline = Pipeline(detector, home=HomeNetworks())
    (outcome,) = run(pipeline, [flow(0), flow(1, "malware"), flow(2)])
    assert [json.loads(one.document)["verdict"] for one in outcome.verdicts.verdicts] == ["malware"]
    assert outcome.verdicts.by_kind == {"benign": 2, "malware": 1}


def test_abstentions_are_published_and_counted_by_reason(detector: Detector) -> None:
    (outcome,) = run(Pipeline(detector, home=HomeNetworks()), [flow(0, "anomaly")])
    (document,) = [json.loads(one.document) for one in outcome.verdicts.verdicts]
    assert (document["verdict"], document["reason"]) == ("abstain", "too little history")
    assert outcome.verdicts.abstentions == {"too little history": 1}


@pytest.mark.parametrize("size", [1, 7, 64])
def test_batch_borders_change_no_byte(pipeline: Pipeline, size: int) -> None:
    values: list[bytes | None] = [
        flow(at * 3, KINDS[at * at % 11 % 4], f"10.0.0.{at % 3}") if at % 13 else b"poison" for at in range(100)
    ]
    (whole,) = run(pipeline, values)
    parts = run(pipeline, values, size)
    assert [one for part in parts for one in part.verdicts.verdicts] == whole.verdicts.verdicts
    assert [one for part in parts for one in part.verdicts.alerts] == whole.verdicts.alerts
    assert sum(len(part.rejected) for part in parts) == len(whole.rejected) == 8


def test_an_alert_carries_features_and_evidence(pipeline: Pipeline) -> None:
    (outcome,) = run(pipeline, [flow(at, "malware") for at in range(10)])
    alerts = [json.loads(published.document) for published in outcome.verdicts.alerts]
    assert [alert["change"] for alert in alerts] == ["opened", "escalated"]
    assert alerts[0]["verdict_id"] == "t/0/0/1"
    assert alerts[1]["verdict_id"] == "t/0/9/1"
    assert alerts[0]["evidence"]["model"]["name"] == "malware_lgbm"
    verdicts = [json.loads(published.document) for published in outcome.verdicts.verdicts]
    assert {verdict["alert_id"] for verdict in verdicts} == {alerts[0]["id"]}


def test_a_batch_of_nothing_but_poison_is_no_trouble(pipeline: Pipeline) -> None:
    (outcome,) = run(pipeline, [b"{", None, b"", b"\x00"])
    assert (outcome.verdicts.by_kind, len(outcome.rejected), outcome.skipped) == ({}, 3, 1)


def test_a_warm_up_leaves_no_trace(pipeline: Pipeline) -> None:
    values: list[bytes | None] = [flow(at, KINDS[at % 4]) for at in range(20)]
    (before,) = run(pipeline, values)
    warm_up(pipeline, 100)
    (after,) = run(pipeline, values)
    assert before.verdicts.verdicts == after.verdicts.verdicts


def test_a_refused_model_is_named_in_every_verdict(tmp_path: Path) -> None:
    registry = serving_registry(tmp_path)
    artifact_path(registry, "malware_lgbm").unlink()
    detector, loaded = load_detector(Settings(registry=str(registry.path)))
    assert list(missing_models(detector, loaded)) == ["malware_lgbm"]
    (outcome,) = run(Pipeline(detector, home=HomeNetworks()), [flow(0, "ddos"), flow(1, "malware")])
    (document,) = [json.loads(one.document) for one in outcome.verdicts.verdicts]
    assert (document["verdict"], document["degraded"]) == ("ddos", ["malware_lgbm"])


def test_nothing_to_decide_by_is_not_trusted(tmp_path: Path) -> None:
    registry = serving_registry(tmp_path, ["ddos_lgbm"], rules=b"[]\n")
    artifact_path(registry, "ddos_lgbm").unlink()
    with pytest.raises(TrustError, match=r"nothing to decide by.*ddos_lgbm.*malware_lgbm: .*no champion"):
        load_detector(Settings(registry=str(registry.path)))
