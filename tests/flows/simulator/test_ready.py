"""The ready scenarios keep their promises: what differs, what overlaps, and what tells attacks from life."""

from __future__ import annotations

from typing import Final

import numpy as np
import pytest

from flows.addresses import format_address
from flows.batch import State
from flows.catalogue import INDEX
from flows.features import FeatureExtractor
from flows.keying import HomeNetworks
from flows.simulator import (
    SimulatedTraffic,
    hard_scenario,
    live_scenario,
    training_scenario,
)
from tests.support.simulated import KINDS, Rows, ends, hosts


def test_each_training_capture_has_every_trained_kind(training: SimulatedTraffic) -> None:
    assert len(set(training.capture.tolist())) == 6
    for capture in range(6):
        assert set(training.attack[training.capture == capture].tolist()) == KINDS["training"]
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
    assert 130_000 < len(training.batch) < 175_000
    assert 60_000 < len(live.batch) < 120_000
    counts = {name: int((live.attack == name).sum()) for name in KINDS["live"]}
    assert counts["strange"] > 300
    assert counts["beacon"] > 60


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


MARGINALS: Final = (
    "duration",
    "src_packets",
    "dst_packets",
    "src_bytes",
    "dst_bytes",
    "src_payload",
    "dst_payload",
)


def tls_of_clients(traffic: SimulatedTraffic) -> Rows:
    rows = (traffic.attack == "") & (traffic.batch.dst_port == 443) & (traffic.batch.protocol == 6)
    return np.asarray(rows & (traffic.batch.dst_packets > 0) & HomeNetworks().contain(traffic.batch.src_addr))


@pytest.mark.parametrize("column", MARGINALS)
def test_each_call_of_the_live_beacon_is_an_ordinary_web_flow(live: SimulatedTraffic, column: str) -> None:
    values = getattr(live.batch, column)
    low, high = np.quantile(values[tls_of_clients(live)], [0.01, 0.99])
    calls = values[(live.attack == "beacon") & (live.batch.dst_packets > 0)]  # those that were answered
    assert ((calls >= low) & (calls <= high)).mean() > 0.9


@pytest.mark.parametrize("column", MARGINALS)
def test_all_beacons_together_look_like_web_flows(training: SimulatedTraffic, column: str) -> None:
    values = getattr(training.batch, column)
    benign = np.sort(values[tls_of_clients(training)])
    beacons = np.sort(values[(training.attack == "beacon") & (training.batch.dst_packets > 0)])
    points = np.concatenate([benign, beacons])
    distance = np.abs(
        np.searchsorted(benign, points, side="right") / len(benign)
        - np.searchsorted(beacons, points, side="right") / len(beacons)
    ).max()  # the two-sample Kolmogorov-Smirnov statistic; 1 = no overlap
    assert distance < 0.45


def test_the_beacon_is_regular_and_few_benign_web_pairs_are(live: SimulatedTraffic) -> None:
    rows = FeatureExtractor().extract(live.batch)
    spread = rows[:, INDEX["pair_interval_spread"]]
    known = (rows[:, INDEX["pair_beats"]] >= 8) & np.isfinite(spread)
    beacon = spread[known & (live.attack == "beacon")]
    benign = spread[known & tls_of_clients(live)]
    regular = np.quantile(beacon, 0.95)
    assert regular < 0.06
    # Update checks of a few clients keep time as well as malware, and no more than a few.
    assert 0.001 < (benign <= regular).mean() < 0.2
    answered = live.batch.dst_packets[live.attack == "beacon"] > 0
    assert 0.2 < answered.mean() < 0.6
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
        assert 0.6 < closed.mean() < 0.9


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


def test_the_hard_captures_are_told_of_by_three_exporters(hard: SimulatedTraffic) -> None:
    assert [capture.exporter for capture in hard_scenario().captures] == ["zeek-mirrored", "argus", "netflow"]
    mirrored, argus, netflow = (hard.batch.take(hard.capture == number) for number in range(3))
    assert (mirrored.src_packets % 2 == 0).all()
    assert np.isnan(argus.src_payload).all()
    assert np.isnan(netflow.dst_packets).all()


def test_a_network_is_calmer_by_night_but_for_its_backups(training: SimulatedTraffic) -> None:
    captures = training_scenario().captures
    batch, life = training.batch, training.attack == ""
    web, copies = {}, {}
    for number, capture in enumerate(captures):
        rows = life & (training.capture == number) & HomeNetworks().contain(batch.src_addr)
        per_client = 1 / (capture.duration * capture.clients * capture.rate)
        web[number] = (rows & (batch.dst_port == 443) & (batch.dst_packets > 20)).sum() * per_client
        copies[number] = (rows & (batch.dst_port == 22) & (batch.src_payload > 1e6)).sum() * per_client
    night = [number for number, capture in enumerate(captures) if capture.hour < 6]
    day = [number for number, capture in enumerate(captures) if 9 <= capture.hour < 18]
    assert night
    assert max(web[number] for number in night) < 0.5 * np.median([web[number] for number in day])
    assert min(copies[number] for number in night) > 3 * np.median([copies[number] for number in day])


def test_what_hides_is_slower_than_what_is_trained_on(hard: SimulatedTraffic, training: SimulatedTraffic) -> None:
    assert set(hard.attack.tolist()) == KINDS["hard"]
    slow = [fact.flows / (fact.end - fact.start) for fact in hard.facts if fact.name == "slow_syn_flood"]
    fast = [fact.flows / (fact.end - fact.start) for fact in training.facts if fact.name == "syn_flood"]
    assert max(slow) < 0.3 * min(fast)
    rare = [fact.flows / (fact.end - fact.start) for fact in hard.facts if fact.name == "lazy_beacon"]
    often = [fact.flows / (fact.end - fact.start) for fact in training.facts if fact.name == "beacon"]
    assert max(rare) < min(often)


def test_some_of_the_benign_life_fails_as_malware_does(training: SimulatedTraffic) -> None:
    """Calls to what is gone are in both classes, to the same kinds of port, and repeated by both."""
    failed = np.isin(training.batch.state, [State.ATTEMPT, State.REJECTED])
    outward = HomeNetworks().contain(training.batch.src_addr)
    for label in ("benign", "malware"):
        rows = failed & outward & (training.labels == label) & (training.batch.protocol == 6)
        pairs = np.concatenate([training.batch.src_addr[rows], training.batch.dst_addr[rows]], axis=1)
        counts = np.unique(pairs, axis=0, return_counts=True)[1]
        assert (counts >= 8).sum() >= 6
