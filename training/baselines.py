"""Baseline models: what anybody could set up in an afternoon, to be judged beside the models.

They show what the machinery buys: one threshold on a rate, and two forests of scikit-learn, as it comes, on the raw
fields of a flow alone (the catalogue's group "flow": no past of a host, no past of a pair). Each learns from the rows
that the model of the same threat learns from, and its threshold is set by the same rule at the same false-positive
rate. They never decide anything. What the math engine calls its baselines is something else: what is usual.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import IsolationForest, RandomForestClassifier

from detection.verdict import Kind
from flows.catalogue import CATALOGUE, INDEX
from training.datasets import Dataset
from training.errors import TrainingError
from training.fitting import SEED, Features, rows_of
from training.recipes import RECIPES
from training.splits import Split
from training.thresholds import threshold_at

Floats = npt.NDArray[np.float64]
Score: TypeAlias = Callable[[Features], Floats]  # float32[n, 120] -> float64[n] from 0 to 1, not calibrated

RATE: Final = "in_flows_10s"
FLOW_FIELDS: Final = tuple(INDEX[feature.name] for feature in CATALOGUE if feature.group == "flow")


@dataclass(frozen=True, slots=True)
class BaselineRecipe:
    """How one baseline model is made.

    Attributes:
        name: what it is called beside the models.
        threat: what it finds; its rows are benign flows and flows of this kind.
        fit: fits it on the training part; raises TrainingError when a class that it needs is missing.
    """

    name: str
    threat: Kind
    fit: Callable[[Dataset], Score]


@dataclass(frozen=True, slots=True)
class BaselineModel:
    """A fitted baseline model: it flags what scores at or above its threshold."""

    name: str
    threat: Kind
    score: Score
    threshold: float


def fit_baselines(parts: Split) -> tuple[BaselineModel, ...]:
    """Fit every baseline model on the training part, and set its threshold on the validation part.

    Raises TrainingError when a part has too few rows of a class.
    """
    return tuple(_fitted(recipe, parts) for recipe in BASELINES)


def _fitted(recipe: BaselineRecipe, parts: Split) -> BaselineModel:
    score = recipe.fit(parts.train)
    benign = score(parts.validation.of(Kind.BENIGN).features)
    return BaselineModel(recipe.name, recipe.threat, score, threshold_at(_FPR[recipe.threat], benign))


def _rate(train: Dataset) -> Score:  # noqa: ARG001  (recipes share one form; a rate has nothing to learn)
    """Flows that came in to the host in 10 s, as r / (1 + r): between 0 and 1, with the log of the rate as log-odds."""

    def score(features: Features) -> Floats:
        rate = np.nan_to_num(features[:, INDEX[RATE]].astype(np.float64))
        return rate / (1.0 + rate)

    return score


def _random_forest(threat: Kind) -> Callable[[Dataset], Score]:
    def fit(train: Dataset) -> Score:
        features, positive = rows_of(f"random forest of {threat.label}", train, threat)
        forest = RandomForestClassifier(random_state=SEED, n_jobs=1).fit(_fields(features), positive)
        return lambda rows: _scored(rows, lambda fields: forest.predict_proba(fields)[:, 1])

    return fit


def _isolation_forest(train: Dataset) -> Score:
    benign = train.of(Kind.BENIGN)
    if not len(benign):
        raise TrainingError("isolation forest: the training part has no benign flow to learn from; add a capture")
    forest = IsolationForest(random_state=SEED, n_jobs=1).fit(_fields(benign.features))
    # 2 ** (-depth / expected depth) after Liu, Ting and Zhou (2008): 1 for what is isolated at once.
    return lambda rows: _scored(rows, lambda fields: -forest.score_samples(fields))


def _fields(features: Features) -> Features:
    return np.ascontiguousarray(features[:, FLOW_FIELDS])


def _scored(features: Features, score: Callable[[Features], Floats]) -> Floats:
    """Score rows; of none there is nothing to ask the library, which refuses them."""
    return np.asarray(score(_fields(features)), dtype=np.float64) if len(features) else np.empty(0)


_FPR: Final = {recipe.threat: recipe.fpr for recipe in RECIPES}
BASELINES: Final[tuple[BaselineRecipe, ...]] = (
    BaselineRecipe("rate of flows in", Kind.DDOS, _rate),
    BaselineRecipe("random forest, ddos", Kind.DDOS, _random_forest(Kind.DDOS)),
    BaselineRecipe("random forest, malware", Kind.MALWARE, _random_forest(Kind.MALWARE)),
    BaselineRecipe("isolation forest", Kind.ANOMALY, _isolation_forest),
)
