"""A model as its library fitted it, beside what its scores mean: as data, so that it can wait to be exported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import lightgbm
import msgspec
import numpy as np

from model_registry.artifact import Artifact, Calibration
from training.export import Rows, export
from training.histograms import Direction, Histogram, Histograms

Model = lightgbm.Booster | Histograms

NAMELESS: Final[Mapping[str, str]] = {}  # the digests of data where nobody asks for them


@dataclass(frozen=True, slots=True)
class Fitted:
    """A fitted model that is not exported yet.

    Attributes:
        name: the model's name in the registry.
        model: as the library has it.
        calibration: from its raw score to a probability.
        threshold: on that probability.
        data: what it was fitted on, by name, as SHA-256 in hex.
        rows: how many flows it was fitted on, those that were only drawn or seen in other ways not counted.
    """

    name: str
    model: Model
    calibration: Calibration
    threshold: float
    data: Mapping[str, str]
    rows: int


def exported(fitted: Fitted, rows: Rows) -> Artifact:
    """Make the artifact of a fitted model; ``rows``, float32[n, 120], are those that it was fitted on.

    Raises ExportError as :func:`training.export.export`.
    """
    return export(fitted.model, name=fitted.name, calibration=fitted.calibration, threshold=fitted.threshold, rows=rows)


def fitted_to_json(fitted: Fitted) -> bytes:
    """Write a fitted model as indented JSON: LightGBM's in its own text, histograms as numbers."""
    model = fitted.model
    document: dict[str, Any] = {
        "name": fitted.name,
        "calibration": {"slope": fitted.calibration.slope, "intercept": fitted.calibration.intercept},
        "threshold": fitted.threshold,
        "data": dict(fitted.data),
        "rows": fitted.rows,
    }
    if isinstance(model, Histograms):
        document["histograms"] = {"came": _direction(model.came), "began": _direction(model.began)}
    else:
        document["lightgbm"] = model.model_to_string()
    return msgspec.json.format(msgspec.json.encode(document), indent=1)


def fitted_from_json(data: bytes) -> Fitted:
    """Read what :func:`fitted_to_json` wrote, of our own store: what reads LightGBM's text trusts it."""
    document = msgspec.json.decode(data)
    model: Model
    if "histograms" in document:
        model = Histograms(**{way: _direction_of(parts) for way, parts in document["histograms"].items()})
    else:
        model = lightgbm.Booster(model_str=document["lightgbm"])
    return Fitted(
        document["name"],
        model,
        Calibration(**document["calibration"]),
        document["threshold"],
        document["data"],
        document["rows"],
    )


def _direction(direction: Direction) -> dict[str, Any]:
    columns = ("thresholds", "surprise", "weight")
    return {
        "offset": direction.offset,
        "features": [
            {"column": one.column} | {name: getattr(one, name).tolist() for name in columns}
            for one in direction.features
        ],
    }


def _direction_of(parts: dict[str, Any]) -> Direction:
    features = tuple(
        Histogram(
            one["column"],
            np.array(one["thresholds"], np.float32),
            np.array(one["surprise"], np.float64),
            np.array(one["weight"], np.float64),
        )
        for one in parts["features"]
    )
    return Direction(features, parts["offset"])
