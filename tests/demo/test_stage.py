"""The demo's ground: made afresh, its own replaced, nobody else's touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from demo.stage import Stage
from flows.errors import TidegateError
from model_registry.writing.creation import create_registry


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path / "var" / "registry", tmp_path / "var")


def test_it_makes_a_registry_and_keys_and_keeps_the_root_outside(stage: Stage) -> None:
    stage.prepare()
    assert stage.root.read_bytes() == (stage.registry / "1.root.json").read_bytes()
    assert all(path.stat().st_mode & 0o077 == 0 for path in stage.keys.glob("*.key"))


def test_its_own_registry_is_replaced(stage: Stage) -> None:
    stage.prepare()
    before = stage.root.read_bytes()
    stage.prepare()
    assert stage.root.read_bytes() != before


def test_somebody_elses_registry_is_left_alone(stage: Stage) -> None:
    create_registry(stage.registry, stage.keys)
    before = (stage.registry / "1.root.json").read_bytes()
    with pytest.raises(TidegateError, match="did not make"):
        stage.prepare()
    assert (stage.registry / "1.root.json").read_bytes() == before


def test_a_registry_put_in_place_of_its_own_is_left_alone(stage: Stage, tmp_path: Path) -> None:
    stage.prepare()
    create_registry(tmp_path / "other", tmp_path / "other-keys")
    theirs = (tmp_path / "other" / "1.root.json").read_bytes()
    (stage.registry / "1.root.json").write_bytes(theirs)
    with pytest.raises(TidegateError, match="did not make"):
        stage.prepare()
    assert (stage.registry / "1.root.json").read_bytes() == theirs


def test_keys_alone_are_left_alone(stage: Stage) -> None:
    stage.keys.mkdir(parents=True)
    (stage.keys / "targets.key").write_text("precious")
    with pytest.raises(TidegateError, match="did not make"):
        stage.prepare()
    assert (stage.keys / "targets.key").read_text() == "precious"
