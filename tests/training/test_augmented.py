"""More to learn from: of the training part alone, with its truth, and with every source named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt
import pytest

from detection.verdict import Kind
from flows.addresses import address_array
from flows.batch import FlowBatch
from flows.simulator import Beacon, Scenario
from flows.simulator import Capture as Network
from tests.support.simulated import LABELS
from training.datasets import NO_TRUTH, Dataset, LabelledFlows, Part, measured
from training.datasets.augmented import CALM, MOST_ROWS, augmented
from training.datasets.captures import Capture, assemble
from training.datasets.parts import parts_in_time
from training.splits import leave_captures_out

HOUR: Final = 3600.0
LIVES: Final = ("home", "office", "shop", "yard")


def small_scenario(seed: int) -> Scenario:
    """Three small networks, in each a bot."""
    beacon = Beacon(
        at=5.0, duration=80.0, period=4.0, jitter=0.1, up_bytes=300, down_bytes=300, size_jitter=0.1, client=0
    )
    networks = (Network(place * 300.0, 90.0, f"10.{place}.0.0/24", 5, attacks=(beacon,)) for place in range(3))
    return Scenario(seed, 1.7e9, tuple(networks))


@pytest.fixture(scope="module", autouse=True)
def _little() -> Iterator[None]:
    """One round of drawing and small networks show what twelve and large ones do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.datasets.augmented.ROUNDS", 1)
        patch.setattr("training.datasets.augmented.training_scenario", small_scenario)
        yield


def life(name: str, place: int) -> Capture:
    """An hour of one host that visits twenty others; every fifth flow is nobody's."""
    n = 300
    rng = np.random.default_rng(place)
    columns = {
        "start": 1.7e9 + np.sort(rng.uniform(0, HOUR, n)),
        "duration": rng.uniform(0, 1, n),
        "src_addr": address_array([f"192.168.{place}.5"] * n),
        "dst_addr": address_array([f"8.8.{place}.{peer}" for peer in rng.integers(1, 21, n)]),
        "src_port": rng.integers(30_000, 60_000, n),
        "dst_port": np.full(n, 443),
        "protocol": np.full(n, 6),
        **{f"{side}_packets": np.full(n, 5.0) for side in ("src", "dst")},
        **{f"{side}_bytes": np.round(rng.lognormal(7, 1, n)) for side in ("src", "dst")},
        **{f"{side}_flags": np.full(n, 0x1B) for side in ("src", "dst")},
        "state": np.full(n, 3),
    }
    truth = np.where(np.arange(n) % 5 == 0, NO_TRUTH, Kind.BENIGN).astype(np.int8)
    return capture_of(name, FlowBatch.from_columns(n, columns), truth, np.full(n, f"ordinary {name}"))


def flood() -> Capture:
    """A thousand SYNs in ten seconds from as many hosts."""
    n = 1000
    columns = {
        "start": 100.0 + np.arange(n) / 100,
        "src_addr": address_array([f"7.7.{row // 250}.{row % 250}" for row in range(n)]),
        "dst_addr": address_array(["10.10.10.10"] * n),
        "src_port": np.arange(n) + 2000,
        "dst_port": np.full(n, 80),
        "protocol": np.full(n, 6),
        "src_packets": np.ones(n),
        "dst_packets": np.zeros(n),
        "src_bytes": np.full(n, 40.0),
        "dst_bytes": np.zeros(n),
        "src_flags": np.full(n, 2),
        "dst_flags": np.zeros(n, dtype=np.int64),
        "state": np.zeros(n, dtype=np.int64),
    }
    return capture_of(
        "flood", FlowBatch.from_columns(n, columns), np.full(n, Kind.DDOS, dtype=np.int8), np.full(n, "flood")
    )


def capture_of(name: str, batch: FlowBatch, truth: npt.NDArray[np.int8], attack: npt.NDArray[np.str_]) -> Capture:
    return Capture(name, batch, truth, attack, parts_in_time(len(batch)), ("192.168.0.0/16", "10.0.0.0/8"), 0, (name,))


@pytest.fixture(scope="module")
def flows() -> LabelledFlows:
    """The flood is laid over the first of the lives, as all are of one length."""
    return assemble([*(life(name, place) for place, name in enumerate(LIVES, start=1)), flood()])


@pytest.fixture(scope="module")
def more(flows: LabelledFlows) -> Dataset:
    return augmented(flows)


def sources(more: Dataset, rows: npt.NDArray[np.bool_]) -> set[frozenset[str]]:
    """What the streams of some rows were drawn from."""
    return {more.origin.sources(number) for number in np.unique(more.capture[rows]).tolist()}


