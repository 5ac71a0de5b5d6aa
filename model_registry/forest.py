"""A forest of threshold trees as plain arrays: the one shape in which every model is kept and scored.

Constructing a :class:`Forest` checks it, so that whatever holds one may walk it without checking again: every
walk starts at a root, stays inside the arrays and ends at a leaf.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from flows.catalogue import NAMES
from model_registry.errors import ArtifactError

FEATURES: Final = len(NAMES)
MAX_TREES: Final = 4096
MAX_NODES: Final = 1 << 20
MAX_DEPTH: Final = 256
LARGEST: Final = 1e9  # of a leaf's value, a slope or an intercept: sums of them stay far inside float64

# One node as the kernel walks it: 16 bytes, so that a step touches one cache line. Leaves lead to themselves.
NODE: Final = np.dtype(
    [("threshold", "<f4"), ("left", "<i4"), ("right", "<i4"), ("feature", "<i2"), ("missing_left", "<i2")], align=True
)
_DTYPES: Final[dict[str, np.dtype[Any]]] = {
    "roots": np.dtype(np.int32),
    "feature": np.dtype(np.int16),
    "threshold": np.dtype(np.float32),
    "left": np.dtype(np.int32),
    "right": np.dtype(np.int32),
    "missing_left": np.dtype(np.bool_),
    "value": np.dtype(np.float64),
}


def require(holds: bool | np.bool_, wrong: str) -> None:
    """Raise :class:`ArtifactError` saying what is wrong unless `holds`."""
    if not holds:
        raise ArtifactError(f"model artifact refused: {wrong}; export the model again")


def frozen_array(name: str, array: Any, dtype: np.dtype[Any], dimensions: int) -> npt.NDArray[Any]:
    """Return an own, aligned, read-only copy of `array`; raise ArtifactError if it is of another type or rank."""
    require(
        isinstance(array, np.ndarray) and array.dtype == dtype and array.ndim == dimensions,
        f"{name} must be a {dimensions}-dimensional array of {dtype}",
    )
    copy = np.array(array, order="C")
    if dtype.kind == "b":
        require(copy.size == 0 or copy.view(np.uint8).max() <= 1, f"{name} holds bytes that are neither 0 nor 1")
    copy.flags.writeable = False
    return copy


@dataclass(frozen=True, eq=False)
class Forest:
    """Trees over the 120 features; t trees with m nodes in all. The arrays are copied and become read-only.

    A leaf has ``left`` = ``right`` = -1. At an inner node a row goes left when ``x <= threshold``; a missing value
    (NaN) goes left when ``missing_left``, else right. Children have larger indices than their parent.
    Raises :class:`ArtifactError` when the arrays are not such a forest.
    """

    roots: npt.NDArray[np.int32]  # [t], in the order in which leaf values are summed
    feature: npt.NDArray[np.int16]  # [m], column of the feature matrix
    threshold: npt.NDArray[np.float32]  # [m], in the feature's unit
    left: npt.NDArray[np.int32]  # [m]
    right: npt.NDArray[np.int32]  # [m]
    missing_left: npt.NDArray[np.bool_]  # [m]
    value: npt.NDArray[np.float64]  # [m]; of a leaf what it adds to the raw score, else the expected value below

    def __post_init__(self) -> None:
        for name, dtype in _DTYPES.items():
            object.__setattr__(self, name, frozen_array(f"forest.{name}", getattr(self, name), dtype, 1))
        nodes = len(self.feature)
        require(1 <= len(self.roots) <= MAX_TREES, f"a forest has 1 to {MAX_TREES} trees, this one {len(self.roots)}")
        require(nodes <= MAX_NODES, f"a forest has at most {MAX_NODES} nodes, this one {nodes}")
        require(
            all(len(getattr(self, name)) == nodes for name in _DTYPES if name != "roots"),
            "the node arrays of the forest differ in length",
        )
        self._check_values()
        self._check_structure()

    def _check_values(self) -> None:
        require(bool(np.all((self.feature >= 0) & (self.feature < FEATURES))), f"features must be 0 to {FEATURES - 1}")
        require(not np.isnan(self.threshold).any(), "a threshold is not a number")
        require(bool(np.all(np.abs(self.value) <= LARGEST)), f"a node's value is not within +-{LARGEST:g}")

    def _check_structure(self) -> None:
        nodes, roots = len(self.feature), self.roots
        require(bool(np.all((roots >= 0) & (roots < nodes))), "a root is outside the forest")
        inner = np.flatnonzero(self.left != -1)
        children = np.concatenate([self.left[inner], self.right[inner]])
        require(bool(np.all(self.right[self.left == -1] == -1)), "a node has a right child and no left one")
        require(
            bool(np.all((children > np.tile(inner, 2)) & (children < nodes))),
            "a child does not come after its parent, or is outside the forest",
        )
        parents = np.ones(nodes, np.int64)
        parents[roots] = 0
        require(int((parents == 0).sum()) == len(roots), "two trees have the same root")
        require(
            bool(np.array_equal(np.bincount(children, minlength=nodes), parents)),
            "a node is not reached by exactly one way",
        )
        level = roots
        for _ in range(MAX_DEPTH):
            level = level[self.left[level] != -1]
            if not len(level):
                return
            level = np.concatenate([self.left[level], self.right[level]])
        require(bool(np.all(self.left[level] == -1)), f"a tree is deeper than {MAX_DEPTH} levels")

    @cached_property
    def nodes(self) -> npt.NDArray[np.void]:
        """The tree structure as the kernel reads it: :data:`NODE` [m], leaves leading to themselves."""
        leaf = self.left == -1
        itself = np.arange(len(leaf), dtype=np.int32)
        nodes = np.zeros(len(leaf), NODE)
        nodes["threshold"] = self.threshold
        nodes["left"] = np.where(leaf, itself, self.left)
        nodes["right"] = np.where(leaf, itself, self.right)
        nodes["feature"] = self.feature
        nodes["missing_left"] = self.missing_left
        nodes.flags.writeable = False
        return nodes
