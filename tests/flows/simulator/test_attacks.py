"""Each kind of attack does what its parameters say."""

from __future__ import annotations

import numpy as np
import pytest

from flows.batch import FlowBatch, Service, State
from flows.keying import HomeNetworks
from flows.simulator import (
    AckFlood,
    Attack,
    AuthorisedScan,
    Beacon,
    Capture,
    ChatCommand,
    DeadCommand,
    IcmpFlood,
    MadeUpNames,
    OutboundFlood,
    PeerBot,
    Scenario,
    Slowloris,
    SynFlood,
    UdpFlood,
    simulate,
)
from tests.support.simulated import hosts


def flows_of(attack: Attack) -> FlowBatch:
    """The attack's flows in a small network."""
    traffic = simulate(Scenario(3, 1e9, (Capture(0.0, 600.0, "10.1.2.0/24", 30, 0.2, (attack,)),)))
    return traffic.batch.take(traffic.attack == attack.name)


def test_nobody_there_is_told_by_icmp_from_the_victim() -> None:
    flood = flows_of(SynFlood(at=10.0, duration=30.0, rate=100.0, answer="unreachable", syn_bytes=44))
    syns, told = flood.take(flood.protocol == 6), flood.take(flood.protocol == 1)
    assert (syns.state == State.ATTEMPT).all()
    assert 0.05 < len(told) / len(syns) < 0.2
    assert hosts(told.src_addr) == hosts(syns.dst_addr)
    assert hosts(told.dst_addr) <= hosts(syns.src_addr)


@pytest.mark.parametrize("reset_share", [0.0, 0.6])
def test_an_ack_flood_belongs_to_no_connection(reset_share: float) -> None:
    flood = flows_of(AckFlood(at=10.0, duration=30.0, rate=100.0, payload=0, reset_share=reset_share))
    assert (flood.state == State.OTHER).all()
    assert (flood.src_flags & 0x02 == 0).all()
    assert (flood.dst_flags > 0).mean() == pytest.approx(reset_share, abs=0.05)
    assert set(flood.src_bytes.tolist()) == {40.0}


def test_a_udp_flood_goes_to_any_port() -> None:
    flood = flows_of(UdpFlood(at=10.0, duration=30.0, rate=100.0, payload=500, packets=4.0, unreachable_share=0.1))
    sent = flood.take(flood.protocol == 17)
    assert len(np.unique(sent.dst_port)) > 0.9 * len(sent)
    assert (sent.state == State.ATTEMPT).all()
    assert 3.0 < sent.src_packets.mean() < 5.0
    assert 0.05 < (flood.protocol == 1).sum() / len(sent) < 0.2


def test_an_icmp_flood_is_answered_as_asked() -> None:
    flood = flows_of(IcmpFlood(at=10.0, duration=30.0, rate=100.0, payload=1400, bots=20, answered_share=0.5))
    assert (flood.protocol == 1).all()
    assert (flood.dst_packets > 0).mean() == pytest.approx(0.5, abs=0.05)
    assert len(hosts(flood.src_addr)) == 20


@pytest.mark.parametrize(("kind", "protocol"), [("syn", 6), ("ack", 6), ("udp", 17)])
def test_an_outbound_flood_goes_from_one_at_home_to_one_outside(kind: str, protocol: int) -> None:
    attack = OutboundFlood(at=10.0, duration=30.0, rate=100.0, kind=kind, client=3)  # type: ignore[arg-type]  # a Literal
    flood = flows_of(attack)
    assert set(flood.protocol.tolist()) == {protocol}
    assert len(hosts(flood.src_addr)) == len(hosts(flood.dst_addr)) == 1
    assert HomeNetworks().contain(flood.src_addr).all()
    assert not HomeNetworks().contain(flood.dst_addr).any()


def test_slowloris_holds_a_few_peers_connections_for_long() -> None:
    attack = Slowloris(at=10.0, duration=500.0, peers=20, held=4, line_s=10.0, patience_s=120.0)
    flood = flows_of(attack)
    assert len(hosts(flood.src_addr)) == 20
    assert 80 < np.median(flood.duration) < 180
    rate = (flood.src_bytes + flood.dst_bytes) / flood.duration
    assert np.median(rate) < 50  # bytes a second
    # In the middle as many are open as the peers hold.
    middle = 1e9 + 260.0
    open_then = ((flood.start < middle) & (flood.start + flood.duration > middle)).sum()
    assert 40 < open_then < 120


