"""Attacks and busy servers drawn to learn from: each is what it is called, and seen from the right side."""

from __future__ import annotations

from typing import Final

import numpy as np
import pytest

from detection.verdict import Kind
from flows.addresses import address_array
from flows.batch import FlowBatch
from flows.keying import DEFAULT_HOME, HomeNetworks, key_hosts
from tests.support.simulated import LABELS, hosts
from training.datasets.captures import Capture
from training.datasets.drawn import drawn, from_within
from training.datasets.parts import Part

HOME: Final = HomeNetworks(DEFAULT_HOME)
KINDS: Final = {kind.label: kind for kind in Kind}
SERVERS: Final = {"busy_service", "busy_names", "busy_pings"}
FLOODS: Final = {"syn_flood", "ack_flood", "udp_flood", "icmp_flood"}
BENIGN: Final = SERVERS | {"gone_peers"}
WITHIN: Final = " from within"
DNS: Final = 53


@pytest.fixture(scope="module")
def captures() -> list[Capture]:
    return list(drawn(np.random.default_rng(7), 2))


def kind_of(capture: Capture) -> str:
    return capture.name.removesuffix(WITHIN)


def test_every_kind_of_both_threats_and_of_ordinary_life_is_drawn(captures: list[Capture]) -> None:
    threats = {name for name in map(kind_of, captures) if name not in BENIGN}
    assert {kind_of(capture) for capture in captures} >= BENIGN
    assert {LABELS[name] for name in threats} == {"ddos", "malware"}
    assert all(len(capture.batch) > 0 for capture in captures)


def test_every_flow_keeps_the_label_of_what_it_was_drawn_as(captures: list[Capture]) -> None:
    for capture in captures:
        name = kind_of(capture)
        truth = Kind.BENIGN if name in BENIGN else KINDS[LABELS[name]]
        assert set(capture.truth.tolist()) == {truth}, name
        assert set(capture.attack.tolist()) == {name}
        assert capture.drawn_from == (f"drawn {name}",)
        assert set(capture.part.tolist()) == {Part.TRAIN}
        assert len(capture.truth) == len(capture.attack) == len(capture.part) == len(capture.batch)


def test_flows_come_in_the_order_of_their_starts_and_one_end_is_at_home(captures: list[Capture]) -> None:
    for capture in captures:
        assert (np.diff(capture.batch.start) >= 0).all(), capture.name
        at_home = HOME.contain(capture.batch.src_addr) | HOME.contain(capture.batch.dst_addr)
        assert at_home.all(), capture.name


def test_what_comes_in_to_a_server_or_victim_goes_out_of_a_host_at_home_every_other_time(
    captures: list[Capture],
) -> None:
    out = [capture for capture in captures if capture.name.endswith(WITHIN)]

    assert {kind_of(capture) for capture in out} == SERVERS | FLOODS
    for place, capture in enumerate(captures):
        goes_out, second = capture.name.endswith(WITHIN), place >= len(captures) // 2
        asked = (capture.batch.dst_port == DNS).any() or (capture.batch.src_port == DNS).any()
        names = asked and kind_of(capture) == "busy_names"
        if not (names and goes_out):  # a client that asks for names is one every time
            assert goes_out == (second and kind_of(capture) in SERVERS | FLOODS and not names), capture.name
    for capture in out:
        if kind_of(capture) in {"busy_names", "busy_pings"}:  # of others a meter may take the target for the source
            assert HOME.contain(capture.batch.src_addr).all()
        assert HOME.contain(capture.batch.src_addr).mean() > 0.7


def test_no_client_asks_for_names_as_fast_as_malware_that_makes_them_up() -> None:
    """A server may be asked as fast as that. One client in two has a name server that seldom answers, or never."""
    rates: dict[bool, list[float]] = {True: [], False: []}
    unanswered = []
    for capture in drawn(np.random.default_rng(3), 8):
        if kind_of(capture) in BENIGN and (capture.batch.dst_port == DNS).any():
            at_home = HOME.contain(capture.batch.src_addr)
            assert at_home.all() or not at_home.any()
            rates[bool(at_home.all())].append(len(capture.batch) / float(np.ptp(capture.batch.start)))
            if at_home.all():
                unanswered.append(float((capture.batch.dst_packets == 0).mean()))
    assert len(rates[True]) == 2 * 8
    assert max(rates[True]) < 2.0  # flows/s: 120 a minute
    assert max(rates[False]) > 10.0
    assert sorted(share > 0.4 for share in unanswered) == [False] * 8 + [True] * 8


def test_the_same_seed_draws_the_same_and_another_draws_others() -> None:
    def starts(seed: int) -> list[bytes]:
        return [capture.batch.start.tobytes() for capture in drawn(np.random.default_rng(seed), 1)]

    assert starts(1) == starts(1)
    assert starts(1) != starts(2)


def test_no_rounds_draw_nothing() -> None:
    assert list(drawn(np.random.default_rng(1), 0)) == []


def flood_of(home: tuple[str, ...] = DEFAULT_HOME, victim: str = "10.1.1.1") -> Capture:
    """Six flows to a victim from three others, one of them written the wrong way round, and one to someone beside."""
    src = ["203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.1", victim, "203.0.113.2"]
    dst = [victim, victim, victim, victim, "203.0.113.3", "10.1.1.2"]
    columns = {"start": np.arange(6.0), "src_addr": address_array(src), "dst_addr": address_array(dst)}
    ports = {"src_port": np.arange(6) + 5000, "dst_port": np.full(6, 80)}
    return Capture(
        name="flood",
        batch=FlowBatch.from_columns(6, columns | ports),
        truth=np.full(6, Kind.DDOS, dtype=np.int8),
        attack=np.full(6, "flood"),
        part=np.zeros(6, dtype=np.int8),
        home=home,
        dead=0,
        drawn_from=("flood",),
    )


@pytest.mark.parametrize(
    ("home", "victim"), [(DEFAULT_HOME, "10.1.1.1"), (("192.0.2.0/24",), "192.0.2.9"), (DEFAULT_HOME, "fd00::9")]
)
def test_from_within_one_host_at_home_does_it_all_to_a_victim_elsewhere(home: tuple[str, ...], victim: str) -> None:
    flood = flood_of(home, victim)
    within = from_within(flood)
    networks = HomeNetworks(home)
    (host,) = hosts(address_array([victim]))

    assert within.name == "flood from within"
    assert hosts(key_hosts(within.batch, networks.key_is_dst(within.batch))) == {host}
    assert hosts(within.batch.src_addr[:4]) == {host}
    (elsewhere,) = hosts(within.batch.dst_addr[:4])
    assert not networks.contain(np.array([elsewhere], dtype=np.uint64)).any()
    # What was written the wrong way round still is.
    assert hosts(within.batch.src_addr[4:5]) == {elsewhere}
    assert hosts(within.batch.dst_addr[4:5]) == {host}


def test_from_within_changes_nothing_but_who_talks() -> None:
    flood = flood_of()
    within = from_within(flood)
    for name in ("start", "src_port", "dst_port", "protocol"):
        assert getattr(within.batch, name).tolist() == getattr(flood.batch, name).tolist(), name
    assert within.truth.tolist() == flood.truth.tolist()
    assert within.attack.tolist() == flood.attack.tolist()
    assert within.drawn_from == flood.drawn_from
