"""Addresses are the truth: each belongs to one part, and every scenario is bounded and labelled."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.lab.acts import ACTS
from benchmarks.lab.metering import METERS
from benchmarks.lab.plan import BLOCKS, HOME, PATHS, WEB, Part, Scenario, client_networks, label_of
from benchmarks.lab.scenarios import SCENARIOS
from flows.keying import DEFAULT_HOME
from flows.labels import truth_of
from training.datasets.known import known

MOST_PACKETS = 20_000  # of one flood
EVERY = pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda scenario: scenario.name)


@given(st.sampled_from(list(SCENARIOS.values())), st.integers(0, len(PATHS) - 1), st.data())
def test_a_flow_is_labelled_by_its_client_whichever_end_that_is(
    scenario: Scenario, path: int, data: st.DataObject
) -> None:
    part = data.draw(st.sampled_from(scenario.parts))
    address = part.address(path, data.draw(st.integers(0, part.addresses - 1)))
    assert label_of((address, WEB), scenario.parts) == part.label
    assert label_of((WEB, address), scenario.parts) == part.label
    assert any(ip_address(address) in ip_network(network) for network in part.networks(path))
    inside = [
        any(ip_address(address) in ip_network(net) for net in client_networks(other)) for other in range(len(PATHS))
    ]
    assert inside == [other == path for other in range(len(PATHS))]


@pytest.mark.parametrize("stranger", ["10.77.1.25", "198.18.63.1", "198.20.1.1", "192.0.2.1"])
def test_nobody_knows_what_a_flow_between_strangers_is(stranger: str) -> None:
    label = label_of((stranger, WEB), SCENARIOS["benign"].parts)
    assert label == "Unknown"
    assert truth_of(label) == ""


def test_the_halves_of_the_address_space_are_not_mixed_up() -> None:
    visitor, attacker = Part("browse", "Benign-web", 1, 9, ()), Part("ask_anew", "DDoS", 1, 9, ())
    assert label_of((visitor.address(0, 0), WEB), [attacker]) == "Unknown"
    assert label_of((attacker.address(0, 0), WEB), [visitor]) == "Unknown"
    assert label_of((attacker.address(0, 0), WEB), [visitor, attacker]) == "DDoS"


@EVERY
def test_no_two_parts_share_addresses_or_a_label(scenario: Scenario) -> None:
    for attacks in (False, True):
        blocks = sorted((part.blocks for part in scenario.parts if part.attacks == attacks), key=lambda one: one.start)
        assert all(one.stop <= other.start for one, other in pairwise(blocks))
        assert all(one.start >= 0 and one.stop <= BLOCKS for one in blocks)
    assert len({part.label for part in scenario.parts}) == len(scenario.parts)


@EVERY
def test_labels_say_what_visitors_and_attackers_are(scenario: Scenario) -> None:
    assert {truth_of(part.label) for part in scenario.parts if part.attacks} <= {"ddos"}
    assert {truth_of(part.label) for part in scenario.parts if not part.attacks} == {"benign"}


@EVERY
def test_every_part_acts_within_the_scenario_and_within_bounds(scenario: Scenario) -> None:
    for part in scenario.parts:
        assert part.act in ACTS
        assert all(0 <= begin < end <= scenario.seconds for begin, end in part.waves)
        assert part.arrivals * sum(end - begin for begin, end in part.waves) < 0.95 * MOST_PACKETS


@EVERY
@pytest.mark.parametrize("exporter", METERS)
def test_training_knows_every_recording(scenario: Scenario, exporter: str) -> None:
    about = known(f"lab-{scenario.name}.{METERS[exporter][0]}.gz")
    assert about is not None
    assert about.name == f"lab-{scenario.name}-{exporter}"
    assert about.truth is None  # the file's labels tell


def test_the_servers_are_at_home_and_the_clients_are_not() -> None:
    home = [ip_network(network) for network in DEFAULT_HOME if ":" not in network]
    assert any(ip_network(HOME).subnet_of(network) for network in home)  # type: ignore[arg-type]  # both are of IPv4
    clients = [ip_network(network) for path in range(len(PATHS)) for network in client_networks(path)]
    assert not any(client.overlaps(network) for client in clients for network in home)
