"""The simulator: same seed same bytes, a valid schema, and a truth that the flows bear out."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.addresses import address_texts, format_address
from flows.batch import ABSENT, FlowBatch, Service, State
from flows.catalogue import INDEX
from flows.features import FeatureExtractor
from flows.keying import HomeNetworks
from flows.simulator import (
    Attack,
    Beacon,
    Capture,
    FlashCrowd,
    HttpFlood,
    IcmpTunnel,
    PortScan,
    Scenario,
    SimulatedTraffic,
    SynFlood,
    UdpAmplification,
    live_scenario,
    simulate,
    training_scenario,
)

Rows = npt.NDArray[Any]

LABELS: Final = {
    "": "benign",
    "syn_flood": "ddos",
    "udp_amplification": "ddos",
    "http_flood": "ddos",
    "beacon": "malware",
    "port_scan": "anomaly",
    "strange": "anomaly",
    "flash_crowd": "benign",
}
UNTRAINED: Final = {"strange"}


@pytest.fixture(scope="module")
def training() -> SimulatedTraffic:
    return simulate(training_scenario())


@pytest.fixture(scope="module")
def live() -> SimulatedTraffic:
    return simulate(live_scenario())


def one(*attacks: Attack, seed: int = 3, duration: float = 120.0, rate: float = 1.0) -> SimulatedTraffic:
    """One small network with these attacks."""
    return simulate(Scenario(seed, 1e9, (Capture(0.0, duration, "10.1.2.0/24", 30, rate, attacks),)))


def syn_flood(**changes: Any) -> SynFlood:
    flood = SynFlood(at=10.0, duration=30.0, rate=50.0, answer="silent", syn_bytes=44)
    return replace(flood, **changes)


def ends(batch: FlowBatch) -> Rows:
    return np.asarray(batch.start + np.nan_to_num(batch.duration))


def hosts(addresses: Rows) -> set[tuple[int, int]]:
    return {(high, low) for high, low in np.unique(addresses, axis=0).tolist()}


def assert_equal_batches(one_batch: FlowBatch, other: FlowBatch) -> None:
    for field in fields(FlowBatch):
        ours, theirs = getattr(one_batch, field.name), getattr(other, field.name)
        assert ours.dtype == theirs.dtype
        if ours.dtype == object:
            assert ours.tolist() == theirs.tolist()
        else:
            assert ours.tobytes() == theirs.tobytes(), field.name


def assert_valid(batch: FlowBatch) -> None:
    """Every flow is one that an exporter could have written."""
    n = len(batch)
    assert np.isfinite(batch.start).all()
    assert (np.nan_to_num(batch.duration) >= 0).all()
    tcp, udp, icmp = batch.protocol == 6, batch.protocol == 17, batch.protocol == 1
    assert (tcp | udp | icmp).all()
    for port in (batch.src_port, batch.dst_port):
        assert (port[icmp] == ABSENT).all()
        assert ((port[~icmp] >= 1) & (port[~icmp] <= 65535)).all()
    assert set(np.unique(batch.state)) <= set(State)
    assert set(np.unique(batch.service)) <= set(Service)
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
    # A single packet has neither duration nor, in Zeek's logs, payload.
    assert (np.isnan(batch.duration) == (packets == 1)).all()
    unanswered = batch.state == State.ATTEMPT
    assert ((batch.src_packets == 0) | (batch.dst_packets == 0))[unanswered].all()
    for name in ("packet_size_min", "packet_size_max", "packet_size_std", "iat_mean", "iat_std", "iat_max"):
        assert np.isnan(getattr(batch, name)).all()
    assert len(set(batch.flow_id.tolist())) == n
    assert "" not in batch.sensor_id.tolist()


@pytest.mark.parametrize("scenario", [training_scenario(), live_scenario()], ids=["training", "live"])
def test_same_scenario_gives_the_same_bytes(scenario: Scenario) -> None:
    first, second = simulate(scenario), simulate(scenario)
    assert_equal_batches(first.batch, second.batch)
    assert first.labels.tolist() == second.labels.tolist()
    assert first.attack.tolist() == second.attack.tolist()
    assert first.facts == second.facts


def test_another_seed_changes_hosts_rates_periods_and_sizes() -> None:
    for make in (training_scenario, live_scenario):
        ours, theirs = make(11), make(12)
        assert ours.captures[0].subnet != theirs.captures[0].subnet
        for mine, other in zip(ours.captures[0].attacks, theirs.captures[0].attacks, strict=True):
            assert type(mine) is type(other)
            assert mine.at != other.at
            for name in ("period", "up_bytes", "request_bytes", "rate"):
                if hasattr(mine, name):
                    assert getattr(mine, name) != getattr(other, name)


def test_taking_one_attack_out_leaves_everything_else_as_it_was() -> None:
    crowd = FlashCrowd(at=60.0, duration=30.0, visitors=40)
    both, alone = one(crowd, syn_flood()), one(crowd)
    kept = both.batch.take(both.attack != "syn_flood")
    assert_equal_batches(replace(kept, flow_id=alone.batch.flow_id), alone.batch)


@pytest.mark.parametrize("name", ["training", "live"])
def test_flows_are_valid_and_in_order_of_their_ends(name: str, request: pytest.FixtureRequest) -> None:
    traffic: SimulatedTraffic = request.getfixturevalue(name)
    assert_valid(traffic.batch)
    assert (np.diff(ends(traffic.batch)) >= 0).all()


@settings(max_examples=15)
@given(
    seed=st.integers(0, 2**63),
    rate=st.floats(0.0, 2.0),
    answer=st.sampled_from(["silent", "reset", "syn-ack"]),
    reversed_share=st.floats(0.0, 1.0),
    payload=st.floats(1.0, 60000.0),
    clients=st.integers(3, 60),
)
def test_any_scenario_is_valid(
    seed: int, rate: float, answer: str, reversed_share: float, payload: float, clients: int
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
    )
    traffic = simulate(Scenario(seed, 1e9, (Capture(0.0, 60.0, "192.168.7.0/24", clients, rate, attacks),)))
    assert_valid(traffic.batch)
    assert (np.diff(ends(traffic.batch)) >= 0).all()
    assert {fact.name for fact in traffic.facts} == set(traffic.attack.tolist()) - {""}


@pytest.mark.parametrize("name", ["training", "live"])
def test_labels_follow_from_the_attack(name: str, request: pytest.FixtureRequest) -> None:
    traffic: SimulatedTraffic = request.getfixturevalue(name)
    assert [LABELS[attack] for attack in traffic.attack.tolist()] == traffic.labels.tolist()
    assert set(traffic.attack.tolist()) == set(LABELS) - (UNTRAINED if name == "training" else set())


@pytest.mark.parametrize("name", ["training", "live"])
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
        assert any(involved) if fact.name == "port_scan" else all(involved)


@pytest.mark.parametrize("name", ["training", "live"])
def test_every_flow_has_a_key_host_at_home(name: str, request: pytest.FixtureRequest) -> None:
    batch = request.getfixturevalue(name).batch
    home = HomeNetworks()
    assert (home.contain(batch.src_addr) | home.contain(batch.dst_addr)).all()


def test_each_training_capture_has_every_trained_kind(training: SimulatedTraffic) -> None:
    trained = set(LABELS) - UNTRAINED
    assert len(set(training.capture.tolist())) == 6
    for capture in range(6):
        assert set(training.attack[training.capture == capture].tolist()) == trained
    # Captures follow each other, so that a split in time is a split by capture.
    assert (np.diff(training.capture) >= 0).all()


def test_training_shows_each_flood_answered_and_unanswered(training: SimulatedTraffic) -> None:
    batch = training.batch
    answered = (batch.src_packets > 0) & (batch.dst_packets > 0)
    syn = [fact for fact in training.facts if fact.name == "syn_flood"]
    victims = {}
    for fact in syn:
        rows = (training.attack == "syn_flood") & (batch.start >= fact.start) & (ends(batch) <= fact.end)
        victims[fact.start] = float(answered[rows].mean())
    assert min(victims.values()) == 0.0
    assert max(victims.values()) > 0.8
    amplified = training.attack == "udp_amplification"
    assert 0.1 < answered[amplified].mean() < 0.6
    # A few are reported with the victim, who is at home, as source.
    assert 0.005 < HomeNetworks().contain(batch.src_addr[amplified]).mean() < 0.2


def test_live_is_another_network_than_training(training: SimulatedTraffic, live: SimulatedTraffic) -> None:
    home = HomeNetworks()
    multicast = {"224.0.0.251", "239.255.255.250"}

    def inside(traffic: SimulatedTraffic) -> set[tuple[int, int]]:
        both = np.concatenate([traffic.batch.src_addr, traffic.batch.dst_addr])
        return hosts(both[home.contain(both)])

    def talked_to(traffic: SimulatedTraffic) -> set[str]:
        answered = (traffic.batch.dst_packets > 0) & ~home.contain(traffic.batch.dst_addr)
        return {format_address(*host) for host in hosts(traffic.batch.dst_addr[answered])}

    assert not inside(training) & inside(live)
    assert not (talked_to(training) & talked_to(live)) - multicast


def test_ready_scenarios_have_the_promised_size(training: SimulatedTraffic, live: SimulatedTraffic) -> None:
    assert 130_000 < len(training.batch) < 200_000
    assert 60_000 < len(live.batch) < 120_000
    counts = {name: int((live.attack == name).sum()) for name in LABELS}
    assert counts["strange"] > 300
    assert counts["beacon"] > 60


def tls_of_clients(traffic: SimulatedTraffic) -> Rows:
    rows = (traffic.attack == "") & (traffic.batch.dst_port == 443) & (traffic.batch.protocol == 6)
    return np.asarray(rows & (traffic.batch.dst_packets > 0) & HomeNetworks().contain(traffic.batch.src_addr))


MARGINALS: Final = (
    "duration",
    "src_packets",
    "dst_packets",
    "src_bytes",
    "dst_bytes",
    "src_payload",
    "dst_payload",
)


@pytest.mark.parametrize("column", MARGINALS)
def test_each_call_of_the_live_beacon_is_an_ordinary_web_flow(live: SimulatedTraffic, column: str) -> None:
    values = getattr(live.batch, column)
    low, high = np.quantile(values[tls_of_clients(live)], [0.01, 0.99])
    calls = values[live.attack == "beacon"]
    assert ((calls >= low) & (calls <= high)).mean() > 0.9


@pytest.mark.parametrize("column", MARGINALS)
def test_all_beacons_together_look_like_web_flows(training: SimulatedTraffic, column: str) -> None:
    values = getattr(training.batch, column)
    benign = np.sort(values[tls_of_clients(training)])
    beacons = np.sort(values[training.attack == "beacon"])
    points = np.concatenate([benign, beacons])
    distance = np.abs(
        np.searchsorted(benign, points, side="right") / len(benign)
        - np.searchsorted(beacons, points, side="right") / len(beacons)
    ).max()  # the two-sample Kolmogorov-Smirnov statistic; 1 = no overlap
    assert distance < 0.45


def test_the_beacon_is_regular_and_benign_web_pairs_are_not(live: SimulatedTraffic) -> None:
    rows = FeatureExtractor().extract(live.batch)
    spread = rows[:, [INDEX["pair_interval_spread"], INDEX["pair_size_spread"]]].max(axis=1)
    known = (rows[:, INDEX["pair_beats"]] >= 8) & np.isfinite(spread)
    beacon = spread[known & (live.attack == "beacon")]
    benign = spread[known & tls_of_clients(live)]
    assert np.quantile(beacon, 0.95) < 0.06
    assert np.quantile(benign, 0.01) > np.quantile(beacon, 0.95)
    # Yet some benign pairs keep time as well, and others always send the same.
    regular_in_time = rows[known & tls_of_clients(live), INDEX["pair_interval_spread"]]
    regular_in_size = rows[known & tls_of_clients(live), INDEX["pair_size_spread"]]
    assert (regular_in_time < 0.06).mean() > 0.02
    assert (regular_in_size < 0.06).mean() > 0.02


def busiest_10s(traffic: SimulatedTraffic, name: str) -> int:
    starts = np.sort(traffic.batch.start[traffic.attack == name])
    return int((np.searchsorted(starts, starts + 10.0) - np.arange(len(starts))).max())


def test_flash_crowd_is_as_busy_as_the_http_flood_and_differs_in_kind(live: SimulatedTraffic) -> None:
    crowd, flood = busiest_10s(live, "flash_crowd"), busiest_10s(live, "http_flood")
    assert 0.5 < crowd / flood < 2.0
    rows = FeatureExtractor().extract(live.batch)
    entropy = rows[:, INDEX["in_size_entropy_10s"]]
    assert np.median(entropy[live.attack == "flash_crowd"]) > np.median(entropy[live.attack == "http_flood"]) + 1
    peers = {name: len(hosts(live.batch.src_addr[live.attack == name])) for name in ("flash_crowd", "http_flood")}
    assert peers["flash_crowd"] > 3 * peers["http_flood"]
    # Both are completed connections to the same service of the same server.
    for name in ("flash_crowd", "http_flood"):
        closed = live.batch.state[live.attack == name] == State.CLOSED
        assert 0.7 < closed.mean() < 0.9


def test_the_strangeness_is_like_nothing_benign(live: SimulatedTraffic, training: SimulatedTraffic) -> None:
    strange = live.attack == "strange"
    assert (live.batch.protocol[strange] == 1).all()
    for traffic in (live, training):
        pings = (traffic.batch.protocol == 1) & (traffic.labels == "benign")
        assert pings.sum() > 100
        assert live.batch.src_bytes[strange].min() > 10 * traffic.batch.src_bytes[pings].max()
    assert 120 < np.ptp(live.batch.start[strange]) < 180


def test_an_amplified_answer_comes_from_the_amplifying_ports(live: SimulatedTraffic) -> None:
    rows = live.attack == "udp_amplification"
    batch = live.batch.take(rows)
    home = HomeNetworks()
    port = np.where(home.contain(batch.src_addr), batch.dst_port, batch.src_port)
    assert set(port.tolist()) == {53, 389}
    assert (batch.src_bytes + batch.dst_bytes).mean() > 1000


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


def test_benign_life_goes_on_all_the_time(live: SimulatedTraffic) -> None:
    benign = live.batch.start[live.attack == ""]
    per_minute = np.histogram(benign - live_scenario().start, bins=25, range=(0, 1500))[0]
    assert per_minute.min() > 300
    assert per_minute.max() > 1.3 * per_minute.min()  # rates swing


def test_benign_life_has_ipv6_and_one_way_flows(live: SimulatedTraffic) -> None:
    benign = live.batch.take(live.attack == "")
    assert (benign.src_addr[:, 0] != 0).sum() > 50
    one_way = (benign.src_packets == 0) | (benign.dst_packets == 0)
    assert 0.02 < one_way.mean() < 0.3


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
