"""A whole training run on small traffic, once for each module that asks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration.defs.data import assets as data_assets
from tests.support.pipeline import Workshop, small_scenario


@pytest.fixture(scope="session")
def small_traffic() -> Iterator[None]:
    """Draw small traffic wherever the pipeline draws its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data_assets, "training_scenario", small_scenario)
        yield


@pytest.fixture(scope="session")
def trained(small_traffic: None, tmp_path_factory: pytest.TempPathFactory) -> Workshop:  # noqa: ARG001  (for its effect)
    """A pipeline that has run once and published version 1; copy it before you change anything."""
    workshop = Workshop.make(tmp_path_factory.mktemp("trained"))
    workshop.train()
    return workshop


@pytest.fixture
def workshop(trained: Workshop, tmp_path: Path) -> Workshop:
    """A copy of the trained pipeline, to work on."""
    return trained.copy_to(tmp_path / "workshop")
