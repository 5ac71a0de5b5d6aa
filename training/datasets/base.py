"""Data sets: flows with their truth, as they come and as they are measured, in arrival order."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from detection.verdict import Kind
from flows.batch import SCHEMA, FlowBatch
from flows.catalogue import INDEX, NAMES, catalogue_digest
from flows.features import FeatureExtractor
from flows.keying import HomeNetworks
from training.datasets.parquet import read_columns, write_columns
from training.errors import TrainingError

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

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Origin:
        """Make one of its fields, as JSON holds them."""
        return cls(tuple(fields["names"]), fields["about"], tuple(fields["homes"]), tuple(fields["drawn_from"]))


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

    def digest(self) -> str:
        """SHA-256, in hex, of every column."""
        return _digest("flows", self._columns(), self.origin)

    def write(self, path: Path) -> None:
        """Write the flows as a Parquet file, a column each of the flow schema and of the truth."""
        write_columns(path, self._columns(), asdict(self.origin))

    @classmethod
    def read(cls, path: Path) -> LabelledFlows:
        """Read what :meth:`write` wrote. Raises as :func:`training.datasets.parquet.read_columns`."""
        columns, about = read_columns(path)
        batch = {
            spec.name: columns[spec.name].astype(spec.dtype)
            if spec.width == 1
            else np.stack([columns[f"{spec.name}_{half}"] for half in _HALVES], axis=1)
            for spec in SCHEMA
        }
        return cls(
            FlowBatch.from_columns(len(columns["truth"]), batch),
            **{name: columns[name] for name in _TRUTH_COLUMNS},
            origin=Origin.of(about),
        )

    def _columns(self) -> dict[str, npt.NDArray[Any]]:
        columns: dict[str, npt.NDArray[Any]] = {}
        for spec in SCHEMA:
            column = getattr(self.batch, spec.name)
            if spec.width == 1:
                columns[spec.name] = column
            else:
                columns.update({f"{spec.name}_{half}": column[:, place] for place, half in enumerate(_HALVES)})
        return columns | {name: getattr(self, name) for name in _TRUTH_COLUMNS}


@dataclass(frozen=True, slots=True)
class Dataset:
    """``n`` measured flows: ``features`` float32[n, 120], the rest as in :class:`LabelledFlows`.

    ``weight``, float32[n], is how many flows a row stands for: more than one where others like it were left out
    (:mod:`training.datasets.sampling`).
    """

    features: npt.NDArray[np.float32]
    truth: npt.NDArray[np.int8]
    attack: npt.NDArray[np.str_]
    capture: npt.NDArray[np.int16]
    part: npt.NDArray[np.int8]
    weight: npt.NDArray[np.float32]
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
            name: np.concatenate([getattr(data, name) for data in sets]) for name in _ROW_COLUMNS
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
        return _digest(catalogue_digest(), self._rows(), self.origin)

    def write(self, path: Path) -> None:
        """Write the rows as a Parquet file, a column for each feature and for the truth, and whose catalogue it is."""
        rows = self._rows()
        features = rows.pop("features")
        about = {**asdict(self.origin), _CATALOGUE: catalogue_digest()}
        write_columns(path, {name: features[:, INDEX[name]] for name in NAMES} | rows, about)

    @classmethod
    def read(cls, path: Path, rows: npt.NDArray[np.bool_] | None = None) -> Dataset:
        """Read what :meth:`write` wrote: of it only the ``rows``, bool[n], where they are given.

        Raises TrainingError for features of another catalogue, which may mean something else by the same names, and
        as :func:`training.datasets.parquet.read_columns`.
        """
        columns, about = read_columns(path, rows=rows)
        catalogue = about.pop(_CATALOGUE, "")
        if catalogue != catalogue_digest():
            raise TrainingError(
                f"{path} holds features of another catalogue ({catalogue[:12] or 'unnamed'}) than is measured now "
                f"({catalogue_digest()[:12]}); materialize it again"
            )
        others = {name: columns[name] for name in (*_TRUTH_COLUMNS, "weight")}
        features = np.empty((len(others["truth"]), len(NAMES)), dtype=np.float32)
        for name in NAMES:
            features[:, INDEX[name]] = columns[name]
        return cls(features, **others, origin=Origin.of(about))

    def _rows(self) -> dict[str, npt.NDArray[Any]]:
        return {name: getattr(self, name) for name in _ROW_COLUMNS}


_TRUTH_COLUMNS: Final = ("truth", "attack", "capture", "part")
_ROW_COLUMNS: Final = ("features", *_TRUTH_COLUMNS, "weight")
_HALVES: Final = ("high", "low")  # of an address
_CATALOGUE: Final = "catalogue"


def measured(flows: LabelledFlows) -> Dataset:
    """Measure flows as serving does, in the order in which they came, each capture as a stream of its own."""
    features = np.empty((len(flows), len(NAMES)), dtype=np.float32)
    for capture in np.unique(flows.capture):
        rows = np.flatnonzero(flows.capture == capture)
        features[rows] = FeatureExtractor(flows.origin.home(int(capture))).extract(flows.batch.take(rows))
    return as_measured(flows, features)


def as_measured(flows: LabelledFlows, features: npt.NDArray[np.float32]) -> Dataset:
    """Put flows' features, float32[n, 120], beside their truth; each row stands for itself."""
    weight = np.ones(len(flows), dtype=np.float32)
    return Dataset(features, flows.truth, flows.attack, flows.capture, flows.part, weight, flows.origin)


def _digest(kind: str, columns: Mapping[str, npt.NDArray[Any]], origin: Origin) -> str:
    """Of values, not of how they lie in memory or in a file: a text counts by its characters."""
    digest = hashlib.sha256(json.dumps([kind, asdict(origin)]).encode())
    for name, column in columns.items():
        if column.dtype.kind in "biuf":
            digest.update(f"\n{name} {column.dtype.str} {column.shape}\n".encode())
            digest.update(np.ascontiguousarray(column).tobytes())
        else:
            digest.update(f"\n{name} text {json.dumps(column.tolist())}\n".encode())
    return digest.hexdigest()
