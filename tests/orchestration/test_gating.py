"""Nothing is signed but the very bytes that passed every gate, in whatever order assets and checks are run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import dagster as dg
import msgspec
import pytest

from detection.ensemble import ensemble_from_json, ensemble_to_json
from flows.errors import TidegateError
from model_registry.artifact import artifact_from_bytes, artifact_to_bytes
from model_registry.errors import GateError
from model_registry.shapes import decimal_text
from model_registry.writing.creation import create_registry
from orchestration.checking import DETAIL
from orchestration.comparison import comparison_from_json, comparison_to_json
from orchestration.defs.models import checks as model_checks
from orchestration.evidence import latest_result
from orchestration.exclusive import LOCK
from orchestration.headless import run_training
from orchestration.storage import DIGEST
from orchestration.trial import trial_from_json, trial_to_json
from tests.support.command import Outcome, tidegate_command
from tests.support.pipeline import Workshop, checks_of
from tests.support.registries import files_of
from training.boosting import PARAMETERS
from training.datasets import Dataset
from training.gates import LIMITS, GateResult, Limits

MODELS = ("ddos_lgbm", "malware_lgbm", "anomaly_iforest")
IMPOSSIBLE = Limits(recall=1.01, fpr=0.005, calibration_error=0.05)


def refused(workshop: Workshop, match: str) -> None:
    """Signing alone fails, naming the reason, and leaves every file of the registry as it was."""
    before = files_of(workshop.registry)
    with pytest.raises(GateError, match=match):
        workshop.sign()
    assert files_of(workshop.registry) == before


def test_a_whole_run_publishes_what_the_trial_judged(trained: Workshop) -> None:
    loaded = trained.registry.load()
    trial = trial_from_json((trained.store / "trial.json").read_bytes())
    features = Dataset.read(trained.store / "training_features.parquet")

    assert loaded.version == 1
    assert (sorted(loaded.models), loaded.refused) == (sorted(MODELS), {})
    for name in MODELS:
        model, measures = loaded.content.champion(name), trial.evaluation.models[name]
        assert model is not None
        stored = (trained.store / f"{name}.safetensors").read_bytes()
        assert model.fingerprint == trial.judged[name] == hashlib.sha256(stored).hexdigest()
        assert model.data.sha256 == trial.judged["training_features"] == features.digest()
        assert model.data.rows == (features.capture == 0).sum()  # the earliest of three captures
        assert model.threshold == decimal_text(loaded.models[name].threshold)
        assert measures.recall is not None
        assert measures.fpr is not None
        assert model.metrics["recall"] == decimal_text(measures.recall)
        assert model.metrics["fpr"] == decimal_text(measures.fpr)
        expected = {
            f"{key.asset_key.to_user_string()}/{key.name}"
            for asset in ("training_features", name, "trial", "champion_comparison")
            for key in checks_of(asset)
        }
        assert model.gates.keys() == expected
        assert all(gate.passed for gate in model.gates.values())
        assert f"recall {measures.recall:.4f}" in model.gates[f"trial/quality_of_{name}"].detail
    assert loaded.math == (trained.store / "math_baselines.json").read_bytes()
    assert loaded.ensemble == (trained.store / "ensemble.json").read_bytes()


def test_training_again_tells_its_progress_and_gives_the_same_models(trained: Workshop, workshop: Workshop) -> None:
    lines: list[str] = []

    outcome = workshop.train(lines.append)

    assert outcome["manifest_version"] == 2
    for name in MODELS:
        first, second = (one.registry.load().content.champion(name) for one in (trained, workshop))
        assert first is not None
        assert second is not None
        assert (first.fingerprint, first.metrics) == (second.fingerprint, second.metrics)
        assert (outcome[f"{name}_fingerprint"], outcome["run_id"]) == (second.fingerprint, second.run_id)
    assert "release …" in lines
    assert sum(": passed: " in line for line in lines) == 23
    assert not any("FAILED" in line for line in lines)


def test_signing_again_what_passed_is_allowed(trained: Workshop, workshop: Workshop) -> None:
    workshop.compare()
    workshop.sign()

    first, second = trained.registry.load(), workshop.registry.load()
    assert (first.version, second.version) == (1, 2)
    for name in MODELS:
        one, other = first.content.champion(name), second.content.champion(name)
        assert one is not None
        assert other is not None
        assert (one.fingerprint, one.metrics) == (other.fingerprint, other.metrics)
        assert one.gates.keys() == other.gates.keys()
        judged = {gate for gate in one.gates if not gate.startswith("champion_comparison/")}
        assert {gate: one.gates[gate] for gate in judged} == {gate: other.gates[gate] for gate in judged}


def test_a_comparison_counts_once_because_it_was_with_the_champions_before(workshop: Workshop) -> None:
    refused(workshop, "the champions have changed since the new models were compared with them")
    # Looking at it again does not make it another comparison.
    workshop.run(checks=checks_of("champion_comparison"))
    refused(workshop, "the champions have changed since the new models were compared with them")


def test_a_model_made_anew_is_not_signed_on_the_old_ones_results(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PARAMETERS, "seed", 7)
    workshop.run("ddos_lgbm_fitted", "ddos_lgbm")

    refused(workshop, "the trial judged another ddos_lgbm")
    # Its own check passes; the trial still is about another model.
    workshop.run(checks=checks_of("ddos_lgbm"))
    refused(workshop, "the trial judged another ddos_lgbm")
    # A new trial judges it; but nobody has looked at the trial.
    workshop.run("ensemble", "trial")
    refused(workshop, "the champion_comparison judged another ddos_lgbm")
    # All is judged anew; but nobody has looked at the trial, nor at the comparison.
    workshop.run("champion_comparison")
    refused(workshop, "looked at another trial")
    workshop.run(checks=checks_of("trial"))
    refused(workshop, "looked at another champion_comparison")
    workshop.run(checks=checks_of("champion_comparison"))
    workshop.sign()
    assert workshop.registry.load().version == 2


def test_a_model_without_its_own_check_is_not_signed(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PARAMETERS, "seed", 7)
    workshop.run("malware_lgbm_fitted", "malware_lgbm", "ensemble", "trial", checks=checks_of("trial"))
    workshop.compare()

    refused(workshop, "(budget|integrity|parity) looked at another malware_lgbm")


def test_other_data_ask_for_other_models(workshop: Workshop) -> None:
    workshop.run("training_flows", "training_features", checks=checks_of("training_features"), seed=2)

    refused(workshop, "the trial judged another training_features")
    # A trial of the old models on the new data, all checks passed or not: the models were not trained on it.
    workshop.run("trial")
    workshop.compare()
    refused(workshop, "looked at another trial|trained on other features")


def test_a_model_is_not_exported_beside_other_data_than_it_was_fitted_on(workshop: Workshop) -> None:
    workshop.run("training_flows", "training_features", seed=2)

    with pytest.raises(TidegateError, match=r"was fitted on another training_features .*ddos_lgbm_fitted again"):
        workshop.run("ddos_lgbm")


def test_models_are_not_signed_for_features_that_they_were_not_trained_on(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop.run("training_flows", "training_features", checks=checks_of("training_features"), seed=2)
    monkeypatch.setattr(model_checks, "quality", lambda *_: GateResult(True, "fine"))
    monkeypatch.setattr(model_checks, "every_attack", lambda *_: GateResult(True, "fine"))
    workshop.run("trial", checks=checks_of("trial"))
    workshop.compare()

    refused(workshop, "trained on other features")


def test_a_check_that_crashed_counts_as_none(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(_: object) -> GateResult:
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(model_checks, "integrity", crash)
        with pytest.raises(RuntimeError, match="out of memory"):
            workshop.run(checks=checks_of("ddos_lgbm"))

    refused(workshop, "integrity of ddos_lgbm has no result")
    workshop.run(checks=checks_of("ddos_lgbm"))
    workshop.compare()
    workshop.sign()


def test_a_run_that_waits_in_the_queue_takes_no_result_away(workshop: Workshop) -> None:
    workshop.compare()
    with workshop.instance() as instance:
        run = instance.create_run_for_job(workshop.job())  # as launching does; Dagster plans its checks at once
        key = next(iter(checks_of("ddos_lgbm")))
        newest = instance.get_latest_asset_check_evaluation_record(key)
        assert newest is not None
        assert (newest.run_id, newest.event) != (run.run_id, None)
        assert not isinstance(newest.evaluation, dg.AssetCheckEvaluation)

    workshop.sign()

    assert workshop.registry.load().version == 2


@pytest.mark.parametrize("ends", [True, False])
def test_a_run_that_began_and_has_not_looked_yet_takes_the_results_away(workshop: Workshop, ends: bool) -> None:
    workshop.compare()
    with workshop.instance() as instance:
        run = instance.create_run_for_job(workshop.job())
        instance.report_dagster_event(dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, run.job_name), run.run_id)
        if ends:
            instance.report_run_failed(run)

    refused(workshop, "has no result")


def test_of_runs_at_the_same_time_the_one_counts_that_looked_last(workshop: Workshop) -> None:
    workshop.compare()
    key = next(key for key in checks_of("ddos_lgbm") if key.name == "integrity")
    digest = artifact_digest(workshop)

    def said(run_id: str, *, passed: bool) -> dg.DagsterEvent:
        metadata = {DIGEST: dg.TextMetadataValue(digest), DETAIL: dg.TextMetadataValue("by hand")}
        evaluation = dg.AssetCheckEvaluation(key.asset_key, key.name, passed, metadata, blocking=True)
        return dg.DagsterEvent(
            dg.DagsterEventType.ASSET_CHECK_EVALUATION.value, "train", event_specific_data=evaluation, message=run_id
        )

    with workshop.instance() as instance:
        first, second = (instance.create_run_for_job(workshop.job()).run_id for _ in range(2))
        instance.report_dagster_event(said(second, passed=True), second)
        instance.report_dagster_event(said(first, passed=False), first)

        latest = latest_result(instance, key)
        assert latest is not None
        assert latest.run_id == first
        assert instance.get_latest_asset_check_evaluation_record(key).run_id == second  # type: ignore[union-attr]  # is there

    refused(workshop, "integrity of ddos_lgbm failed")


def artifact_digest(workshop: Workshop) -> str:
    return hashlib.sha256((workshop.store / "ddos_lgbm.safetensors").read_bytes()).hexdigest()


class Failed(NamedTuple):
    """A pipeline whose only run failed a gate, and what the command said."""

    workshop: Workshop
    before: dict[str, bytes]
    outcome: Outcome


@pytest.fixture(scope="module")
def failed(small_traffic: None, tmp_path_factory: pytest.TempPathFactory) -> Failed:  # noqa: ARG001  (for its effect)
    workshop = Workshop.make(tmp_path_factory.mktemp("failed"))
    before = files_of(workshop.registry)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(LIMITS, "ddos_lgbm", IMPOSSIBLE)
        outcome = tidegate_command(
            "train",
            *("--registry", workshop.registry.path, "--keys", workshop.keys),
            *("--store", workshop.store, "--dagster-home", workshop.home, "--json"),
        )
    return Failed(workshop, before, outcome)


def test_a_failed_gate_ends_the_command_with_4_and_publishes_nothing(failed: Failed) -> None:
    *progress, last = failed.outcome.err.splitlines()

    assert (failed.outcome.code, failed.outcome.out) == (4, "")
    assert last.startswith("tidegate: a gate was not passed, so nothing was published: trial/quality_of_ddos_lgbm: ")
    assert "(at least 1.01)" in last
    assert any("gate trial/quality_of_ddos_lgbm: FAILED" in line for line in progress)
    assert not any(line.split()[2] == "release" for line in progress)
    assert files_of(failed.workshop.registry) == failed.before


def test_a_later_run_of_signing_alone_does_not_get_around_a_failed_gate(failed: Failed) -> None:
    refused(failed.workshop, r"quality_of_ddos_lgbm of trial failed: recall .* \(at least 1.01\)")


def test_signing_alone_with_nothing_made_says_what_to_make(tmp_path: Path) -> None:
    workshop = Workshop.make(tmp_path)
    workshop.home.mkdir()

    with pytest.raises(TidegateError, match="is not there: materialize"):
        workshop.sign()


def test_everything_made_but_nothing_checked_is_not_signed(workshop: Workshop) -> None:
    """The files of a good run beside empty records, as if somebody had copied them here."""
    fresh = Workshop(workshop.folder.parent / "fresh")
    create_registry(fresh.registry.path, fresh.keys)
    workshop.store.rename(fresh.store)
    fresh.home.mkdir()

    refused(fresh, "has no result")


def lower_threshold(path: Path) -> None:
    path.write_bytes(artifact_to_bytes(replace(artifact_from_bytes(path.read_bytes()), threshold=0.01)))


def surer(path: Path) -> None:
    ensemble = ensemble_from_json(path.read_bytes())
    slope = msgspec.structs.replace(ensemble.slope, ddos=ensemble.slope.ddos * 2)
    path.write_bytes(ensemble_to_json(msgspec.structs.replace(ensemble, slope=slope)))


def better_figures(path: Path) -> None:
    trial = trial_from_json(path.read_bytes())
    figures = {name: replace(measures, recall=1.0) for name, measures in trial.evaluation.models.items()}
    path.write_bytes(trial_to_json(replace(trial, evaluation=replace(trial.evaluation, models=figures))))


def unlike_any_champion(path: Path) -> None:
    path.write_bytes(comparison_to_json(replace(comparison_from_json(path.read_bytes()), why="nothing is like these")))


def other_features(path: Path) -> None:
    features = Dataset.read(path)
    features.features[0, 0] += 1
    features.write(path)


@pytest.mark.parametrize(
    ("file", "change", "match"),
    [
        ("ddos_lgbm.safetensors", lower_threshold, "the trial judged another ddos_lgbm"),
        ("ensemble.json", surer, "the trial judged another ensemble"),
        ("trial.json", better_figures, "looked at another trial"),
        ("champion_comparison.json", unlike_any_champion, "looked at another champion_comparison"),
        ("training_features.parquet", other_features, "the trial judged another training_features"),
    ],
)
def test_a_file_changed_after_its_checks_is_not_signed(
    workshop: Workshop, file: str, change: Callable[[Path], None], match: str
) -> None:
    change(workshop.store / file)

    refused(workshop, match)


def test_without_a_key_nothing_is_trained(trained: Workshop, workshop: Workshop) -> None:
    for key in workshop.keys.iterdir():
        key.unlink()
    store = workshop.folder / "other store"

    with pytest.raises(TidegateError, match="key"):
        run_training(
            registry=workshop.registry.path, keys=workshop.keys, store=store, home=workshop.home, flows={}, say=print
        )

    assert not store.exists()
    assert files_of(workshop.registry) == files_of(trained.registry)


def test_without_a_registry_nothing_is_trained(workshop: Workshop) -> None:
    store = workshop.folder / "other store"

    with pytest.raises(TidegateError, match="registry"):
        run_training(
            registry=workshop.folder / "none", keys=workshop.keys, store=store, home=workshop.home, flows={}, say=print
        )

    assert not store.exists()


def test_what_is_stored_is_data_and_no_pickle(trained: Workshop) -> None:
    stored = {path.name: path.read_bytes() for path in trained.store.rglob("*") if path.is_file()}

    assert stored.pop(LOCK) == b""
    assert stored.keys() == {
        *(f"{name}.safetensors" for name in MODELS),
        *(f"{name}_fitted.json" for name in MODELS),
        *(f"{data}.parquet" for data in ("training_flows", "training_features", "augmented_features", "site_features")),
        *("math_baselines.json", "ensemble.json", "trial.json", "champion_comparison.json"),
    }
    for name, data in stored.items():
        assert not data.startswith(b"\x80"), name
        assert data.startswith(b"PAR1") == name.endswith(".parquet")
