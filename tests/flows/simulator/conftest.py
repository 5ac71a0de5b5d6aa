"""The three ready scenarios' traffic, drawn once."""

from __future__ import annotations

import pytest

from flows.simulator import SimulatedTraffic, hard_scenario, live_scenario, simulate, training_scenario


@pytest.fixture(scope="session")
def training() -> SimulatedTraffic:
    return simulate(training_scenario())


@pytest.fixture(scope="session")
def live() -> SimulatedTraffic:
    return simulate(live_scenario())


@pytest.fixture(scope="session")
def hard() -> SimulatedTraffic:
    return simulate(hard_scenario())
