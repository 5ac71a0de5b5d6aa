"""The promises of the features, on real captures with their disorder, gaps and one-way flows."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from flows.batch import FlowBatch
from flows.features import FeatureExtractor
from flows.files import parse_spec, read_flows
from flows.keying import HomeNetworks, key_hosts
from tests.support.feature_oracle import Oracle

CAPTURES = (
    "iot23/CTU-IoT-Malware-Capture-34-1.conn.log.labeled.gz",
    "ctu-zeek/ctu-normal-43-day1_2022-06-12.conn.log.labeled.gz",
    "ctu-zeek/ctu-botnet-230-1_njrat_first1000.conn.log.labeled.gz",
)
SHIFT_S = 5 * 86_400 + 1234.567891


@pytest.fixture(scope="module", params=CAPTURES)
def batch(request: pytest.FixtureRequest, datasets: Path) -> FlowBatch:
    chunks = read_flows([parse_spec(str(datasets / request.param))])
    return FlowBatch.concatenate([chunk.decoded.batch for chunk in chunks])


@pytest.fixture(scope="module")
def whole(batch: FlowBatch) -> bytes:
    return FeatureExtractor().extract(batch).tobytes()


def test_every_column_is_what_its_formula_says(batch: FlowBatch) -> None:
    some = batch.take(slice(0, 400))
    np.testing.assert_allclose(FeatureExtractor().extract(some), Oracle().rows(some), rtol=1e-6, atol=1e-9)


def test_rows_do_not_depend_on_how_the_capture_is_cut(batch: FlowBatch, whole: bytes) -> None:
    extractor = FeatureExtractor()
    cuts = np.random.default_rng(4).integers(1, 700, len(batch)).cumsum()
    edges = [0, *cuts[cuts < len(batch)].tolist(), len(batch)]
    parts = [extractor.extract(batch.take(slice(a, b))) for a, b in pairwise(edges)]
    assert np.concatenate(parts).tobytes() == whole


@pytest.mark.parametrize("partitions", [4, 12])
def test_rows_do_not_depend_on_the_number_of_partitions(batch: FlowBatch, whole: bytes, partitions: int) -> None:
    keys = key_hosts(batch, HomeNetworks().key_is_dst(batch))
    partition = (keys[:, 0] ^ keys[:, 1]) % np.uint64(partitions)
    rows = np.empty((len(batch), len(whole) // 4 // len(batch)), dtype=np.float32)
    for one in range(partitions):
        mine = partition == one
        rows[mine] = FeatureExtractor().extract(batch.take(mine))
    assert rows.tobytes() == whole


def test_rows_do_not_depend_on_the_date(batch: FlowBatch, whole: bytes) -> None:
    moved = replace(batch, start=batch.start + SHIFT_S)
    assert FeatureExtractor().extract(moved).tobytes() == whole


def test_rows_do_not_depend_on_what_hosts_are_called(batch: FlowBatch, whole: bytes) -> None:
    home = HomeNetworks()
    ends = np.concatenate([batch.src_addr, batch.dst_addr])
    known, which = np.unique(ends, axis=0, return_inverse=True)
    names = np.random.default_rng(9).permutation(len(known)).astype(np.uint64)
    # A host at home stays at home, in 10.0.0.0/8; any other gets a name outside.
    mapped = np.uint64(0xFFFF << 32)
    low = np.where(home.contain(known), mapped | np.uint64(10 << 24) | names, mapped | np.uint64(203 << 24) | names)
    renamed = np.stack([np.zeros(len(known), dtype=np.uint64), low], axis=1)[which.ravel()]
    other = replace(batch, src_addr=renamed[: len(batch)], dst_addr=renamed[len(batch) :])
    assert FeatureExtractor().extract(other).tobytes() == whole
