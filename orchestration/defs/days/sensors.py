"""What makes new data known: captures that are dropped, and days of production that are recorded."""

import json
import re
import time
from datetime import date
from pathlib import Path

import dagster as dg

from orchestration.automation import SENSORS
from orchestration.defs.days.jobs import read_day
from orchestration.defs.days.partitions import PRODUCTION, SOURCES
from orchestration.resources import AssetStore

SETTLED_S = 60.0  # since its last change, before a file is taken to be whole
_NAME = re.compile(r"(\d{4}-\d{2}-\d{2})\D")

# What has a condition of its own (see the assets) is made when that holds.
when_ready = dg.AutomationConditionSensorDefinition(
    "when_ready",
    target=dg.AssetSelection.groups("days"),
    description="Reads and measures a day as soon as what it is made of is there and has passed its gates.",
    default_status=SENSORS,
)


@dg.sensor(
    job=read_day,
    minimum_interval_seconds=60,
    default_status=SENSORS,
    description="Reads captures that are dropped as SOURCE/YYYY-MM-DD…, and those that changed since.",
)
def new_captures(context: dg.SensorEvaluationContext, store: AssetStore) -> dg.SensorResult | dg.SkipReason:
    """Ask for a run for each day of a source with a file that is new or has changed.

    The cursor holds each file's size and time of change, as JSON.
    """
    seen: dict[str, list[float]] = json.loads(context.cursor or "{}")
    now = time.time()
    found: dict[str, list[float]] = {}
    due: set[tuple[date, str]] = set()
    strange = []
    for path in sorted(store.drop_path.glob("*/*")):
        name = f"{path.parent.name}/{path.name}"
        day = _day(path)
        if day is None or path.parent.name == PRODUCTION or "|" in name:
            strange.append(name)
            continue
        state = path.stat()
        signature = [state.st_size, state.st_mtime]
        if now - state.st_mtime < SETTLED_S:
            if name in seen:
                found[name] = seen[name]
            continue
        found[name] = signature
        if seen.get(name) != signature:
            due.add((day, path.parent.name))
    if strange:
        context.log.warning(f"not read, because no day begins their names: {', '.join(strange)}")
    if not due:
        return dg.SensorResult(skip_reason="no new captures", cursor=json.dumps(found))
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(partition_key=dg.MultiPartitionKey({"day": str(day), "source": source}))
            for day, source in sorted(due)
        ],
        dynamic_partitions_requests=[SOURCES.build_add_request(sorted({source for _, source in due}))],
        cursor=json.dumps(found),
    )


def _day(path: Path) -> date | None:
    match = _NAME.match(path.name)
    if match is None or not path.is_file():
        return None
    try:
        return date.fromisoformat(match[1])
    except ValueError:
        return None
