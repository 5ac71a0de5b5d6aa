"""Verdicts and alerts as documents: plain dicts, lists, texts and numbers, ready for JSON.

What is not known is null: NaN and infinities never reach the JSON, which has no words for them.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from detection.alerts import AlertEvent
from detection.detector import Detector
from detection.evidence import Evidence
from detection.verdict import ENGINES, THREATS, Decisions, Features, Kind, Reason
from flows.addresses import address_texts, format_address
from flows.batch import ABSENT, FlowBatch

Document = dict[str, Any]

_KINDS = tuple(kind.label for kind in Kind)
_REASONS = tuple(reason.label or None for reason in Reason)
_THREATS = tuple(threat.label for threat in THREATS)


def verdict_documents(
    detector: Detector,
    decisions: Decisions,
    batch: FlowBatch,
    rows: npt.NDArray[np.int64],
    *,
    ids: Sequence[str],
    key_is_dst: npt.NDArray[np.bool_],
    alert_ids: npt.NDArray[Any],
) -> list[Document]:
    """The verdicts on some flows of a batch, one document each.

    Args:
        decisions, batch: of all ``n`` flows.
        rows: int64[m], the flows to write about.
        ids: ``m`` ids, topic/partition/offset/manifest version or the like.
        key_is_dst: bool[n], whether the destination is the key host.
        alert_ids: object[n], "" for none.
    """
    flows = _flows(batch.take(rows))
    source_is_key = (~key_is_dst[rows]).tolist()
    columns = zip(
        ids,
        decisions.kind[rows].tolist(),
        decisions.reason[rows].tolist(),
        decisions.confidence[rows].tolist(),
        flows,
        source_is_key,
        zip(*(_votes(decisions.votes[engine][rows].tolist()) for engine in ENGINES), strict=True),
        [detector.technique(decisions, row) for row in rows.tolist()],
        alert_ids[rows].tolist(),
        strict=True,
    )
    models, degraded, version = detector.fingerprints, list(detector.degraded), detector.manifest_version
    return [
        {
            "id": identity,
            "verdict": _KINDS[kind],
            "confidence": _number(confidence),
            "reason": _REASONS[reason],
            "key_host": flow["source" if from_key else "destination"]["address"],
            "flow": flow,
            "votes": dict(zip(ENGINES, votes, strict=True)),
            "technique": technique,
            "models": models,
            "degraded": degraded,
            "manifest_version": version,
            "experiment_arm": None,
            "alert_id": alert_id or None,
        }
        for identity, kind, reason, confidence, flow, from_key, votes, technique, alert_id in columns
    ]


def alert_document(
    detector: Detector, event: AlertEvent, decisions: Decisions, features: Features, verdict_id: str
) -> Document:
    """One change of an alert. When it opens or escalates, the document carries all it takes to reproduce the verdict.

    Args:
        decisions, features: of the batch that was folded; float32[n, 120].
        verdict_id: id of the verdict at the event's row; not used when the alert closes, as that row is another flow.
    """
    alert = event.alert
    closed = event.change == "closed"
    return {
        "id": alert.id,
        "change": event.change,
        "verdict": alert.kind.label,
        "key_host": format_address(*alert.key_host),
        "first": _number(alert.first),
        "last": _number(alert.last),
        "count": alert.count,
        "confidence": _number(alert.confidence),
        "top_peers": [{"address": format_address(*peer.address), "flows": peer.flows} for peer in alert.top_peers],
        "technique": None if closed else detector.technique(decisions, event.row),
        "models": detector.fingerprints,
        "degraded": list(detector.degraded),
        "manifest_version": detector.manifest_version,
        "verdict_id": None if closed else verdict_id,
        "features": None if closed else _base64(features[event.row]),
        "evidence": None if closed else evidence_document(detector.explain(features[event.row], alert.kind)),
    }


def evidence_document(evidence: Evidence) -> Document:
    """Evidence, with base + contributions + rest = raw_score, rules by id, and statistics beside their baselines."""
    model = evidence.model
    return {
        "model": None
        if model is None
        else {
            "name": model.model,
            "contributions": [
                {"feature": one.feature, "value": _number(one.value), "contribution": one.contribution}
                for one in model.contributions
            ],
            "rest": model.rest,
            "base": model.base,
            "raw_score": model.raw_score,
            "probability": model.probability,
            "threshold": model.threshold,
        },
        "rules": [
            {"id": rule.id, "title": rule.title, "verdict": rule.verdict.label, "technique": rule.technique}
            for rule in evidence.rules
        ],
        "statistics": [
            {
                "name": reading.statistic.name,
                "verdict": reading.statistic.threat.label,
                "value": reading.value,
                "median": reading.baseline.median,
                "spread": reading.baseline.spread,
                "z": reading.z,
                "limit": reading.baseline.limit,
                "log_odds": reading.vote,
            }
            for reading in evidence.statistics
        ],
    }


def vote_word(log_odds: list[float]) -> str:
    """One engine's vote, three log-odds in the order of THREATS, in a word."""
    strongest = max(log_odds)
    if strongest > 0.0:
        return THREATS[log_odds.index(strongest)].label
    return "benign" if min(log_odds) < 0.0 else "silent"


def _votes(log_odds: list[list[float]]) -> list[Document]:
    return [{"says": vote_word(row), "log_odds": dict(zip(_THREATS, row, strict=True))} for row in log_odds]


def _flows(batch: FlowBatch) -> list[Document]:
    names = ("start", "duration", "src_port", "dst_port", "protocol", "sensor_id", "flow_id")
    columns = [getattr(batch, name).tolist() for name in names]
    ends = address_texts(batch.src_addr), address_texts(batch.dst_addr)
    return [
        {
            "start": _number(start),
            "duration": _number(duration),
            "source": {"address": source, "port": _present(source_port)},
            "destination": {"address": destination, "port": _present(destination_port)},
            "protocol": _present(protocol),
            "sensor_id": sensor_id or None,
            "flow_id": flow_id or None,
        }
        for source, destination, start, duration, source_port, destination_port, protocol, sensor_id, flow_id in zip(
            *ends, *columns, strict=True
        )
    ]


def _present(number: int) -> int | None:
    return None if number == ABSENT else number


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _base64(row: Features) -> str:
    """The 120 features of a flow as little-endian float32, in base64."""
    return base64.b64encode(row.astype("<f4").tobytes()).decode("ascii")
