"""What decides now, as new models are compared with it: verified, and also when nobody has signed for long."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from model_registry.content import EMPTY
from model_registry.errors import Reason, TrustError
from model_registry.registry import Registry
from model_registry.writing.creation import create_registry
from orchestration.champions import SHARED, champions_of, in_force
from orchestration.resources import ModelRegistry
from tests.support.registries import MODELS, flip_a_bit, make_registry


def resource(folder: Path) -> ModelRegistry:
    return ModelRegistry(location=str(folder / "registry"), keys_folder=str(folder / "keys"))


@pytest.mark.parametrize("age", [0, 120, 800])
def test_champions_are_found_also_when_their_manifest_or_the_root_has_expired(tmp_path: Path, age: int) -> None:
    registry = make_registry(tmp_path, now=datetime.now(UTC) - timedelta(days=age))
    if age:
        with pytest.raises(TrustError) as caught:
            registry.load()
        assert caught.value.reason is Reason.EXPIRED

    loaded = in_force(resource(tmp_path))

    assert loaded is not None
    assert sorted(loaded.models) == sorted(MODELS)


def test_before_the_first_manifest_nothing_decides(tmp_path: Path) -> None:
    create_registry(tmp_path / "registry", tmp_path / "keys")

    assert in_force(resource(tmp_path)) is None
    assert champions_of(EMPTY) == {}


def test_a_manifest_that_was_tampered_with_is_not_taken_for_none(tmp_path: Path) -> None:
    registry = make_registry(tmp_path, now=datetime.now(UTC))
    flip_a_bit(registry.path / "model_registry.json")

    with pytest.raises(TrustError):
        in_force(resource(tmp_path))


def test_champions_are_named_with_all_that_decides_beside_them(tmp_path: Path) -> None:
    content = make_registry(tmp_path, now=datetime.now(UTC)).load().content

    named = champions_of(content)

    assert named.keys() == {*MODELS, *SHARED}
    assert {f"blobs/{digest}" for digest in named.values()} < content.references().keys()
    for what in SHARED:
        other = content.with_blobs(**{what: "blobs/" + "0" * 64})
        assert champions_of(other) != named, what


def test_a_challenger_beside_no_champion_decides_nothing(tmp_path: Path) -> None:
    registry: Registry = make_registry(tmp_path, now=datetime.now(UTC))
    content = registry.load().content
    waiting = {name: model.with_slots({"challenger": 1}) for name, model in content.models.items()}

    assert champions_of(content.with_models(waiting)) == {}
