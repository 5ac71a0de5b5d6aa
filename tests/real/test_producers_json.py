"""What Suricata, nfdump and pmacct really wrote: every flow decoded, none lost, and as the producer itself counts."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flows.addresses import address_texts
from flows.batch import ABSENT, FlowBatch, Service, State
from flows.files import parse_spec, read_flows
from flows.formats import encode_canonical, make_decoder
from flows.formats.tcp import tcp_state
from flows.formats.zeek_terms import ACK, FIN, PSH, RST, SYN, TCP, UDP
from tests.support.batches import same

EVE = "producers/suricata-eve/slips_test6-malicious.eve.json.gz"
ALERTS = "producers/suricata-eve/netflowlabeler_suricata.json"
NFDUMP = "producers/nfdump/slips_test1-malicious_2018-01-12.nfdump-1.7.1.json.gz"
NFDUMP_CSV = "producers/nfdump/slips_test1-malicious_2018-01-12.nfdump-1.7.1.csv.gz"
PMACCT = "producers/pmacct/nfacctd-1.7.7_ssh-bruteforce.json"
FLOWS = {EVE: 3_512, ALERTS: 0, NFDUMP: 4_593, PMACCT: 134}
FORMATS = {EVE: "suricata", ALERTS: "suricata", NFDUMP: "netflow", PMACCT: "netflow"}
ZEEK = (
    "iot23/CTU-IoT-Malware-Capture-34-1.conn.log.labeled.gz",
    "ctu-zeek/ctu-normal-43-day1_2022-06-12.conn.log.labeled.gz",
    "rita-beacon/conn.2024-04-19.log.gz",
)


@cache
def decode(path: Path, lines_per_batch: int = 8192) -> tuple[FlowBatch, int, set[str | None]]:
    """The flows of a file, how many dead letters it gave, and the formats it was taken for."""
    chunks = list(read_flows([parse_spec(str(path))], lines_per_batch))
    batch = FlowBatch.concatenate([chunk.decoded.batch for chunk in chunks])
    return batch, sum(len(chunk.decoded.dead) for chunk in chunks), {chunk.spec.format for chunk in chunks}


@cache
def flow_events(path: Path) -> list[dict[str, Any]]:
    """Suricata's flow events as Python's own JSON reads them."""
    events = map(json.loads, gzip.decompress(path.read_bytes()).splitlines())
    return [event for event in events if event["event_type"] == "flow"]


@pytest.mark.parametrize("name", FLOWS)
def test_every_flow_is_decoded_and_nothing_is_lost(datasets: Path, name: str) -> None:
    batch, dead, formats = decode(datasets / name)
    assert (len(batch), dead, formats) == (FLOWS[name], 0, {FORMATS[name]})
    assert np.isfinite(batch.start).all()
    assert (batch.duration >= 0).all()
    assert ((batch.dst_port >= 0) == np.isin(batch.protocol, [TCP, UDP])).all()
    assert (batch.src_packets + np.nan_to_num(batch.dst_packets) > 0).all()
    assert (batch.src_bytes >= 20 * batch.src_packets).all()  # an IP header each


@pytest.mark.parametrize("name", FLOWS)
def test_neither_the_batch_size_nor_the_canonical_form_changes_a_flow(datasets: Path, name: str) -> None:
    batch, _, _ = decode(datasets / name)
    for size in (7, 1000):
        assert same(decode(datasets / name, size)[0], batch)
    assert same(make_decoder("canonical").decode(encode_canonical(batch)).batch, batch)


# Suricata


def test_suricatas_own_totals(datasets: Path) -> None:
    batch, _, _ = decode(datasets / EVE)
    events = flow_events(datasets / EVE)
    for column, theirs in (("src", "toserver"), ("dst", "toclient")):
        packets = [event["flow"][f"pkts_{theirs}"] for event in events]
        assert getattr(batch, f"{column}_packets").tolist() == packets
        frames = sum(event["flow"][f"bytes_{theirs}"] for event in events)
        assert getattr(batch, f"{column}_bytes").sum() == frames - 14 * sum(packets)
    # `age` is the difference of whole seconds.
    ages = np.floor(batch.start + batch.duration + 1e-6) - np.floor(batch.start + 1e-6)
    assert ages.tolist() == [event["flow"]["age"] for event in events]
    assert batch.flow_id.tolist() == [str(event["flow_id"]) for event in events]
    assert set(batch.sensor_id) == {"stratosphere.org"}


def test_suricatas_flags_are_those_that_it_names(datasets: Path) -> None:
    batch, _, _ = decode(datasets / EVE)
    names = {"syn": SYN, "fin": FIN, "rst": RST, "psh": PSH, "ack": ACK, "ecn": 0x40, "cwr": 0x80}
    either = np.maximum(batch.src_flags, 0) | np.maximum(batch.dst_flags, 0)
    for event, flags, src, dst in zip(
        flow_events(datasets / EVE), either, batch.src_flags, batch.dst_flags, strict=True
    ):
        tcp = event.get("tcp", {})
        assert {name for name, bit in names.items() if flags & bit} == set(names) & set(tcp)
        assert (src == ABSENT and dst == ABSENT) == ("state" not in tcp)  # no state: a session that was not followed


def test_suricatas_states(datasets: Path) -> None:
    batch, _, _ = decode(datasets / EVE)
    events = flow_events(datasets / EVE)
    words = Counter(
        (event["proto"], event["flow"]["state"], event.get("tcp", {}).get("state"), State(state).name)
        for event, state in zip(events, batch.state, strict=True)
    )
    assert words == {
        ("TCP", "closed", "closed", "REJECTED"): 1_939,  # SYN, then RST+ACK
        ("TCP", "closed", "closed", "RESET"): 25,
        ("TCP", "closed", "closed", "CLOSED"): 16,
        ("TCP", "established", "close_wait", "ESTABLISHED"): 330,
        # Resets that Suricata's stream engine did not take for valid; Zeek would have.
        ("TCP", "established", "close_wait", "RESET"): 4,
        ("TCP", "established", "established", "RESET"): 4,
        ("TCP", "new", "syn_recv", "ESTABLISHED"): 3,
        ("TCP", "new", None, "OTHER"): 15,
        ("UDP", "new", None, "ATTEMPT"): 977,
        ("UDP", "established", None, "ESTABLISHED"): 199,
    }
    services = Counter(Service(service).name for service in batch.service)
    assert services == {"UNRECOGNISED": 1_074 + 2_281, "DNS": 101, "HTTP": 53, "TLS": 2, "NTP": 1}


@pytest.mark.parametrize("name", ZEEK)
def test_a_state_told_by_flags_means_what_zeeks_means(datasets: Path, name: str) -> None:
    batch, _, _ = decode(datasets / name)
    opened = (batch.src_flags >= 0) & (batch.dst_flags >= 0) & (batch.src_flags & SYN != 0)
    assert opened.sum() > 5_000
    assert (tcp_state(batch.src_flags, batch.dst_flags) == batch.state)[opened].mean() > 0.99


# NetFlow


def test_netflow_tells_of_one_direction(datasets: Path) -> None:
    for name in (NFDUMP, PMACCT):
        batch, _, _ = decode(datasets / name)
        assert np.isnan(batch.dst_packets).all()
        assert np.isnan(batch.dst_bytes).all()
        assert set(batch.state) == set(batch.dst_flags) == set(batch.service) == {ABSENT}


def test_nfdumps_own_table_has_the_same_flows(datasets: Path) -> None:
    batch, _, _ = decode(datasets / NFDUMP)
    text, _, summary = gzip.decompress((datasets / NFDUMP_CSV).read_bytes()).decode().partition("Summary\n")
    totals = next(csv.DictReader(io.StringIO(summary)))
    assert (totals["flows"], totals["bytes"], totals["packets"]) == ("4593", "241025", "4652")
    assert (len(batch), batch.src_bytes.sum(), batch.src_packets.sum()) == (4_593, 241_025, 4_652)
    rows = list(csv.DictReader(io.StringIO(text)))
    starts = np.array([row["ts"] for row in rows], dtype="datetime64[s]").astype(np.float64)
    assert np.floor(batch.start).tolist() == starts.tolist()
    assert batch.duration.tolist() == [float(row["td"]) for row in rows]
    texts = {"sa": address_texts(batch.src_addr), "da": address_texts(batch.dst_addr), "ra": batch.sensor_id.tolist()}
    for column, values in texts.items():
        assert values == [row[column] for row in rows], column
    numbers = {"sp": batch.src_port, "dp": batch.dst_port, "ipkt": batch.src_packets, "ibyt": batch.src_bytes}
    for column, values in numbers.items():
        assert values.tolist() == [int(row[column]) for row in rows], column
    assert [{TCP: "TCP", UDP: "UDP"}[number] for number in batch.protocol] == [row["pr"] for row in rows]
    letters = ["".join("CEUAPRSF"[7 - bit] if flags >> bit & 1 else "." for bit in range(7, -1, -1))
               for flags in np.maximum(batch.src_flags, 0)]  # fmt: skip
    assert letters == [row["flg"] for row in rows]


def test_pmaccts_own_totals(datasets: Path) -> None:
    batch, _, _ = decode(datasets / PMACCT)
    records = [json.loads(line) for line in (datasets / PMACCT).read_bytes().splitlines()]
    assert batch.src_packets.tolist() == [record["packets"] for record in records]
    assert batch.src_bytes.tolist() == [record["bytes"] for record in records]
    assert batch.src_flags.tolist() == [int(record["tcp_flags"]) for record in records]
    assert address_texts(batch.src_addr) == [record["ip_src"] for record in records]
    assert set(batch.sensor_id) == {"127.0.0.1"}
    # An attempt at a password after the other, between two hosts; each connection is two records.
    assert (batch.src_packets.sum(), batch.src_bytes.sum(), len(batch)) == (1_178, 230_600, 134)
