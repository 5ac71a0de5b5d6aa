"""Where assets' data lies: one file per asset, written atomically, data only, its digest on record in Dagster."""

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
from orchestration.trial import Trial, trial_from_json, trial_to_json
from training.datasets import Dataset, LabelledFlows

DIGEST: Final = "sha256"  # the metadata entry, of materializations and check results, that ties both to bytes


@dataclass(frozen=True, slots=True)
class Codec:
    """How one type of asset is written to a file and read back."""

    suffix: str
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]


CODECS: Final[dict[type, Codec]] = {
    LabelledFlows: Codec(".npz", LabelledFlows.to_bytes, LabelledFlows.from_bytes),
    Dataset: Codec(".npz", Dataset.to_bytes, Dataset.from_bytes),
    Artifact: Codec(".safetensors", artifact_to_bytes, artifact_from_bytes),
    Baselines: Codec(".json", baselines_to_json, baselines_from_json),
    Ensemble: Codec(".json", ensemble_to_json, ensemble_from_json),
    Trial: Codec(".json", trial_to_json, trial_from_json),
    str: Codec(".html", str.encode, bytes.decode),  # a page
}


def digest_of(value: Any) -> str:
    """SHA-256, in hex, of a value as it is stored."""
    return hashlib.sha256(CODECS[type(value)].encode(value)).hexdigest()


class FileStore(dg.ConfigurableIOManager):
    """Keeps each asset's latest value as a file under ``folder``; nothing is pickled."""

    folder: str

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Write a value and record its size and digest. Raises TypeError for a type without a codec."""
        codec = CODECS.get(type(obj))
        if codec is None:
            raise TypeError(f"{context.asset_key.to_user_string()}: nothing says how to store a {type(obj).__name__}")
        path = self._path(context.asset_key, codec)
        path.parent.mkdir(parents=True, exist_ok=True)
        data = codec.encode(obj)
        # Another run may be writing the same asset: a name of one's own, then one atomic step.
        scratch = path.with_name(f"{path.name}.{context.run_id}")
        scratch.write_bytes(data)
        scratch.replace(path)
        digest = hashlib.sha256(data).hexdigest()
        context.add_output_metadata({"path": str(path), "size": len(data), DIGEST: digest})

    def load_input(self, context: dg.InputContext) -> Any:
        """Read a value. Raises TidegateError when it has not been materialized."""
        codec = CODECS[context.dagster_type.typing_type]
        path = self._path(context.asset_key, codec)
        try:
            return codec.decode(path.read_bytes())
        except FileNotFoundError:
            raise TidegateError(
                f"{path} is not there: materialize {context.asset_key.to_user_string()} first"
            ) from None

    def _path(self, key: dg.AssetKey, codec: Codec) -> Path:
        return Path(self.folder, *key.path).with_suffix(codec.suffix)
