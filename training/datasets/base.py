"""Data sets: flows with their truth, as they come and as they are measured, in arrival order."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from detection.verdict import Kind
from flows.batch import SCHEMA, FlowBatch
from flows.catalogue import INDEX, NAMES, catalogue_digest
from flows.features import FeatureExtractor
from flows.keying import HomeNetworks

NO_TRUTH = -1  # "background", "unknown": such a flow is a row of no model


@dataclass(frozen=True, slots=True)
class Origin:
    """Where flows come from.

    Attributes:
        names: the captures' names, by number.
        about: what a reader of figures about them must know.
        homes: each capture's home networks, comma-separated, if they are not the usual ones; "" for those.
        drawn_from: each capture's sources, a line each: recordings that know each other's hosts or attacks have a
            source in common. Without it each capture stands for itself.
    """

    names: tuple[str, ...]
    about: str
    homes: tuple[str, ...] = ()
    drawn_from: tuple[str, ...] = ()

    def sources(self, capture: int) -> frozenset[str]:
        """What a capture's flows were drawn from."""
        return frozenset((self.drawn_from or self.names)[capture].split("\n"))

    def relatives(self, capture: int) -> tuple[int, ...]:
        """The captures that have a source in common with this one, itself among them, ascending."""
        own = self.sources(capture)
        return tuple(other for other in range(len(self.names)) if own & self.sources(other))

    def home(self, capture: int) -> HomeNetworks:
        """The home networks of a capture."""
        networks = self.homes[capture] if self.homes else ""
        return HomeNetworks(networks.split(",")) if networks else HomeNetworks()

    def columns(self) -> dict[str, npt.NDArray[Any]]:
        """The same as arrays of text."""
        return {
            "names": np.array(self.names, dtype=np.str_),
            "about": np.array(self.about),
            "homes": np.array(self.homes, dtype=np.str_),
            "drawn_from": np.array(self.drawn_from, dtype=np.str_),
        }

    @classmethod
    def of_columns(cls, columns: Mapping[str, npt.NDArray[Any]]) -> Origin:
        """Read what :meth:`columns` gave."""
        names, homes, drawn_from = (tuple(columns[name].tolist()) for name in ("names", "homes", "drawn_from"))
        return cls(names, str(columns["about"]), homes, drawn_from)


@dataclass(frozen=True, slots=True)
class LabelledFlows:
    """``n`` flows in arrival order, and the truth about each.

    Attributes:
        batch: the flows.
        truth: int8[n], a :class:`~detection.verdict.Kind` (never ABSTAIN), or NO_TRUTH.
        attack: str[n], the name of the attack or the original label; "" for ordinary life.
        capture: int16[n], which capture the flow comes from.
        part: int8[n], a :class:`~training.datasets.parts.Part`: what the flow may be used for.
        origin: the captures.
    """

    batch: FlowBatch
    truth: npt.NDArray[np.int8]
    attack: npt.NDArray[np.str_]
    capture: npt.NDArray[np.int16]
    part: npt.NDArray[np.int8]
    origin: Origin

    def __len__(self) -> int:
        return len(self.truth)

    def to_bytes(self) -> bytes:
        """Write the columns as an npz file."""
        batch = {
            f"flow_{spec.name}": column.astype(np.str_) if spec.dtype == "object" else column
            for spec in SCHEMA
            for column in (getattr(self.batch, spec.name),)
        }
        truth = {name: getattr(self, name) for name in _TRUTH_COLUMNS}
        return _npz({**batch, **truth, **self.origin.columns()})

    @classmethod
    def from_bytes(cls, data: bytes) -> LabelledFlows:
        """Read what :meth:`to_bytes` wrote."""
        with np.load(io.BytesIO(data), allow_pickle=False) as columns:
            batch = {spec.name: columns[f"flow_{spec.name}"].astype(spec.dtype) for spec in SCHEMA}
            return cls(
                FlowBatch.from_columns(len(columns["truth"]), batch),
                **{name: columns[name] for name in _TRUTH_COLUMNS},
                origin=Origin.of_columns(columns),
            )


