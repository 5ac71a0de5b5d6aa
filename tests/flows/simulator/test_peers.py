"""A program that shares files: it calls peers again and again, most of them gone, and none of it is an attack."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt
import pytest

from flows.batch import FlowBatch, State
from flows.keying import HomeNetworks
from flows.simulator import Capture, GonePeers, Scenario, SimulatedTraffic, simulate
from tests.support.simulated import hosts

Addresses = npt.NDArray[np.uint64]

PEERS: Final = GonePeers(
    at=10.0,
    duration=1200.0,
    peers=30,
    period=60.0,
    jitter=0.1,
    tries=3,
    gone_share=0.8,
    refused_share=0.5,
    client=2,
)


def drawn(program: GonePeers) -> tuple[SimulatedTraffic, FlowBatch]:
    traffic = simulate(Scenario(3, 1e9, (Capture(0.0, 1300.0, "10.1.2.0/24", 10, 0.05, (program,)),)))
    return traffic, traffic.batch.take(traffic.attack == program.name)


def ends(flows: FlowBatch) -> tuple[Addresses, Addresses]:
    """The ends at home and elsewhere, uint64[n, 2] each: a meter may take one for the other."""
    swapped = HomeNetworks().contain(flows.dst_addr)[:, None]
    there = np.where(swapped, flows.src_addr, flows.dst_addr)
    return np.where(swapped, flows.dst_addr, flows.src_addr), there


def test_one_client_calls_every_peer_in_the_rhythm_of_its_timer_and_is_benign() -> None:
    traffic, flows = drawn(PEERS)
    here, there = ends(flows)
    peer, calls = np.unique(there, axis=0, return_counts=True)

    assert set(traffic.labels[traffic.attack == PEERS.name].tolist()) == {"benign"}
    assert len(hosts(here)) == 1
    assert HomeNetworks().contain(here).all()
    assert not HomeNetworks().contain(there).any()
    assert set(calls.tolist()) == {20}
    assert len(peer) == 30
    for one in peer:
        gaps = np.diff(np.sort(flows.start[(there == one).all(axis=1)]))
        assert gaps.min() >= 54.0 - 1e-6
        assert gaps.max() <= 66.0 + 1e-6


@pytest.mark.parametrize(("gone", "met"), [(1.0, 0), (0.0, 30)])
def test_who_is_gone_never_answers_and_the_others_always(gone: float, met: int) -> None:
    _, flows = drawn(replace(PEERS, gone_share=gone))
    _, there = ends(flows)
    talked = (flows.src_payload > 0) & (flows.dst_payload > 0)
    assert len(hosts(there[talked])) == met
    assert len(hosts(there[~talked])) == 30 - met


def test_a_gone_peer_is_silent_or_refuses_and_keeps_to_it() -> None:
    _, flows = drawn(replace(PEERS, gone_share=1.0))
    ways = [
        set(flows.state[(flows.dst_addr == peer).all(axis=1)].tolist()) for peer in np.unique(flows.dst_addr, axis=0)
    ]
    assert all(len(way) == 1 for way in ways)
    assert set.union(*ways) == {State.ATTEMPT, State.REJECTED}


def test_the_same_seed_draws_the_same() -> None:
    assert drawn(PEERS)[1].start.tolist() == drawn(PEERS)[1].start.tolist()
