"""What exporters leave of the same traffic."""

from __future__ import annotations

import numpy as np
import pytest

from flows.batch import ABSENT, FlowBatch
from flows.simulator import Capture, Exporter, Scenario, SimulatedTraffic, SynFlood, simulate

FLOOD = SynFlood(at=10.0, duration=20.0, rate=30.0, answer="syn-ack", syn_bytes=44)


def told_by(exporter: Exporter) -> SimulatedTraffic:
    capture = Capture(0.0, 60.0, "10.1.2.0/24", 30, 1.0, (FLOOD,), exporter=exporter)
    return simulate(Scenario(3, 1e9, (capture,)))


@pytest.fixture(scope="module")
def zeek() -> FlowBatch:
    return told_by("zeek").batch


def test_a_mirrored_port_shows_packets_twice(zeek: FlowBatch) -> None:
    twice = told_by("zeek-mirrored").batch
    assert len(twice) == len(zeek)
    assert twice.src_packets.sum() == 2 * zeek.src_packets.sum()
    assert twice.dst_bytes.sum() == 2 * zeek.dst_bytes.sum()
    assert np.nansum(twice.src_payload) == np.nansum(zeek.src_payload)
    assert np.isfinite(twice.duration).all()


def test_argus_tells_neither_payload_nor_service(zeek: FlowBatch) -> None:
    argus = told_by("argus").batch
    assert len(argus) == len(zeek)
    assert np.isnan(argus.src_payload).all()
    assert np.isnan(argus.dst_payload).all()
    assert (argus.service == ABSENT).all()
    assert np.isfinite(argus.duration).all()
    assert (argus.state != ABSENT).all()


def test_netflow_tells_each_way_by_itself(zeek: FlowBatch) -> None:
    traffic = told_by("netflow")
    one_way = traffic.batch
    assert len(one_way) == (zeek.src_packets > 0).sum() + (zeek.dst_packets > 0).sum()
    assert one_way.src_packets.sum() == zeek.src_packets.sum() + zeek.dst_packets.sum()
    assert (one_way.src_packets > 0).all()
    for name in ("dst_packets", "dst_bytes", "src_payload", "dst_payload"):
        assert np.isnan(getattr(one_way, name)).all()
    for name in ("state", "service", "dst_flags"):
        assert (getattr(one_way, name) == ABSENT).all()
    # Both ways of a flood are the flood's.
    flood = traffic.batch.take(traffic.attack == "syn_flood")
    victim = flood.dst_addr[flood.dst_port == 443][0]
    assert 0 < (flood.src_addr == victim).all(axis=1).sum() < len(flood)
    assert traffic.facts[0].flows == len(flood)
