"""What is published of a model: its version, with the gates that it passed, and its card."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version

import dagster as dg

from flows.catalogue import catalogue_digest
from model_registry.artifact import Artifact, artifact_to_bytes
from model_registry.content import Gate, ModelVersion, TrainingData
from model_registry.errors import GateError
from model_registry.registry import Registry
from model_registry.shapes import decimal_text, format_time
from orchestration.comparison import Comparison
from orchestration.defs.data import checks as data_checks
from orchestration.defs.models import checks as model_checks
from orchestration.defs.models.artifacts import ROWS, TRAINED_ON
from orchestration.evidence import Overriding, materialization_metadata, passed_gates
from orchestration.storage import digest_of
from orchestration.trial import Trial
from training.cards import model_card
from training.datasets import Dataset
from training.gates import GateResult
from training.recipes import BY_NAME

Gates = dict[str, GateResult]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why models may be published: what they were judged by, and each gate's result by asset."""

    trial: Trial
    comparison: Comparison
    gates: dict[str, Gates]

    def of_model(self, name: str) -> Gates:
        """The gates of one model and of all that it was made and judged with, by ``asset/check``."""
        assets = ("training_features", name, "trial", "champion_comparison")
        return {f"{asset}/{check}": result for asset in assets for check, result in self.gates[asset].items()}


def evidence_of(
    context: dg.AssetExecutionContext,
    parts: Mapping[str, object],
    trial: Trial,
    comparison: Comparison,
    overriding: Overriding,
) -> Evidence:
    """Ask every gate of every part, of the trial and of the comparison again.

    Raises GateError unless all of it is about these bytes and all gates passed, or were overridden.
    """
    for asset, judged in (("trial", trial.judged), ("champion_comparison", comparison.judged)):
        for name, part in parts.items():
            if judged.get(name) != digest_of(part):
                raise GateError(
                    f"nothing is published: the {asset} judged another {name} than the one to be published; "
                    f"materialize {asset} again"
                )
    keys: dict[str, list[dg.AssetCheckKey]] = {}
    for definition in dg.load_asset_checks_from_modules([data_checks, model_checks]):
        for key in definition.check_keys:
            keys.setdefault(key.asset_key.to_user_string(), []).append(key)
    everything = {**parts, "trial": trial, "champion_comparison": comparison}
    gates = {
        name: passed_gates(context.instance, name, digest_of(value), keys.get(name, ()), overriding)
        for name, value in everything.items()
    }
    return Evidence(trial, comparison, gates)


def model_version(
    context: dg.AssetExecutionContext,
    registry: Registry,
    artifact: Artifact,
    evidence: Evidence,
    features: Dataset,
    learned: str,
) -> tuple[ModelVersion, str]:
    """Put a model's blobs, and return its version and the text of its card. ``learned`` names what it was fitted on."""
    name, trial = artifact.name, evidence.trial
    made = materialization_metadata(context.instance, name, digest_of(artifact))
    if made.get(TRAINED_ON) != trial.judged[learned]:
        raise GateError(f"nothing is published: {name} was trained on other features; materialize {name} again")
    gates = evidence.of_model(name)
    card = model_card(
        BY_NAME[name],
        artifact,
        trial.evaluation,
        gates,
        data=features,
        data_sha256=trial.judged["training_features"],
        site_flows=made[ROWS] if learned == "site_features" else 0,
    )
    model = ModelVersion(
        artifact=registry.put_blob(artifact_to_bytes(artifact)).path,
        card=registry.put_blob(card.encode()).path,
        catalogue=catalogue_digest(),
        threshold=decimal_text(artifact.threshold),
        metrics={figure: decimal_text(value) for figure, value in trial.evaluation.models[name].figures().items()},
        gates={check: Gate(passed=result.passed, detail=result.detail) for check, result in gates.items()},
        data=TrainingData(sha256=made[TRAINED_ON], rows=made[ROWS]),
        created=format_time(datetime.now(UTC)),
        run_id=context.run.run_id,
        code_version=version("tidegate"),
    )
    return model, card
