"""A registry by a click, for who has none; what is there is never touched."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from flows.errors import TidegateError
from model_registry.registry import Registry
from orchestration.definitions import definitions
from tests.support.pipeline import QUIET
from tests.support.registries import files_of


def make(folder: Path) -> dg.ExecuteInProcessResult:
    defs = definitions(*(str(folder / name) for name in ("registry", "keys", "store")))
    with dg.DagsterInstance.ephemeral() as instance:
        return defs.resolve_job_def("new_registry").execute_in_process(instance=instance, run_config=QUIET)


def test_a_registry_and_its_keys_are_made_where_there_are_none(tmp_path: Path) -> None:
    make(tmp_path)

    root = Registry(tmp_path / "registry").trusted_roots(tmp_path / "keys" / "root.json").root
    assert set(root.holders.values()) == {"made in Dagster, to try out"}
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "keys").glob("*.key")} == {0o600}


def test_a_registry_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    make(tmp_path)
    registry = Registry(tmp_path / "registry")
    before, keys = files_of(registry), {path: path.read_bytes() for path in (tmp_path / "keys").iterdir()}

    with pytest.raises(TidegateError, match="there is a registry already"):
        make(tmp_path)

    assert files_of(registry) == before
    assert {path: path.read_bytes() for path in (tmp_path / "keys").iterdir()} == keys
