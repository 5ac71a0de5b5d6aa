"""Views of real captures: what each exporter leaves out, what it tells of the same packets, and real refusals."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from flows.batch import SCHEMA, FlowBatch, State
from flows.files import parse_spec, read_flows
from tests.support.batches import same
from training.views import UNTOLD, answered_by, as_exporter

ZEEK_FLOOD = "iot23/CTU-IoT-Malware-Capture-34-1.conn.log.labeled.gz"
SYN_FLOOD = "ddos-captures/pkt.TCP.synflood.spoofed.argus.binetflow.gz"
NMAP = "ctu-zeek/stratosphere_nmap-port-scans_2022-09-29.conn.json.log.gz"

# Together, the samples of an exporter tell whatever it can tell. None of nfdump's merged records is among them.
SAMPLES = {
    "zeek": ("rita-beacon/conn.2024-04-19.log.gz", "producers/zeek-json/slips_test9-mixed.conn.log.gz"),
    "suricata": ("producers/suricata-eve/slips_test6-malicious.eve.json.gz",),
    "argus": (
        "ctu-argus/slips_test2-malicious_2019-04-04.binetflow.gz",
        "ctu-argus/slips_test5_2018-05-10.labeled.tsv.binetflow.gz",
    ),
    "argus-ctu": (
        SYN_FLOOD,
        "ddos-captures/amp.TCP.reflection.SYNACK.argus.binetflow.gz",
        "ctu-argus/slips_test-sality.binetflow.gz",
    ),
    "netflow": (
        "producers/nfdump/slips_test1-malicious_2018-01-12.nfdump-1.7.1.json.gz",
        "producers/pmacct/nfacctd-1.7.7_ssh-bruteforce.json",
    ),
}


@cache
def read_one(path: Path) -> FlowBatch:
    """The first flows of a capture, some thousands."""
    return next(read_flows([parse_spec(str(path))])).decoded.batch


def read(datasets: Path, *names: str) -> FlowBatch:
    return FlowBatch.concatenate([read_one(datasets / name) for name in names])


def never_told(batch: FlowBatch) -> set[str]:
    """The columns that are absent in every flow."""
    untold = set()
    for spec in SCHEMA:
        column = getattr(batch, spec.name)
        told = (
            column != "" if spec.dtype == "object" else ~np.isnan(column) if column.dtype.kind == "f" else column >= 0
        )
        if not told.any():
            untold.add(spec.name)
    return untold


@pytest.mark.parametrize("name", SAMPLES)
def test_what_is_blanked_is_what_real_records_never_tell(datasets: Path, name: str) -> None:
    assert never_told(read(datasets, *SAMPLES[name])) == set(UNTOLD[name])


@pytest.mark.parametrize(
    "name", [ZEEK_FLOOD, NMAP, *SAMPLES["zeek"], "ctu-zeek/ctu-normal-43-day1_2022-06-12.conn.log.labeled.gz"]
)
def test_zeek_retold_as_zeek_is_the_same(datasets: Path, name: str) -> None:
    batch = read(datasets, name)

    assert same(as_exporter(batch, "zeek")[0], batch)


@pytest.mark.parametrize(
    "name", [(exporter, sample) for exporter in ("suricata", "argus", "argus-ctu") for sample in SAMPLES[exporter]]
)
def test_others_retold_are_the_same_but_for_flags_that_a_name_left_no_doubt_about(
    datasets: Path, name: tuple[str, str]
) -> None:
    exporter, sample = name
    batch = read(datasets, sample)
    other, _ = as_exporter(batch, exporter)

    for side in ("src_flags", "dst_flags"):
        before, after = getattr(batch, side), getattr(other, side)
        assert (after[before >= 0] == before[before >= 0]).all()
    assert same(replace(other, src_flags=batch.src_flags, dst_flags=batch.dst_flags), batch)


def test_nfdump_retold_is_the_same(datasets: Path) -> None:
    batch = read(datasets, SAMPLES["netflow"][0])

    other, _ = as_exporter(batch, "netflow")

    # A sum of a start and a duration in milliseconds is one only to the precision of a double.
    for name in ("start", "duration"):
        assert np.abs(getattr(other, name) - getattr(batch, name)).max() < 1e-6
    assert same(replace(other, start=batch.start, duration=batch.duration), batch)


def test_connections_retold_as_netflow_are_the_records_that_a_real_exporter_made_of_them(datasets: Path) -> None:
    whole = read(datasets, "producers/cicflowmeter/py-cicflowmeter-0.5.0_ssh-bruteforce.csv")
    records = read(datasets, "producers/pmacct/nfacctd-1.7.7_ssh-bruteforce.json")

    retold, _ = as_exporter(whole, "netflow")

    names = ("src_addr", "dst_addr", "src_port", "dst_port", "protocol", "src_packets")
    told = [
        Counter(
            tuple(np.column_stack([getattr(batch, name) for name in names])[row].tolist()) for row in range(len(batch))
        )
        for batch in (retold, records)
    ]
    assert len(retold) == len(records) == 134
    assert told[0] == told[1]


def test_a_flood_that_is_refused_looks_like_real_refusals(datasets: Path) -> None:
    flood, scan = read(datasets, SYN_FLOOD).take(slice(0, 2000)), as_exporter(read(datasets, NMAP), "zeek")[0]
    real = scan.take((scan.state == State.REJECTED) & (scan.src_packets == 1))

    refused, _ = as_exporter(answered_by(flood, "reset", np.random.default_rng(1))[0], "zeek")
    alone = refused.take(refused.src_packets == 1)

    assert len(real) > 1000
    for name in (
        "src_packets",
        "dst_packets",
        "dst_bytes",
        "src_payload",
        "dst_payload",
        "src_flags",
        "dst_flags",
        "state",
        "service",
    ):
        assert set(getattr(alone, name).tolist()) == set(getattr(real, name).tolist()), name
    assert not np.isnan(alone.duration).any()
    assert np.quantile(real.duration, 0.02) < np.median(alone.duration) < np.quantile(real.duration, 0.98)


def test_a_refused_flood_that_falls_silent_is_the_flood_again(datasets: Path) -> None:
    flood = read(datasets, SYN_FLOOD)
    rng = np.random.default_rng(1)

    refused, _ = answered_by(flood, "reset", rng)
    silent, _ = answered_by(refused, "silent", rng)

    assert (refused.state == State.REJECTED).all()
    assert (refused.dst_packets == flood.src_packets).all()
    assert (refused.dst_bytes == 40 * flood.src_packets).all()
    assert same(replace(silent, duration=flood.duration), flood)
