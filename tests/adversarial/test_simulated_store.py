"""The store that attacks are simulated in does what every store must, as long as nobody meddles with it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from model_registry.stores.base import Store
from tests.support.simulated_store import SimulatedStore
from tests.support.store_contract import CONTRACT


@pytest.mark.parametrize("check", CONTRACT, ids=lambda check: check.__name__)
def test_it_does_what_every_store_must(check: Callable[[Store], None]) -> None:
    check(SimulatedStore())
