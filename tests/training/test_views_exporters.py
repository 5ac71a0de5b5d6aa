"""Flows told by another exporter: what it never tells is gone, what it tells is as it was, and nothing is made up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.addresses import address_array
from flows.batch import ABSENT, FlowBatch, Service, State
from flows.errors import UsageError
from flows.formats import make_decoder
from tests.support.batches import batches, same
from tests.support.views import any_flows, check_whole
from tests.support.zeek import header, tsv
from training.views import EXPORTERS, UNTOLD, as_exporter, ignored

TWO_WAY = tuple(name for name in EXPORTERS if not name.startswith("netflow"))
SYN, RST, PSH, ACK, FIN, ECE = 2, 4, 8, 16, 1, 64
NAN = float("nan")


def flow(**columns: Any) -> FlowBatch:
    """One TCP flow over IPv4 with the given columns; what is not given is absent."""
    usual: dict[str, Any] = {"start": 1.7e9, "duration": 0.25, "src_port": 50000, "dst_port": 80, "protocol": 6}
    ends: dict[str, Any] = {"src_addr": address_array(["198.51.100.7"]), "dst_addr": address_array(["10.0.0.1"])}
    given_columns = {name: [value] for name, value in (usual | columns).items()}
    return FlowBatch.from_columns(1, ends | given_columns)


ATTEMPT = {"src_packets": 1, "dst_packets": 0, "src_bytes": 46, "dst_bytes": 0, "state": State.ATTEMPT}
CLOSED = {
    "src_packets": 6,
    "dst_packets": 5,
    "src_bytes": 700,
    "dst_bytes": 4000,
    "src_payload": 400,
    "dst_payload": 3700,
    "src_flags": SYN | ACK | PSH | FIN | ECE,
    "dst_flags": SYN | ACK | PSH | FIN,
    "state": State.CLOSED,
    "service": Service.HTTP,
    "sensor_id": "a",
    "flow_id": "b",
    "packet_size_min": 40.0,
    "iat_mean": 0.1,
}


def is_absent(column: Any) -> Any:
    return column == "" if column.dtype == object else (np.isnan(column) if column.dtype.kind == "f" else column < 0)


def told(batch: FlowBatch, *names: str) -> dict[str, list[Any]]:
    return {name: getattr(batch, name).tolist() for name in names}


@given(any_flows() | batches(2), st.sampled_from(EXPORTERS))
@settings(max_examples=30)
def test_what_an_exporter_never_tells_is_absent_and_telling_twice_is_telling_once(batch: FlowBatch, name: str) -> None:
    once, rows = as_exporter(batch, name)
    twice, again = as_exporter(once, name)

    for column in UNTOLD[name]:
        assert is_absent(getattr(once, column)).all(), column
    assert same(twice, once)
    assert again.tolist() == list(range(len(once)))
    assert rows.dtype == np.int64
    assert (np.diff(rows) >= 0).all()
    assert len(once) == len(rows)
    check_whole(once)


@given(any_flows(), st.sampled_from(TWO_WAY))
@settings(max_examples=30)
def test_flows_keep_their_rows_ends_times_and_what_else_is_told(batch: FlowBatch, name: str) -> None:
    other, rows = as_exporter(batch, name)

    assert rows.tolist() == list(range(len(batch)))
    changed = {"src_flags", "dst_flags", "service", "duration", "src_payload", "dst_payload", *UNTOLD[name]}
    if name == "argus-ctu":
        changed |= {"state", "src_packets", "dst_packets", "src_bytes", "dst_bytes"}
    assert same(replace(other, **{column: getattr(batch, column) for column in changed}), batch)


def test_the_only_packet_of_an_attempt_was_a_syn_without_content() -> None:
    zeek, _ = as_exporter(flow(**ATTEMPT), "zeek")

    assert told(zeek, "src_flags", "dst_flags", "service") == {
        "src_flags": [SYN],
        "dst_flags": [0],
        "service": [Service.UNRECOGNISED],
    }
    assert is_absent(zeek.duration).all()
    assert is_absent(zeek.src_payload).all()


def test_an_attempt_of_several_packets_had_no_payload_but_its_flags_are_not_known() -> None:
    zeek, _ = as_exporter(flow(**ATTEMPT | {"src_packets": 3}), "zeek")

    assert told(zeek, "src_payload", "dst_payload", "duration", "src_flags", "dst_flags") == {
        "src_payload": [0.0],
        "dst_payload": [0.0],
        "duration": [0.25],
        "src_flags": [ABSENT],
        "dst_flags": [0],
    }


@pytest.mark.parametrize(("name", "flags"), [("zeek", RST), ("argus", RST | ACK), ("suricata", RST | ACK)])
def test_a_refusal_has_the_flags_that_the_exporter_tells_of_it(name: str, flags: int) -> None:
    refused = flow(**ATTEMPT | {"dst_packets": 1, "dst_bytes": 40, "state": State.REJECTED})

    other, _ = as_exporter(refused, name)

    assert told(other, "src_flags", "dst_flags", "state") == {
        "src_flags": [SYN],
        "dst_flags": [flags],
        "state": [State.REJECTED],
    }


def test_of_what_went_on_nothing_is_made_up() -> None:
    untold = flow(src_packets=3, dst_packets=2, src_bytes=200, dst_bytes=90, state=State.ESTABLISHED)

    zeek, _ = as_exporter(untold, "zeek")

    for name in ("src_flags", "dst_flags", "service", "src_payload", "dst_payload"):
        assert is_absent(getattr(zeek, name)).all(), name


def test_zeek_has_no_letter_for_every_flag() -> None:
    assert as_exporter(flow(**CLOSED), "zeek")[0].src_flags.tolist() == [SYN | ACK | PSH | FIN]
    assert as_exporter(flow(**CLOSED), "suricata")[0].src_flags.tolist() == [SYN | ACK | PSH | FIN | ECE]


def test_what_zeek_ignores_is_told_as_it_tells_of_it() -> None:
    """A flood's SYN with a wrong checksum, as Zeek logged those of IoT-23 34-1, and the same SYN made so."""
    unheard = tsv(conn_state="OTH", history="C", service="-", duration="-", orig_bytes="-", resp_bytes="-",
                  missed_bytes="0", orig_pkts="0", orig_ip_bytes="0", resp_pkts="0", resp_ip_bytes="0")  # fmt: skip
    heard = tsv(conn_state="S0", history="S", service="-", duration="-", orig_bytes="-", resp_bytes="-",
                missed_bytes="0", orig_pkts="1", orig_ip_bytes="40", resp_pkts="0", resp_ip_bytes="0")  # fmt: skip
    batch = make_decoder("zeek").decode([*header(), heard, unheard]).batch
    assert len(batch) == 2

    both = ignored(as_exporter(batch.take(np.array([0, 0])), "zeek")[0], np.array([True, False]))

    assert same(both.take(np.array([0])), batch.take(np.array([1])))
    assert same(both.take(np.array([1])), as_exporter(batch.take(np.array([0])), "zeek")[0])


