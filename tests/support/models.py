"""Made-up forests and artifacts, and the rows that try them hardest."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import deserialize
from safetensors.numpy import save

from flows.catalogue import catalogue_digest
from model_registry.artifact import Artifact, Calibration, Forest, Profile, artifact_to_bytes
from model_registry.forest import FEATURES
from model_registry.scoring import raw_scores

Rows = npt.NDArray[np.float32]

# float32 values at which a comparison or a library's special rule could go wrong.
AWKWARD: Rows = np.array(
    [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-45, -1e-45, 1e-36, -1e-36, 1e-35, -1e-35, 1.1e-35, -1.1e-35, 3e38, -3e38],
    np.float32,
)


def forest_arrays(seed: int = 0, trees: int = 5, splits: int = 10) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a random forest; thresholds are small integers, so that rows of integers tie with them."""
    dice = np.random.default_rng(seed)
    roots: list[int] = []
    left: list[int] = []
    right: list[int] = []
    for _ in range(trees):
        leaves = [len(left)]
        roots.append(len(left))
        left.append(-1)
        right.append(-1)
        for _ in range(int(dice.integers(0, splits + 1))):
            node = leaves.pop(int(dice.integers(len(leaves))))
            left[node], right[node] = len(left), len(left) + 1
            leaves += [left[node], right[node]]
            left += [-1, -1]
            right += [-1, -1]
    nodes = len(left)
    return {
        "roots": np.array(roots, np.int32),
        "feature": dice.integers(0, FEATURES, nodes).astype(np.int16),
        "threshold": dice.integers(-2, 3, nodes).astype(np.float32),
        "left": np.array(left, np.int32),
        "right": np.array(right, np.int32),
        "missing_left": dice.random(nodes) < 0.5,
        "value": dice.normal(size=nodes),
    }


def random_rows(seed: int, count: int) -> Rows:
    """Rows of small integers and awkward values, float32[count, 120]."""
    dice = np.random.default_rng(seed)
    rows = dice.integers(-3, 4, (count, FEATURES)).astype(np.float32)
    awkward = dice.random(rows.shape) < 0.2
    rows[awkward] = dice.choice(AWKWARD, int(awkward.sum()))
    return rows


def probes(forest: Forest, rows: Rows, seed: int = 0) -> Rows:
    """The rows, and copies of them with thresholds, their float32 neighbours and awkward values put in."""
    dice = np.random.default_rng(seed)
    inner = forest.left != -1
    probed = [rows]
    for feature in np.unique(forest.feature[inner]):
        thresholds = np.unique(forest.threshold[inner & (forest.feature == feature)])[:50]
        with np.errstate(over="ignore"):
            around = [np.nextafter(thresholds, np.float32(way)) for way in (-np.inf, np.inf)]
        values = np.concatenate([thresholds, *around, AWKWARD])
        changed = rows[dice.integers(len(rows), size=len(values))].copy()
        changed[:, feature] = values
        probed.append(changed)
    return np.concatenate(probed)


def make_profile(edges: int = 3, rows: int = 8) -> Profile:
    """A profile that puts all rows in the first bin."""
    feature_counts = np.zeros((FEATURES, edges + 2), np.int64)
    feature_counts[:, 0] = rows
    score_counts = np.zeros(edges + 1, np.int64)
    score_counts[0] = rows
    ascending = np.arange(edges)
    return Profile(
        feature_edges=np.tile(ascending.astype(np.float32), (FEATURES, 1)),
        feature_counts=feature_counts,
        score_edges=ascending.astype(np.float64),
        score_counts=score_counts,
    )


def make_artifact(seed: int = 0, **changes: Any) -> Artifact:
    """A small artifact with true golden scores."""
    forest = Forest(**forest_arrays(seed))
    rows = random_rows(seed, 9)
    fields: dict[str, Any] = {
        "name": "ddos_lgbm",
        "algorithm": "lightgbm",
        "forest": forest,
        "calibration": Calibration(1.5, -0.25),
        "threshold": 0.9,
        "catalogue": catalogue_digest(),
        "profile": make_profile(),
        "golden_rows": rows,
        "golden_scores": raw_scores(forest, rows),
    }
    return Artifact(**(fields | changes))


def repacked(artifact: Artifact, **changes: npt.NDArray[Any] | None) -> bytes:
    """The artifact's bytes with tensors replaced, added or (None) left out; dots are written as two underscores."""
    codes = {"I64": "<i8", "I32": "<i4", "I16": "<i2", "F64": "<f8", "F32": "<f4", "U8": "u1", "BOOL": "?"}
    tensors = {
        name: np.frombuffer(tensor["data"], codes[tensor["dtype"]]).reshape(tensor["shape"])
        for name, tensor in deserialize(artifact_to_bytes(artifact))  # type: ignore[no-untyped-call]  # has no types
    }
    for name, array in changes.items():
        if array is None:
            del tensors[name.replace("__", ".")]
        else:
            tensors[name.replace("__", ".")] = array
    data: bytes = save(tensors)
    return data
