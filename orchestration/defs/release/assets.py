"""The signed manifest: what serving will trust."""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from importlib.metadata import version

import dagster as dg

from detection.engines.math import Baselines, baselines_to_json
from detection.engines.rules import default_rules
from detection.ensemble import Ensemble, ensemble_to_json
from flows.catalogue import catalogue_digest, catalogue_json
from model_registry.artifact import Artifact, artifact_to_bytes
from model_registry.content import Content, Gate, ModelVersion, TrainingData
from model_registry.errors import GateError
from model_registry.registry import Registry
from model_registry.shapes import decimal_text, format_time
from model_registry.writing.publishing import publish
from orchestration.defs.data import checks as data_checks
from orchestration.defs.models import checks as model_checks
from orchestration.defs.models.artifacts import ROWS, TRAINED_ON
from orchestration.evidence import materialization_metadata, passed_gates
from orchestration.house import OWNERS
from orchestration.resources import SigningRegistry
from orchestration.storage import digest_of
from orchestration.trial import Trial
from training import anomaly
from training.cards import model_card
from training.datasets import Dataset
from training.gates import GateResult
from training.recipes import BY_NAME

Gates = dict[str, GateResult]


def gates_by_asset(context: dg.AssetExecutionContext, parts: Mapping[str, object], trial: Trial) -> dict[str, Gates]:
    """Return the passed gates of every part and of the trial. Raises GateError unless all passed, on these bytes."""
    keys: dict[str, list[dg.AssetCheckKey]] = {}
    for definition in dg.load_asset_checks_from_modules([data_checks, model_checks]):
        for key in definition.check_keys:
            keys.setdefault(key.asset_key.to_user_string(), []).append(key)
    for name, part in parts.items():
        if trial.judged.get(name) != digest_of(part):
            raise GateError(
                f"nothing is published: the trial judged another {name} than the one to be published; "
                f"materialize trial again"
            )
    judged = {**parts, "trial": trial}
    return {
        name: passed_gates(context.instance, name, digest_of(value), keys.get(name, ()))
        for name, value in judged.items()
    }


class Destination(Enum):
    """The slots that newly trained models can go to."""

    CHAMPION = "champion"
    CHALLENGER = "challenger"
    SHADOW = "shadow"


class Release(dg.Config):
    """What becomes of the models once they have passed their gates."""

    slot: Destination = Destination.CHAMPION
    reason: str = ""


@dg.asset(group_name="release", kinds={"python"}, owners=OWNERS, tags={"part": "manifest"}, code_version="1")
def signed_manifest(
    context: dg.AssetExecutionContext,
    config: Release,
    signing: SigningRegistry,
    training_features: Dataset,
    site_features: Dataset,
    math_baselines: Baselines,
    ensemble: Ensemble,
    ddos_lgbm: Artifact,
    malware_lgbm: Artifact,
    anomaly_iforest: Artifact,
    trial: Trial,
) -> dg.MaterializeResult:  # type: ignore[type-arg]  # nothing is stored here: the registry is the store
    """The three models, signed and registered, with everything that decides beside them."""
    artifacts = (ddos_lgbm, malware_lgbm, anomaly_iforest)
    parts = {
        **{artifact.name: artifact for artifact in artifacts},
        "training_features": training_features,
        "site_features": site_features,
        "math_baselines": math_baselines,
        "ensemble": ensemble,
    }
    gates = gates_by_asset(context, parts, trial)
    registry = signing.open()
    versions: dict[str, ModelVersion] = {}
    cards: dict[str, str] = {}
    for artifact in artifacts:
        name = artifact.name
        learned = "site_features" if name == anomaly.NAME and len(site_features) else "training_features"
        versions[name], cards[name] = _model_version(
            context, registry, artifact, trial, gates, training_features, learned
        )
    blobs = {
        "catalogue": registry.put_blob(catalogue_json()).path,
        "rules": registry.put_blob(default_rules()).path,
        "math": registry.put_blob(baselines_to_json(math_baselines)).path,
        "ensemble": registry.put_blob(ensemble_to_json(ensemble)).path,
    }

    def edit(content: Content) -> Content:
        for name, model in versions.items():
            content = content.with_model(name, model, config.slot.value)
        return content.with_blobs(**blobs)

    published = publish(
        registry,
        edit,
        signing.signer(),
        run_id=context.run.run_id,
        action="train",
        reason=config.reason,
        root=signing.root(),
        state_dir=signing.state(),
    )
    return dg.MaterializeResult(
        metadata={
            "manifest_version": published.version,
            "in_force": published.in_force,
            "signatures_lacking": published.lacking,
            "proposal": published.proposal,
            "registry": registry.location,
            **{f"{name}_fingerprint": model.fingerprint for name, model in versions.items()},
            **{f"{name}_card": dg.MetadataValue.md(card) for name, card in cards.items()},
        }
    )


def _model_version(
    context: dg.AssetExecutionContext,
    registry: Registry,
    artifact: Artifact,
    trial: Trial,
    gates: dict[str, Gates],
    features: Dataset,
    learned: str,
) -> tuple[ModelVersion, str]:
    """Put a model's blobs, and return its version and the text of its card. ``learned`` names what it was fitted on."""
    name = artifact.name
    made = materialization_metadata(context.instance, name, digest_of(artifact))
    if made.get(TRAINED_ON) != trial.judged[learned]:
        raise GateError(f"nothing is published: {name} was trained on other features; materialize {name} again")
    every = {
        f"{asset}/{check}": result
        for asset in ("training_features", name, "trial")
        for check, result in gates[asset].items()
    }
    card = model_card(
        BY_NAME[name],
        artifact,
        trial.evaluation,
        every,
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
        gates={check: Gate(passed=result.passed, detail=result.detail) for check, result in every.items()},
        data=TrainingData(sha256=made[TRAINED_ON], rows=made[ROWS]),
        created=format_time(datetime.now(UTC)),
        run_id=context.run.run_id,
        code_version=version("tidegate"),
    )
    return model, card