def test_only_tcp_is_ignored() -> None:
    datagram = flow(protocol=17, **ATTEMPT)
    assert same(ignored(datagram, np.array([True])), datagram)


def test_ctu_columns_lose_the_packets_of_each_side_and_keep_the_headers_of_frames() -> None:
    other, _ = as_exporter(flow(**CLOSED), "argus-ctu")

    assert is_absent(other.src_packets).all()
    assert is_absent(other.dst_packets).all()
    assert told(other, "src_bytes", "dst_bytes") == {"src_bytes": [700 + 6 * 14], "dst_bytes": [4000 + 5 * 14]}


@pytest.mark.parametrize(
    ("packets", "before", "after"),
    [
        ((1, 1), State.REJECTED, State.REJECTED),
        ((2, 2), State.REJECTED, State.RESET),
        ((1, 1), State.RESET, State.REJECTED),
        ((3, 0), State.RESET, State.OTHER),
        ((3, 0), State.ATTEMPT, State.ATTEMPT),
        ((6, 5), State.CLOSED, State.CLOSED),
    ],
)
def test_names_of_states_tell_a_refusal_only_of_two_packets(
    packets: tuple[int, int], before: State, after: State
) -> None:
    src, dst = packets

    other, _ = as_exporter(flow(src_packets=src, dst_packets=dst, state=before), "argus-ctu")

    assert other.state.tolist() == [after]


def test_netflow_tells_of_each_direction_by_itself() -> None:
    records, rows = as_exporter(flow(**CLOSED), "netflow")

    assert rows.tolist() == [0, 0]
    assert records.src_addr.tolist() == address_array(["198.51.100.7", "10.0.0.1"]).tolist()
    assert records.dst_addr.tolist() == address_array(["10.0.0.1", "198.51.100.7"]).tolist()
    assert told(records, "src_port", "dst_port", "src_packets", "src_bytes", "src_flags", "duration") == {
        "src_port": [50000, 80],
        "dst_port": [80, 50000],
        "src_packets": [6.0, 5.0],
        "src_bytes": [700.0, 4000.0],
        "src_flags": [SYN | ACK | PSH | FIN | ECE, SYN | ACK | PSH | FIN],
        "duration": [0.25, 0.25],
    }


def test_a_packet_and_its_answer_are_two_moments() -> None:
    records, _ = as_exporter(flow(src_packets=1, dst_packets=1, src_bytes=60, dst_bytes=40), "netflow")

    assert told(records, "start", "duration") == {"start": [1.7e9, 1.7e9 + 0.25], "duration": [0.0, 0.0]}


@pytest.mark.parametrize(
    ("src", "dst", "senders"),
    [(2, 0, ["198.51.100.7"]), (0, 2, ["10.0.0.1"]), (2, NAN, ["198.51.100.7"]), (0, 0, []), (0, NAN, [])],
)
@pytest.mark.parametrize("name", ["netflow", "netflow-biflow"])
def test_a_record_needs_a_packet(src: float, dst: float, senders: list[str], name: str) -> None:
    records, rows = as_exporter(flow(src_packets=src, dst_packets=dst, src_bytes=100, dst_bytes=100), name)

    assert records.src_addr.tolist() == address_array(senders).tolist()
    assert records.src_packets.tolist() == [2.0] * len(senders)
    assert rows.tolist() == [0] * len(senders)


def test_merged_netflow_keeps_the_way_back_and_does_not_tell_that_there_was_none() -> None:
    answered, _ = as_exporter(flow(**CLOSED), "netflow-biflow")
    silent, _ = as_exporter(flow(**ATTEMPT), "netflow-biflow")

    assert told(answered, "dst_packets", "dst_bytes") == {"dst_packets": [5.0], "dst_bytes": [4000.0]}
    assert is_absent(silent.dst_packets).all()
    assert is_absent(silent.dst_bytes).all()


def test_an_exporter_nobody_knows_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"no exporter is called 'sflow'; the exporters are zeek, suricata"):
        as_exporter(FlowBatch.empty(), "sflow")
