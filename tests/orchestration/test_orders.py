"""No order of runs, selections and retries registers a model that did not pass its gates."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from flows.errors import TidegateError
from model_registry.shapes import decimal_text
from orchestration.defs.models import checks as model_checks
from tests.support.pipeline import Workshop
from training.evaluation import Measures
from training.fitted import fitted_from_json, fitted_to_json
from training.gates import GateResult, Limits

BAD = 0.875  # the threshold by which a model is known that no gate passes


def gate(measures: Measures | None, _: Limits) -> GateResult:
    """Stands in for the quality gate: only a model of the bad threshold fails."""
    return GateResult(measures is not None and measures.threshold != BAD, "by its threshold")


def bad_model(workshop: Workshop) -> None:
    """Somebody fits another model, which is no good, and exports it."""
    path = workshop.store / "ddos_lgbm_fitted.json"
    path.write_bytes(fitted_to_json(replace(fitted_from_json(path.read_bytes()), threshold=BAD)))
    workshop.run("ddos_lgbm")


def good_model(workshop: Workshop) -> None:
    """Somebody fits one that is."""
    path = workshop.store / "ddos_lgbm_fitted.json"
    path.write_bytes(fitted_to_json(replace(fitted_from_json(path.read_bytes()), threshold=0.5)))
    workshop.run("ddos_lgbm")


def try_it(workshop: Workshop) -> None:
    workshop.run("ensemble", "trial")


def compare(workshop: Workshop) -> None:
    workshop.run("champion_comparison")


def check_model(workshop: Workshop) -> None:
    workshop.check("ddos_lgbm")


def check_trial(workshop: Workshop) -> None:
    workshop.check("trial")


def check_comparison(workshop: Workshop) -> None:
    workshop.check("champion_comparison")


def sign(workshop: Workshop) -> None:
    with suppress(TidegateError):
        workshop.sign()


Action = Callable[[Workshop], None]
ACTIONS: tuple[Action, ...] = (
    *(bad_model, good_model, try_it, compare, check_model, check_trial, check_comparison, sign, sign),
)
# What a careful person does; and the same with a bad model put in after each of the steps.
PROPER: list[Action] = [good_model, check_model, try_it, check_trial, compare, check_comparison, sign]


@pytest.mark.long
@settings(deadline=None, max_examples=4, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=st.lists(st.sampled_from(ACTIONS), min_size=3, max_size=9))
@example(story=PROPER)
@example(story=[*PROPER[:2], bad_model, *PROPER[2:]])
@example(story=[*PROPER[:6], bad_model, sign, check_model, sign, compare, check_comparison, sign])
def test_whatever_is_run_in_whatever_order_only_what_passed_is_registered(
    trained: Workshop, story: list[Action], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_checks, "quality", gate)
    with TemporaryDirectory() as folder:
        workshop = trained.copy_to(Path(folder) / "workshop")
        for action in [*story, sign]:
            action(workshop)
        content = workshop.registry.load().content
        versions = content.models["ddos_lgbm"].versions
        shutil.rmtree(folder, ignore_errors=True)
    assert decimal_text(BAD) not in {version.threshold for version in versions.values()}
    for version in versions.values():
        assert version.gates["trial/quality_of_ddos_lgbm"].passed
        assert all(result.passed for result in version.gates.values())
    if story == PROPER:
        assert versions[2].threshold == "0.5"
