"""Made-up captures, as they are measured: a few features are told, the others are zero."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from detection.verdict import Kind
from flows.catalogue import INDEX, NAMES
from training.datasets import Dataset, Origin, Part


def capture_of(
    name: str,
    truth: npt.ArrayLike,
    *,
    part: Part = Part.TRAIN,
    drawn_from: tuple[str, ...] = (),
    home: str = "",
    **features: npt.ArrayLike,
) -> Dataset:
    """One capture of a flow for each ``truth``; attacks are called by their kind. A value stands for all flows."""
    kinds = np.asarray(truth, dtype=np.int8)
    n = len(kinds)
    rows = np.zeros((n, len(NAMES)), dtype=np.float32)
    for feature, values in features.items():
        rows[:, INDEX[feature]] = values
    return Dataset(
        features=rows,
        truth=kinds,
        attack=np.array([Kind(kind).label if kind > Kind.BENIGN else "" for kind in kinds.tolist()], dtype=np.str_),
        capture=np.zeros(n, dtype=np.int16),
        part=np.full(n, part, dtype=np.int8),
        weight=np.ones(n, dtype=np.float32),
        origin=Origin(
            (name,), f"{name}, made up", (home,) if home else (), ("\n".join(drawn_from),) if drawn_from else ()
        ),
    )


def toy_flood(
    name: str, seed: int, *, ordinary: int = 1200, flood: int = 300, part: Part = Part.TRAIN, **options: Any
) -> Dataset:
    """Ordinary life and a flood of many flows in from many peers, in any order; the two overlap a little.

    A twentieth of ordinary life is like a flood but busier still: by these flows more of them are less of a flood.
    """
    rng = np.random.default_rng(seed)
    n = ordinary + flood
    attack = rng.permutation(n) < flood
    busier = ~attack & (rng.random(n) < 0.05)
    flows = rng.lognormal(2.0, 0.8, n) * np.where(attack, 12.0, 1.0)
    flows[busier] = rng.uniform(5_000, 10_000, busier.sum())
    return capture_of(
        name,
        np.where(attack, Kind.DDOS, Kind.BENIGN),
        part=part,
        in_flows_10s=flows,
        in_flows_60s=2.0 * flows,
        in_peers_10s=np.where(attack | busier, rng.lognormal(4.5, 0.6, n), rng.lognormal(1.5, 0.8, n)),
        packets=np.where(attack | busier, rng.integers(1, 4, n), rng.integers(1, 30, n)),
        **options,
    )
