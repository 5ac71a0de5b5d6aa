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


@pytest.mark.parametrize(
    "text",
    ["", "-", "(empty)", "0.000000", "0000-00-00 00:00:00.000000", "0000-00-00T00:00:00Z",
     "0000-00-00T00:00:00.000000+01:00"],
)  # fmt: skip
def test_an_unset_time_is_absent(text: str) -> None:
    faults: Faults = {}
    assert np.isnan(timestamps([text], "start", faults)).all()
    assert np.isnan(timestamps([text, "1515771450.5", text], "start", faults)).tolist() == [True, False, True]
    assert not faults


@pytest.mark.parametrize(
    "text",
    ["yesterday", "2018-02-31 00:00:00", "2018-01-12 25:00:00", "1969-12-31 23:59:59", "nan", "inf", "-5", "1e9",
     "999999999999", "0000-00-00 00:00:01", "2018-01-12T15:37:30+0200\n", "1515771450\n",
     "2018-01-12T15:37:30+99:99", "\u0662018-01-12 15:37:30", "2018-01-12"],
)  # fmt: skip
@pytest.mark.parametrize("others", [[], ["2018-01-12 15:37:30"]])
def test_what_is_no_time_is_a_fault_of_its_row_alone(text: str, others: list[str]) -> None:
    faults: Faults = {}
    read = timestamps([*others, text], "start", faults)
    assert [*faults] == [len(others)]
    assert faults[len(others)].startswith("start: ")
    assert not np.isnan(read[: len(others)]).any()


SECONDS = st.from_regex(r"[0-9]{1,12}(\.[0-9]{1,9})?", fullmatch=True) | st.just("0.000000")
DATES = st.datetimes(min_value=datetime(1970, 1, 2)).map(lambda moment: str(moment)[:19])
ANY_DATES = st.from_regex(r"[0-9]{4}(-[0-9]{2}){2} [0-9]{2}(:[0-9]{2}){2}", fullmatch=True)
FRACTIONS = st.sampled_from(["", ".5", ".942", ".000001", ".999999"])
ZONES = st.sampled_from(["", "", "Z", "+0200", "-0930", "+02:00", "-23:59", "+0199"])


def moments(zone: str) -> st.SearchStrategy[str]:
    """Dates and times as exporters may write them."""
    dates = DATES | DATES.map(lambda text: text.replace("-", "/").replace(" ", "T"))
    return st.tuples(dates, FRACTIONS).map(lambda parts: "".join(parts) + zone)


COLUMNS = st.lists(SECONDS) | ZONES.flatmap(lambda zone: st.lists(moments(zone), min_size=1))
ODD = ["", "-", "nan", "1\n2", "2018-01-12 15:37:30\n", "2018-01-12 15:37:30.123456789", "2018-01-12 15:37:30+2400",
       "1970-01-01 00:00:00.000001+0001"]  # fmt: skip
OTHERS = st.lists(SECONDS | ZONES.flatmap(moments) | ANY_DATES | st.sampled_from(ODD), max_size=1)


@given(COLUMNS, OTHERS)
def test_a_column_read_at_once_is_what_its_times_are_one_by_one(column: list[str], others: list[str]) -> None:
    texts = [*column, *others]
    expected: list[float] = []
    refused: list[int] = []
    for row, text in enumerate(texts):
        try:
            expected.append(parse_time(text))
        except ValueError:
            expected.append(np.nan)
            refused.append(row)
    faults: Faults = {}
    np.testing.assert_array_equal(timestamps(texts, "start", faults), expected)
    assert sorted(faults) == refused


@given(st.text(max_size=40))
def test_no_text_raises(text: str) -> None:
    faults: Faults = {}
    assert timestamps([text, text], "start", faults).shape == (2,)
