"""The batch of flows: columns in, the same columns out, and nothing that does not fit the schema."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from flows.batch import ABSENT, SCHEMA, FlowBatch
from tests.support.batches import same

ENDS = {"src_addr": [[0, 1], [0, 2], [0, 3]], "dst_addr": [[1, 1], [1, 2], [1, 3]]}


def make(**columns: object) -> FlowBatch:
    return FlowBatch.from_columns(3, {**ENDS, **columns})  # type: ignore[dict-item]  # bad columns are the point


def test_the_fields_are_the_schema_in_its_order() -> None:
    assert [field.name for field in fields(FlowBatch)] == [spec.name for spec in SCHEMA]


def test_what_is_not_given_is_absent_and_never_zero() -> None:
    batch = make()
    for spec in SCHEMA:
        column = getattr(batch, spec.name)
        assert column.dtype == spec.dtype
        if spec.width == 2:
            assert column.shape == (3, 2)
        elif spec.dtype == "float64":
            assert np.isnan(column).all()
        elif spec.dtype == "object":
            assert column.tolist() == ["", "", ""]
        else:
            assert (column == ABSENT).all()


def test_given_columns_are_kept() -> None:
    batch = make(start=[1.5, 2.5, np.nan], dst_port=[80, 443, ABSENT], flow_id=["a", "", "c"])
    assert batch.start.tolist()[:2] == [1.5, 2.5]
    assert batch.dst_port.tolist() == [80, 443, ABSENT]
    assert batch.flow_id.tolist() == ["a", "", "c"]
    assert batch.dst_addr.tolist() == ENDS["dst_addr"]
    assert len(batch) == 3


def test_a_column_that_is_not_in_the_schema_is_refused_by_name() -> None:
    with pytest.raises(KeyError, match="source_port"):
        make(source_port=[1, 2, 3])


def test_both_addresses_are_required() -> None:
    with pytest.raises(KeyError, match="dst_addr"):
        FlowBatch.from_columns(3, {"src_addr": ENDS["src_addr"]})


@pytest.mark.parametrize("values", [[1.0, 2.0], [[1.0], [2.0], [3.0]], 1.0])
def test_a_column_of_another_length_is_refused_by_name(values: object) -> None:
    with pytest.raises(ValueError, match="column start"):
        make(start=values)


def test_a_port_that_does_not_fit_is_refused() -> None:
    with pytest.raises(OverflowError):
        make(dst_port=[80, 2**40, 80])


def test_take_follows_the_order_asked_for() -> None:
    batch = make(start=[1.0, 2.0, 3.0])
    assert batch.take(np.array([2, 0])).start.tolist() == [3.0, 1.0]
    assert batch.take(np.array([False, True, False])).src_addr.tolist() == [[0, 2]]
    assert batch.take(slice(1, None)).start.tolist() == [2.0, 3.0]
    assert len(batch.take(np.empty(0, dtype=np.int64))) == 0


def test_concatenating_the_pieces_gives_the_batch() -> None:
    batch = make(start=[1.0, 2.0, 3.0], state=[0, 1, ABSENT], sensor_id=["x", "y", ""])
    assert same(FlowBatch.concatenate([batch.take(slice(0, 1)), FlowBatch.empty(), batch.take(slice(1, 3))]), batch)
    assert same(FlowBatch.concatenate([]), FlowBatch.empty())


def test_batches_are_told_apart_by_identity() -> None:
    assert make() != make()
    assert len({make(), make()}) == 2
