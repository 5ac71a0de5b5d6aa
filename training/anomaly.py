"""``anomaly_iforest``: what is merely strange, learned from ordinary life alone."""

from __future__ import annotations

from typing import Final

from sklearn.ensemble import IsolationForest

from detection.verdict import Kind
from flows.catalogue import CATALOGUE
from training.datasets import Dataset
from training.errors import TrainingError
from training.fitting import SEED, WATCHED, Recipe, without

NAME: Final = "anomaly_iforest"
TREES: Final = 200
SAMPLES: Final = 512
# What a host does is judged, not what is done to it: a server is not strange for being popular, and floods have a
# model of their own. Pairs differ far more among themselves than hosts do. Measured on the simulator at the same
# false-positive rate: with every column in, 5 % of a tunnel that training never showed; so, over 90 %.
UNUSED: Final = (
    *WATCHED,
    *(feature.name for feature in CATALOGUE if feature.group == "pair" or feature.name.startswith("in_")),
    "burst_in",
    "new_peer_share_in",
    "arrival_cusum",
)


def fit(train: Dataset, validation: Dataset) -> IsolationForest:  # noqa: ARG001  (recipes share one form; a forest stops by itself)
    """Fit on benign flows only. Raises TrainingError when there are fewer than one tree's sample."""
    benign = train.of(Kind.BENIGN)
    if len(benign) < SAMPLES:
        raise TrainingError(f"{NAME}: {len(benign)} benign flows, at least {SAMPLES} are needed")
    forest = IsolationForest(n_estimators=TREES, max_samples=SAMPLES, random_state=SEED, n_jobs=1)
    return forest.fit(without(benign.features, UNUSED))


# Strange is a weaker word than flood: half the false alarms of the other two are as many as people bear.
RECIPE: Final = Recipe(NAME, Kind.ANOMALY, fpr=0.0005, fit=fit)
