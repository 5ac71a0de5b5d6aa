"""Splits by capture, forward in time: never by shuffled rows, which put flows of one attack on both sides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.datasets.base import Dataset
from training.errors import TrainingError


@dataclass(frozen=True, slots=True)
class Split:
    """Three data sets without a capture in common, each later than the one before."""

    train: Dataset
    validation: Dataset
    test: Dataset


def forward_in_time(data: Dataset, validation: float = 1 / 6, test: float = 1 / 3) -> Split:
    """Give the last share of captures to ``test``, those before to ``validation`` and the earlier ones to ``train``.

    Each part gets at least one capture. Raises TrainingError when there are fewer than three.
    """
    captures = np.unique(data.capture)
    if len(captures) < 3:
        raise TrainingError(
            f"a split forward in time needs three captures, the data set has {len(captures)}: add captures"
        )
    tests = max(1, round(test * len(captures)))
    validations = max(1, round(validation * len(captures)))
    first_test = len(captures) - tests
    first_validation = first_test - validations
    if first_validation < 1:
        raise TrainingError(f"shares of {validation:g} and {test:g} leave no capture to train on")
    return Split(
        train=data.take(np.isin(data.capture, captures[:first_validation])),
        validation=data.take(np.isin(data.capture, captures[first_validation:first_test])),
        test=data.take(np.isin(data.capture, captures[first_test:])),
    )
