"""Ticks of sensors and schedules: what they ask for, what they remember, and that they ask for it once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from flows.errors import UsageError
from orchestration.automation import Thresholds, wanted
from orchestration.daily import day_and_source_of
from orchestration.definitions import defs
from orchestration.defs.days.sensors import SETTLED_S, new_captures
from orchestration.defs.recorded.assets import RECORDED
from orchestration.defs.recorded.schedules import daily_recording
from orchestration.defs.release.sensors import enough_labels, precision_below_floor
from orchestration.kafka import KafkaTopics
from orchestration.notifying import Notifier
from orchestration.resources import AssetStore
from tests.support.recorded import FEEDBACK, FLOWS, VERDICTS, numbered, verdict, word, write_day

TODAY = datetime.now(UTC).date()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as one:
        yield one


@pytest.fixture
def store(tmp_path: Path) -> AssetStore:
    return AssetStore(folder=str(tmp_path / "store"), drop=str(tmp_path / "drop"))


KAFKA = KafkaTopics(bootstrap="127.0.0.1:1", home=["10.0.0.0/8"])


def drop(store: AssetStore, name: str, *, age: float = 2 * SETTLED_S, text: str = "x") -> Path:
    path = store.drop_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (time.time() - age,) * 2)
    return path


def look(instance: dg.DagsterInstance, store: AssetStore, cursor: str | None) -> Any:
    with dg.build_sensor_context(instance=instance, cursor=cursor, resources={"store": store}) as context:
        return new_captures(context)


def asked(result: Any) -> list[str]:
    return [str(request.partition_key) for request in result.run_requests or []]


def test_a_capture_that_is_dropped_is_asked_for_once(instance: dg.DagsterInstance, store: AssetStore) -> None:
    drop(store, "lab/2026-03-01.conn.log")
    drop(store, "lab/2026-03-01-evening.conn.log")
    drop(store, "branch/2026-03-02.conn.log")

    first = look(instance, store, None)
    second = look(instance, store, first.cursor)

    assert asked(first) == ["2026-03-01|lab", "2026-03-02|branch"]
    (added,) = first.dynamic_partitions_requests
    assert (added.partitions_def_name, sorted(added.partition_keys)) == ("source", ["branch", "lab"])
    assert asked(second) == []
    assert "no new captures" in str(second.skip_reason)


def test_a_capture_that_changes_is_asked_for_again(instance: dg.DagsterInstance, store: AssetStore) -> None:
    drop(store, "lab/2026-03-01.conn.log")
    cursor = look(instance, store, None).cursor
    drop(store, "lab/2026-03-01.conn.log", text="longer")

    assert asked(look(instance, store, cursor)) == ["2026-03-01|lab"]


def test_a_capture_that_is_still_written_is_waited_for(instance: dg.DagsterInstance, store: AssetStore) -> None:
    path = drop(store, "lab/2026-03-01.conn.log", age=0.0)
    first = look(instance, store, None)
    assert asked(first) == []

    os.utime(path, (time.time() - 2 * SETTLED_S,) * 2)

    assert asked(look(instance, store, first.cursor)) == ["2026-03-01|lab"]


@pytest.mark.parametrize(
    "name",
    ["lab/conn.log", "lab/2026-13-01.log", "lab/20260301.log", "production/2026-03-01.log", "a|b/2026-03-01.log"],
)
def test_a_file_that_names_no_day_of_a_source_is_left_alone(
    instance: dg.DagsterInstance, store: AssetStore, name: str
) -> None:
    drop(store, name)

    assert asked(look(instance, store, None)) == []


def test_what_is_asked_for_is_a_day_and_a_source() -> None:
    (day, source) = day_and_source_of("lab two 2026-03-01")
    assert (str(day), source) == ("2026-03-01", "lab two")


def labels(store: AssetStore, count: int, label: str = "malware", day: int = 1) -> None:
    words = [word(f"{FLOWS}/0/{number}/7", label) for number in range(count)]
    write_day(store.path / RECORDED, FEEDBACK, TODAY - timedelta(days=day), numbered(words))


def count(store: AssetStore, cursor: str | None) -> Any:
    resources = {"store": store, "kafka": KAFKA, "thresholds": Thresholds(labels=10)}
    with dg.build_sensor_context(cursor=cursor, resources=resources) as context:
        return enough_labels(context)


def test_enough_new_labels_ask_for_a_challenger_once(store: AssetStore) -> None:
    labels(store, 9)
    few = count(store, None)
    assert not few.run_requests
    assert few.skip_reason.skip_message == "9 new labels, 10 are needed"

    labels(store, 12)
    (request,) = (enough := count(store, few.cursor)).run_requests
    assert request.run_config["ops"]["release"]["config"] == {"slot": "CHALLENGER", "reason": "12 new labels"}
    assert request.run_config["ops"]["training_features"]["config"] == {"recorded_days": 30}

    again = count(store, enough.cursor)
    assert not again.run_requests
    assert again.skip_reason.skip_message == "0 new labels, 10 are needed"


def test_what_a_sensor_asks_for_is_a_configuration_that_the_job_takes(store: AssetStore) -> None:
    labels(store, 10)
    (request,) = count(store, None).run_requests

    assert dg.validate_run_config(defs.resolve_job_def("train"), request.run_config)


class Heard(Notifier):
    """Keeps what it is told in a file, as resources are rebuilt for each tick."""

    path: str

    def say(self, text: str) -> None:
        with Path(self.path).open("a") as file:
            file.write(f"{text}\n")


def judge(store: AssetStore, cursor: str | None, heard: Path) -> Any:
    resources = {
        "store": store,
        "kafka": KAFKA,
        "thresholds": Thresholds(precision=0.8),
        "notifier": Heard(path=str(heard)),
    }
    with dg.build_sensor_context(cursor=cursor, resources=resources) as context:
        return precision_below_floor(context)


def accuse(store: AssetStore, flows: int, wrong: int) -> None:
    """So many alarms of yesterday, of which so many are false."""
    folder = store.path / RECORDED
    write_day(folder, VERDICTS, TODAY - timedelta(days=1), numbered([verdict(number) for number in range(flows)]))
    words = [word(f"{FLOWS}/0/{number}/7", "benign" if number < wrong else "malware") for number in range(flows)]
    write_day(folder, FEEDBACK, TODAY - timedelta(days=1), numbered(words))


def test_alarms_that_are_surely_wrong_too_often_are_told_and_ask_for_a_challenger_once(
    store: AssetStore, tmp_path: Path
) -> None:
    accuse(store, 30, wrong=15)

    found = judge(store, None, tmp_path / "heard")
    again = judge(store, found.cursor, tmp_path / "heard")

    (request,) = found.run_requests
    told = "precision below 0.8: malware: 15 of 30 right"
    assert request.run_config["ops"]["release"]["config"]["reason"] == told
    assert (tmp_path / "heard").read_text() == f"Tidegate: {told}; a challenger is being trained\n"
    assert not again.run_requests


def test_so_many_more_labels_that_say_the_same_ask_again_and_fewer_do_not(store: AssetStore, tmp_path: Path) -> None:
    accuse(store, 30, wrong=15)
    cursor = judge(store, None, tmp_path / "heard").cursor
    accuse(store, 49, wrong=34)
    few = judge(store, cursor, tmp_path / "heard")
    accuse(store, 50, wrong=35)

    assert not few.run_requests
    assert len(judge(store, few.cursor, tmp_path / "heard").run_requests) == 1


def test_labels_that_are_too_old_to_be_looked_at_make_room_for_new_ones(store: AssetStore, tmp_path: Path) -> None:
    cursor = judge(store, json.dumps({"malware": 300}), tmp_path / "heard").cursor
    accuse(store, 20, wrong=20)

    assert len(judge(store, cursor, tmp_path / "heard").run_requests) == 1


@pytest.mark.parametrize(("flows", "wrong"), [(30, 3), (4, 2), (0, 0), (1, 1), (19, 19)])
def test_right_alarms_and_too_few_of_them_ask_for_nothing(
    store: AssetStore, tmp_path: Path, flows: int, wrong: int
) -> None:
    accuse(store, flows, wrong)

    assert not judge(store, None, tmp_path / "heard").run_requests
    assert not (tmp_path / "heard").exists()


def test_a_day_is_recorded_once_it_has_ended() -> None:
    moment = datetime(2026, 3, 2, 0, 20, tzinfo=UTC)
    with dg.build_schedule_context(scheduled_execution_time=moment) as context:
        request: Any = daily_recording(context)

    assert (request.partition_key, request.run_key) == ("2026-03-01", "2026-03-01")


def test_nothing_runs_by_itself_until_it_is_started() -> None:
    repository = defs.get_repository_def()

    assert {schedule.name for schedule in repository.schedule_defs} == {
        *("daily_recording", "daily_refresh", "nightly_retraining", "weekly_evaluation")
    }
    assert {sensor.name for sensor in repository.sensor_defs} == {
        *("enough_labels", "new_captures", "precision_below_floor", "tell_of_failures", "when_ready")
    }
    assert {one.default_status for one in repository.schedule_defs} == {dg.DefaultScheduleStatus.STOPPED}
    assert {one.default_status for one in repository.sensor_defs} == {dg.DefaultSensorStatus.STOPPED}
    assert all(schedule.description for schedule in repository.schedule_defs)
    assert all(sensor.description for sensor in repository.sensor_defs)


def test_only_on_and_off_say_whether_it_does() -> None:
    assert wanted("on")
    assert not wanted("off")
    with pytest.raises(UsageError, match=r"TIDEGATE_AUTOMATION is 'yes'; it may be on or off"):
        wanted("yes")


def test_where_it_is_wanted_everything_is_started(tmp_path: Path) -> None:
    code = (
        "from orchestration.definitions import defs; r = defs.get_repository_def(); import json; "
        "print(json.dumps([one.default_status.value for one in (*r.schedule_defs, *r.sensor_defs)]))"
    )
    environment = {**os.environ, "TIDEGATE_AUTOMATION": "on", "DAGSTER_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)

    assert json.loads(done.stdout) == ["RUNNING"] * 9
