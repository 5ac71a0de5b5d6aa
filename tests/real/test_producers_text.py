"""The real files of Argus and of both CICFlowMeters: no row lost, and what they say held against other witnesses.

The captures that the Argus files were made from, and NetFlow of the same attack, tell what the exporters should have.
"""

from __future__ import annotations

import gzip
import json
import struct
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from flows.addresses import address_array, address_texts
from flows.batch import FlowBatch, State
from flows.files import parse_spec, read_flows
from flows.formats import encode_canonical, make_decoder
from flows.labels import truth_of
from tests.support.batches import same

SYN_ACKS = "ddos-captures/amp.TCP.reflection.SYNACK.argus.binetflow.gz"
TEST5 = "ctu-argus/slips_test5_2018-05-10.labeled.tsv.binetflow.gz"
P2P = "ctu-argus/ctu-normal-7_2013-12-17_p2p.binetflow.gz"
SNMP = "ddos-captures/amp.UDP.snmp.src161.argus.binetflow.gz"
FLOOD = "ddos-captures/pkt.TCP.synflood.spoofed.argus.binetflow.gz"
# Rows, and those of them that are dead letters; the rest are flows, but for one record of Argus about itself.
ARGUS: dict[str, tuple[int, dict[str, int]]] = {
    "producers/argus/netflowlabeler_test.binetflow.gz": (99, {"arp": 6, "llc": 2}),
    "producers/argus/slips_test11-portscan.binetflow": (66, {}),
    P2P: (9_797, {}),
    "ctu-argus/slips_test-sality.binetflow.gz": (1_005, {"arp": 11, "llc": 1}),
    "ctu-argus/slips_test2-malicious_2019-04-04.binetflow.gz": (6_751, {}),
    TEST5: (6_725, {"arp": 2, "llc": 1}),
    SYN_ACKS: (7_838, {"arp": 4}),
    SNMP: (4_296, {}),
    "ddos-captures/amp.dns.RRSIG.fragmented.argus.binetflow.gz": (610, {}),
    FLOOD: (37_669, {}),
}
JAVA = "producers/cicflowmeter/CICIDS2017_Friday-WorkingHours-Afternoon-DDos_first-9998-rows_all-BENIGN.csv.gz"
PYTHON = "producers/cicflowmeter/py-cicflowmeter-0.5.0_ssh-bruteforce.csv"
NETFLOW = "producers/pmacct/nfacctd-1.7.7_ssh-bruteforce.json"
ALL = {**dict.fromkeys(ARGUS, "argus"), JAVA: "cicflowmeter", PYTHON: "cicflowmeter"}
VICTIM = "10.10.10.10"


@cache
def decode(path: Path, lines_per_batch: int = 8192) -> tuple[FlowBatch, list[str] | None, Counter[str]]:
    """The flows of a file, their labels, and the reasons of its dead letters."""
    chunks = list(read_flows([parse_spec(str(path))], lines_per_batch))
    labels = [label for chunk in chunks if chunk.decoded.labels is not None for label in chunk.decoded.labels]
    batch = FlowBatch.concatenate([chunk.decoded.batch for chunk in chunks])
    return batch, labels or None, Counter(letter.error for chunk in chunks for letter in chunk.decoded.dead)


def rows(path: Path) -> list[dict[str, str]]:
    """A file's rows as a reader with no opinion sees them."""
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode().splitlines()
    separator = "\t" if "\t" in text[0] else ","
    names = [name.strip() for name in text[0].split(separator)]
    return [dict(zip(names, line.split(separator), strict=True)) for line in text[1:]]


def test_every_file_is_named_here(datasets: Path) -> None:
    folders = ("producers/argus", "producers/cicflowmeter", "ctu-argus", "ddos-captures")
    found = {str(path.relative_to(datasets)) for folder in folders for path in (datasets / folder).iterdir()}
    assert {name for name in found if ".pcap" not in name} == set(ALL)


@pytest.mark.parametrize(("name", "kind"), ALL.items())
def test_a_file_s_format_is_recognised(datasets: Path, name: str, kind: str) -> None:
    assert {chunk.spec.format for chunk in read_flows([parse_spec(str(datasets / name))])} == {kind}


