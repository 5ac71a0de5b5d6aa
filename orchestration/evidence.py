"""What signing needs to see: that exactly the bytes to be published have passed every gate. It fails closed.

A failing blocking check stops what is downstream in its own run only; a later run of the downstream asset alone
would succeed. So whoever signs asks again, here: for each asset, its declared checks' latest results must have
passed, and must name the digest of the very bytes in hand. A result about other bytes counts as none. A failed one
stands only against a person's signed override of it (:mod:`orchestration.overrides`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import dagster as dg

from model_registry.errors import GateError
from model_registry.root import Root
from model_registry.shapes import LONGEST_TEXT
from orchestration.checking import DETAIL
from orchestration.overrides import find_override
from orchestration.storage import DIGEST
from training.gates import GateResult

_LOOKED_AT: Final = 200  # latest records of a check: more runs than that do not wait in a queue


@dataclass(frozen=True, slots=True)
class Overriding:
    """Whose word counts against a gate that failed: the asset store with the overrides, and the root with the keys."""

    store: Path
    root: Root

    def word(self, asset: str, check: str, digest: str) -> str:
        """What a person said of the check of these bytes, "" if nobody did. Raises TrustError as find_override."""
        override = find_override(self.store, self.root, asset, check, digest, datetime.now(UTC))
        return "" if override is None else override.words


@dataclass(frozen=True, slots=True)
class Result:
    """A check's latest run, and what it said; None if it crashed, or has not ended."""

    run_id: str
    evaluation: dg.AssetCheckEvaluation | None


def latest_result(instance: dg.DagsterInstance, key: dg.AssetCheckKey) -> Result | None:
    """Return what is on record of a check's latest run, None if there was none.

    Dagster has a check on record as soon as a run with it is asked for, and in the order in which runs are. One that
    waits in the queue, or was taken out of it, has said nothing yet; of the others, the one counts that said it last. A
    run that began and has no evaluation counts as of its end.
    """
    latest, when = None, 0.0
    for record in instance.event_log_storage.get_asset_check_execution_history(key, limit=_LOOKED_AT):
        evaluation = record.evaluation if isinstance(record.evaluation, dg.AssetCheckEvaluation) else None
        if evaluation is not None and record.event is not None:
            moment = record.event.timestamp
        else:
            run = instance.get_run_record_by_id(record.run_id)
            if run is not None and run.start_time is None:
                continue
            moment = math.inf if run is None or run.end_time is None else run.end_time
        if moment > when:
            latest, when = Result(record.run_id, evaluation), moment
    return latest


def passed_gates(
    instance: dg.DagsterInstance, asset: str, digest: str, checks: Iterable[dg.AssetCheckKey], overriding: Overriding
) -> dict[str, GateResult]:
    """Return the results of an asset's checks, by name: all passed, but for those that a person has overridden.

    Only a result can be overridden. Of a check that never ran, or crashed, nobody knows what was found.

    Raises:
        GateError: a check has no result, failed, or looked at other bytes than those with this SHA-256.
        TrustError: a failed one has an override that does not count.
    """
    results = {}
    for key in sorted(checks, key=lambda key: key.name):
        result = latest_result(instance, key)
        evaluation = None if result is None else result.evaluation
        if evaluation is None:
            raise GateError(
                f"nothing is published: the check {key.name} of {asset} has no result; "
                f"run the whole job, `tidegate train`, or the checks of {asset}"
            )
        judged = text(evaluation.metadata, DIGEST)
        if judged != digest:
            raise GateError(
                f"nothing is published: the check {key.name} looked at another {asset} ({judged[:12] or 'unnamed'}) "
                f"than the one to be published ({digest[:12]}); run the checks of {asset} again"
            )
        detail = text(evaluation.metadata, DETAIL)
        word = "" if evaluation.passed else overriding.word(asset, key.name, digest)
        if not evaluation.passed and not word:
            raise GateError(
                f"nothing is published: the check {key.name} of {asset} failed: {detail} (a person who knows better "
                f"can say so: tidegate gates override {asset}/{key.name})"
            )
        results[key.name] = GateResult(evaluation.passed, published(detail, word))
    return results


def published(detail: str, word: str) -> str:
    """What the manifest says of a gate, in the characters it has for it: a person's word is never the part cut off."""
    end = f"; {word}" if word else ""
    room = LONGEST_TEXT - len(end)
    return (detail if len(detail) <= room else f"{detail[: room - 2]} …") + end


def materialization_metadata(instance: dg.DagsterInstance, asset: str, digest: str) -> dict[str, Any]:
    """Return what was recorded when an asset's present bytes were made. Raises GateError if they were made unseen."""
    event = instance.get_latest_materialization_event(dg.AssetKey(asset))
    metadata = {} if event is None or event.asset_materialization is None else event.asset_materialization.metadata
    if text(metadata, DIGEST) != digest:
        raise GateError(
            f"nothing is published: the stored {asset} ({digest[:12]}) is not the one that Dagster saw being made; "
            f"materialize {asset} again"
        )
    return {name: value.value for name, value in metadata.items()}


def text(metadata: Any, name: str) -> str:
    """Return a metadata entry as text, empty when it is not there."""
    value = metadata.get(name)
    return "" if value is None else str(value.value)
