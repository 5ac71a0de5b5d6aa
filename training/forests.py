"""From the libraries' fitted trees to a forest of plain arrays that takes the same branch everywhere.

A LightGBM booster is read from its own text form, because its JSON form writes infinite thresholds as 1e300. Both
libraries compare float32 features with float64 thresholds; the largest float32 not above a threshold parts the
float32 numbers in the same way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import lightgbm
import numpy as np
import numpy.typing as npt
from sklearn.ensemble import IsolationForest

from flows.errors import TidegateError
from model_registry.artifact import Forest
from model_registry.forest import FEATURES, MAX_NODES
from training.histograms import INITIATED, LARGEST, Histogram, Histograms

Scores = npt.NDArray[np.float64]

# LightGBM takes everything within +-_ZERO for zero.
_ZERO: Final = np.float32(1e-35)
_BELOW_ZERO: Final = np.nextafter(-_ZERO, np.float32(-np.inf))


class ExportError(TidegateError):
    """A fitted model that the artifact's format cannot express, or whose artifact would score differently."""


@dataclass(frozen=True, slots=True)
class _Split:
    """One threshold test; `left` and `right` are further tests or LightGBM's node numbers (~leaf for a leaf)."""

    feature: int
    threshold: np.float32
    missing_left: bool
    left: _Split | int
    right: _Split | int


class _Builder:
    """Collects nodes, parents before children."""

    def __init__(self) -> None:
        self.roots: list[int] = []
        self.nodes: list[list[Any]] = []  # feature, threshold, left, right, missing_left, value

    def add(self, feature: int, threshold: np.float32 | float, missing_left: bool, value: float) -> int:
        if len(self.nodes) == MAX_NODES:
            raise ExportError(f"the model needs more than {MAX_NODES} nodes; train fewer or smaller trees")
        self.nodes.append([feature, threshold, -1, -1, missing_left, value])
        return len(self.nodes) - 1

    def forest(self) -> Forest:
        feature, threshold, left, right, missing_left, value = zip(*self.nodes, strict=True)
        return Forest(
            roots=np.array(self.roots, np.int32),
            feature=np.array(feature, np.int16),
            threshold=np.array(threshold, np.float32),
            left=np.array(left, np.int32),
            right=np.array(right, np.int32),
            missing_left=np.array(missing_left, np.bool_),
            value=np.array(value, np.float64),
        )