@pytest.mark.parametrize("name", ARGUS)
def test_every_row_of_argus_s_is_a_flow_a_dead_letter_or_about_itself(datasets: Path, name: str) -> None:
    count, not_ip = ARGUS[name]
    batch, _, dead = decode(datasets / name)
    assert dead == {f"not an IP flow: {proto}": number for proto, number in not_ip.items()}
    assert len(batch) + dead.total() + (name == TEST5) == count == len(rows(datasets / name))


@pytest.mark.parametrize(("name", "count"), [(JAVA, 9_998), (PYTHON, 67)])
def test_every_row_of_cicflowmeter_s_is_a_flow(datasets: Path, name: str, count: int) -> None:
    batch, _, dead = decode(datasets / name)
    assert (len(batch), dead.total(), len(rows(datasets / name))) == (count, 0, count)


@pytest.mark.parametrize("name", ALL)
def test_the_canonical_form_is_exact(datasets: Path, name: str) -> None:
    batch, labels, _ = decode(datasets / name)
    column = None if labels is None else np.array(labels, dtype=object)
    decoded = make_decoder("canonical").decode(encode_canonical(batch, column))
    assert decoded.dead == []
    assert same(decoded.batch, batch)


@pytest.mark.parametrize("name", [TEST5, SYN_ACKS, JAVA, PYTHON])
def test_the_batch_size_changes_nothing(datasets: Path, name: str) -> None:
    usual = decode(datasets / name)
    for size in (97, 100_000):
        other = decode(datasets / name, size)
        assert same(other[0], usual[0])
        assert other[1:] == usual[1:]


# Argus


@pytest.mark.parametrize("name", ARGUS)
def test_what_argus_s_flows_say_is_plausible(datasets: Path, name: str) -> None:
    batch, _, _ = decode(datasets / name)
    assert np.isfinite(batch.start).all()
    assert set(batch.protocol.tolist()) <= {1, 2, 6, 17, 58}
    assert ((batch.dst_port >= 0) == np.isin(batch.protocol, [6, 17])).all()
    assert (batch.state >= 0).all()
    known = ~np.isnan(batch.src_packets)
    assert (batch.src_packets + batch.dst_packets)[known].min() >= 1
    every = [float(row["TotPkts"]) for row in rows(datasets / name) if row["Proto"] not in {"arp", "llc", "man"}]
    assert (batch.src_packets + batch.dst_packets)[known].tolist() == np.array(every)[known].tolist()


def test_the_labels_of_the_ctu(datasets: Path) -> None:
    _, labels, _ = decode(datasets / TEST5)
    assert labels is not None
    assert Counter(map(truth_of, labels)) == {"malware": 6_277, "": 444}
    assert Counter(labels)["flow=Malware-UDP-DNS"] == 4_637
    assert decode(datasets / FLOOD)[1] is None


def test_where_argus_took_the_victim_for_the_source_it_says_so_itself(datasets: Path) -> None:
    backwards = [row for row in rows(datasets / SYN_ACKS) if row["Dir"].strip() == "<?"]
    assert len(backwards) == 1_019
    assert {(row["SrcAddr"], row["SrcBytes"]) for row in backwards} == {(VICTIM, "0")}
    batch, _, _ = decode(datasets / SYN_ACKS)
    assert set(address_texts(batch.dst_addr)) == {VICTIM}
    assert (batch.dst_packets == 0).all()
    assert (batch.src_packets >= 1).all()
    assert set(batch.state[batch.protocol == 6].tolist()) == {State.OTHER, State.ATTEMPT}  # no SYN was seen, but one


def test_states_of_a_flood_and_of_a_day_of_p2p(datasets: Path) -> None:
    flood, _, _ = decode(datasets / FLOOD)
    assert set(flood.state.tolist()) == {State.ATTEMPT}
    p2p, _, _ = decode(datasets / P2P)
    tcp = p2p.protocol == 6
    assert Counter(p2p.state[tcp].tolist()) == {
        State.CLOSED: 162, State.REJECTED: 147, State.ATTEMPT: 77, State.RESET: 23, State.ESTABLISHED: 13,
        State.OTHER: 13,
    }  # fmt: skip


