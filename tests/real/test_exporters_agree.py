"""The same traffic through four exporters gives the same features, where two of them can know one.

What may differ has a name here, and nothing else differs:

* padding: Argus and CICFlowMeter count frames, and the shortest are padded to 60 bytes, which nobody can tell after;
* first frames: CICFlowMeter counts a flow's first frame twice, and the decoder takes off what it may have been;
* fragments: nfdump puts a datagram together and counts it once, CICFlowMeter counts its first fragment only, and
  pmacct leaves out fragments whose first one it has not seen;
* tunnels: of a packet within GRE Argus counts all bytes, and nfdump those of the inner packet;
* direction: Argus may take the host that was never heard for the one that began;
* cuts: every exporter ends a flow by its own clock, and pmacctd with each second; where two tell a different number of
  flows between the same ports, only their sums are compared.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

from flows.addresses import address_array
from flows.batch import SCHEMA, FlowBatch
from flows.catalogue import CATALOGUE, INDEX
from flows.features import FeatureExtractor
from flows.files import parse_spec, read_flows
from tests.support import exporters
from tests.support.batches import same
from tests.support.pcap import Talk, fragmented, tunnelled, unpack
from tests.support.pmacct import pmacctd

SYN_FLOOD, SYN_ACKS = "pkt.TCP.synflood.spoofed.pcap", "amp.TCP.reflection.SYNACK.pcap"
SNMP, DNS = "amp.UDP.snmp.src161.pcapng", "amp.dns.RRSIG.fragmented.pcap"
TCP: Final = 6
VICTIM: Final = address_array(["10.10.10.10"])[0]

Ends = tuple[object, ...]
Truths = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Traffic:
    """A capture, or the first packets of it, and how many IP packets each exporter tells of."""

    capture: str
    packets: int | None
    told: dict[str, int]

    @property
    def name(self) -> str:
        return self.capture if self.packets is None else f"{self.capture}-{self.packets}"


# CICFlowMeter is slow, and knows neither ICMP nor IPv6. ARP is no IP. For the rest see "fragments" above.
TRAFFIC: Final = (
    Traffic(SYN_FLOOD, None, {"argus": 37_841, "nfdump": 37_841, "pmacct": 37_841}),
    Traffic(SYN_FLOOD, 2_000, {"argus": 2_000, "nfdump": 2_000, "cicflowmeter": 2_000}),
    Traffic(SYN_ACKS, None, {"argus": 7_996, "nfdump": 7_995, "pmacct": 7_996}),
    Traffic(SYN_ACKS, 2_000, {"argus": 1_998, "nfdump": 1_998, "cicflowmeter": 1_958}),
    Traffic(SNMP, None, {"argus": 4_373, "nfdump": 4_373, "pmacct": 4_373}),
    Traffic(SNMP, 2_000, {"argus": 2_000, "nfdump": 2_000, "cicflowmeter": 1_876}),
    Traffic(DNS, None, {"argus": 4_412, "nfdump": 3_482, "pmacct": 4_366, "cicflowmeter": 3_664}),
)
BY_NAME: Final = {traffic.name: traffic for traffic in TRAFFIC}
PAIRS: Final = [
    pytest.param(traffic.name, one, other, id=f"{one}-{other}-{traffic.name}")
    for traffic in TRAFFIC
    for place, one in enumerate(traffic.told)
    for other in list(traffic.told)[place + 1 :]
]

COUNT_FRAMES: Final = frozenset({"argus", "cicflowmeter"})
MOST_PADDING: Final = 18  # bytes a packet: a frame has 60 at least, its header 14, and UDP over IPv4 28
MOST_OPTIONS: Final = 40  # bytes of TCP in a SYN
OWN: Final = [feature.name for feature in CATALOGUE if feature.group in ("flow", "ports")]
OF_BYTES: Final = {name for name in OWN if "byte" in name} | {"received_packet_size", "sent_packet_size", "packet_size"}
OF_AMOUNT: Final = {name for name in OWN if "packet" in name or name.startswith("iat")} | OF_BYTES | {"duration"}
OF_DIRECTION: Final = {name for name in OWN if name.startswith(("initiat", "responder", "port", "state"))} | {
    "answered",
    "syn_only",
    "failed",
}
OF_TOLD_SIDES: Final = {"packets", "bytes", "packet_rate", "byte_rate", "packet_size"}
TOLERANCE: Final = {"duration": 1.1e-3}  # s: nfdump tells milliseconds. All else is equal, but for float32.

# Columns of a flow that an exporter never fills in these captures.
ALL: Final = {"src_payload", "dst_payload", "service", "sensor_id", "flow_id"}
SIZES_AND_INTERVALS: Final = {
    *("packet_size_min", "packet_size_max", "packet_size_std", "iat_mean", "iat_std", "iat_max"),
}
WAY_BACK: Final = {"dst_packets", "dst_bytes", "dst_flags", "state"}
UNTOLD: Final = {
    "argus": ALL | SIZES_AND_INTERVALS | {"src_flags", "dst_flags"},
    "nfdump": ALL | SIZES_AND_INTERVALS | WAY_BACK,
    "pmacct": ALL | SIZES_AND_INTERVALS | WAY_BACK | {"duration"},
    "cicflowmeter": ALL | {"src_flags", "dst_flags", "state"},
}

# Where flows last, windows hold as many as each exporter cuts them into, but the same peers and ports.
OF_WINDOWS: Final = {
    traffic.name: {"in_peers_60s": 0.06, "in_ports_60s": 0.06}
    if traffic.capture == DNS
    else dict.fromkeys(
        (
            *("in_flows_10s", "in_peers_10s", "in_ports_10s", "in_port_entropy_10s", "in_syn_only_share_10s"),
            *("in_flows_60s", "in_peers_60s", "in_ports_60s", "in_port_entropy_60s", "in_one_way_share_60s"),
            *("peer_entropy", "new_peer_share_in", "burst_in", "host_flows"),
        ),
        0.015,
    )
    for traffic in TRAFFIC
}


class Measured(NamedTuple):
    """What became of an exporter's output."""

    batch: FlowBatch
    features: npt.NDArray[np.float32]
    dead: Counter[str]


