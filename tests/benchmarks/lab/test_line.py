"""A path delays packets, keeps their order, carries no more than its rate, and loses what its queue cannot hold."""

from __future__ import annotations

import socket
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.lab.line import QUEUE_S, Line
from benchmarks.lab.plan import BLOCKS, PATHS, Part, Path
from benchmarks.lab.relay import path_of

PACKETS = st.lists(st.tuples(st.floats(0.0, 0.05), st.integers(28, 1500)), min_size=1, max_size=200)


@given(PACKETS, st.sampled_from(PATHS), st.integers())
def test_packets_keep_their_order_and_their_delay(sent: list[tuple[float, int]], path: Path, seed: int) -> None:
    line, now_s, last_s = Line(path, Random(seed)), 0.0, 0.0
    most_s = QUEUE_S + 1500 / path.bytes_per_s + path.delay_s + path.jitter_s
    for after_s, size in sent:
        now_s += after_s
        at_s = line.leaves(now_s, size)
        if at_s is not None:
            assert at_s >= last_s
            assert path.delay_s <= at_s - now_s <= most_s + 1e-9
            last_s = at_s


@given(st.booleans(), st.integers(0, len(PATHS) - 1), st.integers(0, BLOCKS - 1), st.integers(0, 255))
def test_a_packet_for_a_client_takes_its_path(attacks: bool, path: int, block: int, number: int) -> None:
    part = Part("browse", "DDoS" if attacks else "Benign", block, 256, ())
    destination = socket.inet_aton(part.address(path, number))
    assert path_of(b"\x45" + bytes(15) + destination) == path


@pytest.mark.parametrize("destination", ["10.77.1.10", "198.20.0.1", "198.18.192.1", "224.0.0.1"])
def test_a_packet_for_nobody_takes_none(destination: str) -> None:
    assert path_of(b"\x45" + bytes(15) + socket.inet_aton(destination)) is None


def test_a_burst_leaves_at_the_rate_and_what_the_queue_cannot_hold_is_lost() -> None:
    line = Line(Path("thin", delay_s=0.01, jitter_s=0.0, loss=0.0, bytes_per_s=10_000.0), Random(1))
    left = [line.leaves(0.0, 1000) for _ in range(10)]
    kept = [at for at in left if at is not None]
    assert kept == pytest.approx([0.11, 0.21, 0.31, 0.41, 0.51])
    assert left[5:] == [None] * 5
    assert line.leaves(0.5, 1000) == pytest.approx(0.61)  # the queue is empty again


def test_so_many_packets_are_lost() -> None:
    line = Line(Path("bad", delay_s=0.0, jitter_s=0.0, loss=0.25, bytes_per_s=1e9), Random(1))
    lost = sum(line.leaves(float(number), 100) is None for number in range(4000))
    assert 900 < lost < 1100
