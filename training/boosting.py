"""Fitting a gradient-boosted forest, the same way every time: one seed, one thread order, no shuffled rows."""

from __future__ import annotations

from typing import Any, Final

import lightgbm as lgb

from detection.verdict import Kind
from training.datasets import Dataset
from training.fitting import SEED, rows_of, without

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
    "seed": SEED,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 2,
    "verbosity": -1,
}
MOST_TREES: Final = 150
PATIENCE: Final = 20  # trees without progress on validation before stopping


def boost(name: str, threat: Kind, train: Dataset, validation: Dataset, unused: tuple[str, ...]) -> lgb.Booster:
    """Fit on the training part, stopping early on the validation part; ``unused`` features are never split on.

    Raises TrainingError when a class is missing from either part.
    """
    features, positive = rows_of(name, train, threat)
    held_out, held_out_positive = rows_of(name, validation, threat)
    rows = lgb.Dataset(without(features, unused), label=positive)
    return lgb.train(
        PARAMETERS,
        rows,
        num_boost_round=MOST_TREES,
        valid_sets=[lgb.Dataset(without(held_out, unused), label=held_out_positive, reference=rows)],
        callbacks=[lgb.early_stopping(PATIENCE, verbose=False)],
    )
