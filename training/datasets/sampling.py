"""Learning from a share of ordinary life, which is most of any traffic and much alike."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from detection.verdict import Kind
from training.datasets.base import Dataset
from training.datasets.parts import Part

_SEED: Final = 20260103


def thinned(data: Dataset, share: float, seed: int = _SEED) -> Dataset:
    """Keep a share of the benign flows of the training part, each standing for those that go; all others stay.

    Each capture keeps at least one, by chance and the same for the same seed. Thresholds, calibration and trees count
    a flow by its weight, so that what is rare stays as rare as it was. The validation and test parts are kept whole.

    Args:
        share: above 0, at most 1.
    """
    if not 0.0 < share <= 1.0:
        raise ValueError(f"a share of flows is above 0 and at most 1, not {share:g}")
    if share == 1.0:
        return data
    dice = np.random.default_rng(seed)
    kept = np.ones(len(data), dtype=np.bool_)
    weight = data.weight.copy()
    benign = (data.truth == Kind.BENIGN) & (data.part == Part.TRAIN)
    for capture in np.unique(data.capture[benign]):
        rows = np.flatnonzero(benign & (data.capture == capture))
        chosen = dice.choice(rows, max(1, round(share * len(rows))), replace=False)
        kept[rows] = False
        kept[chosen] = True
        weight[chosen] *= len(rows) / len(chosen)
    return replace(data, weight=weight).take(kept)
