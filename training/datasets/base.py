"""Data sets: flows with their truth, as they come and as they are measured, in arrival order."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from detection.verdict import Kind
from flows.batch import SCHEMA, FlowBatch
from flows.catalogue import catalogue_digest
from flows.features import FeatureExtractor
from flows.keying import HomeNetworks

NO_TRUTH = -1  # "background", "unknown": such a flow is a row of no model


@dataclass(frozen=True, slots=True)
class LabelledFlows:
    """``n`` flows in arrival order, and the truth about each.

    Attributes:
        batch: the flows.
        truth: int8[n], a :class:`~detection.verdict.Kind` (never ABSTAIN), or NO_TRUTH.
        attack: str[n], the name of the attack or the original label; "" for ordinary life.
        capture: int16[n], which capture the flow comes from; numbers ascend in time.
    """

    batch: FlowBatch
    truth: npt.NDArray[np.int8]
    attack: npt.NDArray[np.str_]
    capture: npt.NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.truth)

    def to_bytes(self) -> bytes:
        """Write the columns as an npz file."""
        batch = {
            f"flow_{spec.name}": column.astype(np.str_) if spec.dtype == "object" else column
            for spec in SCHEMA
            for column in (getattr(self.batch, spec.name),)
        }
        return _npz({**batch, "truth": self.truth, "attack": self.attack, "capture": self.capture})

    @classmethod
    def from_bytes(cls, data: bytes) -> LabelledFlows:
        """Read what :meth:`to_bytes` wrote."""
        with np.load(io.BytesIO(data), allow_pickle=False) as columns:
            truth = columns["truth"]
            batch = {spec.name: columns[f"flow_{spec.name}"].astype(spec.dtype) for spec in SCHEMA}
            return cls(FlowBatch.from_columns(len(truth), batch), truth, columns["attack"], columns["capture"])


@dataclass(frozen=True, slots=True)
class Dataset:
    """``n`` measured flows: ``features`` float32[n, 120], the rest as in :class:`LabelledFlows`."""

    features: npt.NDArray[np.float32]
    truth: npt.NDArray[np.int8]
    attack: npt.NDArray[np.str_]
    capture: npt.NDArray[np.int16]

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
        """Write the columns as an npz file."""
        return _npz({field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def from_bytes(cls, data: bytes) -> Dataset:
        """Read what :meth:`to_bytes` wrote."""
        with np.load(io.BytesIO(data), allow_pickle=False) as columns:
            return cls(**{field.name: columns[field.name] for field in fields(cls)})


def measured(flows: LabelledFlows, home: HomeNetworks | None = None) -> Dataset:
    """Measure flows as serving does, in the order in which they came."""
    features = FeatureExtractor(home).extract(flows.batch)
    return Dataset(features, flows.truth, flows.attack, flows.capture)


def _npz(columns: dict[str, npt.NDArray[Any]]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **columns)
    return buffer.getvalue()
