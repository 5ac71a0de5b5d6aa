"""Any simulated traffic: same scenario same bytes, a valid schema, and a truth that the flows bear out."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.addresses import address_texts
from flows.batch import ABSENT, FlowBatch, Service, State
from flows.keying import HomeNetworks
from flows.simulator import (
    AckFlood,
    Attack,
    Beacon,
    Capture,
    ChatCommand,
    DeadCommand,
    Exporter,
    FlashCrowd,
    HttpFlood,
    IcmpFlood,
    IcmpTunnel,
    MadeUpNames,
    OutboundFlood,
    PeerBot,
    PortScan,
    Scenario,
    SimulatedTraffic,
    Slowloris,
    SynFlood,
    UdpAmplification,
    UdpFlood,
    hard_scenario,
    live_scenario,
    simulate,
    training_scenario,
)
from tests.support.simulated import KINDS, LABELS, ends, hosts

READY: Final = {"training": training_scenario, "live": live_scenario, "hard": hard_scenario}


def one(*attacks: Attack, duration: float = 120.0, rate: float = 1.0, **capture: Any) -> SimulatedTraffic:
    """One small network with these attacks."""
    return simulate(Scenario(3, 1e9, (Capture(0.0, duration, "10.1.2.0/24", 30, rate, attacks, **capture),)))


def syn_flood(**changes: Any) -> SynFlood:
    flood = SynFlood(at=10.0, duration=30.0, rate=50.0, answer="silent", syn_bytes=44)
    return replace(flood, **changes)


def assert_equal_batches(one_batch: FlowBatch, other: FlowBatch) -> None:
    for field in fields(FlowBatch):
        ours, theirs = getattr(one_batch, field.name), getattr(other, field.name)
        assert ours.dtype == theirs.dtype
        if ours.dtype == object:
            assert ours.tolist() == theirs.tolist()
        else:
            assert ours.tobytes() == theirs.tobytes(), field.name


def assert_valid(batch: FlowBatch, exporter: str = "zeek") -> None:
    """Every flow is one that the exporter could have written."""
    n = len(batch)
    assert np.isfinite(batch.start).all()
    assert (np.nan_to_num(batch.duration) >= 0).all()
    tcp, udp, icmp = batch.protocol == 6, batch.protocol == 17, batch.protocol == 1
    assert (tcp | udp | icmp).all()
    for port in (batch.src_port, batch.dst_port):
        assert (port[icmp] == ABSENT).all()
        assert ((port[~icmp] >= 1) & (port[~icmp] <= 65535)).all()
    assert set(np.unique(batch.state)) <= set(State)
    assert set(np.unique(batch.service)) <= ({ABSENT} if exporter == "argus" else set(Service))
    ip = np.where(batch.src_addr[:, 0] == 0, 20, 40)
    least = ip + np.where(tcp, 20, 8)
    for side in ("src", "dst"):
        packets, octets = getattr(batch, f"{side}_packets"), getattr(batch, f"{side}_bytes")
        payload, flags = getattr(batch, f"{side}_payload"), getattr(batch, f"{side}_flags")
        assert (packets >= 0).all()
        assert (packets == np.floor(packets)).all()
        assert (octets >= packets * least).all()
        assert (octets <= packets * 1500).all()
        assert ((octets > 0) == (packets > 0)).all()
        assert (np.nan_to_num(payload) <= octets).all()
        assert (np.nan_to_num(payload) >= 0).all()
        assert ((flags != ABSENT) == tcp).all()
        assert (flags[tcp & (packets == 0)] == 0).all()
    packets = batch.src_packets + batch.dst_packets
    assert (packets >= 1).all()
    # A single packet has, in Zeek's logs, neither duration nor payload.
    assert (np.isnan(batch.duration) == ((packets == 1) & (exporter == "zeek"))).all()
    unanswered = batch.state == State.ATTEMPT
    assert ((batch.src_packets == 0) | (batch.dst_packets == 0))[unanswered].all()
    for name in ("packet_size_min", "packet_size_max", "packet_size_std", "iat_mean", "iat_std", "iat_max"):
        assert np.isnan(getattr(batch, name)).all()
    if exporter == "zeek-mirrored":
        assert (batch.src_packets % 2 == 0).all()
    assert len(set(batch.flow_id.tolist())) == n
    assert "" not in batch.sensor_id.tolist()


@pytest.mark.parametrize("scenario", [training_scenario(), live_scenario()], ids=["training", "live"])
def test_same_scenario_gives_the_same_bytes(scenario: Scenario) -> None:
    first, second = simulate(scenario), simulate(scenario)
    assert_equal_batches(first.batch, second.batch)
    assert first.labels.tolist() == second.labels.tolist()
    assert first.attack.tolist() == second.attack.tolist()
    assert first.facts == second.facts


def test_taking_one_attack_out_leaves_everything_else_as_it_was() -> None:
    crowd = FlashCrowd(at=60.0, duration=30.0, visitors=40)
    both, alone = one(crowd, syn_flood()), one(crowd)
    kept = both.batch.take(both.attack != "syn_flood")
    assert_equal_batches(replace(kept, flow_id=alone.batch.flow_id), alone.batch)


@pytest.mark.parametrize("name", ["training", "live"])
def test_flows_are_valid_and_in_order_of_their_ends(name: str, request: pytest.FixtureRequest) -> None:
    traffic: SimulatedTraffic = request.getfixturevalue(name)
    for number, capture in enumerate(READY[name]().captures):
        assert_valid(traffic.batch.take(traffic.capture == number), capture.exporter)
    assert (np.diff(ends(traffic.batch)) >= 0).all()


@settings(max_examples=15)
@given(
    seed=st.integers(0, 2**63),
    rate=st.floats(0.0, 2.0),
    answer=st.sampled_from(["silent", "reset", "syn-ack", "unreachable"]),
    hour=st.floats(0.0, 48.0),
    exporter=st.sampled_from(["zeek", "zeek-mirrored", "argus"]),
    reversed_share=st.floats(0.0, 1.0),
    payload=st.floats(1.0, 60000.0),
    clients=st.integers(3, 60),
)
def test_any_scenario_is_valid(
    seed: int,
    rate: float,
    answer: str,
    hour: float,
    exporter: Exporter,
    reversed_share: float,
    payload: float,
    clients: int,
) -> None:
    attacks = (
        syn_flood(answer=answer, reversed_share=reversed_share),
        UdpAmplification(
            at=0.0,
            duration=20.0,
            rate=30.0,
            ports=(53, 19),
            amplifiers=9,
            answer_bytes=payload,
            answered_share=0.5,
            reversed_share=reversed_share,
        ),
        HttpFlood(at=0.0, duration=9.0, rate=30.0, bots=5, request_bytes=payload, response_bytes=payload, tls=False),
        FlashCrowd(at=5.0, duration=20.0, visitors=20),
        Beacon(
            at=0.0, duration=60.0, period=5.0, jitter=0.1, up_bytes=payload, down_bytes=9.0, size_jitter=0.1, client=0
        ),
        PortScan(at=0.0, duration=9.0, rate=30.0, ports=7, targets=99, scanner=1, reset_share=0.5),
        IcmpTunnel(at=0.0, duration=9.0, rate=5.0, relays=2, up_bytes=payload, client=2),
        AckFlood(at=0.0, duration=9.0, rate=30.0, payload=int(payload) % 1400, reset_share=reversed_share),
        UdpFlood(
            at=0.0, duration=9.0, rate=30.0, payload=int(payload) % 1400, packets=3.0, bots=4, unreachable_share=0.2
        ),
        IcmpFlood(at=0.0, duration=9.0, rate=30.0, payload=56, bots=9, answered_share=reversed_share),
        *(
            OutboundFlood(at=0.0, duration=9.0, rate=30.0, kind=kind, client=1, answered_share=0.5)
            for kind in ("syn", "ack", "udp")
        ),
        Slowloris(at=0.0, duration=50.0, peers=3, held=2, line_s=5.0, patience_s=30.0, tls=seed % 2 == 0),
        DeadCommand(at=0.0, duration=60.0, period=7.0, jitter=0.2, tries=3, port=1177, refused_share=0.5, client=0),
        ChatCommand(at=0.0, duration=60.0, port=6667, pause_s=2.0, stay_s=20.0, failed_share=0.5, client=1),
        PeerBot(at=0.0, duration=60.0, peers=20, round_s=25.0, asked=12, alive_share=0.3, client=2),
        MadeUpNames(at=0.0, duration=60.0, period=20.0, names=9, name_s=0.3, client=0),
    )
    capture = Capture(0.0, 60.0, "192.168.7.0/24", clients, rate, attacks, hour, exporter)
    traffic = simulate(Scenario(seed, 1e9, (capture,)))
    assert_valid(traffic.batch, exporter)
    assert (np.diff(ends(traffic.batch)) >= 0).all()
    assert {fact.name for fact in traffic.facts} == set(traffic.attack.tolist()) - {""}


@pytest.mark.parametrize("name", list(READY))
def test_labels_follow_from_the_attack(name: str, request: pytest.FixtureRequest) -> None:
    traffic: SimulatedTraffic = request.getfixturevalue(name)
    assert [LABELS[attack] for attack in traffic.attack.tolist()] == traffic.labels.tolist()
    assert set(traffic.attack.tolist()) == KINDS[name]


@pytest.mark.parametrize("name", list(READY))
def test_facts_are_borne_out_by_the_flows(name: str, request: pytest.FixtureRequest) -> None:
    traffic: SimulatedTraffic = request.getfixturevalue(name)
    batch, arrival = traffic.batch, ends(traffic.batch)
    for fact in traffic.facts:
        rows = (traffic.attack == fact.name) & (traffic.capture == fact.capture)
        rows &= (batch.start >= fact.start) & (arrival <= fact.end)
        ends_of = list(zip(address_texts(batch.src_addr[rows]), address_texts(batch.dst_addr[rows]), strict=True))
        if fact.actor and fact.name != "strange":
            ends_of = [pair for pair in ends_of if fact.actor in pair]
        # Floods of one kind may follow each other so closely that the second begins before the first has ended.
        twins = [other for other in traffic.facts if (other.name, other.capture) == (fact.name, fact.capture)]
        assert len(ends_of) == fact.flows or (len(twins) > 1 and len(ends_of) > fact.flows)
        assert LABELS[fact.name] == fact.label
        involved = [fact.victim in pair for pair in ends_of]
        assert any(involved) if fact.name in {"port_scan", "authorised_scan"} else all(involved)


@pytest.mark.parametrize("name", list(READY))
def test_every_flow_has_a_key_host_at_home(name: str, request: pytest.FixtureRequest) -> None:
    batch = request.getfixturevalue(name).batch
    home = HomeNetworks()
    assert (home.contain(batch.src_addr) | home.contain(batch.dst_addr)).all()


@pytest.mark.parametrize(
    ("answer", "state"), [("silent", State.ATTEMPT), ("reset", State.REJECTED), ("syn-ack", State.ESTABLISHED)]
)
def test_syn_flood_is_answered_as_asked(answer: str, state: State) -> None:
    traffic = one(syn_flood(answer=answer))
    flood = traffic.batch.take(traffic.attack == "syn_flood")
    assert set(flood.src_flags.tolist()) == {0x02}
    assert (flood.state == state).mean() > 0.8
    assert len(hosts(flood.src_addr)) > 0.99 * len(flood)


def test_a_spoofing_pool_is_used_again_and_again() -> None:
    traffic = one(syn_flood(sources=10))
    assert len(hosts(traffic.batch.src_addr[traffic.attack == "syn_flood"])) == 10


def test_a_scanner_does_not_scan_itself() -> None:
    traffic = one(PortScan(at=0.0, duration=30.0, rate=40.0, ports=20, targets=99, scanner=4, reset_share=0.5))
    scan = traffic.batch.take(traffic.attack == "port_scan")
    assert len(hosts(scan.src_addr)) == 1
    assert len(hosts(scan.dst_addr)) == 9 + 29
    assert not hosts(scan.src_addr) & hosts(scan.dst_addr)
    assert len(set(scan.dst_port.tolist())) == 20


def test_captures_that_overlap_are_refused() -> None:
    capture = Capture(0.0, 100.0, "10.0.0.0/24", 30)
    with pytest.raises(ValueError, match="captures overlap"):
        Scenario(1, 0.0, (capture, replace(capture, at=99.0)))
    with pytest.raises(ValueError, match="at least one capture"):
        Scenario(1, 0.0, ())


def test_a_subnet_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match=r"10\.0\.0\.0/28 has room for 14 hosts"):
        simulate(Scenario(1, 0.0, (Capture(0.0, 100.0, "10.0.0.0/28", 30),)))


def test_an_attack_without_flows_is_refused() -> None:
    with pytest.raises(ValueError, match="causes no flow"):
        one(syn_flood(rate=0.0))


def test_an_infected_client_must_exist() -> None:
    with pytest.raises(IndexError):
        one(PortScan(at=0.0, duration=9.0, rate=9.0, ports=1, targets=5, scanner=30, reset_share=0.5))
