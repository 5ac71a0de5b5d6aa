"""Learning from a share of ordinary life, which is most of any traffic and much alike."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from detection.verdict import Kind
from training.datasets.base import NO_TRUTH, Dataset, Origin
from training.datasets.parquet import read_columns
from training.datasets.parts import Part

_SEED: Final = 20260103

Codes = npt.NDArray[np.int8]
Mask = npt.NDArray[np.bool_]


def thinned(data: Dataset, share: float, seed: int = _SEED) -> Dataset:
    """Keep a share of the benign flows of the training part, each standing for those that go; all others stay.

    Each capture keeps at least one, by chance and the same for the same seed, whatever else is in the data. Thresholds,
    calibration and trees count a flow by its weight, so that what is rare stays as rare as it was. The validation and
    test parts are kept whole.

    Args:
        share: above 0, at most 1.
    """
    if _checked(share) == 1.0:
        return data
    kept, stands_for = _thinning(data.truth, data.part, data.capture, data.origin, share, seed)
    return replace(data, weight=data.weight * stands_for).take(kept)


def read_thinned(path: Path, share: float, seed: int = _SEED) -> Dataset:
    """Read a stored data set as :func:`thinned` would leave it, without the flows that have no truth.

    Flows that go are never held in memory together. Raises as :meth:`Dataset.read`.

    Args:
        share: above 0, at most 1.
    """
    columns, about = read_columns(path, ["truth", "part", "capture"])
    truth = columns["truth"]
    kept, stands_for = _thinning(truth, columns["part"], columns["capture"], Origin.of(about), _checked(share), seed)
    kept &= truth != NO_TRUTH
    data = Dataset.read(path, kept)
    return replace(data, weight=data.weight * stands_for[kept])


def kept_as(learned: Dataset, name: str, truth: Codes, part: Codes) -> Mask:
    """Which flows of a capture of this name stay, bool[n], if it is thinned as when this was ``learned`` of it."""
    count = int(_to_thin(learned.truth, learned.part).sum())
    return _kept(truth, part, name, count, _SEED)


def _to_thin(truth: Codes, part: Codes) -> Mask:
    return np.asarray((truth == Kind.BENIGN) & (part == Part.TRAIN))


def _kept(truth: Codes, part: Codes, name: str, count: int, seed: int) -> Mask:
    """Which flows of one capture of this name stay, bool[n], where ``count`` of the benign training ones are to."""
    kept = np.ones(len(truth), dtype=np.bool_)
    benign = np.flatnonzero(_to_thin(truth, part))
    if count < len(benign):
        kept[benign] = False
        kept[np.random.default_rng([seed, *name.encode()]).choice(benign, count, replace=False)] = True
    return kept


def _thinning(
    truth: Codes, part: Codes, capture: npt.NDArray[np.int16], origin: Origin, share: float, seed: int
) -> tuple[Mask, npt.NDArray[np.float32]]:
    """Which flows stay, bool[n], and how many each stands for if it does, float32[n]."""
    kept = np.ones(len(truth), dtype=np.bool_)
    stands_for = np.ones(len(truth), dtype=np.float32)
    benign = _to_thin(truth, part)
    for number in np.unique(capture[benign]).tolist():
        here = capture == number
        all_of_it = int((benign & here).sum())
        count = max(1, round(share * all_of_it))
        kept[here] = _kept(truth[here], part[here], origin.names[number], count, seed)
        stands_for[benign & here] = all_of_it / count
    return kept, stands_for


def _checked(share: float) -> float:
    if not 0.0 < share <= 1.0:
        raise ValueError(f"a share of flows is above 0 and at most 1, not {share:g}")
    return share
