"""Distances between sets of flows, on sets whose distance is known."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.marginals import FLOW, distances, fields, told_apart, told_as
from flows.addresses import address_array
from flows.batch import ABSENT, FlowBatch
from flows.keying import HomeNetworks


def batch(start: list[float], dst: list[str], **columns: list[float]) -> FlowBatch:
    n = len(start)
    return FlowBatch.from_columns(
        n, {"start": start, "src_addr": address_array(["10.0.0.1"] * n), "dst_addr": address_array(dst), **columns}
    )


def test_gaps_peers_and_ports_are_counted_by_host_and_pair() -> None:
    flows = batch(
        [0.0, 60.0, 61.0, 65.0], ["192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.1"], dst_port=[80, 443, 443, 22]
    )
    values = fields(flows, HomeNetworks(), np.zeros(4, dtype=np.int64))
    assert sorted(values["gap of a host, s"]) == [1.0, 4.0, 60.0]
    assert sorted(values["gap of a pair, s"]) == [5.0, 60.0]
    assert sorted(values["flows in a host's minute"]) == [1.0, 3.0]
    assert sorted(values["peers in a host's minute"]) == [1.0, 2.0]
    assert sorted(values["ports in a host's minute"]) == [1.0, 2.0]
    assert len(values["duration, s"]) == 0  # nobody told


def test_hosts_of_two_captures_are_two() -> None:
    flows = batch([0.0, 1.0], ["192.0.2.1", "192.0.2.1"])
    assert len(fields(flows, HomeNetworks(), np.array([0, 1]))["gap of a host, s"]) == 0


@pytest.mark.parametrize(("theirs", "distance"), [([1.0, 2.0], 0.0), ([3.0, 4.0], 1.0), ([2.0, 3.0], 0.5)])
def test_the_distance_is_the_largest_difference_of_the_distributions(theirs: list[float], distance: float) -> None:
    ours = {"x": np.array([1.0, 2.0]), "y": np.array([1.0])}
    assert distances(ours, {"x": np.array(theirs), "y": np.array([])}) == {"x": pytest.approx(distance)}


def test_a_classifier_tells_apart_what_differs_and_nothing_else() -> None:
    rng = np.random.default_rng(1)
    ours, theirs = (rng.normal(size=(2000, 120)).astype(np.float32) for _ in range(2))
    assert told_apart(ours, theirs, FLOW) == pytest.approx(0.5, abs=0.08)
    theirs[:, FLOW[3]] += 6.0
    assert told_apart(ours, theirs, FLOW) > 0.99


def test_what_the_other_exporter_does_not_tell_is_blanked() -> None:
    ours = batch([0.0], ["192.0.2.1"], duration=[2.0], src_packets=[3.0], state=[3])
    theirs = batch([0.0], ["192.0.2.1"], duration=[1.0])
    told = told_as(ours, theirs)
    assert told.duration.tolist() == [2.0]
    assert np.isnan(told.src_packets).all()
    assert told.state.tolist() == [ABSENT]
