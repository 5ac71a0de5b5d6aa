"""The nastiest model files: as long as they may be, or of as many and as deep trees, or that promise what they lack."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from model_registry.artifact import MAX_BYTES, MAX_GOLDEN, MAX_HEADER
from model_registry.forest import FEATURES, MAX_DEPTH, MAX_NODES, MAX_TREES, Forest
from model_registry.scoring import raw_scores
from tests.support.models import make_artifact, repacked

Arrays = dict[str, npt.NDArray[Any]]

_ROOM: Final = MAX_BYTES - (1 << 16)  # for one array beside the usual others
_DENORMAL: Final = 1e-45  # as float32 the smallest there is


def container(header: bytes | dict[str, Any], body: bytes = b"") -> bytes:
    """A safetensors file with this header."""
    text = header if isinstance(header, bytes) else json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + body


def nothings(count: int) -> dict[str, Any]:
    """The header of so many empty arrays."""
    return {f"{number:x}": {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]} for number in range(count)}


def chains(trees: int, depth: int, threshold: float = 0.0, value: float = 0.0, *, spread: bool = False) -> Arrays:
    """The arrays of trees in which every right child splits again; ``spread`` puts a tree's nodes far from each other.

    All tests are of feature 0 against the threshold, and every leaf has the value.
    """
    nodes = 2 * depth + 1
    number = np.arange(trees * nodes).reshape(trees, nodes)
    if spread:
        number = np.ascontiguousarray(np.arange(trees * nodes).reshape(nodes, trees).T)
    left = np.full(trees * nodes, -1, np.int32)
    right = left.copy()
    inner = 2 * np.arange(depth)
    left[number[:, inner]] = number[:, inner + 1]
    right[number[:, inner]] = number[:, inner + 2]
    return {
        "roots": number[:, 0].astype(np.int32),
        "feature": np.zeros(trees * nodes, np.int16),
        "threshold": np.full(trees * nodes, threshold, np.float32),
        "left": left,
        "right": right,
        "missing_left": np.zeros(trees * nodes, np.bool_),
        "value": np.full(trees * nodes, value),
    }


def with_forest(arrays: Arrays, rows: npt.NDArray[np.float32] | None = None) -> bytes:
    """An artifact with these trees, whatever they are; with true golden scores if there are golden rows."""
    changes: Arrays = {f"forest__{name}": array for name, array in arrays.items()}
    if rows is not None:
        changes |= {"golden__rows": rows, "golden__scores": raw_scores(Forest(**arrays), rows)}
    return repacked(make_artifact(), **changes)


def all_rows(value: float) -> npt.NDArray[np.float32]:
    """As many golden rows as there may be, of one value."""
    return np.full((MAX_GOLDEN, FEATURES), value, np.float32)


def _long(name: str, array: npt.NDArray[Any]) -> Callable[[], bytes]:
    return lambda: repacked(make_artifact(), **{name: array})


_FULL: Final = (MAX_TREES, MAX_NODES // MAX_TREES // 2 - 1)
_DEEPEST: Final = (MAX_NODES // (2 * MAX_DEPTH + 1), MAX_DEPTH)

ARTIFACTS: Final[dict[str, tuple[Callable[[], bytes], str]]] = {
    # What is the matter, and what is said of it; "" is accepted.
    "longer than the limit": (lambda: bytes(MAX_BYTES + 1), "of at most"),
    "a header longer than the limit": (
        lambda: MAX_BYTES.to_bytes(8, "little") + b"{" + b" " * (MAX_BYTES - 9),
        "header is too long",
    ),
    "a header as long as all bytes": (lambda: b"\xff" * 4096, "header is too long"),
    "100,000 empty arrays": (lambda: container(nothings(100_000)), "header is too long"),
    "as many empty arrays as a header holds": (lambda: container(nothings(300)), "lacks arrays"),
    "an empty array of 8,000 sides": (
        lambda: container(b'{"a":{"dtype":"U8","shape":[' + b"0," * 8000 + b'0],"data_offsets":[0,0]}}'),
        "lacks arrays",
    ),
    "only opening brackets in the header": (lambda: container(b"[" * MAX_HEADER), "no valid container"),
    "objects without end in the header": (lambda: container(b'{"":' * (MAX_HEADER // 4)), "no valid container"),
    "one array as long as the file": (
        lambda: container({"a": {"dtype": "U8", "shape": [_ROOM], "data_offsets": [0, _ROOM]}}, bytes(_ROOM)),
        "lacks arrays",
    ),
    "a promise of 2^63 numbers": (
        lambda: container({"a": {"dtype": "U8", "shape": [2**63], "data_offsets": [0, 2**63]}}, bytes(64)),
        "no valid container",
    ),
    "64 MiB of nodes' values": (_long("forest__value", np.zeros(_ROOM // 8)), "differ in length"),
    "64 MiB of nodes' features": (_long("forest__feature", np.zeros(_ROOM // 2, np.int16)), "at most 1048576 nodes"),
    "64 MiB of roots": (_long("forest__roots", np.zeros(_ROOM // 4, np.int32)), "1 to 4096 trees"),
    "64 MiB of yes and no": (_long("forest__missing_left", np.zeros(_ROOM, np.bool_)), "differ in length"),
    "64 MiB of golden rows": (_long("golden__rows", np.zeros((_ROOM // 480, 120), np.float32)), "differ in number"),
    "64 MiB of golden scores": (_long("golden__scores", np.zeros(_ROOM // 8)), "golden vectors are needed"),
    "64 MiB of counts": (_long("profile__feature_counts", np.zeros((120, _ROOM // 960), np.int64)), "do not fit"),
    "64 MiB of scalars": (_long("metadata", np.full(_ROOM, 32, np.uint8)), "metadata is too long"),
    "a chain of a million nodes": (lambda: with_forest(chains(1, MAX_NODES // 2 - 1)), "deeper than 256"),
    "one level too deep": (lambda: with_forest(chains(1, MAX_DEPTH + 1)), "deeper than 256"),
    "one tree too many": (lambda: with_forest(chains(MAX_TREES + 1, 0)), "1 to 4096 trees"),
    "4,096 trees of one leaf": (lambda: with_forest(chains(MAX_TREES, 0), all_rows(0)), ""),
    "4,096 trees as deep as there are nodes for": (lambda: with_forest(chains(*_FULL), all_rows(1)), ""),
    "the deepest trees as many as there are nodes for": (lambda: with_forest(chains(*_DEEPEST), all_rows(1)), ""),
    "the same, far from each other in memory": (lambda: with_forest(chains(*_FULL, spread=True), all_rows(1)), ""),
    "the same, all denormal": (
        lambda: with_forest(chains(*_FULL, threshold=_DENORMAL, value=5e-324), all_rows(3e-45)),
        "",
    ),
    "the same, all missing": (lambda: with_forest(chains(*_FULL), all_rows(np.nan)), ""),
}
