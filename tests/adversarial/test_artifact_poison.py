"""Whatever bytes are read as an artifact: a refusal or a model that can be scored, never a crash, a hang or a flood.

(The registry verifies a digest before it parses; this is the wall behind that wall.)
"""

from __future__ import annotations

import json
import time
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_registry.artifact import MAX_BYTES, artifact_from_bytes, artifact_to_bytes
from model_registry.errors import ArtifactError
from tests.support.artifact_contract import read_and_use
from tests.support.models import make_artifact, repacked

GOOD = artifact_to_bytes(make_artifact())
HEADER = int.from_bytes(GOOD[:8], "little")
METADATA = {
    "format": 1,
    "name": "ddos_lgbm",
    "algorithm": "lightgbm",
    "slope": 1.5,
    "intercept": -0.25,
    "threshold": 0.9,
    "catalogue": "0" * 64,
}


def with_header(header: Any, body: bytes = GOOD[8 + HEADER :]) -> bytes:
    """A container with this header (bytes as they are, else as JSON) before the body."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + body


def header_with(name: str, **changes: Any) -> dict[str, Any]:
    header: dict[str, Any] = json.loads(GOOD[8 : 8 + HEADER])
    header[name] = header.get(name, {}) | changes
    return header


def with_metadata(text: bytes) -> bytes:
    return repacked(make_artifact(), metadata=np.frombuffer(text, np.uint8))


def test_the_good_one_is_accepted() -> None:
    assert read_and_use(GOOD)
    assert read_and_use(with_header(json.loads(GOOD[8 : 8 + HEADER])))
    assert read_and_use(with_metadata(json.dumps(METADATA).encode()))


@settings(max_examples=100)
@given(st.binary(max_size=300))
def test_random_bytes(data: bytes) -> None:
    assert not read_and_use(data)
    assert not read_and_use(with_header(data))
    assert not read_and_use(with_metadata(data))


def test_every_truncation_and_every_extension() -> None:
    cuts = [*range(0, 8 + HEADER, 7), *range(8 + HEADER, len(GOOD), 199), len(GOOD) - 1]
    assert not any(read_and_use(GOOD[:cut]) for cut in cuts)
    assert not read_and_use(GOOD + b"\0")


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_mutations_anywhere(changes: list[tuple[int, int]]) -> None:
    data = bytearray(GOOD)
    for at, value in changes:
        data[at] = value
    read_and_use(bytes(data))


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 7 + HEADER), st.integers(0, 255)), min_size=1, max_size=3))
def test_mutations_of_the_header(changes: list[tuple[int, int]]) -> None:
    data = bytearray(GOOD)
    for at, value in changes:
        data[at] = value
    read_and_use(bytes(data))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff" * 8,
        b"\xff" * 64,
        (100_000_000).to_bytes(8, "little") + b"{" * 1000,
        with_header({}, b""),
        with_header([], b""),
        with_header(b"[" * 10_000),
        with_header(b'{"a":' * 3_000),
        with_header({f"t{i}": {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]} for i in range(250)}, b""),
        with_header({f"t{i}": {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]} for i in range(100_000)}, b""),
        with_header(header_with("extra", dtype="U8", shape=[0], data_offsets=[0, 0])),
        with_header(header_with("forest.left", dtype="F32")),
        with_header(header_with("forest.left", dtype="BF16")),
        with_header(header_with("forest.left", dtype="NONE")),
        with_header(header_with("forest.left", shape=[2**63, 4])),
        with_header(header_with("forest.left", shape=[2**62, 0])),
        with_header(header_with("forest.left", shape=[10**30])),
        with_header(header_with("forest.left", shape=[-1])),
        with_header(header_with("forest.left", shape=[1] * 100)),
        with_header(header_with("forest.left", data_offsets=[2**64 - 1, 4])),
        with_header(header_with("forest.left", data_offsets=[0, 2**40])),
    ],
)
def test_crafted_containers(data: bytes) -> None:
    assert not read_and_use(data)


@pytest.mark.parametrize("shape", [[0, 2**62], [2**63, 0], [0] * 100])
def test_empty_arrays_with_impossible_sides(shape: list[int]) -> None:
    empty = repacked(make_artifact(), golden__rows=np.zeros((0, 120), np.float32))
    length = int.from_bytes(empty[:8], "little")
    header = json.loads(empty[8 : 8 + length])
    header["golden.rows"]["shape"] = shape
    assert not read_and_use(with_header(header, empty[8 + length :]))


@pytest.mark.parametrize(
    "changes",
    [
        {"forest__left": None},
        {"other": np.zeros(1)},
        {"forest__left": np.zeros(0, np.int32)},
        {"forest__left": np.zeros((1, 1), np.int32)},
        {"forest__roots": np.zeros((), np.int32)},
        {"forest__value": np.full(3, np.nan)},
        {"forest__missing_left": np.zeros(7, np.uint8)},
        {"golden__rows": np.zeros((0, 120), np.float32), "golden__scores": np.zeros(0)},
        {"golden__rows": np.zeros((2, 2**20), np.float32)},
        {"profile__feature_edges": np.zeros((120, 0), np.float32)},
        {"profile__score_counts": np.full(4, 2**63 - 1, np.int64)},
        {"metadata": np.zeros(0, np.uint8)},
        {"metadata": np.full(5000, 32, np.uint8)},
        {"metadata": np.zeros((1, 9), np.uint8)},
    ],
)
def test_arrays_that_are_not_a_models(changes: dict[str, Any]) -> None:
    assert not read_and_use(repacked(make_artifact(), **changes))


@pytest.mark.parametrize("value", [2, 255])
def test_booleans_that_are_neither(value: int) -> None:
    nodes = len(make_artifact().forest.left)
    assert not read_and_use(repacked(make_artifact(), forest__missing_left=np.full(nodes, value, np.uint8).view("?")))


@pytest.mark.parametrize(
    "text",
    [
        b"{}",
        b"null",
        b"\xff\xfe",
        b'{"name": "\xff"}',
        b"[" * 4000,
        b'{"x":' * 800,
        json.dumps(METADATA).encode() + b"{}",
        json.dumps(METADATA | {"format": 2}).encode(),
        json.dumps(METADATA | {"more": 1}).encode(),
        json.dumps(METADATA | {"slope": "1"}).encode(),
        json.dumps(METADATA | {"slope": None}).encode(),
        json.dumps(METADATA | {"slope": float("nan")}).encode(),
        json.dumps(METADATA | {"threshold": float("inf")}).encode(),
        json.dumps(METADATA | {"name": "__import__('os')"}).encode(),
        json.dumps(METADATA | {"name": "\ud800"}).encode(),
        json.dumps(METADATA | {"catalogue": 0}).encode(),
        json.dumps(METADATA).replace("0.9", "1e999").encode(),
        json.dumps(METADATA).replace("0.9", "9" * 2000).encode(),
    ],
)
def test_crafted_metadata(text: bytes) -> None:
    assert not read_and_use(with_metadata(text))


@pytest.mark.parametrize("name", ["\x1b[2J\nok  model_registry.json", "\u202e", "k" * 9000])
def test_what_an_artifact_names_is_quoted_in_a_short_plain_line(name: str) -> None:
    header = header_with(name, dtype="U8", shape=[3], data_offsets=[0, 1])
    text = json.dumps(METADATA | {name[:3000]: 1}).encode()
    for data in (with_header(header), with_header({name: 1}), with_metadata(text)):
        with pytest.raises(ArtifactError) as caught:
            artifact_from_bytes(data)
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 500


def test_an_artifact_holds_no_remarks_and_no_array_twice() -> None:
    header = json.loads(GOOD[8 : 8 + HEADER])
    assert not read_and_use(with_header({"__metadata__": {"a": "b"}} | header))
    first = json.dumps({"golden.rows": header["golden.rows"]})[:-1]
    assert not read_and_use(with_header(first.encode() + b"," + json.dumps(header)[1:].encode()))


def test_more_than_the_limit_is_refused_before_anything_is_allocated() -> None:
    too_long = GOOD + bytes(MAX_BYTES)
    tracemalloc.start()
    began = time.perf_counter()
    assert not read_and_use(too_long)
    assert time.perf_counter() - began < 1
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()
