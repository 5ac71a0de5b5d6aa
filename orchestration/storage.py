"""Where assets' data lies: one file per asset or partition, written atomically, data only, its digest on record.

The digest of flows and features is of their values, so that it stays the same whatever writes the Parquet; that of
anything else is of its file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import dagster as dg

from detection.engines.math import Baselines, baselines_from_json, baselines_to_json
from detection.ensemble import Ensemble, ensemble_from_json, ensemble_to_json
from flows.errors import TidegateError
from model_registry.artifact import Artifact, artifact_from_bytes, artifact_to_bytes
from orchestration.comparison import Comparison, comparison_from_json, comparison_to_json
from orchestration.trial import Trial, trial_from_json, trial_to_json
from training.datasets import Dataset, LabelledFlows
from training.fitted import Fitted, fitted_from_json, fitted_to_json

DIGEST: Final = "sha256"  # the metadata entry, of materializations and check results, that ties both to bytes


@dataclass(frozen=True, slots=True)
class Codec:
    """How one type of asset is written to a file, read back, and named by a SHA-256 in hex."""

    suffix: str
    write: Callable[[Any, Path], object]
    read: Callable[[Path], Any]
    digest: Callable[[Any], str]


def small(suffix: str, encode: Callable[[Any], bytes], decode: Callable[[bytes], Any]) -> Codec:
    """The codec of what is turned to bytes as a whole."""
    return Codec(
        suffix,
        write=lambda value, path: path.write_bytes(encode(value)),
        read=lambda path: decode(path.read_bytes()),
        digest=lambda value: hashlib.sha256(encode(value)).hexdigest(),
    )


CODECS: Final[dict[type, Codec]] = {
    LabelledFlows: Codec(".parquet", LabelledFlows.write, LabelledFlows.read, LabelledFlows.digest),
    Dataset: Codec(".parquet", Dataset.write, Dataset.read, Dataset.digest),
    Artifact: small(".safetensors", artifact_to_bytes, artifact_from_bytes),
    Fitted: small(".json", fitted_to_json, fitted_from_json),
    Baselines: small(".json", baselines_to_json, baselines_from_json),
    Ensemble: small(".json", ensemble_to_json, ensemble_from_json),
    Trial: small(".json", trial_to_json, trial_from_json),
    Comparison: small(".json", comparison_to_json, comparison_from_json),
    str: small(".html", str.encode, bytes.decode),  # a page
}


def digest_of(value: Any) -> str:
    """SHA-256, in hex, that names a value in Dagster's records."""
    return CODECS[type(value)].digest(value)


class FileStore(dg.ConfigurableIOManager):
    """Keeps each asset's latest value as a file under ``folder``; nothing is pickled."""

    folder: str

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Write a value and record its size and digest. Raises TypeError for a type without a codec."""
        codec = CODECS.get(type(obj))
        if codec is None:
            raise TypeError(f"{context.asset_key.to_user_string()}: nothing says how to store a {type(obj).__name__}")
        path = self._path(context, codec)
        path.parent.mkdir(parents=True, exist_ok=True)
        # Another run may be writing the same asset: a name of one's own, then one atomic step.
        scratch = path.with_name(f"{path.name}.{context.run_id}")
        codec.write(obj, scratch)
        size = scratch.stat().st_size
        scratch.replace(path)
        context.add_output_metadata({"path": str(path), "size": size, DIGEST: codec.digest(obj)})

    def load_input(self, context: dg.InputContext) -> Any:
        """Read a value. Raises TidegateError when it has not been materialized."""
        codec = CODECS[context.dagster_type.typing_type]
        path = self._path(context, codec)
        try:
            return codec.read(path)
        except FileNotFoundError:
            raise TidegateError(
                f"{path} is not there: materialize {context.asset_key.to_user_string()} first"
            ) from None

    def _path(self, context: dg.OutputContext | dg.InputContext, codec: Codec) -> Path:
        """One file, or one below a folder of the asset's name for each partition: ``day/source`` for two dimensions."""
        path = Path(self.folder, *context.asset_key.path)
        if context.has_asset_partitions:
            path = path.joinpath(*context.asset_partition_key.split("|"))
        return path.with_name(path.name + codec.suffix)
