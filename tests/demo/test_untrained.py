"""A demo that could not fail would show nothing: one model that knows nothing, properly signed, and it must fail."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from demo.run import Say, run_demo, train_with_dagster
from demo.stage import Stage
from model_registry.artifact import artifact_to_bytes
from model_registry.content import Content
from model_registry.private_keys.key_files import load_signer
from model_registry.registry import Registry
from model_registry.scoring import raw_scores
from model_registry.shapes import decimal_text
from model_registry.writing.publishing import publish
from tests.support.models import make_artifact

SWAPPED = "malware_lgbm"


def train_and_swap(stage: Stage, say: Say) -> None:
    """Train as ever, then publish a random forest that saw no data as the next champion, signed by the same key."""
    train_with_dagster(stage, say)
    registry = Registry(stage.registry)
    trained = registry.load().models[SWAPPED]
    random = make_artifact(seed=5)
    untrained = replace(trained, forest=random.forest, golden_scores=raw_scores(random.forest, trained.golden_rows))
    blob = registry.put_blob(artifact_to_bytes(untrained)).path

    def edit(content: Content) -> Content:
        champion = content.champion(SWAPPED)
        assert champion is not None
        swapped = msgspec.structs.replace(champion, artifact=blob, threshold=decimal_text(untrained.threshold))
        return content.with_model(SWAPPED, swapped)

    publish(registry, edit, load_signer(stage.keys, "targets"), run_id="untrained")


@pytest.mark.long
def test_the_demo_fails_with_an_untrained_model(tmp_path: Path) -> None:
    told: list[str] = []
    result = run_demo(tmp_path / "var" / "registry", tmp_path / "var", told.append, train=train_and_swap)
    assert result.manifest_version == 2
    assert any(SWAPPED in line for line in result.outcome.broken), result.outcome.broken
