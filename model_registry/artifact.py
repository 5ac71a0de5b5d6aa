"""One model as plain data: trees, calibration, threshold, reference profile and golden vectors.

The file is a safetensors container of arrays, with the few scalars as JSON in an array of bytes. Nothing in it is
code, and reading it runs nothing. Reading trusts nothing either: sizes are bounded before anything is allocated, and
constructing an :class:`Artifact` checks every invariant, so that one that exists can be scored. Whether the bytes are
the ones that were signed is the registry's question, and comes first.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import msgspec
import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, deserialize
from safetensors.numpy import save

from model_registry.errors import ArtifactError, Reason
from model_registry.forest import FEATURES, LARGEST, Forest, frozen_array, require
from model_registry.scoring import raw_scores
from model_registry.shapes import readable

__all__ = [
    "Algorithm",
    "Artifact",
    "Calibration",
    "Forest",
    "Profile",
    "artifact_from_bytes",
    "artifact_to_bytes",
    "check_golden",
]

Algorithm = Literal["lightgbm", "isolation_forest", "histograms"]

MAX_BYTES: Final = 64 << 20
MAX_HEADER: Final = 16 << 10
MAX_METADATA: Final = 4 << 10
MAX_GOLDEN: Final = 1024
MAX_BINS: Final = 256
MAX_COUNT: Final = 1 << 48  # of rows in one bin: sums stay inside int64


@dataclass(frozen=True)
class Calibration:
    """Raw score to probability, by two numbers. Raises ArtifactError unless slope > 0 and both are finite."""

    slope: float
    intercept: float

    def __post_init__(self) -> None:
        require(0 < self.slope <= LARGEST, f"the calibration's slope must be above 0 and at most {LARGEST:g}")
        require(abs(self.intercept) <= LARGEST, f"the calibration's intercept must be within +-{LARGEST:g}")

    def probability(self, raw: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """sigmoid(slope * raw + intercept), float64[n] -> float64[n], without overflow at either end."""
        z = self.slope * raw + self.intercept
        tail = np.exp(-np.abs(z))
        probability: npt.NDArray[np.float64] = np.where(z < 0, tail, 1.0) / (1.0 + tail)
        return probability


@dataclass(frozen=True, eq=False)
class Profile:
    """How the training rows were distributed, to notice later that the traffic has changed.

    A value x is in the first bin whose edge is >= x, and in the last bin when there is none. Raises ArtifactError
    unless edges ascend and every feature counts the same number of rows as the scores do.
    """

    feature_edges: npt.NDArray[np.float32]  # [120, e], ascending
    feature_counts: npt.NDArray[np.int64]  # [120, e + 2]: e + 1 bins, then the rows where the feature was missing
    score_edges: npt.NDArray[np.float64]  # [s], ascending, of raw scores
    score_counts: npt.NDArray[np.int64]  # [s + 1]

    def __post_init__(self) -> None:
        for name, dtype, dimensions in (
            ("feature_edges", np.float32, 2),
            ("feature_counts", np.int64, 2),
            ("score_edges", np.float64, 1),
            ("score_counts", np.int64, 1),
        ):
            array = frozen_array(f"profile.{name}", getattr(self, name), np.dtype(dtype), dimensions)
            object.__setattr__(self, name, array)
        bins, score_bins = self.feature_edges.shape[1], len(self.score_edges)
        require(max(bins, score_bins) <= MAX_BINS, f"a profile has at most {MAX_BINS} edges")
        require(
            self.feature_edges.shape == (FEATURES, bins)
            and self.feature_counts.shape == (FEATURES, bins + 2)
            and self.score_counts.shape == (score_bins + 1,),
            "the profile's counts do not fit its edges",
        )
        for edges in (self.feature_edges, self.score_edges):
            # Written so that NaN fails too.
            ascend = (edges[..., 1:] >= edges[..., :-1]).all() and not np.isnan(edges).any()
            require(ascend, "the profile's edges do not ascend")
        for counts in (self.feature_counts, self.score_counts):
            require(bool(np.all((counts >= 0) & (counts <= MAX_COUNT))), "a count of the profile is out of range")
        rows = self.score_counts.sum()
        require(bool(np.all(self.feature_counts.sum(axis=1) == rows)), "the profile's counts differ in their sums")


@dataclass(frozen=True, eq=False)
class Artifact:
    """A model, complete: what it is, how it scores, and the scores that prove it. Raises ArtifactError if malformed."""

    name: str  # lower case letters, digits and _
    algorithm: Algorithm
    forest: Forest
    calibration: Calibration
    threshold: float  # on the calibrated probability, between 0 and 1
    catalogue: str  # SHA-256 of the feature catalogue it was trained on, in lower-case hex
    profile: Profile
    golden_rows: npt.NDArray[np.float32]  # [k, 120]; k >= 1
    golden_scores: npt.NDArray[np.float64]  # [k] raw scores, to the bit

    def __post_init__(self) -> None:
        for name, dtype, dimensions in (("golden_rows", np.float32, 2), ("golden_scores", np.float64, 1)):
            object.__setattr__(self, name, frozen_array(name, getattr(self, name), np.dtype(dtype), dimensions))
        require(
            re.fullmatch(r"[a-z][a-z0-9_]{0,63}", self.name) is not None, f"{self.name!r:.80} is not a model's name"
        )
        require(self.algorithm in get_args(Algorithm), f"the algorithm {self.algorithm!r:.80} is not known")
        require(0 < self.threshold < 1, "the threshold must lie between 0 and 1")
        require(
            re.fullmatch(r"[0-9a-f]{64}", self.catalogue) is not None, "the catalogue's digest is not SHA-256 in hex"
        )
        golden = len(self.golden_scores)
        require(1 <= golden <= MAX_GOLDEN, f"1 to {MAX_GOLDEN} golden vectors are needed, here are {golden}")
        require(self.golden_rows.shape == (golden, FEATURES), "golden rows and golden scores differ in number")
        require(bool(np.isfinite(self.golden_scores).all()), "a golden score is not finite")


class _Metadata(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: Literal[1]
    name: str
    algorithm: Algorithm
    slope: float
    intercept: float
    threshold: float
    catalogue: str


_TENSORS: Final[dict[str, tuple[str, type[Any]]]] = {
    "forest.roots": ("I32", np.int32),
    "forest.feature": ("I16", np.int16),
    "forest.threshold": ("F32", np.float32),
    "forest.left": ("I32", np.int32),
    "forest.right": ("I32", np.int32),
    "forest.missing_left": ("BOOL", np.bool_),
    "forest.value": ("F64", np.float64),
    "profile.feature_edges": ("F32", np.float32),
    "profile.feature_counts": ("I64", np.int64),
    "profile.score_edges": ("F64", np.float64),
    "profile.score_counts": ("I64", np.int64),
    "golden.rows": ("F32", np.float32),
    "golden.scores": ("F64", np.float64),
    "metadata": ("U8", np.uint8),
}


def artifact_to_bytes(artifact: Artifact) -> bytes:
    """Write an artifact; the same artifact always gives the same bytes."""
    metadata = _Metadata(
        format=1,
        name=artifact.name,
        algorithm=artifact.algorithm,
        slope=float(artifact.calibration.slope),
        intercept=float(artifact.calibration.intercept),
        threshold=float(artifact.threshold),
        catalogue=artifact.catalogue,
    )
    tensors: dict[str, npt.NDArray[Any]] = {
        "golden.rows": artifact.golden_rows,
        "golden.scores": artifact.golden_scores,
    }
    for name in _TENSORS:
        room, _, field = name.partition(".")
        if room in ("forest", "profile"):
            tensors[name] = getattr(getattr(artifact, room), field)
    tensors["metadata"] = np.frombuffer(msgspec.json.encode(metadata), np.uint8)
    data: bytes = save(tensors)
    require(len(data) <= MAX_BYTES, f"it has {len(data)} bytes, of at most {MAX_BYTES}")
    return data


def artifact_from_bytes(data: bytes) -> Artifact:
    """Read an artifact; raise :class:`ArtifactError` for anything but one that :func:`artifact_to_bytes` could write.

    Memory used is bounded by a small multiple of ``len(data)``, which is at most 64 MiB.
    """
    tensors = _tensors(data)
    require(len(tensors["metadata"]) <= MAX_METADATA, "its metadata is too long")
    try:
        metadata = msgspec.json.decode(tensors["metadata"].tobytes(), type=_Metadata)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ArtifactError(
            f"model artifact refused: its metadata is malformed ({readable(str(error))}); export it again"
        ) from error

    def part(room: str) -> dict[str, npt.NDArray[Any]]:
        return {name.removeprefix(room): tensors[name] for name in _TENSORS if name.startswith(room)}

    return Artifact(
        name=metadata.name,
        algorithm=metadata.algorithm,
        forest=Forest(**part("forest.")),
        calibration=Calibration(metadata.slope, metadata.intercept),
        threshold=metadata.threshold,
        catalogue=metadata.catalogue,
        profile=Profile(**part("profile.")),
        golden_rows=tensors["golden.rows"],
        golden_scores=tensors["golden.scores"],
    )


def _tensors(data: bytes) -> dict[str, npt.NDArray[Any]]:
    """The container's arrays, all of :data:`_TENSORS` and no other, of the right types; of whatever shape."""
    require(len(data) <= MAX_BYTES, f"it has {len(data)} bytes, of at most {MAX_BYTES}")
    # safetensors itself allows headers of 100 MB, which as Python objects are gigabytes.
    length = int.from_bytes(data[:8], "little")
    require(length <= MAX_HEADER, "its header is too long")
    try:
        found: dict[str, dict[str, Any]] = dict(deserialize(data))  # type: ignore[no-untyped-call]  # has no types
    except SafetensorError as error:
        raise ArtifactError(
            f"model artifact refused: no valid container ({readable(str(error))}); export it again"
        ) from error
    # The container's library passes over remarks and takes the last of several arrays of one name; others may not.
    names = [name for name, _ in json.loads(data[8 : 8 + length].decode(), object_pairs_hook=list)]
    require(sorted(names) == sorted(_TENSORS), "it lacks arrays, or has others than a model's")
    tensors = {}
    for name, (code, dtype) in _TENSORS.items():
        tensor = found[name]
        require(tensor["dtype"] == code, f"{name} is of type {tensor['dtype']}, not {code}")
        shape = tensor["shape"]
        # Rank and sides are bounded because an empty array's sides may be anything, even more than numpy can hold.
        require(len(shape) <= 2 and max(shape, default=0) <= MAX_BYTES, f"{name} has an impossible shape")
        tensors[name] = np.frombuffer(tensor["data"], dtype).reshape(shape)
    return tensors


def check_golden(artifact: Artifact) -> None:
    """Replay the golden vectors; raise :class:`ArtifactError` if any raw score differs in any bit."""
    scores = raw_scores(artifact.forest, artifact.golden_rows)
    wrong = np.flatnonzero(scores.view(np.uint64) != artifact.golden_scores.view(np.uint64))
    if len(wrong):
        first = wrong[0]
        raise ArtifactError(
            f"model {artifact.name} refused: {len(wrong)} of its {len(scores)} golden vectors score differently (no. "
            f"{first} {scores[first]:.17g}, not {artifact.golden_scores[first]:.17g}); export the model again",
            Reason.GOLDEN_VECTORS,
        )