@pytest.mark.parametrize("name", [name for name in ARGUS if name.startswith("ddos-captures") and name != SNMP])
def test_argus_s_packets_and_bytes_are_those_of_the_capture(datasets: Path, name: str) -> None:
    batch, _, _ = decode(datasets / name)
    lengths = [length - 14 for kind, length in frames(datasets / name.replace("argus.binetflow", "pcap")) if kind]
    assert batch.src_packets.sum() + batch.dst_packets.sum() == len(lengths)
    assert batch.src_bytes.sum() + batch.dst_bytes.sum() == sum(lengths)


def frames(path: Path) -> Iterator[tuple[bool, int]]:
    """Whether each frame of a capture carries IP, and its length (the format is libpcap's, little-endian)."""
    raw = gzip.decompress(path.read_bytes())
    assert raw[:4] == b"\xd4\xc3\xb2\xa1"
    place = 24
    while place < len(raw):
        captured, length = struct.unpack_from("<II", raw, place + 8)
        yield raw[place + 28 : place + 30] in {b"\x08\x00", b"\x86\xdd"}, length
        place += 16 + captured


# CICFlowMeter


def test_java_s_flows_have_no_ends_and_no_times(datasets: Path) -> None:
    batch, labels, _ = decode(datasets / JAVA)
    assert labels is not None
    assert Counter(map(truth_of, labels)) == {"benign": 9_998}
    assert not np.stack([batch.src_addr, batch.dst_addr]).any()
    assert np.isnan(batch.start).all()
    table = rows(datasets / JAVA)
    assert batch.duration.tolist() == [int(row["Flow Duration"]) / 1e6 for row in table]
    assert batch.src_payload.sum() == sum(int(row["Total Length of Fwd Packets"]) for row in table)
    assert (batch.iat_max <= batch.duration * 1.01).all()  # long times were published with three digits


def test_what_of_java_s_is_not_to_be_trusted(datasets: Path) -> None:
    """Why sizes and bytes of IP are absent: DNS has no TCP header, and the first packet is in the mean twice."""
    table = rows(datasets / JAVA)
    dns = [row for row in table if row["Destination Port"] == "53"]
    assert {row["min_seg_size_forward"] for row in dns} >= {"20", "32", "40"}
    more = 0
    for row in table:
        packets = int(row["Total Fwd Packets"]) + int(row["Total Backward Packets"])
        total = int(row["Total Length of Fwd Packets"]) + int(row["Total Length of Bwd Packets"])
        more += abs(float(row["Packet Length Mean"]) * packets - total) > 0.01 * total
    assert more > len(table) / 2


def test_python_s_flows_are_those_of_netflow(datasets: Path) -> None:
    """The same attack through pmacct: equal packets, and bytes but for the options of the first SYN."""
    other: dict[tuple[int, int], Counter[str]] = defaultdict(Counter)
    for line in (datasets / NETFLOW).read_text().splitlines():
        record = json.loads(line)
        other[record["port_src"], record["port_dst"]].update(packets=record["packets"], bytes=record["bytes"])
    batch, _, _ = decode(datasets / PYTHON)
    ends = address_array(["147.32.80.40", "147.32.80.37"])
    assert (batch.src_addr == ends[0]).all()
    assert (batch.dst_addr == ends[1]).all()
    too_many = Counter[float]()
    for flow, (src, dst) in enumerate(zip(batch.src_port.tolist(), batch.dst_port.tolist(), strict=True)):
        there, back = other.pop((src, dst)), other.pop((dst, src))
        assert (there["packets"], back["packets"]) == (batch.src_packets[flow], batch.dst_packets[flow])
        assert back["bytes"] == batch.dst_bytes[flow]
        too_many[float(batch.src_bytes[flow] - there["bytes"])] += 1
    assert too_many == {8: 66, 0: 1}
    assert not other
