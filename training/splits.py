"""The parts of a data set, each for its own use, and captures left out in turn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

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


@dataclass(frozen=True, slots=True)
class Fold:
    """To learn from ``train``, and to be judged by ``held_out``, which saw neither its networks nor its attacks."""

    train: Dataset
    held_out: Dataset


def leave_captures_out(data: Dataset, more: Dataset | None = None) -> Iterator[Fold]:
    """Leave each capture out in turn, with all that have a source in common with it: the same hosts, or an attack.

    Args:
        data: captures of which each is held out once, together with its relatives.
        more: further streams, only to learn from; what was drawn from a capture is left out with it.
    """
    done: set[int] = set()
    for number in np.unique(data.capture).tolist():
        if number in done:
            continue
        out = [capture for capture in data.origin.relatives(number) if capture not in done]
        done.update(out)
        sources = frozenset[str]().union(*(data.origin.sources(capture) for capture in out))
        held_out = np.isin(data.capture, out)
        yield Fold(without_sources(data, sources, more), data.take(held_out))


def without_sources(data: Dataset, sources: frozenset[str], more: Dataset | None = None) -> Dataset:
    """What is left of one or two data sets without the captures that were drawn from any of these sources."""
    rest = []
    for each in (data, more) if more is not None else (data,):
        kin = [number for number in range(len(each.origin.names)) if each.origin.sources(number) & sources]
        rest.append(each.take(~np.isin(each.capture, kin)))
    return Dataset.concatenate(rest)
