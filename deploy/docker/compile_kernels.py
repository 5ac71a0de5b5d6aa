"""Compile every kernel that serving runs, into the folder that NUMBA_CACHE_DIR names.

It calls what serving calls, with the smallest inputs: numba compiles a kernel for the types it is first called with.
"""

from __future__ import annotations

import numpy as np

from detection.alerts import AlertBook
from detection.verdict import Kind
from flows.batch import FlowBatch
from flows.features import FeatureExtractor
from model_registry.artifact import Forest
from model_registry.scoring import contributions, raw_scores


def main() -> None:
    """Extract the features of one flow, score it, and open an alert with it."""
    nowhere = np.zeros((1, 2), dtype=np.uint64)
    features = FeatureExtractor().extract(FlowBatch.from_columns(1, {"src_addr": nowhere, "dst_addr": nowhere}))
    stump = Forest(
        roots=np.array([0], dtype=np.int32),
        feature=np.array([0, 0, 0], dtype=np.int16),
        threshold=np.array([0, 0, 0], dtype=np.float32),
        left=np.array([1, -1, -1], dtype=np.int32),
        right=np.array([2, -1, -1], dtype=np.int32),
        missing_left=np.array([True, False, False]),
        value=np.array([0.0, -1.0, 1.0]),
    )
    raw_scores(stump, features)
    contributions(stump, features[0])
    kinds = np.array([Kind.DDOS], dtype=np.int8)
    AlertBook().fold(kinds, np.ones(1), np.zeros(1), nowhere, nowhere)


if __name__ == "__main__":
    main()