def _not_above(thresholds: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """The largest float32 not above each threshold: a float32 is <= the one exactly when it is <= the other."""
    with np.errstate(over="ignore"):
        nearest = thresholds.astype(np.float32)
    return np.where(nearest > thresholds, np.nextafter(nearest, np.float32(-np.inf)), nearest)


def _expected(left: npt.NDArray[Any], right: npt.NDArray[Any], count: Scores, value: Scores) -> Scores:
    """Fill in inner nodes (left >= 0) as the mean of their leaves weighted by training rows; children come later."""
    lefts, rights, counts, values = left.tolist(), right.tolist(), count.tolist(), value.tolist()
    for node in np.flatnonzero(left >= 0)[::-1].tolist():
        one, other = lefts[node], rights[node]
        counts[node] = counts[one] + counts[other]
        # Where the library counted no rows, both children weigh the same.
        share = counts[one] / counts[node] if counts[node] else 0.5
        values[node] = share * values[one] + (1 - share) * values[other]
    return np.array(values)


class _LightGBMTree:
    """One tree of LightGBM's text form. There, leaf i is written ~i wherever a child's number stands."""

    def __init__(self, text: str) -> None:
        self.fields = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
        if self.fields.get("num_cat") != "0" or self.fields.get("is_linear", "0") != "0":
            raise ExportError("categorical splits and linear leaves cannot be exported; train with numbers only")
        self.inner = int(self.fields["num_leaves"]) - 1
        leaves = self._numbers("leaf_value", np.float64)
        if self.inner:
            self.feature = self._numbers("split_feature", np.int64)
            self.threshold = _not_above(self._numbers("threshold", np.float64))
            self.decision = self._numbers("decision_type", np.int64)
            self.left, self.right = self._numbers("left_child", np.int64), self._numbers("right_child", np.int64)
            leaf = np.full(len(leaves), -1)
            self.value = _expected(
                np.concatenate([self._place(self.left), leaf]),
                np.concatenate([self._place(self.right), leaf]),
                np.concatenate([np.zeros(self.inner), self._numbers("leaf_count", np.float64)]),
                np.concatenate([np.zeros(self.inner), leaves]),
            )
        else:
            self.value = leaves

    def _numbers(self, name: str, dtype: type[Any]) -> npt.NDArray[Any]:
        return np.array(self.fields[name].split(), dtype)

    def _place(self, child: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Where a child stands when the leaves are put behind the inner nodes."""
        return np.where(child < 0, self.inner + ~child, child)

    def split(self, node: int) -> _Split:
        """The test of an inner node with LightGBM's rules for NaN and zero in it.

        LightGBM 4 (include/LightGBM/tree.h, NumericalDecision): bit 1 of the decision type is the default direction,
        bits 2-3 say what takes it: nothing (0: NaN counts as zero), zero and NaN (1), NaN (2).
        """
        feature, threshold = int(self.feature[node]), self.threshold[node]
        left, right = int(self.left[node]), int(self.right[node])
        default_left, missing = bool(self.decision[node] & 2), self.decision[node] >> 2
        # Moved out of the range that counts as zero, to the side where zero stays on its own.
        if -_ZERO <= threshold < 0:
            threshold = _BELOW_ZERO
        elif 0 <= threshold < _ZERO:
            threshold = _ZERO
        if missing != 1:
            return _Split(feature, threshold, default_left if missing == 2 else bool(threshold >= 0), left, right)
        if default_left and threshold >= _BELOW_ZERO:
            return _Split(feature, max(threshold, _ZERO), True, left, right)
        if not default_left and threshold <= _ZERO:
            return _Split(feature, min(threshold, _BELOW_ZERO), False, left, right)
        # Zero goes against the order of its neighbours: three ranges, and one of them is parted again.
        parted = _Split(feature, threshold, False, left, right)
        if default_left:
            return _Split(feature, _BELOW_ZERO, False, parted, _Split(feature, _ZERO, True, left, right))
        return _Split(feature, _BELOW_ZERO, False, left, _Split(feature, _ZERO, True, right, parted))

    def add_to(self, builder: _Builder) -> None:
        todo: list[tuple[_Split | int, float, int, int]] = [(0 if self.inner else ~0, 0.0, -1, 0)]
        while todo:
            item, value, parent, side = todo.pop()
            if isinstance(item, int):
                value = float(self.value[item if item >= 0 else self.inner + ~item])
                item = self.split(item) if item >= 0 else item
            if isinstance(item, int):
                place = builder.add(0, 0.0, False, value)
            else:
                place = builder.add(item.feature, item.threshold, item.missing_left, value)
                todo += [(item.right, value, place, 3), (item.left, value, place, 2)]
            if parent < 0:
                builder.roots.append(place)
            else:
                builder.nodes[parent][side] = place


def forest_from_lightgbm(booster: lightgbm.Booster) -> Forest:
    """Take over a booster's trees up to its best iteration; the raw score is bit for bit LightGBM's.

    Raises ExportError for several classes, averaged trees (rf), linear leaves, categorical splits, or if the booster
    does not read the 120 features.
    """
    header, *trees = booster.model_to_string().split("\nTree=")
    lines = header.splitlines()
    if "num_class=1" not in lines or "num_tree_per_iteration=1" not in lines or "average_output" in lines:
        raise ExportError("only boosters with one sum of trees can be exported, not multi-class or random-forest ones")
    if f"max_feature_idx={FEATURES - 1}" not in lines:
        raise ExportError(f"the booster reads {booster.num_feature()} features; train it on all {FEATURES}")
    if not trees:
        raise ExportError("the booster has no trees; train it for at least one iteration")
    builder = _Builder()
    for text in trees:
        _LightGBMTree(text.split("\n\n")[0]).add_to(builder)
    return builder.forest()


def _average_path_length(rows: npt.NDArray[Any]) -> Scores:
    """c(n) of Liu, Ting and Zhou, "Isolation Forest" (2008), equation 1: the mean depth of an unsuccessful search."""
    n = rows.astype(np.float64)
    more = np.maximum(n, 3)
    length = 2 * (np.log(more - 1) + np.euler_gamma) - 2 * (more - 1) / more
    return np.where(n <= 1, 0.0, np.where(n == 2, 1.0, length))


def forest_from_isolation_forest(model: IsolationForest) -> Forest:
    """Take over an isolation forest: ``exp2(raw score) = -model.score_samples(rows)``, and a higher score is stranger.

    A leaf's value is -(depth + c(its rows)) / (trees * c(max_samples)). Raises ExportError for trees of one row each,
    or if the model does not read the 120 features.
    """
    if model.n_features_in_ != FEATURES:
        raise ExportError(f"the isolation forest reads {model.n_features_in_} features; train it on all {FEATURES}")
    if model.max_samples_ < 2:
        raise ExportError("an isolation forest of one-row trees isolates nothing; raise max_samples")
    unit = len(model.estimators_) * float(_average_path_length(np.array(model.max_samples_)))
    parts: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in Forest.__dataclass_fields__}
    first = 0
    for estimator, columns in zip(model.estimators_, model.estimators_features_, strict=True):
        tree = estimator.tree_
        left, right, rows = tree.children_left, tree.children_right, tree.n_node_samples
        leaf = left < 0
        depth = np.zeros(tree.node_count)
        for node in np.flatnonzero(~leaf):
            depth[[left[node], right[node]]] = depth[node] + 1
        value = np.where(leaf, -(depth + _average_path_length(rows)) / unit, 0.0)
        parts["roots"].append(np.array([first], np.int32))
        parts["feature"].append(np.where(leaf, 0, columns[np.where(leaf, 0, tree.feature)]).astype(np.int16))
        parts["threshold"].append(np.where(leaf, np.float32(0), _not_above(tree.threshold)))
        parts["left"].append(np.where(leaf, -1, left + first).astype(np.int32))
        parts["right"].append(np.where(leaf, -1, right + first).astype(np.int32))
        parts["missing_left"].append(~leaf & tree.missing_go_to_left.astype(np.bool_))
        parts["value"].append(_expected(left, right, rows.astype(np.float64), value))
        first += tree.node_count
    return Forest(**{name: np.concatenate(arrays) for name, arrays in parts.items()})


def forest_from_histograms(model: Histograms) -> Forest:
    """Take over histograms: a tree per feature and direction, whose leaves are its bins, and one with the offsets.

    The root of each tree asks who began the flow: it is a leaf of 0 for the other direction. Below it unknown values,
    which go right, are parted from the others.
    """
    builder = _Builder()
    weights: list[float] = []

    def add(feature: int, threshold: float, value: float, weight: float, *, missing_left: bool = False) -> int:
        weights.append(weight)
        return builder.add(feature, threshold, missing_left, value)

    def leaf(value: float, weight: float = 1.0) -> int:
        return add(0, 0.0, value, weight)

    def bins(histogram: Histogram, first: int, last: int) -> int:
        """Add the subtree of these bins, parents first; returns its place."""
        if first == last:
            return leaf(float(histogram.surprise[first]), float(histogram.weight[first]))
        middle = (first + last) // 2
        place = add(histogram.column, float(histogram.thresholds[middle]), 0.0, 0.0)
        builder.nodes[place][2:4] = bins(histogram, first, middle), bins(histogram, middle + 1, last)
        return place

    def known_or_not(histogram: Histogram) -> int:
        place = add(histogram.column, float(LARGEST), 0.0, 0.0)
        known = bins(histogram, 0, len(histogram.thresholds))
        builder.nodes[place][2:4] = known, leaf(float(histogram.surprise[-1]), float(histogram.weight[-1]))
        return place

    def tree(came: Callable[[], int], began: Callable[[], int]) -> None:
        root = add(INITIATED, 0.5, 0.0, 0.0, missing_left=True)
        builder.roots.append(root)
        builder.nodes[root][2:4] = came(), began()

    tree(lambda: leaf(model.came.offset), lambda: leaf(model.began.offset))
    for one in model.came.features:
        tree(partial(known_or_not, one), partial(leaf, 0.0, float(one.weight.sum())))
    for one in model.began.features:
        tree(partial(leaf, 0.0, float(one.weight.sum())), partial(known_or_not, one))
    forest = builder.forest()
    return replace(forest, value=_expected(forest.left, forest.right, np.array(weights), forest.value))


def forest_of(model: lightgbm.Booster | Histograms | IsolationForest) -> Forest:
    """The forest of any kind of fitted model; raises ExportError as the functions above do."""
    if isinstance(model, Histograms):
        return forest_from_histograms(model)
    if isinstance(model, IsolationForest):
        return forest_from_isolation_forest(model)
    return forest_from_lightgbm(model)
