"""What the tests of the views share: flows with everything in them that decides what a view does, and a check."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
from hypothesis import strategies as st

from flows.batch import SCHEMA, FlowBatch
from flows.features import FeatureExtractor
from tests.support.feature_traffic import random_flows

_EXTRACTOR: Final = FeatureExtractor()
_NEVER_ABSENT: Final = {"src_addr", "dst_addr", "sensor_id", "flow_id"}


def flows_of(seed: int, n: int = 12) -> FlowBatch:
    """Flows in order of their ends: many without an answer, many of one packet, and anything absent here and there."""
    rng = np.random.default_rng(seed)
    batch = random_flows(seed, n)
    columns: dict[str, Any] = {name: getattr(batch, name).copy() for name in (spec.name for spec in SCHEMA)}
    for side, share in (("src", 0.1), ("dst", 0.5)):
        silent, single = rng.random(n) < share, rng.random(n) < 0.4
        columns[f"{side}_packets"] = np.where(silent, 0.0, np.where(single, 1.0, columns[f"{side}_packets"]))
        columns[f"{side}_bytes"] = np.floor(columns[f"{side}_packets"] * rng.uniform(40, 1500, n))
        columns[f"{side}_payload"] = np.floor(columns[f"{side}_bytes"] * rng.uniform(0, 0.5, n))
        columns[f"{side}_flags"] = np.where(columns[f"{side}_packets"] == 0, 0, columns[f"{side}_flags"])
        columns[f"{side}_flags"] = np.where(columns["protocol"] == 6, columns[f"{side}_flags"], -1).astype(np.int16)
    for spec in SCHEMA:
        if spec.name not in _NEVER_ABSENT:
            columns[spec.name][rng.random(n) < 0.15] = spec.absent
    return replace(batch, **columns)


def any_flows() -> st.SearchStrategy[FlowBatch]:
    """A dozen flows of any seed."""
    return st.integers(0, 1_000_000).map(flows_of)


def check_whole(batch: FlowBatch) -> None:
    """Every column is of its type and holds no infinity, and so does what is measured of it."""
    for spec in SCHEMA:
        column = getattr(batch, spec.name)
        assert column.dtype == spec.dtype, spec.name
        assert spec.dtype == "object" or not np.isinf(column).any(), spec.name
    assert not np.isinf(_EXTRACTOR.extract(batch)).any()
