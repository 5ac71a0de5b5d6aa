"""Labelled files as streams: whose truth counts, and attacks laid over ordinary life."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from detection.verdict import Kind
from flows.batch import FlowBatch
from flows.errors import UsageError
from flows.files import parse_spec, read_flows
from flows.keying import HomeNetworks
from tests.support.serving import flow
from training.datasets import NO_TRUTH
from training.datasets.mixing import lay_over
from training.streams import INFECTED, LabelledChunk, cut, labelled, mixed, whole

LABELS = ("Benign", "DDoS", "C&C", "PartOfAHorizontalPortScan", "Background", "Malicious", "")
TRUTHS = [Kind.BENIGN, Kind.DDOS, Kind.MALWARE, Kind.ANOMALY, NO_TRUTH, NO_TRUTH, NO_TRUTH]
OVER_HOME = partial(lay_over, home=HomeNetworks())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "flows.ndjson"
    path.write_bytes(b"\n".join(flow(at, label=label) for at, label in enumerate(LABELS)))
    return path


def stream(truth: int, n: int, host: int = 1) -> LabelledChunk:
    """One host's flows, one a second, all of one truth."""
    ends = np.zeros((n, 2), dtype=np.uint64)
    ends[:, 1] = 0xFFFF_0A00_0000 + host
    batch = FlowBatch.from_columns(
        n, {"src_addr": ends, "dst_addr": np.ones_like(ends), "start": np.arange(n) + 1e9, "duration": np.zeros(n)}
    )
    label = np.full(n, Kind(truth).label if truth >= 0 else "", dtype=object)
    return LabelledChunk(True, batch, np.full(n, truth, dtype=np.int8), label)


@pytest.mark.parametrize("size", [1, 3, 100])
def test_each_flow_has_the_truth_of_its_label(file: Path, size: int) -> None:
    chunks = list(labelled(read_flows([parse_spec(str(file))] * 2, size)))
    (one, two) = whole(chunks)

    assert [chunk.begins for chunk in chunks].count(True) == 2
    for part in (one, two):
        assert part.truth.tolist() == TRUTHS
        assert part.label.tolist() == list(LABELS)
        assert part.attack.tolist() == [False, True, True, True, False, False, False]


@pytest.mark.parametrize("truth", ["ddos", "anomaly", "benign"])
def test_the_truth_of_a_file_stands_for_all_its_flows(file: Path, truth: str) -> None:
    (part,) = whole(labelled(read_flows([parse_spec(f"{truth}:{file}")], 3)))

    assert {Kind(code).label for code in part.truth.tolist()} == {truth}
    assert set(part.label.tolist()) == {truth}


def test_of_a_file_that_is_malware_no_flow_is_known(file: Path) -> None:
    (part,) = whole(labelled(read_flows([parse_spec(f"malware:{file}")])))

    assert set(part.truth.tolist()) == {INFECTED}
    assert part.attack.all()


def test_attacks_are_laid_over_benign_streams_in_turn_and_each_benign_flow_counts_once() -> None:
    attacks = [stream(Kind.DDOS, n, host=9) for n in (3, 4, 5)]
    ordinary = stream(Kind.BENIGN, 2, host=8)
    below = [stream(Kind.BENIGN, 10), stream(Kind.BENIGN, 20, host=2)]

    one, as_it_was, two, again = mixed([attacks[0], ordinary, *attacks[1:]], below, OVER_HOME)
    assert as_it_was is ordinary
    assert [len(made) for made in (one, two, again)] == [13, 24, 15]
    for made, benign, hostile in ((one, 10, 3), (two, 20, 4), (again, 0, 5)):
        assert ((made.truth == Kind.BENIGN).sum(), (made.truth == Kind.DDOS).sum()) == (benign, hostile)
        assert made.label[made.truth == Kind.DDOS].tolist() == ["ddos"] * hostile
        assert (np.diff(made.batch.start) >= 0).all()
        assert (made.batch.src_addr == made.batch.src_addr[0]).all()  # the victim is the one host of the benign stream
        assert made.begins
    assert (again.truth == NO_TRUTH).sum() == 10


def test_a_benign_stream_that_is_left_over_stands_for_itself() -> None:
    below = [stream(Kind.BENIGN, 10), stream(Kind.BENIGN, 20)]

    made = list(mixed([stream(INFECTED, 3)], below, OVER_HOME))
    assert [len(one) for one in made] == [13, 20]
    assert made[1] is below[1]


def test_what_cannot_be_mixed_is_refused() -> None:
    benign, attack, nothing = stream(Kind.BENIGN, 5), stream(Kind.DDOS, 5), stream(Kind.DDOS, 0)

    with pytest.raises(UsageError, match="none of the files is attack from end to end"):
        list(mixed([benign, nothing], [benign], OVER_HOME))
    with pytest.raises(UsageError, match="has no benign flow"):
        list(mixed([attack], [benign, stream(NO_TRUTH, 5)], OVER_HOME))


@pytest.mark.parametrize("rows", [1, 4, 7, 100])
def test_streams_are_cut_without_loss(rows: int) -> None:
    streams = [stream(Kind.BENIGN, 7), stream(Kind.DDOS, 0), stream(Kind.ANOMALY, 5)]
    parts = list(cut(streams, rows))

    assert max(len(part) for part in parts) <= rows
    again = whole(parts)
    assert [len(one) for one in again] == [7, 0, 5]
    for one, other in zip(streams, again, strict=True):
        assert one.truth.tolist() == other.truth.tolist()
        assert one.label.tolist() == other.label.tolist()
        assert one.batch.start.tolist() == other.batch.start.tolist()
