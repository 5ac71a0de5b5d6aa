"""Verdicts and alerts as JSON: every field there, every number a number, and features that come back whole."""

from __future__ import annotations

import base64
import json
from typing import Any, Final

import numpy as np
import pytest

from detection.alerts import AlertBook, AlertEvent
from detection.detector import Detector
from detection.document import alert_document, verdict_documents
from detection.engines.math import Baseline, Baselines
from detection.engines.rules import default_rules, parse_rules
from detection.ensemble import MIN_SITE_FLOWS, default_ensemble
from detection.verdict import Decisions
from flows.addresses import address_array
from flows.batch import FlowBatch
from flows.catalogue import INDEX
from tests.support.features import Rows, calm_row
from tests.support.registries import tiny_artifact

DETECTOR: Final = Detector(
    parse_rules(default_rules()),
    Baselines(1, 0.995, {"out_peers_60s": Baseline(median=3.0, spread=0.75, limit=6.0, rows=500)}),
    {"anomaly_iforest": tiny_artifact("anomaly_iforest", feature=INDEX["state_reset"])},
    default_ensemble(MIN_SITE_FLOWS),
    fingerprints={"anomaly_iforest": "ab" * 32},
    manifest_version=7,
)
ANOMALY: Final = "anomaly-10.0.0.1-1700000001.500000"


def strict(document: Any) -> Any:
    """Through JSON and back; NaN and infinities are errors."""
    return json.loads(json.dumps(document, allow_nan=False))


def scanned() -> Rows:
    """A calm flow, a scanner's, and one of which hardly anything is known."""
    scanner = calm_row(
        failed=1,
        state_reset=1,
        out_flows_60s=300,
        out_peers_60s=250,
        out_ports_60s=1,
        out_failed_share_60s=0.9,
        pair_interval=np.nan,
    )
    unknown = np.full((1, 120), np.nan, dtype=np.float32)
    return np.concatenate([calm_row(), scanner, unknown])


def flows() -> FlowBatch:
    """The three flows; of the last only the addresses are known."""
    return FlowBatch.from_columns(
        3,
        {
            "start": [1.7e9, 1.7e9 + 1, np.nan],
            "duration": [0.25, 0.5, np.nan],
            "src_addr": address_array(["10.0.0.1", "10.0.0.1", "2001:db8::7"]),
            "dst_addr": address_array(["198.51.100.7", "198.51.100.8", "10.0.0.1"]),
            "src_port": [40000, 40001, -1],
            "dst_port": [443, 23, -1],
            "protocol": [6, 6, -1],
            "sensor_id": ["", "s1", ""],
            "flow_id": ["", "CtxTBc1", ""],
        },
    )


def documents(decisions: Decisions, rows: list[int]) -> list[dict[str, Any]]:
    written = verdict_documents(
        DETECTOR,
        decisions,
        flows(),
        np.array(rows, dtype=np.int64),
        ids=[f"tidegate.flows/0/{row}/7" for row in rows],
        key_is_dst=np.array([False, False, True]),
        alert_ids=np.array(["", ANOMALY, ""], dtype=object),
    )
    result: list[dict[str, Any]] = strict(written)
    return result


def test_a_verdict_says_everything_that_it_must() -> None:
    decisions = DETECTOR.decide(scanned())
    (document,) = documents(decisions, [1])
    log_odds = document["votes"]["rules"]["log_odds"]
    assert document["votes"]["math"]["log_odds"]["anomaly"] > 0
    assert log_odds["anomaly"] == pytest.approx(np.log(9))
    assert document["confidence"] == decisions.confidence[1]
    del document["confidence"], document["votes"]["rules"]["log_odds"], document["votes"]["math"]["log_odds"]
    del document["votes"]["ml"]["log_odds"]
    assert document == {
        "id": "tidegate.flows/0/1/7",
        "verdict": "anomaly",
        "reason": None,
        "key_host": "10.0.0.1",
        "flow": {
            "start": 1.7e9 + 1,
            "duration": 0.5,
            "source": {"address": "10.0.0.1", "port": 40001},
            "destination": {"address": "198.51.100.8", "port": 23},
            "protocol": 6,
            "sensor_id": "s1",
            "flow_id": "CtxTBc1",
        },
        "votes": {"rules": {"says": "anomaly"}, "math": {"says": "anomaly"}, "ml": {"says": "anomaly"}},
        "technique": "T1046",
        "models": {"anomaly_iforest": "ab" * 32},
        "degraded": ["ddos_lgbm", "malware_lgbm"],
        "manifest_version": 7,
        "experiment_arm": None,
        "alert_id": ANOMALY,
    }


