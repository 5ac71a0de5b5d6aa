"""What Dagster's own daemon starts: two trainings at once, backfills, and failed runs tried again.

None of it registers a model that did not pass its gates.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from model_registry.registry import Registry
from tests.support import small_definitions
from tests.support.dagster_server import Dagster, dagster_dev
from tests.support.pipeline import MODELS
from tests.support.recorded import days_of, flow
from tests.support.registries import files_of

pytestmark = [pytest.mark.real, pytest.mark.long]

WEEK = days_of(datetime.now(UTC).date() - timedelta(days=7), 7)
LEARNING = ("data", "models", "release")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dagster")
    for number, day in enumerate(WEEK):
        start = datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
        lines = [
            json.dumps({**json.loads(flow(place, start=start + place).value or b""), "label": "Benign"})
            for place in range(60 + number)
        ]
        path = folder / "drop" / "lab" / f"{day}.ndjson"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def dagster(home: Path) -> Iterator[Dagster]:
    with dagster_dev(home, small_definitions.__name__) as url:
        one = Dagster(url)
        (made,) = one.ended([one.launch("new_registry", {})])
        assert made["status"] == "SUCCESS"
        yield one


def partitions() -> list[str]:
    return [f"{day}|lab" for day in WEEK]


def learning(dagster: Dagster) -> list[str]:
    return [name for name, group in dagster.assets().items() if group in LEARNING and name != "refreshed_manifest"]


def test_a_week_is_backfilled(dagster: Dagster, home: Path) -> None:
    dagster.add_partition("source", "lab")

    runs = dagster.backfill(["daily_flows", "daily_features"], partitions())

    assert {run["status"] for run in runs} == {"SUCCESS"}
    for asset in ("daily_flows", "daily_features"):
        for day in WEEK:
            assert (home / "store" / asset / str(day) / "lab.parquet").exists()


def test_two_trainings_asked_for_at_once_come_after_each_other_and_both_are_registered(
    dagster: Dagster, home: Path
) -> None:
    asked = [dagster.launch("train", {}), dagster.launch("__ASSET_JOB", {}, learning(dagster))]

    first, second = sorted(dagster.ended(asked), key=lambda run: run["startTime"])

    assert (first["status"], second["status"]) == ("SUCCESS", "SUCCESS")
    assert second["startTime"] >= first["endTime"]
    content = Registry(home / "registry").load().content
    for name in MODELS:
        assert {version.run_id for version in content.models[name].versions.values()} == set(asked)


def test_no_retry_and_no_backfill_registers_what_did_not_pass(dagster: Dagster, home: Path) -> None:
    before = files_of(Registry(home / "registry"))
    (home / "without-scans").touch()  # models can still be made
    asked = dagster.launch("train", {})
    (failed,) = dagster.ended([asked])
    assert failed["status"] == "FAILURE"
    assert "every_kind_in_every_part" in dagster.failures(asked)

    again = [dagster.reexecute(asked, strategy) for strategy in ("FROM_FAILURE", "ALL_STEPS")]
    groups = {name: dagster.assets()[name] for name in learning(dagster)}
    below = dagster.launch("__ASSET_JOB", {}, [name for name, group in groups.items() if group != "data"])
    alone = dagster.launch("__ASSET_JOB", {}, [name for name, group in groups.items() if group == "release"])
    ended = dagster.ended([*again, below, alone])
    swept = dagster.backfill([*learning(dagster), "daily_flows", "daily_features"], partitions()[-1:])
    released = dagster.backfill([f"{name}_version" for name in MODELS] + ["slots", "signed_manifest"], None)

    assert {run["status"] for run in ended} == {"FAILURE"}
    # What is below the gate was made in a run of its own, every model of it: then only signing asks that gate again.
    assert "nothing is published: the check every_kind_in_every_part" in dagster.failures(alone)
    assert "FAILURE" in {run["status"] for run in swept}
    assert [run["status"] for run in released] == ["FAILURE"]
    assert files_of(Registry(home / "registry")) == before
