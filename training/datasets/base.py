"""A data set: the features of flows in arrival order, and the truth about each flow."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from detection.verdict import Kind
from flows.catalogue import catalogue_digest

NO_TRUTH = -1  # "background", "unknown": such a flow is a row of no model


@dataclass(frozen=True, slots=True)
class Dataset:
    """``n`` measured flows, in arrival order.

    Attributes:
        features: float32[n, 120].
        truth: int8[n], a :class:`~detection.verdict.Kind` (never ABSTAIN), or NO_TRUTH.
        attack: str[n], the name of the attack or the original label; "" for ordinary life.
        capture: int16[n], which capture the flow comes from; numbers ascend in time.
        time: float64[n], the flow's end, s since 1970.
    """

    features: npt.NDArray[np.float32]
    truth: npt.NDArray[np.int8]
    attack: npt.NDArray[np.str_]
    capture: npt.NDArray[np.int16]
    time: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.truth)

    def take(self, rows: npt.NDArray[Any]) -> Dataset:
        """The flows at ``rows`` (indices or a boolean mask), in that order."""
        return Dataset(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    def of(self, *kinds: Kind) -> Dataset:
        """The flows whose truth is one of ``kinds``."""
        return self.take(np.isin(self.truth, kinds))

    def digest(self) -> str:
        """SHA-256, in hex, of every column and of the catalogue that the features follow."""
        digest = hashlib.sha256(catalogue_digest().encode())
        for field in fields(self):
            column = np.ascontiguousarray(getattr(self, field.name))
            digest.update(f"{field.name} {column.dtype.str} {column.shape}\n".encode())
            digest.update(column.tobytes())
        return digest.hexdigest()

    def to_bytes(self) -> bytes:
        """Write the columns as an uncompressed npz file."""
        buffer = io.BytesIO()
        np.savez(buffer, **{field.name: getattr(self, field.name) for field in fields(self)})
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Dataset:
        """Read what :meth:`to_bytes` wrote."""
        with np.load(io.BytesIO(data), allow_pickle=False) as columns:
            return cls(**{field.name: columns[field.name] for field in fields(cls)})
