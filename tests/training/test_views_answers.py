"""Flows answered otherwise: whose flows change, and that an answer is one in every column."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.addresses import address_array
from flows.batch import ABSENT, FlowBatch, Service, State
from flows.errors import UsageError
from tests.support.batches import same
from tests.support.views import any_flows, check_whole
from training.views import ANSWERS, answered_by, as_exporter, completed

SYN, RST, PSH, ACK, FIN = 2, 4, 8, 16, 1
TCP, UDP, ICMP, ICMP6 = 6, 17, 1, 58
V4 = {"src_addr": address_array(["198.51.100.7"]), "dst_addr": address_array(["10.0.0.1"])}
V6 = {"src_addr": address_array(["2001:db8::7"]), "dst_addr": address_array(["fd00::1"])}
OF_ANSWERS: Final = {
    *("duration", "dst_packets", "dst_bytes", "dst_payload", "dst_flags", "state"),
    *("packet_size_min", "packet_size_max", "packet_size_std", "iat_mean", "iat_std", "iat_max"),
}


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def syn(ends: dict[str, Any] = V4, **columns: Any) -> FlowBatch:
    """One SYN that nobody answered, with other columns where given."""
    usual: dict[str, Any] = {
        "start": 1.7e9,
        "duration": 0.0,
        "src_port": 50000,
        "dst_port": 80,
        "protocol": TCP,
        "state": State.ATTEMPT,
        "src_packets": 1,
        "dst_packets": 0,
        "src_bytes": 60,
        "dst_bytes": 0,
        "src_payload": 0,
        "dst_payload": 0,
        "src_flags": SYN,
        "dst_flags": 0,
        "service": Service.UNRECOGNISED,
    }
    return FlowBatch.from_columns(1, ends | {name: [value] for name, value in (usual | columns).items()})


def probe(ends: dict[str, Any] = V4, **columns: Any) -> FlowBatch:
    """Datagrams that nobody answered."""
    return syn(ends, **{"protocol": UDP, "src_flags": ABSENT, "dst_flags": ABSENT} | columns)


def answer(batch: FlowBatch, how: str) -> dict[str, Any]:
    """What is told of the way back of one flow."""
    other, rows = answered_by(batch, how, rng())
    assert rows.tolist() == [0]
    names = ("dst_packets", "dst_bytes", "dst_payload", "dst_flags", "state")
    return {name: getattr(other, name)[0].item() for name in names}


@given(any_flows(), st.sampled_from(ANSWERS), st.floats(0, 1), st.integers(0, 9))
@settings(max_examples=25)
def test_only_flows_that_can_be_answered_so_change_and_only_what_an_answer_tells(
    batch: FlowBatch, how: str, share: float, seed: int
) -> None:
    other, rows = answered_by(batch, how, rng(seed), share)
    again, _ = answered_by(batch, how, rng(seed), share)

    assert same(again, other)
    kept = other.take(np.unique(rows, return_index=True)[1])
    assert same(replace(kept, **{name: getattr(batch, name) for name in OF_ANSWERS}), batch)
    possible = np.isin(batch.protocol, (TCP, UDP)) & ((batch.dst_packets > 0) == (how == "silent"))
    assert same(kept.take(~possible), batch.take(~possible))
    if how in ("reset", "syn-ack"):
        not_tcp = batch.protocol != TCP
        assert same(kept.take(not_tcp), batch.take(not_tcp))
    if how == "unreachable":
        assert same(kept, batch)
        assert np.isin(np.delete(other.protocol, np.unique(rows, return_index=True)[1]), (ICMP, ICMP6)).all()
    check_whole(other)


@given(any_flows(), st.sampled_from(ANSWERS))
@settings(max_examples=15)
def test_a_share_of_nothing_changes_nothing(batch: FlowBatch, how: str) -> None:
    assert same(answered_by(batch, how, rng(), 0.0)[0], batch)


def test_a_closed_port_resets_each_packet() -> None:
    assert answer(syn(src_packets=3), "reset") == {
        "dst_packets": 3.0,
        "dst_bytes": 120.0,
        "dst_payload": 0.0,
        "dst_flags": RST | ACK,
        "state": State.REJECTED,
    }
    assert answer(syn(V6), "reset")["dst_bytes"] == 60.0


def test_a_reset_of_what_acknowledges_has_no_ack_and_rejects_no_attempt() -> None:
    reflected = answer(syn(src_flags=SYN | ACK, state=State.OTHER), "reset")

    assert reflected["dst_flags"] == RST
    assert reflected["state"] == State.OTHER


def test_a_reset_is_not_reset() -> None:
    assert same(answered_by(syn(src_flags=RST), "reset", rng())[0], syn(src_flags=RST))


def test_flags_are_told_of_an_answer_where_they_are_told_of_the_packet() -> None:
    assert answer(syn(src_flags=ABSENT, dst_flags=ABSENT), "reset")["dst_flags"] == ABSENT
    assert answer(completed(syn(src_flags=ABSENT, dst_flags=ABSENT)), "reset")["dst_flags"] == RST | ACK


def test_an_unknown_number_of_packets_gets_one_answer() -> None:
    assert answer(syn(src_packets=np.nan), "reset")["dst_packets"] == 1.0


def test_an_open_port_leaves_a_connection_half_open() -> None:
    accepted = answer(syn(src_packets=2), "syn-ack")

    assert accepted.pop("dst_bytes") / 2 in (44.0, 48.0, 52.0, 60.0)
    assert accepted == {"dst_packets": 2.0, "dst_payload": 0.0, "dst_flags": SYN | ACK, "state": State.ESTABLISHED}


@pytest.mark.parametrize("columns", [{"state": State.OTHER}, {"src_flags": SYN | ACK}, {"src_flags": ACK}])
def test_only_a_syn_is_accepted(columns: dict[str, Any]) -> None:
    assert same(answered_by(syn(**columns), "syn-ack", rng())[0], syn(**columns))


def test_answers_of_one_victim_are_of_one_size() -> None:
    many = FlowBatch.concatenate([syn()] * 50)

    assert len(set(answered_by(many, "syn-ack", rng(3))[0].dst_bytes.tolist())) == 1


def test_a_flow_of_one_packet_lasts_until_its_answer_and_another_as_long_as_before() -> None:
    for duration in (0.0, np.nan):
        assert 2e-5 <= answered_by(syn(duration=duration), "reset", rng())[0].duration[0] <= 1e-3
    assert answered_by(syn(src_packets=2, duration=3.0), "reset", rng())[0].duration.tolist() == [3.0]


def test_packet_sizes_take_the_answer_in_and_intervals_are_not_known_any_more() -> None:
    sizes: dict[str, Any] = {"packet_size_min": 60.0, "packet_size_max": 60.0, "packet_size_std": 0.0, "iat_mean": 1.0}
    other, _ = answered_by(syn(**sizes), "reset", rng())

    assert (other.packet_size_min.tolist(), other.packet_size_max.tolist()) == ([40.0], [60.0])
    assert np.isnan(other.packet_size_std).all()
    assert np.isnan(other.iat_mean).all()


@pytest.mark.parametrize(
    ("ends", "protocol", "size", "error"),
    [(V4, ICMP, 60.0, 88.0), (V4, ICMP, 1500.0, 576.0), (V6, ICMP6, 80.0, 128.0), (V6, ICMP6, 1400.0, 1280.0)],
)
def test_a_port_where_nobody_listens_is_told_by_an_icmp_flow_the_other_way(
    ends: dict[str, Any], protocol: int, size: float, error: float
) -> None:
    asked = probe(ends, src_packets=2, src_bytes=2 * size)
    other, rows = answered_by(asked, "unreachable", rng())

    assert rows.tolist() == [0, 0]
    assert same(other.take(slice(0, 1)), asked)
    assert other.src_addr[1].tolist() == ends["dst_addr"][0].tolist()
    assert other.dst_addr[1].tolist() == ends["src_addr"][0].tolist()
    named = ("protocol", "src_port", "dst_port", "src_packets", "src_bytes", "dst_packets", "src_flags", "state")
    assert [getattr(other, name)[1] for name in named] == [
        *(protocol, ABSENT, ABSENT, 2.0, 2 * error, 0.0, ABSENT, State.OTHER)
    ]


def test_tcp_and_icmp_are_not_told_of_ports() -> None:
    for protocol in (TCP, ICMP):
        assert len(answered_by(syn(protocol=protocol), "unreachable", rng())[0]) == 1


@pytest.mark.parametrize(
    ("columns", "state"),
    [
        ({"src_flags": SYN | ACK | FIN, "state": State.CLOSED}, State.ATTEMPT),
        ({"src_flags": ACK, "state": State.OTHER}, State.OTHER),
        ({"src_flags": ABSENT, "dst_flags": ABSENT, "state": State.RESET}, State.ATTEMPT),
        ({"protocol": UDP, "src_flags": ABSENT, "dst_flags": ABSENT, "state": State.ESTABLISHED}, State.ATTEMPT),
    ],
)
def test_silence_takes_the_way_back_away(columns: dict[str, Any], state: State) -> None:
    usual: dict[str, Any] = {
        "src_packets": 5,
        "dst_packets": 4,
        "dst_bytes": 900,
        "dst_payload": 700,
        "dst_flags": SYN | ACK,
    }
    silent = answer(syn(**usual | columns), "silent")

    assert silent.pop("state") == state
    assert silent == {
        "dst_packets": 0.0,
        "dst_bytes": 0.0,
        "dst_payload": 0.0,
        "dst_flags": ABSENT if columns.get("dst_flags") == ABSENT else 0,
    }


def test_silence_after_a_refusal_is_the_attempt_again() -> None:
    refused, _ = answered_by(syn(src_packets=2, duration=3.0), "reset", rng())

    assert same(answered_by(refused, "silent", rng())[0], syn(src_packets=2, duration=3.0))


def test_zeek_tells_of_a_refused_syn_what_it_tells_of_real_ones() -> None:
    refused, _ = answered_by(completed(syn(duration=np.nan, src_payload=np.nan, dst_payload=np.nan)), "reset", rng())
    zeek, _ = as_exporter(refused, "zeek")

    assert [getattr(zeek, name)[0] for name in ("state", "dst_flags", "src_payload", "dst_payload", "dst_bytes")] == [
        *(State.REJECTED, RST, 0.0, 0.0, 40.0)
    ]


def test_what_nobody_answers_with_is_refused() -> None:
    with pytest.raises(UsageError, match=r"nobody answers with 'fin'; the answers are reset, syn-ack"):
        answered_by(syn(), "fin", rng())
    with pytest.raises(ValueError, match=r"a share of 1\.5 of the flows"):
        answered_by(syn(), "reset", rng(), 1.5)