def falsified(flows: LabelledFlows, rows: npt.NDArray[np.bool_]) -> LabelledFlows:
    """The same, but for all that some rows tell."""
    batch = flows.batch
    return replace(
        flows,
        batch=replace(
            batch,
            start=np.where(rows, batch.start[0], batch.start),
            src_bytes=np.where(rows, 7e6, batch.src_bytes),
            dst_port=np.where(rows, 53, batch.dst_port).astype(batch.dst_port.dtype),
            dst_addr=np.where(rows[:, None], batch.dst_addr[0], batch.dst_addr),
        ),
        truth=np.where(rows, Kind.MALWARE, flows.truth).astype(np.int8),
        attack=np.where(rows, "lie", flows.attack).astype(flows.attack.dtype),
    )


def test_all_of_it_is_to_learn_from_and_its_truth_is_known(more: Dataset) -> None:
    assert set(more.part.tolist()) == {Part.TRAIN}
    assert NO_TRUTH not in more.truth
    assert more.features.shape == (len(more), 120)
    assert set(more.truth.tolist()) >= {Kind.BENIGN, Kind.DDOS, Kind.MALWARE}


def test_it_is_made_of_the_training_part_alone(flows: LabelledFlows, more: Dataset) -> None:
    """Whatever the other parts tell, not a byte of it changes."""
    assert augmented(falsified(flows, flows.part != Part.TRAIN)).digest() == more.digest()


def test_it_is_made_of_the_training_part(flows: LabelledFlows, more: Dataset) -> None:
    some = flows.part == Part.TRAIN
    some[: len(flows) // 2] = False
    assert augmented(falsified(flows, some)).digest() != more.digest()


def test_another_seed_draws_others(flows: LabelledFlows, more: Dataset) -> None:
    other = augmented(flows, seed=5)
    for name in ("dead_command", "busy_service"):
        one, two = (data.features[data.attack == name] for data in (more, other))
        assert len(one) > 0
        assert one.tobytes() != two.tobytes(), name


def test_an_attack_keeps_its_label_and_ordinary_life_its_own(more: Dataset) -> None:
    kinds = {kind.label: kind for kind in Kind}
    for name in np.unique(more.attack).tolist():
        truth = set(more.truth[more.attack == name].tolist())
        if name == "flood":
            assert truth == {Kind.DDOS}
        elif name.startswith("ordinary") or name in CALM:
            assert truth == {Kind.BENIGN}, name
        else:
            assert truth == {kinds[LABELS[name]]}, name


def test_every_stream_names_all_that_it_was_drawn_from(flows: LabelledFlows, more: Dataset) -> None:
    for name in LIVES:
        assert all(name in drawn_from for drawn_from in sources(more, more.attack == f"ordinary {name}")), name
    assert all("flood" in drawn_from for drawn_from in sources(more, more.attack == "flood"))
    for name in ("syn_flood", "dead_command", "busy_service"):
        assert all(f"drawn {name}" in drawn_from or not drawn_from & set(LIVES)
                   for drawn_from in sources(more, more.attack == name)), name  # fmt: skip
    for fold in leave_captures_out(measured(flows), more):
        held_out = {name for name in LIVES if (fold.held_out.attack == f"ordinary {name}").any()}
        assert held_out
        for name in held_out:
            assert not (fold.train.attack == f"ordinary {name}").any()
        if (fold.held_out.attack == "flood").any():
            assert not (fold.train.attack == "flood").any()


def test_a_flood_is_laid_over_networks_that_it_was_not_laid_over_and_seen_from_within_once(more: Dataset) -> None:
    laid = np.unique(more.capture[more.attack == "flood"]).tolist()
    assert {frozenset(more.origin.sources(number)) for number in laid} == {
        frozenset({name, "flood"}) for name in ("office", "shop", "yard")
    }
    assert sum("from within" in more.origin.names[number] for number in laid) == 1


def test_of_one_attack_a_stream_keeps_a_few_flows_from_all_of_it(more: Dataset) -> None:
    capture = more.capture[more.attack == "flood"]
    assert np.bincount(capture).max() == MOST_ROWS


def test_where_no_time_is_known_nothing_is_laid_over_and_life_is_still_seen_otherwise(flows: LabelledFlows) -> None:
    timeless = replace(flows, batch=replace(flows.batch, start=np.full(len(flows), np.nan)))
    more = augmented(timeless)
    assert not (more.attack == "flood").any()
    assert not np.char.startswith(more.attack, "busy_").any()
    for name in LIVES:
        assert (more.attack == f"ordinary {name}").any()
