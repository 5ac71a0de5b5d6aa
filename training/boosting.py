"""A gradient-boosted forest for one threat: fitted, calibrated and given its threshold on captures left out in turn.

Each capture is left out once, with all that knows its networks or its attacks, and scored by a forest of the others.
How many trees there are, what a score means and where the threshold lies is told by these scores alone: by flows whose
network and attack the forest has not seen, as it will be in service. The forest that is kept learns from all captures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

from detection.verdict import Kind
from flows.catalogue import INDEX, NAMES
from model_registry.artifact import Artifact, Calibration
from training.calibration import fit_platt
from training.datasets import Dataset
from training.errors import TrainingError
from training.evaluation import LEARNED
from training.export import Rows
from training.fitted import NAMELESS, Fitted, exported
from training.fitting import SEED, rows_of, without
from training.splits import Fold, Split, leave_captures_out
from training.thresholds import highest_share, raised, threshold_at

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

PARAMETERS: Final[dict[str, Any]] = {
    "objective": "binary",
    "metric": "binary_logloss",
    "num_leaves": 15,
    "learning_rate": 0.08,
    "min_data_in_leaf": 60,
    "min_sum_hessian_in_leaf": 1.0,
    "lambda_l2": 5.0,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "max_bin": 127,
    "monotone_constraints_method": "basic",
    "seed": SEED,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}
TREES: Final = (120, 180, 240)
MOST_TREES: Final = TREES[-1]
WORTH: Final = 0.003  # of mean recall, that more trees must gain
ROOM: Final = 0.01  # of mean recall, that a threshold with room for other networks may cost
BYSTANDERS: Final = 4.0  # times the false-positive rate, where flows of hosts under attack are counted as well


@dataclass(frozen=True, slots=True)
class BoostedRecipe:
    """How a supervised model is made.

    Attributes:
        name: the model's name in the registry.
        threat: what it finds; its rows are benign flows and flows of this kind.
        fpr: the false-positive rate of its threshold, on the captures left out.
        features: all that it may split on.
        monotone: features of which more never makes the threat less likely (1), or never more likely (-1).
        apparent: which flows show the attack, bool[n]: the others of an attack are not learned from, nor calibrated
            by. The first flows of a flood are like any others, and would teach that any others are a flood.
        while_under: what a host shows while it is under the attack, at least this much of any of these features.
    """

    name: str
    threat: Kind
    fpr: float
    features: tuple[str, ...]
    monotone: Mapping[str, int] = field(default_factory=dict)
    apparent: Callable[[Dataset], Bools] = lambda data: np.ones(len(data), dtype=np.bool_)
    while_under: Mapping[str, float] = field(default_factory=dict)

    @property
    def unused(self) -> tuple[str, ...]:
        """The features that it may not split on."""
        return tuple(name for name in NAMES if name not in self.features)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """The rows that were held out once, and their raw scores, by forests of so many trees that knew nothing of them."""

    rows: Dataset
    raw: Floats
    trees: int


def make_boosted(recipe: BoostedRecipe, split: Split, more: Dataset) -> Artifact:
    """Fit and export. Raises TrainingError as :func:`fit_boosted`, ExportError as :func:`training.fitted.exported`."""
    return exported(fit_boosted(recipe, split, more), learned_rows(recipe, split, more))


def learned_rows(recipe: BoostedRecipe, split: Split, more: Dataset) -> Rows:
    """The features, float32[n, 120], that the forest that is kept learns from."""
    return Dataset.concatenate([split.train, more]).of(Kind.BENIGN, recipe.threat).features


def fit_boosted(recipe: BoostedRecipe, split: Split, more: Dataset, data: Mapping[str, str] = NAMELESS) -> Fitted:
    """Fit, calibrate and set the threshold; nothing of the test part is looked at.

    Args:
        recipe: how.
        split: the data. The forest that is kept learns from its training part, so that the validation part can tell how
            sure a verdict may be; where captures are left out, all but the test part of the others is learned from.
        more: streams only to learn from, see :mod:`training.datasets.augmented`.
        data: the digests of both, by name, to be kept beside the model.

    Raises:
        TrainingError: a class is missing, or the model ranks attacks below benign flows.
    """
    known = Dataset.concatenate([split.train, split.validation])
    left_out = score_left_out(recipe, _folds(recipe, split, known, more))
    calibration = calibrated(recipe, left_out)
    probability = calibration.probability(left_out.raw)
    return Fitted(
        recipe.name,
        fit(recipe, Dataset.concatenate([split.train, more]), left_out.trees),
        calibration,
        threshold_of(recipe, left_out.rows, probability),
        data,
        len(split.train),
    )


def calibrated(recipe: BoostedRecipe, left_out: LeftOut) -> Calibration:
    """What a raw score means, by ordinary life and by attacks that show: the others would make every score doubtful."""
    positive = left_out.rows.truth == recipe.threat
    told = ~positive | recipe.apparent(left_out.rows)
    return fit_platt(left_out.raw[told], positive[told], left_out.rows.weight[told])


def threshold_of(recipe: BoostedRecipe, rows: Dataset, probability: Floats) -> float:
    """The operating point for flows that were left out, float64[n]: the stated rate, and room on both sides.

    Raises TrainingError when there are too few benign flows.
    """
    positive = rows.truth == recipe.threat
    peace = ~positive & ~under_attack(recipe, rows)
    lowest = max(
        threshold_at(recipe.fpr, probability[peace], rows.weight[peace]),
        threshold_at(BYSTANDERS * recipe.fpr, probability[~positive], rows.weight[~positive]),
    )
    return raised(lowest, probability[positive], attacks_of(rows.take(positive)), ROOM)


def attacks_of(data: Dataset) -> npt.NDArray[np.int64]:
    """Number the attacks of each capture, int64[n] per flow, from 0 on."""
    name = np.char.add(np.char.add(data.capture.astype(np.str_), " "), data.attack)
    _, which = np.unique(name, return_inverse=True)
    return which.astype(np.int64)


def _folds(recipe: BoostedRecipe, split: Split, known: Dataset, more: Dataset) -> list[Fold]:
    """Captures left out in turn, or, where what is left lacks a class, the later flows of each."""
    folds = list(leave_captures_out(known, more))
    if len(folds) > 1 and all(_has_both(recipe, fold.train) for fold in folds):
        return folds
    return [Fold(Dataset.concatenate([split.train, more]), split.validation)]


def _has_both(recipe: BoostedRecipe, data: Dataset) -> bool:
    return bool((data.truth == recipe.threat).any() and (data.truth == Kind.BENIGN).any())


def under_attack(recipe: BoostedRecipe, rows: Dataset) -> Bools:
    """Which benign flows came while their host was under the attack, bool[n]: one alert more or less is no matter then.

    They are no measure of how often a host in peace is accused, so they set no threshold, unless there are no others.
    An attack lasts from its first flow to its last and, as windows remember it, for a twentieth of its capture more.
    Where ordinary life was thinned, a flow counts for those that it stands for.
    """
    positive = rows.truth == recipe.threat
    during = np.zeros(len(rows), dtype=np.bool_)
    for capture in np.unique(rows.capture[positive]):
        here = np.flatnonzero(rows.capture == capture)
        counts = rows.weight[here].astype(np.float64)
        gone_by = np.cumsum(counts) - counts  # flows before each
        for attack in np.unique(rows.attack[here][positive[here]]):
            places = np.flatnonzero(positive[here] & (rows.attack[here] == attack))
            end = np.searchsorted(gone_by, gone_by[places[-1]] + counts.sum() // 20)
            during[here[places[0] : end]] = True
    shows = np.zeros(len(rows), dtype=np.bool_)
    for name, least in recipe.while_under.items():
        shows |= rows.column(name) >= least
    attacked = shows & during & ~positive
    # Rows, not what they stand for: as many of them as threshold_at asks for.
    return np.asarray(attacked & ((~positive & ~attacked).sum() * recipe.fpr >= 1.0))


def score_left_out(recipe: BoostedRecipe, folds: list[Fold]) -> LeftOut:
    """Score what each fold holds out, by the fewest trees that find about as much as the best number does.

    Raises TrainingError when the folds hold out no flow of a class, or a fold has none to learn from.
    """
    held_out = [fold.held_out.of(Kind.BENIGN, recipe.threat) for fold in folds]
    boosters = [fit(recipe, fold.train, MOST_TREES) for fold, rows in zip(folds, held_out, strict=True) if len(rows)]
    held_out = [rows for rows in held_out if len(rows)]
    if not held_out:
        raise TrainingError(f"{recipe.name}: no flow to set the threshold by is benign or {recipe.threat.label}")
    # Captures keep their numbers: all folds were cut from the same data.
    columns = ("features", "truth", "attack", "capture", "part", "weight")
    rows = Dataset(
        **{name: np.concatenate([getattr(part, name) for part in held_out]) for name in columns},
        origin=held_out[0].origin,
    )
    rows_of(recipe.name, rows, recipe.threat)  # both classes are there
    features = [without(part.features, recipe.unused) for part in held_out]
    best, least = LeftOut(rows, np.empty(0), 0), -1.0
    for trees in TREES:
        raw = np.concatenate(
            [
                np.asarray(booster.predict(part, raw_score=True, num_iteration=trees))
                for booster, part in zip(boosters, features, strict=True)
            ]
        )
        found = mean_recall(recipe, rows, raw)
        if found > least + WORTH:
            best, least = LeftOut(rows, raw, trees), found
    return best


def mean_recall(recipe: BoostedRecipe, rows: Dataset, raw: Floats) -> float:
    """The recall at the stated false-positive rate, as a mean over the attacks of each capture."""
    positive = rows.truth == recipe.threat
    peace = ~positive & ~under_attack(recipe, rows)
    found = raw[positive] > highest_share(recipe.fpr, raw[peace], rows.weight[peace])
    kinds = attacks_of(rows.take(positive))
    return float((np.bincount(kinds, weights=found) / np.bincount(kinds)).mean())


def fit(recipe: BoostedRecipe, data: Dataset, trees: int) -> lgb.Booster:
    """Fit a forest of so many trees. Raises TrainingError when a class is missing."""
    return lgb.train(_parameters(recipe), _rows(recipe, data), num_boost_round=trees)


def _rows(recipe: BoostedRecipe, data: Dataset) -> lgb.Dataset:
    """What is learned from: ordinary life and the attack, and the other supervised threat as what it is not."""
    data = data.of(Kind.BENIGN, *LEARNED)
    data = data.take((data.truth != recipe.threat) | recipe.apparent(data))
    positive = data.truth == recipe.threat
    if not 0 < positive.sum() < len(positive):
        raise TrainingError(f"{recipe.name}: {int(positive.sum())} of {len(positive)} flows to learn from are attacks")
    return lgb.Dataset(without(data.features, recipe.unused), label=positive, weight=weights_of(data, recipe.threat))


def _parameters(recipe: BoostedRecipe) -> dict[str, Any]:
    constraints = [0] * len(NAMES)
    for name, sign in recipe.monotone.items():
        constraints[INDEX[name]] = sign
    return PARAMETERS | {"monotone_constraints": constraints}


def weights_of(data: Dataset, threat: Kind) -> Floats:
    """Weights of rows, float64[n], half of all in each class: no long capture drowns the short ones.

    The flows of one attack, or the ordinary life, of one capture count together as the square root of their number,
    those that were left out counted as well. All weigh as much as there are flows, with those left out: what holds a
    forest back (``lambda_l2``, ``min_sum_hessian_in_leaf``) is in that unit, and holds a thinned one back no more.
    """
    positive = data.truth == threat
    group = data.capture.astype(np.int64)
    attack = data.truth > Kind.BENIGN
    group[attack] = len(group) + attacks_of(data.take(attack))
    _, which = np.unique(group, return_inverse=True)
    weights = data.weight / np.sqrt(np.bincount(which, weights=data.weight)[which])
    every = data.weight.sum(dtype=np.float64)
    for side in (positive, ~positive):
        if side.any():
            weights[side] *= every / 2.0 / weights[side].sum()
    return np.asarray(weights, dtype=np.float64)
