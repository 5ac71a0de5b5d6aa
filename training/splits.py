"""The parts of a data set, each for its own use."""

from __future__ import annotations

from dataclasses import dataclass

from training.datasets import Dataset, Part


@dataclass(frozen=True, slots=True)
class Split:
    """Three data sets without a flow in common: to learn from, to set the operating point by, to be judged by."""

    train: Dataset
    validation: Dataset
    test: Dataset


def split(data: Dataset) -> Split:
    """Take the parts apart, as the loader of the data cut them."""
    train, validation, test = (data.take(data.part == part) for part in Part)
    return Split(train, validation, test)