@dataclass(frozen=True)
class Seen:
    """A capture through its exporters, by their names, and whose traffic in it has fragments or is in a tunnel."""

    by: dict[str, Measured]
    fragmented: set[Talk]
    tunnelled: set[Talk]


@pytest.fixture(scope="module")
def captures(datasets: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = datasets / "ddos-captures"
    return {
        traffic.name: unpack(folder / f"{traffic.capture}.gz", tmp_path_factory.mktemp("capture"), traffic.packets)
        for traffic in TRAFFIC
    }


@pytest.fixture(scope="module")
def seen(captures: dict[str, Path], flow_exporters: None, cicflowmeter: None) -> dict[str, Seen]:  # noqa: ARG001  (must be there)
    """All traffic through its exporters."""
    with ThreadPoolExecutor(6) as pool:  # pmacct mostly waits
        outputs = {
            (traffic.name, exporter): pool.submit(run, exporter, captures[traffic.name], packets)
            for traffic in TRAFFIC
            for exporter, packets in traffic.told.items()
        }
    return {
        traffic.name: Seen(
            {exporter: measure(outputs[traffic.name, exporter].result()) for exporter in traffic.told},
            fragmented(captures[traffic.name]),
            tunnelled(captures[traffic.name]),
        )
        for traffic in TRAFFIC
    }


def run(exporter: str, capture: Path, packets: int) -> Path:
    """Let an exporter write its flows beside the capture."""
    if exporter == "pmacct":
        return pmacctd(capture, capture.parent, packets)
    written: Path = getattr(exporters, exporter)(capture, capture.parent)
    return written


def measure(path: Path) -> Measured:
    chunks = list(read_flows([parse_spec(str(path))]))
    batch = FlowBatch.concatenate([chunk.decoded.batch for chunk in chunks])
    dead = Counter(letter.error for chunk in chunks for letter in chunk.decoded.dead)
    return Measured(batch, FeatureExtractor().extract(batch), dead)


def conversations(batch: FlowBatch) -> dict[Ends, list[int]]:
    """The rows between the same two ends, whichever began."""
    found: dict[Ends, list[int]] = defaultdict(list)
    columns = (batch.src_addr, batch.src_port, batch.dst_addr, batch.dst_port, batch.protocol)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    for row, (src, sport, dst, dport, protocol) in enumerate(rows):
        found[*sorted([(*src, sport), (*dst, dport)]), protocol].append(row)
    return found


def between(talks: set[Talk], batch: FlowBatch) -> Truths:
    """Tell which flows are between those, either way: bool[n]."""
    src, dst = (column[:, 1] & np.uint64(0xFFFFFFFF) for column in (batch.src_addr, batch.dst_addr))
    ends = zip(src.tolist(), dst.tolist(), batch.protocol.tolist(), strict=True)
    return np.array([(a, b, protocol) in talks or (b, a, protocol) in talks for a, b, protocol in ends])


def padded(x: Measured, y: Measured, one: str, other: str) -> Truths:
    """Tell which flows differ by no more bytes than padding, and what CICFlowMeter's first frame is guessed by."""
    size, packets = INDEX["bytes"], INDEX["packets"]
    more = np.abs(x.features[:, size] - y.features[:, size])
    most = np.zeros(len(more))
    if (one in COUNT_FRAMES) != (other in COUNT_FRAMES):
        most += MOST_PADDING * x.features[:, packets]
    if "cicflowmeter" in (one, other):
        most += MOST_OPTIONS * ((x.batch.protocol == TCP) & (x.features[:, packets] > 1))
    return np.asarray(more <= most)


def told_by_one(x: Measured, y: Measured) -> Truths:
    """Which flows have packets or bytes one way that only one of the exporters tells."""
    ways = [INDEX[f"{way}_{what}"] for way in ("sent", "received") for what in ("packets", "bytes")]
    one, other = x.features[:, ways], y.features[:, ways]
    return np.asarray(((np.isnan(one) & (other > 0)) | (np.isnan(other) & (one > 0))).any(axis=1))


def of(names: set[str]) -> Truths:
    return np.array([name in names for name in OWN])


@pytest.mark.parametrize("traffic", TRAFFIC, ids=lambda traffic: traffic.name)
def test_every_exporter_tells_of_all_packets_that_it_can(seen: dict[str, Seen], traffic: Traffic) -> None:
    by = seen[traffic.name].by
    told = {name: np.nansum(m.batch.src_packets) + np.nansum(m.batch.dst_packets) for name, m in by.items()}
    assert told == traffic.told
    assert {error for m in by.values() for error in m.dead} <= {"not an IP flow: arp"}


@pytest.mark.parametrize(("name", "one", "other"), PAIRS)
def test_the_features_of_a_flow_are_the_same(seen: dict[str, Seen], name: str, one: str, other: str) -> None:
    a, b = seen[name].by[one], seen[name].by[other]
    of_a, of_b = conversations(a.batch), conversations(b.batch)
    both = of_a.keys() & of_b.keys()
    single = [ends for ends in both if len(of_a[ends]) == len(of_b[ends]) == 1]
    assert len(single) >= (0.65 if name == DNS else 0.99) * len(both)
    x, y = (
        Measured(m.batch.take(np.array(rows)), m.features[rows, : len(OWN)], m.dead)
        for m, rows in ((a, [of_a[ends][0] for ends in single]), (b, [of_b[ends][0] for ends in single]))
    )
    turned = (x.batch.src_addr != y.batch.src_addr).any(axis=1)
    assert turned.mean() <= (0.05 if name == DNS else 0.0)
    excused = np.zeros(x.features.shape, dtype=np.bool_)
    for rows, columns in (
        (turned, OF_DIRECTION),
        (padded(x, y, one, other), OF_BYTES),
        (between(seen[name].fragmented, x.batch), OF_AMOUNT),
        (between(seen[name].tunnelled, x.batch), OF_BYTES),
        (x.features[:, INDEX["duration"]] != y.features[:, INDEX["duration"]], {"packet_rate", "byte_rate"}),
        (told_by_one(x, y), OF_TOLD_SIDES),
    ):
        excused |= rows[:, None] & of(columns)
    known = ~np.isnan(x.features) & ~np.isnan(y.features)
    tolerance = np.array([TOLERANCE.get(feature, 0.0) for feature in OWN])
    close = np.abs(x.features - y.features) <= tolerance + 1e-5 * np.abs(y.features)
    unlike = (known & ~close & ~excused).sum(axis=0)
    assert {feature: count for feature, count in zip(OWN, unlike.tolist(), strict=True) if count} == {}
    for feature in ("received_packets", "received_bytes", "initiated", "is_tcp", "port_system"):
        assert known[:, INDEX[feature]].mean() >= 0.9, feature  # there is something to agree on


@pytest.mark.parametrize(("name", "one", "other"), PAIRS)
def test_however_flows_are_cut_their_sums_are_the_same(seen: dict[str, Seen], name: str, one: str, other: str) -> None:
    sums = []
    for exporter in (one, other):
        batch = seen[name].by[exporter].batch
        packets = np.nan_to_num(batch.src_packets) + np.nan_to_num(batch.dst_packets)
        told = between(seen[name].fragmented, batch)
        sums.append({ends: packets[rows].sum() for ends, rows in conversations(batch).items() if not told[rows].any()})
    both = sums[0].keys() & sums[1].keys()
    assert len(both) >= 0.85 * max(len(one) for one in sums)
    unlike = [ends for ends in both if sums[0][ends] != sums[1][ends]]
    assert len(unlike) <= 0.01 * len(both), unlike


@pytest.mark.parametrize("traffic", TRAFFIC, ids=lambda traffic: traffic.name)
def test_the_windows_of_the_victim_end_the_same(seen: dict[str, Seen], traffic: Traffic) -> None:
    ends: dict[str, npt.NDArray[np.float32]] = {}
    for exporter, measured in seen[traffic.name].by.items():
        batch = measured.batch
        at_victim = (batch.src_addr == VICTIM).all(axis=1) | (batch.dst_addr == VICTIM).all(axis=1)
        ends[exporter] = measured.features[np.flatnonzero(at_victim)[-1]]
    unseen = 1 - min(traffic.told.values()) / max(traffic.told.values())
    for feature, tolerance in OF_WINDOWS[traffic.name].items():
        known = [value for row in ends.values() if not np.isnan(value := row[INDEX[feature]])]
        assert min(known, default=0) >= (1 - tolerance - unseen) * max(known, default=0), (feature, known)


def test_argus_s_own_count_of_a_side_s_packets_changes_nothing_here(
    seen: dict[str, Seen], captures: dict[str, Path]
) -> None:
    # In these captures one side speaks in a flow, so that the sides' packets follow from the sum.
    with_sides = exporters.argus(captures[DNS], captures[DNS].parent, source_packets=True)
    assert b",SrcPkts" in with_sides.read_bytes()
    assert same(measure(with_sides).batch, seen[DNS].by["argus"].batch)


@pytest.mark.parametrize("exporter", UNTOLD)
def test_what_an_exporter_does_not_tell_is_absent(seen: dict[str, Seen], exporter: str) -> None:
    batch = FlowBatch.concatenate([one.by[exporter].batch for one in seen.values() if exporter in one.by])
    absent = set()
    for spec in SCHEMA:
        column = getattr(batch, spec.name)
        if (np.isnan(column) if spec.dtype.startswith("float") else column == spec.absent).all():
            absent.add(spec.name)
    assert absent == UNTOLD[exporter]
