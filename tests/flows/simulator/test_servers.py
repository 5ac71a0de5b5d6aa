"""Busy servers are what they say: as fast, for as many clients, with as many answers; and benign."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import pytest

from flows.batch import FlowBatch, State
from flows.keying import HomeNetworks
from flows.simulator import Attack, BusyNames, BusyService, Capture, Pings, Scenario, SimulatedTraffic, simulate
from tests.support.simulated import hosts

ICMP, TCP, UDP = 1, 6, 17
SECONDS: Final = 60.0
RATE: Final = 30.0
DEAD: Final = 0.25


def service(failed_share: float = DEAD, spread: float = 1.0) -> BusyService:
    return BusyService(
        at=10.0,
        duration=SECONDS,
        rate=RATE,
        clients=40,
        port=443,
        request_bytes=500.0,
        response_bytes=9000.0,
        spread=spread,
        trip_s=0.02,
        failed_share=failed_share,
    )


def names(unanswered_share: float = DEAD) -> BusyNames:
    return BusyNames(
        at=10.0,
        duration=SECONDS,
        rate=RATE,
        clients=40,
        port=53,
        question_bytes=40.0,
        answer_bytes=120.0,
        unanswered_share=unanswered_share,
    )


def pings(unanswered_share: float = DEAD) -> Pings:
    return Pings(at=10.0, duration=SECONDS, rate=RATE, monitors=4, payload=56, unanswered_share=unanswered_share)


def drawn(attack: Attack) -> tuple[SimulatedTraffic, FlowBatch]:
    """All traffic of a small network, and the server's alone."""
    traffic = simulate(Scenario(3, 1e9, (Capture(0.0, 120.0, "10.1.2.0/24", 10, 0.2, (attack,)),)))
    return traffic, traffic.batch.take(traffic.attack == attack.name)


@pytest.mark.parametrize(("attack", "protocol"), [(service(), TCP), (names(), UDP), (pings(), ICMP)])
def test_one_server_at_home_works_at_its_rate_for_others_and_is_benign(attack: Attack, protocol: int) -> None:
    traffic, flows = drawn(attack)

    assert set(traffic.labels[traffic.attack == attack.name].tolist()) == {"benign"}
    assert len(flows) == pytest.approx(RATE * SECONDS, rel=0.1)
    assert flows.start.min() >= 1e9 + 10.0 - 1e-6
    assert flows.start.max() <= 1e9 + 10.0 + SECONDS
    assert set(flows.protocol.tolist()) == {protocol}
    assert len(hosts(flows.dst_addr)) == 1
    assert HomeNetworks().contain(flows.dst_addr).all()
    assert not HomeNetworks().contain(flows.src_addr).any()


@pytest.mark.parametrize(("attack", "clients"), [(service(), 40), (names(), 40), (pings(), 4)])
def test_its_clients_come_back(attack: Attack, clients: int) -> None:
    _, flows = drawn(attack)
    _, visits = np.unique(flows.src_addr, axis=0, return_counts=True)

    assert len(visits) == clients
    assert np.median(visits) > 5


@pytest.mark.parametrize("share", [0.0, DEAD, 1.0])
@pytest.mark.parametrize("kind", [names, pings])
def test_a_share_of_questions_gets_no_answer(kind: Callable[[float], Attack], share: float) -> None:
    _, flows = drawn(kind(share))
    silent = flows.dst_packets == 0

    assert silent.mean() == pytest.approx(share, abs=0.05)
    assert (flows.state[silent] == State.ATTEMPT).all()
    assert (flows.state[~silent] == State.ESTABLISHED).all()
    assert (flows.dst_bytes[silent] == 0).all()


@pytest.mark.parametrize("share", [0.0, DEAD])
def test_a_share_of_connections_never_comes_to_be(share: float) -> None:
    _, flows = drawn(service(share))
    nothing_said = (flows.src_payload == 0) | np.isnan(flows.src_payload)

    assert nothing_said.mean() == pytest.approx(share, abs=0.05)


def test_requests_and_answers_are_of_all_sizes_around_their_medians() -> None:
    _, flows = drawn(service(failed_share=0.0))
    assert np.median(flows.src_payload) == pytest.approx(500, rel=0.15)
    assert np.median(flows.dst_payload) == pytest.approx(9000, rel=0.15)
    assert np.std(np.log(flows.src_payload)) == pytest.approx(1.0, abs=0.15)
    _, alike = drawn(service(failed_share=0.0, spread=0.0))
    assert set(alike.src_payload.tolist()) == {500.0}


def test_names_are_asked_for_and_told_in_one_packet_each() -> None:
    _, flows = drawn(names(0.0))
    assert set(flows.src_packets.tolist()) == set(flows.dst_packets.tolist()) == {1.0}
    assert np.median(flows.src_payload) == pytest.approx(40, abs=3)
    assert np.median(flows.dst_payload) == pytest.approx(120, rel=0.15)
    assert set(flows.dst_port.tolist()) == {53}


def test_every_ping_is_of_one_size_and_comes_back_as_it_went() -> None:
    _, flows = drawn(pings(0.0))
    assert set(flows.src_payload.tolist()) == set(flows.dst_payload.tolist()) == {56.0}


def test_the_same_seed_draws_the_same() -> None:
    assert drawn(service())[1].start.tolist() == drawn(service())[1].start.tolist()
