"""What asks for new models before the night does."""

import json
from datetime import UTC, datetime, timedelta

import dagster as dg

from orchestration.automation import SENSORS, Thresholds
from orchestration.daily import recorded_verdicts, recorded_words
from orchestration.defs.recorded.assets import RECORDED
from orchestration.defs.release.jobs import train
from orchestration.kafka import KafkaTopics
from orchestration.notifying import Notifier
from orchestration.recording.precision import precision
from orchestration.resources import AssetStore

LOOKED_AT = 14  # days of verdicts
LEARNED_FROM = 30  # days


def challenger(reason: str) -> dict[str, object]:
    """The run configuration of models that are to wait beside those that decide."""
    return {
        "ops": {
            "training_features": {"config": {"recorded_days": LEARNED_FROM}},
            "release": {"config": {"slot": "CHALLENGER", "reason": reason}},
        }
    }


@dg.sensor(
    job=train,
    minimum_interval_seconds=600,
    default_status=SENSORS,
    description="Trains a challenger when analysts have said something new of enough verdicts and alerts.",
)
def enough_labels(
    context: dg.SensorEvaluationContext, store: AssetStore, kafka: KafkaTopics, thresholds: Thresholds
) -> dg.SensorResult:
    """Ask for a run once so many more ids have a label than when it was last asked for; the cursor is their number."""
    known = len(recorded_words(store.path / RECORDED, kafka.feedback).by_id)
    last = int(context.cursor or 0)
    if known - last < thresholds.labels:
        return dg.SensorResult(
            skip_reason=f"{known - last} new labels, {thresholds.labels} are needed", cursor=str(last)
        )
    reason = f"{known - last} new labels"
    return dg.SensorResult(
        run_requests=[dg.RunRequest(run_key=f"labels-{known}", run_config=challenger(reason))], cursor=str(known)
    )


@dg.sensor(
    job=train,
    minimum_interval_seconds=3600,
    default_status=SENSORS,
    description="Trains a challenger, and tells people, when alarms of a kind are surely right less often than they "
    "should be.",
)
def precision_below_floor(
    context: dg.SensorEvaluationContext,
    store: AssetStore,
    kafka: KafkaTopics,
    thresholds: Thresholds,
    notifier: Notifier,
) -> dg.SensorResult:
    """Ask for a run when the whole interval of a kind's precision is under the floor, once for the same labels.

    The cursor holds the number of labels by kind that were asked about, as JSON. As days leave the time that is looked
    at, it falls with them, so that as many new ones ask again.
    """
    today = datetime.now(UTC).date()
    days = [today - timedelta(days=number) for number in range(LOOKED_AT + 1)]
    folder = store.path / RECORDED
    words = recorded_words(folder, kafka.feedback).by_id
    found = precision(recorded_verdicts(folder, kafka.verdicts, days), words)
    labelled = {kind: one.labelled for kind, one in found.items()}
    before: dict[str, int] = json.loads(context.cursor or "{}")
    asked = {kind: min(count, labelled[kind]) for kind, count in before.items() if kind in labelled}
    low = {
        kind: one
        for kind, one in found.items()
        if one.high < thresholds.precision and one.labelled - asked.get(kind, 0) >= thresholds.fewest
    }
    if not low:
        return dg.SensorResult(
            skip_reason="no kind of alarm is surely below the floor by enough new labels", cursor=json.dumps(asked)
        )
    told = ", ".join(f"{kind}: {one.right} of {one.labelled} right" for kind, one in sorted(low.items()))
    reason = f"precision below {thresholds.precision:g}: {told}"
    notifier.say(f"Tidegate: {reason}; a challenger is being trained")
    asked |= {kind: labelled[kind] for kind in low}
    run_key = f"precision-{today}-" + "-".join(f"{kind}{count}" for kind, count in sorted(asked.items()))
    return dg.SensorResult(
        run_requests=[dg.RunRequest(run_key=run_key, run_config=challenger(reason))], cursor=json.dumps(asked)
    )
