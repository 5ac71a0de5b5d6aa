"""Whole data sets seen otherwise: every flow keeps its truth, part and capture, and draws can be repeated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detection.verdict import Kind
from flows.addresses import address_array
from flows.batch import FlowBatch, State
from flows.errors import UsageError
from training.datasets import LabelledFlows, measured
from training.datasets.base import NO_TRUTH
from training.views import VIEWS, viewed


@pytest.fixture(scope="module")
def flood(flows: LabelledFlows) -> LabelledFlows:
    """Ordinary life, over it a flood of datagrams and SYNs that nobody answers, and some that are no attack."""
    n = 500
    attack = np.arange(n) < 400
    tcp = np.arange(n) % 2 == 0
    batch = FlowBatch.from_columns(
        n,
        {
            "start": 1_700_000_000.0 + np.arange(n) / 100,
            "duration": np.zeros(n),
            "src_addr": address_array([f"198.51.100.{row % 250}" for row in range(n)]),
            "dst_addr": address_array(["10.0.0.1"] * n),
            "src_port": np.arange(n) + 1024,
            "dst_port": np.full(n, 80),
            "protocol": np.where(tcp, 6, 17),
            "src_packets": np.ones(n),
            "dst_packets": np.zeros(n),
            "src_bytes": np.full(n, 60),
            "dst_bytes": np.zeros(n),
            "state": np.full(n, State.ATTEMPT),
        },
    )
    first = np.flatnonzero(flows.capture == 0)
    return LabelledFlows(
        FlowBatch.concatenate([flows.batch.take(first), batch]),
        np.concatenate([flows.truth[first], np.where(attack, Kind.DDOS, Kind.BENIGN).astype(np.int8)]),
        np.concatenate([flows.attack[first], np.where(attack, "flood", "knock")]),
        np.zeros(len(first) + n, dtype=np.int16),
        np.concatenate([flows.part[first], np.full(n, 2, dtype=np.int8)]),
        flows.origin,
    )


@pytest.mark.parametrize("name", VIEWS)
def test_each_view_can_be_measured_and_keeps_what_is_known_of_each_flow(flows: LabelledFlows, name: str) -> None:
    # Every flow its own attack, so that what became of it can be told.
    marked = replace(flows, attack=np.arange(len(flows)).astype(np.str_))
    view = viewed(marked, name, 7)
    rows = view.attack.astype(np.int64)

    assert len(view) > 0
    assert (view.capture == flows.capture[rows]).all()
    assert (view.part == flows.part[rows]).all()
    assert (np.diff(view.capture) >= 0).all()
    answers = view.batch.protocol != flows.batch.protocol[rows]
    assert (view.truth[~answers] == flows.truth[rows][~answers]).all()
    assert (view.truth[answers] == NO_TRUTH).all()
    for capture in np.unique(view.capture):
        assert (np.diff(rows[view.capture == capture]) >= 0).all()
    assert view.origin.names == tuple(f"{capture} ({name})" for capture in flows.origin.names)
    assert view.origin.homes == flows.origin.homes
    assert name in view.origin.about
    assert not np.isinf(measured(view).features).any()


def test_the_same_seed_draws_the_same_and_another_does_not(flows: LabelledFlows) -> None:
    one, same, other = (viewed(flows, "sides-swapped", seed).digest() for seed in (1, 1, 2))

    assert one == same
    assert one != other


@pytest.mark.parametrize(
    ("name", "state"), [("floods-refused", State.REJECTED), ("floods-accepted", State.ESTABLISHED)]
)
def test_floods_are_answered_and_ordinary_life_is_as_it_was(flood: LabelledFlows, name: str, state: State) -> None:
    for seed in range(20):
        view = viewed(flood, name, seed)
        if (view.batch.state >= 0).any() and len(view) == len(flood):  # not told by NetFlow
            break
    attack = view.attack == "flood"

    tcp = attack & (view.batch.protocol == 6)
    answered = view.batch.dst_packets == 1
    assert 0.2 < answered[tcp].mean() <= 1.0
    assert (view.batch.state[tcp & answered] == state).all()
    assert not answered[attack & (view.batch.protocol == 17)].any()
    assert not answered[view.attack == "knock"].any()


def test_the_packets_of_floods_are_ignored_and_ordinary_life_is_told(flood: LabelledFlows) -> None:
    view = viewed(flood, "checksums-wrong", 1)
    tcp = view.batch.protocol == 6

    ignored = np.isnan(view.batch.src_packets)
    assert len(view) == len(flood)
    assert (ignored == (tcp & (view.attack == "flood"))).all()
    assert (view.batch.state[ignored] == State.OTHER).all()
    assert ignored.sum() == 200


def test_answers_that_are_flows_of_their_own_have_no_truth(flood: LabelledFlows) -> None:
    view = viewed(flood, "floods-unreachable", 1)

    answers = (view.attack == "flood") & (view.batch.protocol == 1)
    assert answers.sum() > 50
    assert (view.truth[answers] == NO_TRUTH).all()
    assert (view.truth[(view.attack == "flood") & ~answers] == Kind.DDOS).all()


def test_ordinary_life_loses_answers_and_floods_stay(flood: LabelledFlows) -> None:
    view = viewed(flood, "life-half-seen", 1)
    attack = view.attack == "flood"

    before = (flood.batch.dst_packets[~attack] > 0).mean()
    assert (view.batch.dst_packets[~attack] > 0).mean() < 0.8 * before
    assert (view.batch.dst_packets[attack] == 0).all()


def test_floods_are_thinned_and_ordinary_life_is_whole(flood: LabelledFlows) -> None:
    view = viewed(flood, "floods-thinned", 4)

    assert (view.attack == "flood").sum() < 80
    assert len(np.unique(view.batch.start[view.truth != Kind.DDOS])) >= 0.9 * len(
        np.unique(flood.batch.start[flood.truth != Kind.DDOS])
    )


def test_nothing_to_see_is_seen_in_every_way(flows: LabelledFlows) -> None:
    none = np.zeros(len(flows), dtype=np.bool_)
    empty = replace(flows, batch=FlowBatch.empty(), **{
        name: getattr(flows, name)[none] for name in ("truth", "attack", "capture", "part")
    })  # fmt: skip

    assert [len(viewed(empty, name, 1)) for name in VIEWS] == [0] * len(VIEWS)


def test_a_view_nobody_knows_is_refused_with_those_there_are(flows: LabelledFlows) -> None:
    with pytest.raises(UsageError, match=r"no view is called 'upside-down'; the views are as-zeek, as-suricata"):
        viewed(flows, "upside-down", 1)