def test_what_is_unknown_is_null_and_an_abstention_says_why() -> None:
    calm, unknown = documents(DETECTOR.decide(scanned()), [0, 2])
    assert (calm["verdict"], calm["reason"], calm["technique"], calm["alert_id"]) == ("benign", None, None, None)
    assert (unknown["verdict"], unknown["reason"]) == ("abstain", "too few features")
    assert unknown["key_host"] == "10.0.0.1"
    assert unknown["flow"] == {
        "start": None,
        "duration": None,
        "source": {"address": "2001:db8::7", "port": None},
        "destination": {"address": "10.0.0.1", "port": None},
        "protocol": None,
        "sensor_id": None,
        "flow_id": None,
    }


def test_no_rows_give_no_documents() -> None:
    assert documents(DETECTOR.decide(scanned()), []) == []


def events(decisions: Decisions) -> list[AlertEvent]:
    batch = flows()
    hosts = address_array(["10.0.0.1"] * 3)
    times = np.array([1.7e9 + 0.25, 1.7e9 + 1.5, 1.7e9 + 200])
    return AlertBook().fold(decisions.kind, decisions.confidence, times, hosts, batch.dst_addr).events


def test_an_opened_alert_carries_all_it_takes_to_reproduce_it() -> None:
    features = scanned()
    decisions = DETECTOR.decide(features)
    opened, closed = events(decisions)
    document = strict(alert_document(DETECTOR, opened, decisions, features, "tidegate.flows/0/1/7"))
    evidence = document["evidence"]
    row = np.frombuffer(base64.b64decode(document["features"]), dtype="<f4")
    np.testing.assert_array_equal(row, features[1])
    again = DETECTOR.decide(row[None, :].astype(np.float32))
    assert again.kind[0] == decisions.kind[1]
    assert again.confidence[0] == document["confidence"]
    assert (document["id"], document["change"], document["verdict"]) == (ANOMALY, "opened", "anomaly")
    assert (document["first"], document["last"], document["count"]) == (1.7e9 + 1.5, 1.7e9 + 1.5, 1)
    assert document["key_host"] == "10.0.0.1"
    assert document["top_peers"] == [{"address": "198.51.100.8", "flows": 1}]
    assert document["technique"] == "T1046"
    assert document["verdict_id"] == "tidegate.flows/0/1/7"
    assert document["manifest_version"] == 7

    model = evidence["model"]
    total = model["base"] + model["rest"] + sum(one["contribution"] for one in model["contributions"])
    assert total == pytest.approx(model["raw_score"], abs=1e-9)
    assert len(model["contributions"]) == 5
    assert [rule["id"] for rule in evidence["rules"]] == ["horizontal_scan_out"]
    (statistic,) = evidence["statistics"]
    assert statistic["name"] == "out_peers_60s"
    assert (statistic["median"], statistic["spread"], statistic["limit"]) == (3.0, 0.75, 6.0)
    assert statistic["z"] == pytest.approx((np.log2(251) - 3.0) / 0.75)
    assert statistic["log_odds"] > 0

    end = strict(alert_document(DETECTOR, closed, decisions, features, "another flow's"))
    assert (end["id"], end["change"], end["count"]) == (ANOMALY, "closed", 1)
    assert end["features"] is end["evidence"] is end["verdict_id"] is end["technique"] is None


def test_unknown_features_among_the_evidence_are_null() -> None:
    features = np.full((1, 120), np.nan, dtype=np.float32)
    features[0, INDEX["host_flows"]] = 1000
    decisions = DETECTOR.decide(calm_row())
    decisions.kind[0] = 3
    event = (
        AlertBook()
        .fold(
            decisions.kind,
            decisions.confidence,
            np.array([np.nan]),
            address_array(["10.0.0.1"]),
            address_array(["::1"]),
        )
        .events[0]
    )
    document = strict(alert_document(DETECTOR, event, decisions, features, "x/0/0/1"))
    values = [one["value"] for one in document["evidence"]["model"]["contributions"]]
    assert None in values
