"""Small registries for tests: tiny forests, published the way the pipeline publishes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np

from flows.catalogue import NAMES, catalogue_digest, catalogue_json
from model_registry.artifact import Artifact, Calibration, Forest, Profile, artifact_to_bytes
from model_registry.content import Content, Gate, ModelVersion, TrainingData
from model_registry.keys import Signer
from model_registry.private_keys.key_files import load_signer
from model_registry.registry import Registry
from model_registry.scoring import raw_scores
from model_registry.shapes import decimal_text, format_time
from model_registry.writing.creation import create_registry
from model_registry.writing.publishing import publish

NOW: Final = datetime(2030, 1, 1, tzinfo=UTC)  # when test registries are made
DAY: Final = timedelta(days=1)
MODELS: Final = ("anomaly_iforest", "ddos_lgbm", "malware_lgbm")
RULES: Final = b"rules: []\n"
MATH: Final = b'{"baselines": {}}\n'
ENSEMBLE: Final = b'{"weights": {}}\n'


def tiny_artifact(name: str, *, feature: int = 0, catalogue: str | None = None) -> Artifact:
    """Return a model of one tree: it scores 1.5 where a feature is above 0.5, else -1.5."""
    forest = Forest(
        roots=np.array([0], np.int32),
        feature=np.array([feature, 0, 0], np.int16),
        threshold=np.array([0.5, 0, 0], np.float32),
        left=np.array([1, -1, -1], np.int32),
        right=np.array([2, -1, -1], np.int32),
        missing_left=np.array([True, False, False]),
        value=np.array([0.0, -1.5, 1.5]),
    )
    rows = np.zeros((2, len(NAMES)), np.float32)
    rows[1] = 1
    profile = Profile(
        feature_edges=np.zeros((len(NAMES), 1), np.float32),
        feature_counts=np.tile(np.array([[1, 1, 0]], np.int64), (len(NAMES), 1)),
        score_edges=np.zeros(1),
        score_counts=np.array([1, 1], np.int64),
    )
    return Artifact(
        name=name,
        algorithm="lightgbm",
        forest=forest,
        calibration=Calibration(slope=1.0, intercept=0.0),
        threshold=0.75,
        catalogue=catalogue or catalogue_digest(),
        profile=profile,
        golden_rows=rows,
        golden_scores=raw_scores(forest, rows),
    )


def put_model(registry: Registry, artifact: Artifact) -> ModelVersion:
    """Put a model's blobs, and return the version that a manifest would hold."""
    return ModelVersion(
        artifact=registry.put_blob(artifact_to_bytes(artifact)).path,
        card=registry.put_blob(f"# {artifact.name}\n\nA model for tests.\n".encode()).path,
        catalogue=artifact.catalogue,
        threshold=decimal_text(artifact.threshold),
        metrics={"recall": "0.991", "fpr": "0.0008"},
        gates={"recall": Gate(passed=True, detail="0.991 >= 0.95")},
        data=TrainingData(sha256="ab" * 32, rows=12345),
        created=format_time(NOW),
        run_id="run-1",
        code_version="0.1.0",
    )


def with_shared_blobs(registry: Registry, content: Content) -> Content:
    """Return the content with catalogue, rules, math baselines and ensemble."""
    return content.with_blobs(
        catalogue=registry.put_blob(catalogue_json()).path,
        rules=registry.put_blob(RULES).path,
        math=registry.put_blob(MATH).path,
        ensemble=registry.put_blob(ENSEMBLE).path,
    )


def publish_edit(registry: Registry, names: Sequence[str] = MODELS) -> Callable[[Content], Content]:
    """Return the edit that adds one more version of each model, as its champion."""

    def edit(content: Content) -> Content:
        content = with_shared_blobs(registry, content)
        for position, name in enumerate(names):
            content = content.with_model(name, put_model(registry, tiny_artifact(name, feature=position)))
        return content

    return edit


def publish_models(registry: Registry, signer: Signer, names: Sequence[str] = MODELS, *, now: datetime = NOW) -> int:
    """Publish one more version of each model, and return the manifest's version."""
    return publish(registry, publish_edit(registry, names), signer, run_id="run-1", now=now).version


def make_registry(folder: Path, names: Sequence[str] = MODELS, *, now: datetime = NOW) -> Registry:
    """Make ``folder/keys`` and ``folder/registry`` with one version of each model; return the registry."""
    create_registry(folder / "registry", folder / "keys", now=now)
    registry = Registry(folder / "registry")
    publish_models(registry, load_signer(folder / "keys", "targets"), names, now=now)
    return registry


def files_of(registry: Registry) -> dict[str, bytes]:
    """Return every file of a registry by its path in it."""
    paths = (path for path in registry.path.rglob("*") if path.is_file())
    return {str(path.relative_to(registry.path)): path.read_bytes() for path in paths}


def flip_a_bit(path: Path) -> None:
    """Damage a file in its middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def same(content: Content) -> Content:
    """Edit nothing."""
    return content