def test_a_dead_command_server_never_answers() -> None:
    attack = DeadCommand(
        at=0.0, duration=600.0, period=10.0, jitter=0.1, tries=3, port=1177, refused_share=0.0, client=4
    )
    calls = flows_of(attack)
    assert (calls.state == State.ATTEMPT).all()
    assert set(calls.dst_port.tolist()) == {1177}
    gaps = np.diff(np.sort(calls.start))
    assert ((gaps > 8.9) & (gaps < 11.1)).all()


def test_chat_is_let_in_now_and_then() -> None:
    attack = ChatCommand(at=0.0, duration=600.0, port=6667, pause_s=4.0, stay_s=30.0, failed_share=0.7, client=4)
    calls = flows_of(attack)
    let_in = calls.dst_packets > 0
    assert 0.1 < let_in.mean() < 0.6
    assert Service.IRC in calls.service[let_in]
    assert np.median(calls.duration[let_in]) == pytest.approx(30.0, rel=0.3)
    assert len(hosts(calls.dst_addr)) == 1


def test_most_peers_of_a_bot_are_gone() -> None:
    attack = PeerBot(at=0.0, duration=600.0, peers=60, round_s=100.0, asked=40, alive_share=0.2, client=4)
    asked = flows_of(attack)
    assert (asked.protocol == 17).all()
    assert (asked.dst_packets > 0).mean() < 0.4
    assert 50 < len(hosts(asked.dst_addr)) <= 60
    assert len(set(asked.src_port.tolist())) == 1


def test_made_up_names_come_in_bursts() -> None:
    questions = flows_of(MadeUpNames(at=0.0, duration=600.0, period=100.0, names=30, name_s=0.3, client=4))
    assert (questions.service == Service.DNS).all()
    gaps = np.diff(np.sort(questions.start))
    assert (gaps > 30).sum() == 5
    assert np.median(gaps) < 1.0


@pytest.mark.parametrize("share", [0.0, 0.4])
def test_a_share_of_made_up_names_is_visited_a_moment_later(share: float) -> None:
    attack = MadeUpNames(at=0.0, duration=600.0, period=60.0, names=100, name_s=0.1, client=4, visited_share=share)
    flows = flows_of(attack)
    questions, visits = flows.take(flows.protocol == 17), flows.take(flows.protocol == 6)

    assert len(visits) / len(questions) == pytest.approx(share, abs=0.06)
    assert set(questions.dst_port.tolist()) == {53}
    if share:
        at_80 = visits.take(visits.dst_port == 80)
        assert len(at_80) > 0.95 * len(visits)  # the rest is told the wrong way round
        assert hosts(at_80.src_addr) == hosts(questions.src_addr)
        assert len(hosts(at_80.dst_addr)) <= 8
        # Each comes 0.2 s after a question.
        after = np.abs(at_80.start[:, None] - 0.2 - questions.start).min(axis=1)
        assert after.max() < 1e-5


def beacon(failed_share: float) -> Beacon:
    return Beacon(
        at=0.0,
        duration=590.0,
        period=1.0,
        jitter=0.1,
        up_bytes=300.0,
        down_bytes=500.0,
        size_jitter=0.1,
        client=4,
        failed_share=failed_share,
    )


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_a_share_of_a_beacons_calls_is_answered_by_nobody(share: float) -> None:
    calls = flows_of(beacon(share))
    failed = calls.state == State.ATTEMPT

    assert len(calls) == pytest.approx(590, abs=5)
    assert failed.mean() == pytest.approx(share, abs=0.06)
    assert (calls.dst_packets[failed] == 0).all()
    assert set(calls.src_packets[failed].tolist()) <= {1.0, 2.0, 3.0}
    assert (calls.dst_packets[~failed] > 0).all()
    assert len(hosts(calls.src_addr)) == len(hosts(calls.dst_addr)) == 1


def test_the_beat_is_kept_whether_anybody_answers_or_not() -> None:
    gaps = np.diff(np.sort(flows_of(beacon(0.4)).start))
    assert 0.85 < gaps.min() < gaps.max() < 1.15


def test_an_authorised_scan_is_benign() -> None:
    scan = AuthorisedScan(at=0.0, duration=60.0, rate=5.0, ports=50, targets=5, scanner=2, reset_share=0.5)
    traffic = simulate(Scenario(3, 1e9, (Capture(0.0, 100.0, "10.1.2.0/24", 30, 0.2, (scan,)),)))
    assert set(traffic.labels.tolist()) == {"benign"}