@dataclass(frozen=True, slots=True)
class Dataset:
    """``n`` measured flows: ``features`` float32[n, 120], the rest as in :class:`LabelledFlows`."""

    features: npt.NDArray[np.float32]
    truth: npt.NDArray[np.int8]
    attack: npt.NDArray[np.str_]
    capture: npt.NDArray[np.int16]
    part: npt.NDArray[np.int8]
    origin: Origin

    def __len__(self) -> int:
        return len(self.truth)

    def take(self, rows: npt.NDArray[Any]) -> Dataset:
        """The flows at ``rows`` (indices or a boolean mask), in that order."""
        return Dataset(**{name: column[rows] for name, column in self._rows().items()}, origin=self.origin)

    def column(self, name: str) -> npt.NDArray[np.float32]:
        """The values of the feature of this name, float32[n]."""
        return self.features[:, INDEX[name]]

    def of(self, *kinds: Kind) -> Dataset:
        """The flows whose truth is one of ``kinds``."""
        return self.take(np.isin(self.truth, kinds))

    @classmethod
    def concatenate(cls, sets: Sequence[Dataset]) -> Dataset:
        """The flows of data sets, at least one, with their captures numbered through; ``about`` is the first one's."""
        first = np.cumsum([0, *(len(data.origin.names) for data in sets)])
        rows: dict[str, npt.NDArray[Any]] = {
            name: np.concatenate([getattr(data, name) for data in sets]) for name in ("features", *_TRUTH_COLUMNS)
        }
        rows["capture"] = np.concatenate(
            [(data.capture + start).astype(np.int16) for data, start in zip(sets, first, strict=False)]
        )
        origins = [data.origin for data in sets]
        return cls(
            **rows,
            origin=Origin(
                names=tuple(name for origin in origins for name in origin.names),
                about=origins[0].about,
                homes=tuple(home for origin in origins for home in origin.homes or [""] * len(origin.names)),
                drawn_from=tuple(source for origin in origins for source in origin.drawn_from or origin.names),
            ),
        )

    def digest(self) -> str:
        """SHA-256, in hex, of every column and of the catalogue that the features follow."""
        digest = hashlib.sha256(catalogue_digest().encode())
        for name, column in {**self._rows(), **self.origin.columns()}.items():
            digest.update(f"{name} {column.dtype.str} {column.shape}\n".encode())
            digest.update(np.ascontiguousarray(column).tobytes())
        return digest.hexdigest()

    def to_bytes(self) -> bytes:
        """Write the columns as an npz file."""
        return _npz({**self._rows(), **self.origin.columns()})

    @classmethod
    def from_bytes(cls, data: bytes) -> Dataset:
        """Read what :meth:`to_bytes` wrote."""
        with np.load(io.BytesIO(data), allow_pickle=False) as columns:
            rows = {name: columns[name] for name in ("features", *_TRUTH_COLUMNS)}
            return cls(**rows, origin=Origin.of_columns(columns))

    def _rows(self) -> dict[str, npt.NDArray[Any]]:
        return {name: getattr(self, name) for name in ("features", *_TRUTH_COLUMNS)}


_TRUTH_COLUMNS: Final = ("truth", "attack", "capture", "part")


def measured(flows: LabelledFlows) -> Dataset:
    """Measure flows as serving does, in the order in which they came, each capture as a stream of its own."""
    features = np.empty((len(flows), len(NAMES)), dtype=np.float32)
    for capture in np.unique(flows.capture):
        rows = np.flatnonzero(flows.capture == capture)
        features[rows] = FeatureExtractor(flows.origin.home(int(capture))).extract(flows.batch.take(rows))
    return Dataset(features, flows.truth, flows.attack, flows.capture, flows.part, flows.origin)


def _npz(columns: dict[str, npt.NDArray[Any]]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **columns)
    return buffer.getvalue()
