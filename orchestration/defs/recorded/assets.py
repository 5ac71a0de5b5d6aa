"""Production's topics by day: each record once, as it came."""

import hashlib
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from orchestration.defs.recorded.partitions import DAYS, SOURCES_NAME
from orchestration.house import OWNERS
from orchestration.kafka import KafkaTopics
from orchestration.recording.boundaries import day_range
from orchestration.recording.days import Recorded, day_path, record_day, records_of
from orchestration.recording.labelling import SOURCE
from orchestration.recording.log import Record
from orchestration.recording.verdicts import verdicts_of
from orchestration.resources import AssetStore
from orchestration.retrying import trying_again

RECORDED = "recorded"  # the folder, in the asset store
ABOUT = {
    "flows": "The flows of a day, of a share of all hosts and of every host that was accused that day.",
    "verdicts": "What was decided that day, but for what was plainly benign.",
    "alerts": "The alerts of a day.",
    "feedback": "What analysts said that day, of verdicts and alerts of any day.",
}
EVERYTHING: Callable[[Record], bool] = lambda _: True  # noqa: E731  (a value, as any other filter is)


def day_of(context: dg.AssetExecutionContext) -> date:
    """The day of a run's partition."""
    return date.fromisoformat(context.partition_key)


def topic_path(store: AssetStore, topic: str, day: date) -> Path:
    """Where a day of a topic lies in the asset store."""
    return day_path(store.path / RECORDED, topic, day)


def _record(
    context: dg.AssetExecutionContext,
    kafka: KafkaTopics,
    store: AssetStore,
    topic: str,
    keep: Callable[[Record], bool] = EVERYTHING,
) -> dg.MaterializeResult:  # type: ignore[type-arg]  # nothing goes through the I/O manager: a day can be large
    day = day_of(context)
    with trying_again(context), kafka.log() as log:
        begin, end = day_range(store.path / RECORDED / "boundaries", log, topic, day, datetime.now(UTC))
        done = record_day(topic_path(store, topic, day), log, topic, begin, end, keep)
    if done.lost:
        context.log.warning(f"{topic}: {done.lost} records of {day} were gone before they could be read")
    return dg.MaterializeResult(metadata=_told(done, begin, end))


def _told(done: Recorded, begin: dict[int, int], end: dict[int, int]) -> dict[str, Any]:
    with done.path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "path": str(done.path),
        "dagster/row_count": done.kept,
        "read": done.read,
        "lost": done.lost,
        "size": done.path.stat().st_size,
        "sha256": digest,
        "offsets": {str(partition): [begin[partition], end[partition]] for partition in sorted(end)},
    }


def recorded_asset(what: str) -> dg.AssetsDefinition:
    """Make the asset of one topic, of which everything is kept."""

    @dg.asset(
        name=f"recorded_{what}",
        partitions_def=DAYS,
        group_name="recorded",
        kinds={"kafka", "parquet"},
        owners=OWNERS,
        tags={"topic": what},
        code_version="1",
        description=ABOUT[what],
    )
    def recorded(context: dg.AssetExecutionContext, kafka: KafkaTopics, store: AssetStore) -> dg.MaterializeResult:  # type: ignore[type-arg]  # as above
        return _record(context, kafka, store, getattr(kafka, what))

    return recorded


recorded_verdicts = recorded_asset("verdicts")
recorded_alerts = recorded_asset("alerts")
recorded_feedback = recorded_asset("feedback")


@dg.asset(
    partitions_def=DAYS,
    deps=[recorded_verdicts],
    group_name="recorded",
    kinds={"kafka", "parquet"},
    owners=OWNERS,
    tags={"topic": "flows"},
    code_version="1",
    description=ABOUT["flows"],
)
def recorded_flows(context: dg.AssetExecutionContext, kafka: KafkaTopics, store: AssetStore) -> dg.MaterializeResult:  # type: ignore[type-arg]  # as above
    """Record a day's flows: whole hosts, because windows are of hosts, and those that were accused among them."""
    context.instance.add_dynamic_partitions(SOURCES_NAME, [SOURCE])  # production is a source, from its first day on
    accused = {
        verdict.key_host.encode()
        for verdict in verdicts_of(records_of(topic_path(store, kafka.verdicts, day_of(context))))
    }
    return _record(
        context, kafka, store, kafka.flows, lambda record: host_is_kept(record.key, kafka.flow_share, accused)
    )


def host_is_kept(key: bytes | None, share: float, accused: set[bytes]) -> bool:
    """Whether a host's flows are kept, always alike; a flow without a key has no host and no past."""
    if share >= 1.0 or key in accused:
        return True
    place = int.from_bytes(hashlib.sha256(key or b"").digest()[:8], "big")
    return place < share * 2**64
