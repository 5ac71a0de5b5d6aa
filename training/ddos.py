"""``ddos_lgbm``: floods, by what arrives at a host and how fast."""

from __future__ import annotations

from typing import Final

import lightgbm as lgb

from detection.verdict import Kind
from training.boosting import boost
from training.datasets import Dataset
from training.fitting import WATCHED, Recipe

NAME: Final = "ddos_lgbm"
UNUSED: Final = WATCHED


def fit(train: Dataset, validation: Dataset) -> lgb.Booster:
    """Fit on benign and DDoS flows."""
    return boost(NAME, Kind.DDOS, train, validation, UNUSED)


RECIPE: Final = Recipe(NAME, Kind.DDOS, fpr=0.001, fit=fit)
