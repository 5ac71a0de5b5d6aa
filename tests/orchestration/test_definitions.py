"""What Dagster shows and runs, as it loads it from workspace.yaml."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from orchestration.definitions import definitions, defs
from orchestration.defs.release.schedules import daily_refresh, nightly_retraining
from tests.support.pipeline import MODELS, RELEASED
from tests.support.real import REPOSITORY

ASSETS = {
    *("site_features", "training_flows", "training_features", "augmented_features"),
    *("math_baselines", "ensemble", "trial", "champion_comparison"),
    *(f"{model}{made}" for model in MODELS for made in ("_fitted", "")),
    *RELEASED,
}
REPORT = {"evaluation_report"}
REFRESH = {"refreshed_manifest"}
DAYS = {*(f"recorded_{what}" for what in ("flows", "verdicts", "alerts", "feedback")), "daily_flows", "daily_features"}
CHECKS = {
    *(f"training_features/{check}" for check in ("flows_in_schema", "features_in_schema", "no_leak")),
    *(f"training_features/{check}" for check in ("mix_of_labels", "every_kind_in_every_part")),
    *(f"training_features/{check}" for check in ("days_as_recorded", "days_are_recent")),
    "daily_flows/in_schema",
    *(f"{model}/{check}" for model in MODELS for check in ("integrity", "parity", "budget")),
    *(f"trial/quality_of_{part}" for part in (*MODELS, "verdicts")),
    "trial/finds_every_attack",
    *(f"champion_comparison/{check}" for check in ("not_worse_than_champion", "no_other_world")),
}


def test_the_workspace_is_valid(tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("dagster")), "definitions", "validate", "-w", "workspace.yaml"]
    environment = {**os.environ, "DAGSTER_HOME": str(tmp_path), "PYTHONPATH": str(REPOSITORY)}

    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False, timeout=90
    )

    assert done.returncode == 0, done.stderr
    assert "All code locations passed validation" in done.stdout + done.stderr


def test_every_asset_and_check_is_there_and_every_check_blocks() -> None:
    graph = defs.resolve_asset_graph()

    assert {key.to_user_string() for key in graph.get_all_asset_keys()} == ASSETS | REPORT | REFRESH | DAYS
    assert {f"{key.asset_key.to_user_string()}/{key.name}" for key in graph.asset_check_keys} == CHECKS
    assert all(graph.get_check_spec(key).blocking for key in graph.asset_check_keys)


def test_the_signed_manifest_comes_after_everything_and_flows_before() -> None:
    graph = defs.resolve_asset_graph()
    above = graph.get_ancestor_asset_keys(dg.AssetKey("signed_manifest"))

    assert {key.to_user_string() for key in above} == (ASSETS | DAYS) - {*RELEASED, "recorded_alerts"}
    assert not graph.get(dg.AssetKey("training_flows")).parent_keys


def test_the_job_runs_all_of_it() -> None:
    job = defs.resolve_job_def("train")

    assert {key.to_user_string() for key in job.asset_layer.executable_asset_keys} == ASSETS
    assert len(job.asset_layer.asset_graph.asset_check_keys) == len(CHECKS - {"daily_flows/in_schema"})


def test_every_asset_says_who_owns_it_what_it_is_and_of_which_code_it_was_made() -> None:
    graph = defs.resolve_asset_graph()

    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        told = (node.owners, node.kinds, node.tags, node.description, node.code_version, node.group_name)
        assert all(told), (key, told)


def test_definitions_of_other_folders_are_the_same_but_for_them() -> None:
    one, other = (definitions(*(f"{place}-{part}" for part in ("registry", "keys", "store"))) for place in "ab")

    keys = [definition.resolve_asset_graph().get_all_asset_keys() for definition in (one, other)]
    assert keys[0] == keys[1] == defs.resolve_asset_graph().get_all_asset_keys()


def test_the_page_is_a_job_of_its_own_and_nothing_that_is_signed_waits_for_it() -> None:
    job = defs.resolve_job_def("report")

    assert {key.to_user_string() for key in job.asset_layer.executable_asset_keys} == REPORT
    assert not defs.resolve_asset_graph().get(dg.AssetKey("evaluation_report")).child_keys


@pytest.mark.parametrize(
    ("schedule", "cron", "job"),
    [(nightly_retraining, "30 2 * * *", "train"), (daily_refresh, "0 6 * * *", "refresh_manifest")],
)
def test_schedules_stand_still_until_somebody_starts_them(schedule: dg.ScheduleDefinition, cron: str, job: str) -> None:
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED
    assert (schedule.cron_schedule, schedule.job_name) == (cron, job)


def test_a_tick_of_the_schedule_asks_for_one_run_of_the_job() -> None:
    schedule = defs.resolve_schedule_def("nightly_retraining")

    with dg.DagsterInstance.ephemeral() as instance, dg.build_schedule_context(instance=instance) as context:
        tick = schedule.evaluate_tick(context)

    assert tick.run_requests is not None
    assert len(tick.run_requests) == 1
    assert tick.skip_message is None
