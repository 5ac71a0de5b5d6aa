"""Flow batches in tests: comparing them, and drawing them from everything the schema allows."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from flows.batch import ABSENT, SCHEMA, FlowBatch, Service, State
from flows.formats.base import MAX_COUNT, MAX_PORT, MAX_SECONDS

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_ADDRESS = st.one_of(
    st.integers(0, 2**32 - 1).map(lambda low: (0, 0xFFFF << 32 | low)),
    st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)),
)
_LARGEST = {
    "src_port": MAX_PORT,
    "dst_port": MAX_PORT,
    "protocol": 255,
    "src_flags": 0xFFF,
    "dst_flags": 0xFFF,
    "state": max(State),
    "service": max(Service),
}


def same(one: FlowBatch, other: FlowBatch) -> bool:
    """Whether two batches hold the same values, bit for bit and of the same types."""
    for spec in SCHEMA:
        left, right = getattr(one, spec.name), getattr(other, spec.name)
        if left.dtype != right.dtype or left.shape != right.shape:
            return False
        if spec.dtype == "object":
            if left.tolist() != right.tolist():
                return False
        elif left.tobytes() != right.tobytes():
            return False
    return True


@st.composite
def batches(draw: st.DrawFn, max_size: int = 4) -> FlowBatch:
    """Any batch that a decoder may return, absent values included."""
    n = draw(st.integers(0, max_size))
    columns = {}
    for spec in SCHEMA:
        if spec.width == 2:
            value: st.SearchStrategy[object] = _ADDRESS
        elif spec.dtype == "object":
            value = _TEXT
        elif spec.dtype == "float64":
            largest = MAX_SECONDS if spec.unit.startswith("s") else float(MAX_COUNT)
            value = st.one_of(st.just(float("nan")), st.floats(0, largest), st.just(-0.0))
        else:
            value = st.integers(ABSENT, _LARGEST[spec.name])
        values = [draw(value) for _ in range(n)]
        column = np.empty((n, 2) if spec.width == 2 else n, dtype=spec.dtype)
        for row, one in enumerate(values):
            column[row] = one
        columns[spec.name] = column
    return FlowBatch.from_columns(n, columns)
