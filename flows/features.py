"""From flows to the feature matrix: the one path that training, evaluation, offline scoring and serving all take."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from flows.batch import SCHEMA, FlowBatch
from flows.catalogue import CATALOGUE
from flows.kernel import measure
from flows.keying import HomeNetworks
from flows.measure import Columns
from flows.state import MICROSECONDS, allocate

LATEST_S = 4_102_444_800.0  # the year 2100: a later date, or one before 1970, is no time at all
NO_TIME = -1

_TOLD = ("key_is_dst", "peer_at_home", "start")  # columns of the kernel that are not the batch's own
_DTYPES = {spec.name: spec.dtype for spec in SCHEMA if spec.name in Columns._fields and spec.name not in _TOLD}


class FeatureExtractor:
    """Measures flows in arrival order, remembering what the windows need: one instance per partition.

    However a stream is cut into batches, the rows are the same to the byte; and as every window belongs to one key
    host, so they are over however many partitions the hosts are spread, as long as none of the tables overflows.
    """

    def __init__(self, home: HomeNetworks | None = None) -> None:
        """Start with no past. ``home`` defaults to the private networks."""
        self.home = home or HomeNetworks()
        self._tables = allocate()

    def extract(self, batch: FlowBatch) -> npt.NDArray[np.float32]:
        """Return ``float32[n, 120]``, one row per flow, columns as in the catalogue; what is unknown is NaN.

        A number that nobody can mean (negative, infinite, beyond 2**53) is unknown too, so no row holds an infinity.
        A flow whose start is absent, or not between 1970 and 2100, is measured by itself: its windows are NaN and
        it is counted in none.
        """
        rows = np.empty((len(batch), len(CATALOGUE)), dtype=np.float32)
        measure(self._tables, _columns(batch, self.home), rows)
        return rows

    @property
    def state_bytes(self) -> int:
        """Size of the state, in bytes; it never grows."""
        return sum(table.nbytes for table in self._tables)


def _columns(batch: FlowBatch, home: HomeNetworks) -> Columns:
    """Lay a batch out for the kernel: whole microseconds for times, so that a shift of all of them changes nothing."""
    key_is_dst = home.key_is_dst(batch)
    known = np.isfinite(batch.start) & (batch.start >= 0.0) & (batch.start < LATEST_S)
    start_us = _microseconds(np.where(known, batch.start, 0.0))
    # Compiled once, for arrays that can be written to: a read-only one would be another type, and seconds of compiling.
    own = {name: np.require(getattr(batch, name), dtype, ("C", "W")) for name, dtype in _DTYPES.items()}
    return Columns(
        key_is_dst=key_is_dst,
        peer_at_home=home.contain(np.where(key_is_dst[:, None], batch.src_addr, batch.dst_addr)),
        start=np.where(known, start_us, NO_TIME),
        **own,
    )


def _microseconds(seconds: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    whole: npt.NDArray[np.int64] = np.rint(seconds * MICROSECONDS).astype(np.int64)
    return whole
