"""How a forest scores rows, and which features made the score.

A tree walk is a chain of dependent loads: the processor waits most of the time. So eight walks go side by side:
eight rows through one tree in a batch, eight trees for a single row. Either way a row's leaf values are summed in
tree order in float64 (as LightGBM sums them), so its score is the same bits whatever stands beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

from model_registry.forest import FEATURES, Forest

if TYPE_CHECKING:
    from model_registry.artifact import Artifact

_LANES: Final = 8  # walks side by side
_BLOCK: Final = 64  # rows that stay in the first-level cache while a tree passes over them; a multiple of _LANES


@njit(inline="always")
def _step(nodes: Any, rows: Any, row: Any, at: Any) -> Any:
    """Return the child of node `at` where this row goes (a leaf: the leaf itself)."""
    node = nodes[at]
    x = rows[row, np.uint64(node.feature)]
    left = (x <= node.threshold) | ((x != x) & (node.missing_left != 0))
    return np.uint64(node.left) if left else np.uint64(node.right)


@njit(inline="always")
def _to_leaves(nodes: Any, rows: Any, row: Any, stride: Any, at: Any) -> None:
    """Walk every lane from its node in `at` to its leaf; lane i reads the row `row + i * stride`."""
    moved = np.uint64(1)
    while moved:
        moved = np.uint64(0)
        for lane in range(_LANES):
            to = _step(nodes, rows, row + lane * stride, at[lane])
            moved |= to ^ at[lane]
            at[lane] = to


@njit(cache=True, nogil=True)
def _raw_scores(roots: Any, nodes: Any, value: Any, rows: Any) -> Any:
    count, trees = rows.shape[0], roots.shape[0]
    scores = np.zeros(count, np.float64)
    at = np.empty(_LANES, np.uint64)
    grouped = count - count % _LANES
    for first in range(0, grouped, _BLOCK):
        for tree in range(trees):
            for row in range(first, min(first + _BLOCK, grouped), _LANES):
                at[:] = np.uint64(roots[tree])
                _to_leaves(nodes, rows, row, 1, at)
                for lane in range(_LANES):
                    scores[row + lane] += value[at[lane]]
    for row in range(grouped, count):
        for first in range(0, trees, _LANES):
            for lane in range(_LANES):  # past the last tree, lanes repeat it and are not summed
                at[lane] = np.uint64(roots[min(first + lane, trees - 1)])
            _to_leaves(nodes, rows, row, 0, at)
            for lane in range(min(_LANES, trees - first)):
                scores[row] += value[at[lane]]
    return scores


@njit(cache=True, nogil=True)
def _contributions(roots: Any, nodes: Any, value: Any, rows: Any, out: Any) -> Any:
    base = 0.0
    for tree in range(roots.shape[0]):
        at = np.uint64(roots[tree])
        base += value[at]
        to = _step(nodes, rows, 0, at)
        while to != at:
            out[np.uint64(nodes[at].feature)] += value[to] - value[at]
            at = to
            to = _step(nodes, rows, 0, at)
    return base


def _checked(rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The rows as the kernels are compiled for them: contiguous and read-only."""
    if rows.dtype != np.float32 or rows.ndim != 2 or rows.shape[1] != FEATURES:
        raise ValueError(f"rows must be float32[n, {FEATURES}], not {rows.dtype}{list(rows.shape)}")
    view = np.require(rows, requirements=["C", "A"]).view()
    view.flags.writeable = False
    return view


def raw_scores(forest: Forest, rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Sum the leaf values of each row: float32[n, 120] -> float64[n], in the model's own unit (log-odds for LightGBM).

    NaN is missing and goes each node's missing way; infinities compare as numbers. Raises ValueError for rows of
    another type or shape: casting them here could change branches.
    """
    scores: npt.NDArray[np.float64] = _raw_scores(forest.roots, forest.nodes, forest.value, _checked(rows))
    return scores


def probabilities(artifact: Artifact, rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Calibrated probability of each row, float32[n, 120] -> float64[n] in 0..1: sigmoid(slope * raw + intercept).

    Platt, "Probabilistic outputs for support vector machines" (1999), with the slope's sign turned round.
    """
    return artifact.calibration.probability(raw_scores(artifact.forest, rows))


def contributions(forest: Forest, row: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float64], float]:
    """What each feature added to the raw score of one row, float32[120] -> (float64[120], base).

    Path attribution (Saabas, "Interpreting random forests", 2014): along each path, every step's change of expected
    value is credited to the feature that the node tests; `base` is the sum of the roots' expected values. Base and
    contributions sum to the raw score (but for float64's rounding). Raises ValueError for another type or shape.
    """
    added = np.zeros(FEATURES, np.float64)
    base = _contributions(forest.roots, forest.nodes, forest.value, _checked(row[np.newaxis]), added)
    return added, float(base)
