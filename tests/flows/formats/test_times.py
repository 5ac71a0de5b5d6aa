"""Times as exporters write them."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.formats.columns import Faults
from flows.formats.times import parse_time, timestamps

MOMENT = datetime(2018, 1, 12, 15, 37, 30, 942000, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    "text",
    [
        "2018-01-12T15:37:30.942",
        "2018-01-12 15:37:30.942000",
        "2018/01/12 15:37:30.942",
        "2018-01-12T15:37:30.942Z",
        "2018-01-12T17:37:30.942000+0200",
        "2018-01-12T10:07:30.942-05:30",
        "1515771450.942",
    ],
)
def test_reads_every_way_in_which_an_exporter_writes_a_moment(text: str) -> None:
    assert parse_time(text) == MOMENT


@pytest.mark.parametrize("text", ["", "-", "(empty)", "0.000000"])
def test_an_unset_time_is_absent(text: str) -> None:
    faults: Faults = {}
    assert np.isnan(timestamps([text], "start", faults)).all()
    assert not faults


@pytest.mark.parametrize(
    "text",
    ["yesterday", "2018-02-31 00:00:00", "2018-01-12 25:00:00", "1969-12-31 23:59:59", "nan", "inf", "-5", "1e9",
     "999999999999", "2018-01-12T15:37:30+99:99", "\u0662018-01-12 15:37:30", "2018-01-12"],
)  # fmt: skip
@pytest.mark.parametrize("others", [[], ["2018-01-12 15:37:30"]])
def test_what_is_no_time_is_a_fault_of_its_row_alone(text: str, others: list[str]) -> None:
    faults: Faults = {}
    read = timestamps([*others, text], "start", faults)
    assert [*faults] == [len(others)]
    assert faults[len(others)].startswith("start: ")
    assert not np.isnan(read[: len(others)]).any()


@given(st.lists(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(9999, 12, 31, 23, 59, 59)), min_size=1))
def test_a_column_read_at_once_is_what_its_times_are_one_by_one(moments: list[datetime]) -> None:
    texts = [moment.isoformat(sep=" ", timespec="microseconds") for moment in moments]
    faults: Faults = {}
    assert timestamps(texts, "start", faults).tolist() == [parse_time(text) for text in texts if text]
    assert not faults


@given(st.text(max_size=40))
def test_no_text_raises(text: str) -> None:
    faults: Faults = {}
    assert timestamps([text, text], "start", faults).shape == (2,)
