"""Dagster's own web server on our workspace: the job, every asset and every gate are there to click on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.dagster_server import ask, webserver
from tests.support.pipeline import MODELS, RELEASED

ASSETS = {
    *("site_features", "training_flows", "training_features", "augmented_features"),
    *(f"{model}{made}" for model in MODELS for made in ("_fitted", "")),
    *("math_baselines", "ensemble", "trial", "champion_comparison", "evaluation_report", "refreshed_manifest"),
    *(f"recorded_{what}" for what in ("flows", "verdicts", "alerts", "feedback")),
    *("daily_flows", "daily_features"),
    *RELEASED,
}
pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with webserver(tmp_path_factory.mktemp("dagster")) as address:
        yield address


def test_the_job_the_schedule_and_every_asset_are_shown(url: str) -> None:
    data = ask(
        url,
        "{ repositoriesOrError { ... on RepositoryConnection { nodes { jobs { name } schedules { name } "
        "assetNodes { assetKey { path } } } } ... on PythonError { message } } }",
    )
    (repository,) = data["repositoriesOrError"]["nodes"]
    assert "train" in {job["name"] for job in repository["jobs"]}
    assert {schedule["name"] for schedule in repository["schedules"]} == {
        *("nightly_retraining", "daily_refresh", "weekly_evaluation", "daily_recording")
    }
    assert {node["assetKey"]["path"][-1] for node in repository["assetNodes"]} == ASSETS


def test_every_gate_is_shown_as_blocking(url: str) -> None:
    data = ask(
        url,
        "{ assetNodes { assetKey { path } assetChecksOrError { ... on AssetChecks { checks { name blocking } } } } }",
    )
    checks = [check for node in data["assetNodes"] for check in node["assetChecksOrError"]["checks"]]
    assert len(checks) == 24
    assert all(check["blocking"] for check in checks)
