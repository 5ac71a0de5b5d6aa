"""Each check on a good value and on one that it must refuse; every result names the bytes that it is about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import dagster as dg
import numpy as np
import pytest

from detection.verdict import Kind
from model_registry.artifact import Artifact, artifact_from_bytes
from orchestration.defs.data.checks import (
    every_kind_in_every_part,
    features_in_schema,
    flows_in_schema,
    mix_of_labels,
    no_leak,
)
from orchestration.defs.models.checks import (
    budget_check,
    finds_every_attack,
    integrity_check,
    parity_check,
    quality_check,
    quality_of_verdicts,
)
from orchestration.storage import DIGEST, digest_of
from orchestration.trial import Trial, trial_from_json
from tests.support.pipeline import MODELS, Workshop
from training.datasets import NO_TRUTH, Dataset, LabelledFlows, Part, thinned
from training.evaluation import LabelRecall
from training.fitted import Fitted, fitted_from_json
from training.gates import reference_forest


def outcome(check: Any, *values: Any, about: Any) -> tuple[bool, str]:
    """Call a check; it must name the digest of what it is about."""
    result = check(*values)
    assert isinstance(result, dg.AssetCheckResult)
    assert result.severity is dg.AssetCheckSeverity.ERROR
    assert result.metadata[DIGEST].value == digest_of(about)
    return result.passed, str(result.description)


@pytest.fixture(scope="module")
def flows(trained: Workshop) -> LabelledFlows:
    return LabelledFlows.read(trained.store / "training_flows.parquet")


@pytest.fixture
def features(trained: Workshop) -> Dataset:
    return Dataset.read(trained.store / "training_features.parquet")


@pytest.fixture(scope="module")
def artifact(trained: Workshop) -> Artifact:
    return artifact_from_bytes((trained.store / "ddos_lgbm.safetensors").read_bytes())


@pytest.fixture(scope="module")
def trial(trained: Workshop) -> Trial:
    return trial_from_json((trained.store / "trial.json").read_bytes())


def test_every_kind_is_in_every_part(features: Dataset) -> None:
    passed, detail = outcome(every_kind_in_every_part, features, about=features)

    assert passed, detail


@pytest.mark.parametrize("capture", [0, 1, 2])
@pytest.mark.parametrize("kind", [Kind.DDOS, Kind.MALWARE, Kind.ANOMALY, Kind.BENIGN])
def test_a_kind_missing_from_one_part_is_refused(features: Dataset, capture: int, kind: Kind) -> None:
    features.truth[(features.capture == capture) & (features.truth == kind)] = NO_TRUTH
    part = ("training", "validation", "test")[capture]

    passed, detail = outcome(every_kind_in_every_part, features, about=features)

    assert not passed
    assert detail.startswith(f"fewest: 0 {kind.label} in {part}")


def test_measured_features_hold_no_leak(flows: LabelledFlows, features: Dataset) -> None:
    passed, detail = outcome(no_leak, flows, features, about=features)

    assert passed, detail


def test_a_share_that_was_kept_holds_no_leak_and_is_still_what_was_measured(
    flows: LabelledFlows, features: Dataset
) -> None:
    few = thinned(features, 0.1)
    assert len(few) < len(features)
    passed, detail = outcome(no_leak, flows, few, about=few)
    assert passed, detail

    other = thinned(features, 0.1, seed=4)
    assert not outcome(no_leak, flows, other, about=other)[0]


@pytest.mark.parametrize("value", [1e9, np.nan, np.inf])
def test_features_that_were_not_measured_so_are_refused(flows: LabelledFlows, features: Dataset, value: float) -> None:
    features.features[17, 3] = value

    passed, detail = outcome(no_leak, flows, features, about=features)

    assert not passed
    assert "measured again DIFFERENT" in detail


def test_features_of_other_flows_are_refused(flows: LabelledFlows, features: Dataset) -> None:
    order = np.arange(len(features))
    order[:2] = 1, 0

    passed, _ = outcome(no_leak, flows, features.take(order), about=features.take(order))

    assert not passed


def test_features_that_tell_the_hour_are_a_leak(
    flows: LabelledFlows, features: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Clock:
        def __init__(self, *_: Any) -> None:
            pass

        def extract(self, batch: Any) -> Any:
            return np.repeat(batch.start[:, None], 120, axis=1).astype(np.float32)

    monkeypatch.setattr("orchestration.defs.data.checks.FeatureExtractor", Clock)
    stored = replace(features, features=Clock().extract(flows.batch))

    passed, detail = outcome(no_leak, flows, stored, about=stored)

    assert not passed
    assert "measured again equal" in detail
    assert detail.endswith("DIFFERENT")


def test_golden_vectors_that_come_out_the_same_pass(artifact: Artifact) -> None:
    passed, detail = outcome(integrity_check("ddos_lgbm"), artifact, about=artifact)

    assert passed
    assert detail == "64 golden vectors reproduced"


def test_one_golden_score_one_bit_off_is_refused(artifact: Artifact) -> None:
    scores = artifact.golden_scores.copy()
    scores[5] = np.nextafter(scores[5], 9.0)
    broken = replace(artifact, golden_scores=scores)

    assert not outcome(integrity_check("ddos_lgbm"), broken, about=broken)[0]


def stored_fit(trained: Workshop, name: str) -> tuple[Fitted, Artifact]:
    fitted = fitted_from_json((trained.store / f"{name}_fitted.json").read_bytes())
    return fitted, artifact_from_bytes((trained.store / f"{name}.safetensors").read_bytes())


@pytest.mark.parametrize("name", MODELS)
def test_an_artifact_that_scores_as_the_fitted_model_passes(trained: Workshop, features: Dataset, name: str) -> None:
    fitted, artifact = stored_fit(trained, name)

    passed, detail = outcome(parity_check(name), artifact, fitted, features, about=artifact)

    assert passed, detail
    assert detail.startswith(f"{int((features.part == Part.TEST).sum()) + 64} rows scored as the fitted model does")


def one_leaf_off(artifact: Artifact) -> Artifact:
    value = artifact.forest.value.copy()
    value[np.flatnonzero(artifact.forest.left == -1)[3]] += 1e-6
    return replace(artifact, forest=replace(artifact.forest, value=value))


def one_branch_turned(artifact: Artifact) -> Artifact:
    missing = artifact.forest.missing_left.copy()
    missing[0] ^= True
    return replace(artifact, forest=replace(artifact.forest, missing_left=missing))


def another_threshold(artifact: Artifact) -> Artifact:
    return replace(artifact, threshold=artifact.threshold / 2)


@pytest.mark.parametrize("change", [one_leaf_off, one_branch_turned, another_threshold])
def test_an_artifact_that_is_not_the_fitted_model_is_refused(
    trained: Workshop, features: Dataset, change: Callable[[Artifact], Artifact]
) -> None:
    fitted, artifact = stored_fit(trained, "ddos_lgbm")
    broken = change(artifact)

    assert not outcome(parity_check("ddos_lgbm"), broken, fitted, features, about=broken)[0]


@pytest.mark.parametrize("name", MODELS)
def test_an_artifact_within_its_budget_passes(trained: Workshop, features: Dataset, name: str) -> None:
    _, artifact = stored_fit(trained, name)

    passed, detail = outcome(budget_check(name), artifact, features, about=artifact)

    assert passed, detail
    assert "times the scoring time of a forest of 300 trees of 64 leaves (at most 1)" in detail


def test_an_artifact_too_large_to_serve_is_refused(
    artifact: Artifact, features: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.gates.LARGEST_ARTIFACT", 1000)

    assert not outcome(budget_check("ddos_lgbm"), artifact, features, about=artifact)[0]


def test_an_artifact_slower_than_serving_is_planned_for_is_refused(artifact: Artifact, features: Dataset) -> None:
    slow = replace(artifact, forest=reference_forest(900))

    passed, detail = outcome(budget_check("ddos_lgbm"), slow, features, about=slow)

    assert not passed, detail


def test_flows_in_their_units_pass(flows: LabelledFlows, features: Dataset) -> None:
    passed, detail = outcome(flows_in_schema, flows, features, about=features)

    assert passed, detail


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("src_bytes", -1.0, "src_bytes (bytes)"),
        ("duration", np.inf, "duration (s)"),
        ("dst_port", 70000, "dst_port (port)"),
        ("protocol", 300, "protocol (IANA number)"),
    ],
)
def test_flows_out_of_their_units_are_refused(
    flows: LabelledFlows, features: Dataset, column: str, value: float, said: str
) -> None:
    changed = getattr(flows.batch, column).copy()
    changed[11] = value
    bad = replace(flows, batch=replace(flows.batch, **{column: changed}))

    passed, detail = outcome(flows_in_schema, bad, features, about=features)

    assert not passed
    assert detail.startswith(f"1 of {said} are negative, infinite or out of range")


@pytest.mark.parametrize(("column", "value"), [("truth", 9), ("part", 7), ("capture", 12)])
def test_flows_without_a_known_truth_part_or_capture_are_refused(
    flows: LabelledFlows, features: Dataset, column: str, value: int
) -> None:
    changed = getattr(flows, column).copy()
    changed[-1] = value

    passed, detail = outcome(flows_in_schema, replace(flows, **{column: changed}), features, about=features)

    assert not passed
    assert f"1 of {column} are none that is known" in detail


def test_captures_that_are_mixed_are_refused(flows: LabelledFlows, features: Dataset) -> None:
    passed, detail = outcome(
        flows_in_schema, replace(flows, capture=flows.capture[::-1].copy()), features, about=features
    )

    assert not passed
    assert "captures are mixed" in detail


def test_flows_between_no_addresses_are_refused(flows: LabelledFlows, features: Dataset) -> None:
    nobody = np.zeros_like(flows.batch.src_addr)
    bad = replace(flows, batch=replace(flows.batch, src_addr=nobody, dst_addr=nobody))

    passed, detail = outcome(flows_in_schema, bad, features, about=features)

    assert not passed
    assert detail == f"{len(flows)} flows are between no addresses"


def test_measured_features_are_in_schema(features: Dataset) -> None:
    passed, detail = outcome(features_in_schema, features, about=features)

    assert passed, detail


def test_one_infinite_feature_beyond_the_leak_test_s_sample_is_refused(features: Dataset) -> None:
    features.features[-1, 3] = np.inf

    passed, detail = outcome(features_in_schema, features, about=features)

    assert not passed
    assert detail.startswith("1 features are infinite somewhere")


def test_kinds_that_every_capture_shows_are_a_good_mix(features: Dataset) -> None:
    passed, detail = outcome(mix_of_labels, features, about=features)

    assert passed, detail


def test_malware_that_one_capture_alone_shows_is_refused(features: Dataset) -> None:
    features.truth[(features.capture != 1) & (features.truth == Kind.MALWARE)] = NO_TRUTH

    passed, detail = outcome(mix_of_labels, features, about=features)

    assert not passed
    assert detail.startswith(f"all that is malware comes from {features.origin.names[1]} and its relatives")


def worse(trial: Trial, name: str | None, **figures: Any) -> Trial:
    """The trial with other figures of one model, or of the final verdict (None)."""
    evaluation = trial.evaluation
    if name is None:
        return replace(trial, evaluation=replace(evaluation, learned=replace(evaluation.learned, **figures)))
    models = {**evaluation.models, name: replace(evaluation.models[name], **figures)}
    return replace(trial, evaluation=replace(evaluation, models=models))


CLAIMED = [{"recall": 0.01}, {"fpr": 0.02}, {"calibration_error": 0.2}, {"recall": None}, {"fpr": None}]
RANKED = [{"roc_auc": 0.7}, {"fpr": 0.06}, {"roc_auc": None}, {"fpr": None}]


@pytest.mark.parametrize(
    ("name", "figures"),
    [(name, figures) for name in ("ddos_lgbm", "malware_lgbm", None) for figures in CLAIMED]
    + [("anomaly_iforest", figures) for figures in RANKED],
)
def test_quality(trial: Trial, name: str | None, figures: dict[str, float | None]) -> None:
    check = quality_of_verdicts if name is None else quality_check(name)
    bad = worse(trial, name, **figures)

    assert outcome(check, trial, about=trial)[0]
    assert not outcome(check, bad, about=bad)[0]


def test_a_model_that_was_not_measured_is_refused(trial: Trial) -> None:
    others = {name: measures for name, measures in trial.evaluation.models.items() if name != "ddos_lgbm"}
    bad = replace(trial, evaluation=replace(trial.evaluation, models=others))

    assert not outcome(quality_check("ddos_lgbm"), bad, about=bad)[0]


def test_every_single_attack_must_be_found(trial: Trial) -> None:
    missed = {**trial.evaluation.labels, "beacon": LabelRecall(rows=20, recall=0.4, kind=Kind.MALWARE)}
    bad = replace(trial, evaluation=replace(trial.evaluation, labels=missed))
    none = replace(trial, evaluation=replace(trial.evaluation, labels={}))

    assert outcome(finds_every_attack, trial, about=trial)[0]
    passed, detail = outcome(finds_every_attack, bad, about=bad)
    assert not passed
    assert "0.4000 on beacon" in detail
    assert not outcome(finds_every_attack, none, about=none)[0]


def test_an_attack_that_does_not_show_is_told_and_has_no_floor(trial: Trial) -> None:
    beacon = LabelRecall(rows=20, recall=0.1, kind=Kind.MALWARE)
    evaluation = replace(trial.evaluation, labels={**trial.evaluation.labels, "quiet": beacon, "loud": beacon})
    both = replace(trial, evaluation=evaluation, hidden=("quiet", "loud"))
    one = replace(both, hidden=("quiet",))
    none = replace(trial, evaluation=replace(evaluation, labels={"quiet": beacon}), hidden=("quiet",))

    assert trial.hidden == ()
    passed, detail = outcome(finds_every_attack, both, about=both)
    assert passed
    assert "; 0.1000 of loud, which does not show; 0.1000 of quiet, which does not show; " in detail
    passed, detail = outcome(finds_every_attack, one, about=one)
    assert not passed
    assert "lowest recall 0.1000 on loud" in detail
    # Where nothing shows nothing was measured.
    assert not outcome(finds_every_attack, none, about=none)[0]


def test_what_is_strange_is_told_and_has_no_floor(trial: Trial) -> None:
    scans = {name: replace(label, recall=0.0) for name, label in trial.evaluation.labels.items()
             if label.kind is Kind.ANOMALY}  # fmt: skip
    none = replace(trial, evaluation=replace(trial.evaluation, labels={**trial.evaluation.labels, **scans}))

    assert scans
    passed, detail = outcome(finds_every_attack, none, about=none)
    assert passed
    assert detail.endswith(f"; 0 of {sum(label.rows for label in scans.values())} strange flows found")
