"""The compiled loop over the flows of a batch, cached on disk.

Numba's cache notices a change of the file that a function stands in, but not of the files it calls into, and would go
on with yesterday's code. What a function closes over is part of the cache's key, though: so this one, the only one
that is cached, closes over a digest of everything it is compiled from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
from numba import njit

from flows.measure import Columns, measure_flow
from flows.state import COUNTERS, Array, Tables

_SOURCES: Final = (
    "batch.py",
    "entropy.py",
    "kernel.py",
    "measure.py",
    "pairs.py",
    "state.py",
    "tables.py",
    "windows.py",
)


def _digest_of_sources() -> str:
    folder = Path(__file__).parent
    return hashlib.sha256(b"".join((folder / name).read_bytes() for name in _SOURCES)).hexdigest()


def _compile(digest: str) -> Callable[[Tables, Columns, Array], None]:
    @njit(cache=True, nogil=True)
    def measure(tables: Tables, flows: Columns, rows: Array) -> None:
        _ = digest
        row = np.empty(rows.shape[1], dtype=np.float64)
        amounts = np.empty(COUNTERS, dtype=np.int64)
        for i in range(len(flows.start)):
            measure_flow(tables, flows, i, row, amounts)
            for column in range(len(row)):
                rows[i, column] = np.float32(row[column])

    return measure


measure: Final = _compile(_digest_of_sources())
"""Write the feature row of each flow, ``float32[n, 120]``, in turn, and count the flow in the tables."""
