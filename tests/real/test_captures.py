"""The real Zeek captures: every row decoded, none lost, and the labels as their publishers counted them."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from flows.addresses import address_array
from flows.batch import FlowBatch
from flows.files import parse_spec, read_flows
from flows.formats import encode_canonical, make_decoder
from flows.labels import truth_of
from tests.support.batches import same

IOT23 = "iot23/CTU-IoT-Malware-Capture-34-1.conn.log.labeled.gz"
RITA = {"rita-beacon/conn.2024-04-19.log.gz": 31_367, "rita-beacon/conn.2024-04-20.log.gz": 39_073}
UNLABELLED = {
    **RITA,
    "ctu-zeek/ctu-botnet-355-1_simda_first1000.conn.log.gz": 992,
    "ctu-zeek/stratosphere_nmap-port-scans_2022-09-29.conn.json.log.gz": 4_504,
    "producers/zeek-tsv/rita_proxy.conn.log": 463,
    "producers/zeek-tsv/netflowlabeler_conn.tab.log": 92,
    "producers/zeek-json/slips_test9-mixed.conn.log.gz": 576,
    "producers/zeek-json/netflowlabeler_conn.json.log.gz": 1_000,
    "producers/zeek-json/rita_json_with_all_fields.conn.log": 29,
}
LABELLED = {
    IOT23: {"DDoS": 14_394, "C&C": 6_706, "PartOfAHorizontalPortScan": 122, "Benign": 1_923},
    "ctu-zeek/ctu-normal-40-day1_2022-06-12.conn.log.labeled.gz": {
        "External-Attack-to-Device": 4_201,
        "Benign": 1_402,
        "Background": 60,
    },
    "ctu-zeek/ctu-normal-43-day1_2022-06-12.conn.log.labeled.gz": {
        "External-Attack-to-Device": 3_951,
        "Benign": 4_771,
        "Background": 326,
    },
    "ctu-zeek/ctu-sme-11_ubuntu2204-1_2023-02-20.conn.log.labeled.gz": {"Benign": 6_796, "Unknown": 328},
    "ctu-zeek/ctu-botnet-230-1_njrat_first1000.conn.log.labeled.gz": {"CC": 244, "Benign": 9, "Background": 739},
    "ctu-zeek/ctu-botnet-4_LABELS-ARE-PLACEHOLDERS.conn.log.labeled.gz": {"Benign": 19_460, "Malicious": 3_453},
}


@cache  # the same few captures are asked for again and again
def decode(path: Path, lines_per_batch: int = 8192) -> tuple[FlowBatch, list[str] | None, int]:
    """The flows of a file, their labels, and how many dead letters it gave."""
    chunks = list(read_flows([parse_spec(str(path))], lines_per_batch))
    assert {chunk.spec.format for chunk in chunks} == {"zeek"}
    labels = [label for chunk in chunks if chunk.decoded.labels is not None for label in chunk.decoded.labels]
    batch = FlowBatch.concatenate([chunk.decoded.batch for chunk in chunks])
    return batch, labels or None, sum(len(chunk.decoded.dead) for chunk in chunks)


def test_every_zeek_file_is_named_here(datasets: Path) -> None:
    folders = ("iot23", "ctu-zeek", "rita-beacon", "producers/zeek-tsv", "producers/zeek-json")
    found = {str(path.relative_to(datasets)) for folder in folders for path in (datasets / folder).iterdir()}
    assert found == {*UNLABELLED, *LABELLED}


@pytest.mark.parametrize(("name", "rows"), UNLABELLED.items())
def test_an_unlabelled_capture(datasets: Path, name: str, rows: int) -> None:
    batch, labels, dead = decode(datasets / name)
    assert (len(batch), labels, dead) == (rows, None, 0)


@pytest.mark.parametrize(("name", "counts"), LABELLED.items())
def test_a_labelled_capture(datasets: Path, name: str, counts: dict[str, int]) -> None:
    batch, labels, dead = decode(datasets / name)
    assert labels is not None
    assert Counter(labels) == counts
    assert (len(batch), dead) == (sum(counts.values()), 0)


@pytest.mark.parametrize("name", [*UNLABELLED, *LABELLED])
def test_decoded_values_are_plausible(datasets: Path, name: str) -> None:
    batch, _, _ = decode(datasets / name)
    assert np.isfinite(batch.start).all()
    assert (batch.protocol != 0).all()
    assert set(batch.protocol.tolist()) <= {1, 6, 17, 58}
    with_ports = np.isin(batch.protocol, [6, 17])
    assert ((batch.dst_port >= 0) == with_ports).all()
    assert ((batch.src_flags >= 0) <= (batch.protocol == 6)).all()
    assert not ((batch.src_packets == 0) & (batch.dst_packets == 0)).any()  # a flow has at least one packet
    assert all(batch.flow_id)


@pytest.mark.parametrize("name", [*UNLABELLED, *LABELLED])
def test_the_canonical_form_of_a_capture_is_exact(datasets: Path, name: str) -> None:
    for chunk in read_flows([parse_spec(str(datasets / name))]):
        decoded = make_decoder("canonical").decode(encode_canonical(chunk.decoded.batch, chunk.decoded.labels))
        assert decoded.dead == []
        assert same(decoded.batch, chunk.decoded.batch)


def test_the_batch_size_changes_nothing(datasets: Path) -> None:
    for name in (IOT23, "producers/zeek-json/slips_test9-mixed.conn.log.gz"):
        one, labels, _ = decode(datasets / name)
        for size in (97, 100_000):
            other, other_labels, _ = decode(datasets / name, size)
            assert same(one, other)
            assert labels == other_labels


def test_what_iot_23_says_of_its_flows(datasets: Path) -> None:
    batch, labels, _ = decode(datasets / IOT23)
    truths = Counter(truth_of(label) for label in labels or [])
    assert truths == {"ddos": 14_394, "malware": 6_706, "anomaly": 122, "benign": 1_923}
    assert (np.diff(batch.start) < 0).any()  # out of order, and kept so


def test_the_beacon_is_where_its_publisher_says(datasets: Path) -> None:
    ends = address_array(["73.54.23.243", "64.225.56.201"])
    for name, rows in zip(RITA, (318, 316), strict=True):
        batch, _, _ = decode(datasets / name)
        beacon = (batch.src_addr == ends[0]).all(axis=1) & (batch.dst_addr == ends[1]).all(axis=1)
        assert beacon.sum() == rows
        assert set(batch.dst_port[beacon & (batch.protocol == 6)].tolist()) == {80}
        assert set(batch.sensor_id) == {"worker-eth0-1"}
