"""A million spoofed sources: memory stays what it was, and nobody but the victim forgets anything."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from flows.batch import FlowBatch
from flows.catalogue import INDEX
from flows.features import FeatureExtractor
from tests.support.feature_traffic import inside, outside

SOURCES = 1_000_000
SLICE = 100_000
START = 1_700_000_000.0
VICTIM, INFECTED, MASTER = 7, 9, 3  # numbers of inside hosts and of an outside one


def flood(first: int, *, to_the_victim: bool) -> FlowBatch:
    """SYNs from sources that never come twice; or answers to them, where each source is a key host of its own."""
    numbers = np.arange(first, first + SLICE)
    spoofed = outside(numbers + 1000)
    other = inside(np.full(SLICE, VICTIM)) if to_the_victim else outside(np.full(SLICE, MASTER))
    return FlowBatch.from_columns(
        SLICE,
        {
            "start": START + 3600 + numbers * 60.0 / SOURCES,
            "duration": np.zeros(SLICE),
            "src_addr": spoofed if to_the_victim else other,
            "dst_addr": other if to_the_victim else spoofed,
            "dst_port": np.full(SLICE, 443),
            "protocol": np.full(SLICE, 6),
            "src_packets": np.ones(SLICE),
            "dst_packets": np.zeros(SLICE),
            "src_bytes": np.full(SLICE, 40.0),
            "dst_bytes": np.zeros(SLICE),
            "src_flags": np.full(SLICE, 2),
            "state": np.zeros(SLICE),
        },
    )


def beats(first: int, count: int) -> FlowBatch:
    """Calls home, every minute."""
    return FlowBatch.from_columns(
        count,
        {
            "start": START + 60.0 * (first + np.arange(count)),
            "duration": np.full(count, 0.2),
            "src_addr": inside(np.full(count, INFECTED)),
            "dst_addr": outside(np.full(count, MASTER)),
            "dst_port": np.full(count, 443),
            "protocol": np.full(count, 6),
            "src_packets": np.full(count, 5.0),
            "dst_packets": np.full(count, 4.0),
            "src_bytes": np.full(count, 900.0),
            "dst_bytes": np.full(count, 1200.0),
        },
    )


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_a_flood_of_a_million_sources_takes_no_more_memory_and_no_beacon_from_another_host() -> None:
    extractor = FeatureExtractor()
    size = extractor.state_bytes
    extractor.extract(beats(0, 20))
    extractor.extract(flood(0, to_the_victim=True))
    before = resident_bytes()
    for first in range(SLICE, SOURCES, SLICE):
        rows = extractor.extract(flood(first, to_the_victim=True))
    assert extractor.state_bytes == size
    assert resident_bytes() - before < size
    # Every source is new, so the window goes on counting them long after the victim's quota of pairs is full.
    last = rows[-1]
    assert last[INDEX["in_peers_10s"]] == last[INDEX["in_flows_10s"]] > 100_000
    assert last[INDEX["new_peer_share_in"]] == 1.0
    # The beacon of another host goes on as if nothing had happened.
    after = extractor.extract(beats(20, 1))[0]
    assert after[INDEX["pair_flows"]] == 21
    assert after[INDEX["pair_regularity"]] == pytest.approx(1.0)


def test_a_million_key_hosts_evict_each_other_and_nothing_grows() -> None:
    extractor = FeatureExtractor()
    size = extractor.state_bytes
    extractor.extract(flood(0, to_the_victim=False))
    before = resident_bytes()
    for first in range(SLICE, SOURCES, SLICE):
        rows = extractor.extract(flood(first, to_the_victim=False))
    assert extractor.state_bytes == size
    assert resident_bytes() - before < 64 << 20
    assert (rows[:, INDEX["host_flows"]] == 1).all()
