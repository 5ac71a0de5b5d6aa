"""Alerts: one per host and kind, closed by the host's own time, the same however the stream is cut."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detection.alerts import Alert, AlertBook, AlertFold, TopPeer
from detection.verdict import Kind

T0: Final = 1_700_000_000.0

Row = tuple[Kind, float, float, int, int]  # kind, confidence, time, host, peer


@dataclass
class Stream:
    """Verdicts to fold, one row after the other; hosts and peers are numbers."""

    rows: list[Row] = field(default_factory=list)

    def add(self, kind: Kind, at: float, host: int = 1, peer: int = 9, confidence: float = 0.9) -> Stream:
        self.rows.append((kind, confidence, T0 + at, host, peer))
        return self

    def fold(self, book: AlertBook, first: int = 0, last: int | None = None) -> AlertFold:
        rows = self.rows[first:last]
        columns = list(zip(*rows, strict=True)) if rows else [()] * 5
        return book.fold(
            np.array(columns[0], dtype=np.int8),
            np.array(columns[1], dtype=np.float64),
            np.array(columns[2], dtype=np.float64),
            addresses(columns[3]),
            addresses(columns[4]),
        )


def addresses(numbers: tuple[int, ...]) -> np.ndarray[tuple[int, int], np.dtype[np.uint64]]:
    """IPv4 addresses 10.0.0.0 + number."""
    return np.array([[0, 0xFFFF0A000000 + number] for number in numbers], dtype=np.uint64).reshape(-1, 2)


def changes(fold: AlertFold) -> list[tuple[int, str, str, int]]:
    return [(event.row, event.change, event.alert.kind.label, event.alert.count) for event in fold.events]


def test_verdicts_of_one_kind_for_one_host_are_one_alert() -> None:
    stream = Stream()
    for at in range(12):
        stream.add(Kind.DDOS, at * 50.0, peer=at % 2, confidence=0.5 + at / 100)
    fold = stream.fold(AlertBook())
    assert set(fold.alert_id) == {"ddos-10.0.0.1-1700000000.000000"}
    assert changes(fold) == [(0, "opened", "ddos", 1), (9, "escalated", "ddos", 10)]
    assert fold.events[1].alert == Alert(
        id="ddos-10.0.0.1-1700000000.000000",
        kind=Kind.DDOS,
        key_host=(0, 0xFFFF0A000001),
        first=T0,
        last=T0 + 450.0,
        count=10,
        confidence=0.59,
        top_peers=(TopPeer((0, 0xFFFF0A000000), 5), TopPeer((0, 0xFFFF0A000001), 5)),
    )


def test_benign_flows_and_abstentions_open_nothing() -> None:
    fold = Stream().add(Kind.BENIGN, 0).add(Kind.ABSTAIN, 1).fold(AlertBook())
    assert fold.alert_id.tolist() == ["", ""]
    assert fold.events == []
    assert Stream().fold(AlertBook()).events == []


def test_kinds_and_hosts_are_kept_apart() -> None:
    stream = (
        Stream().add(Kind.DDOS, 0).add(Kind.MALWARE, 1).add(Kind.DDOS, 2, host=2).add(Kind.BENIGN, 2).add(Kind.DDOS, 3)
    )
    fold = stream.fold(AlertBook())
    assert len(set(fold.alert_id) - {""}) == 3
    assert fold.alert_id[0] == fold.alert_id[4]
    assert fold.alert_id[3] == ""


def test_sixty_seconds_without_another_close_it() -> None:
    stream = Stream().add(Kind.DDOS, 0).add(Kind.DDOS, 60).add(Kind.DDOS, 120.5)
    fold = stream.fold(AlertBook())
    assert changes(fold) == [(0, "opened", "ddos", 1), (2, "closed", "ddos", 2), (2, "opened", "ddos", 1)]
    assert fold.alert_id[0] == fold.alert_id[1] != fold.alert_id[2]


def test_it_closes_at_the_next_flow_of_its_host_whatever_that_is() -> None:
    stream = Stream().add(Kind.DDOS, 0).add(Kind.BENIGN, 500, host=2).add(Kind.BENIGN, 61).add(Kind.ABSTAIN, 62)
    book = AlertBook()
    assert changes(stream.fold(book)) == [(0, "opened", "ddos", 1), (2, "closed", "ddos", 1)]
    assert book.open_alerts == 0


def test_late_flows_count_and_never_turn_time_back() -> None:
    stream = (
        Stream().add(Kind.DDOS, 100).add(Kind.DDOS, 0).add(Kind.DDOS, 159).add(Kind.DDOS, 20).add(Kind.BENIGN, 219.5)
    )
    fold = stream.fold(AlertBook())
    assert len(set(fold.alert_id[:4])) == 1
    assert changes(fold) == [(0, "opened", "ddos", 1), (4, "closed", "ddos", 4)]
    assert (fold.events[1].alert.first, fold.events[1].alert.last) == (T0 + 100, T0 + 159)


def test_an_alert_after_a_late_flow_has_an_id_of_its_own() -> None:
    stream = Stream().add(Kind.DDOS, 0).add(Kind.BENIGN, 100).add(Kind.DDOS, 0)
    fold = stream.fold(AlertBook())
    assert fold.alert_id[0] != fold.alert_id[2]


def test_one_bad_date_costs_ten_minutes_at_most() -> None:
    stream = Stream().add(Kind.DDOS, 0).add(Kind.BENIGN, 1e9).add(Kind.DDOS, 1).add(Kind.DDOS, 2).add(Kind.BENIGN, 661)
    fold = stream.fold(AlertBook())
    assert changes(fold) == [
        (0, "opened", "ddos", 1),
        (1, "closed", "ddos", 1),
        (2, "opened", "ddos", 1),
        (4, "closed", "ddos", 2),
    ]


def test_a_host_back_after_a_weekend_gets_one_new_alert() -> None:
    stream = Stream().add(Kind.DDOS, 0)
    for at in range(200):
        stream.add(Kind.DDOS, 200_000 + at / 100)
    fold = stream.fold(AlertBook())
    assert len(set(fold.alert_id)) == 2
    assert fold.events[-1].alert.last > T0 + 200_000


@pytest.mark.parametrize("time", [np.nan, np.inf, -np.inf, -1e300, 1e300])
def test_a_flow_without_a_time_counts_and_moves_nothing(time: float) -> None:
    book = AlertBook()
    stream = Stream().add(Kind.DDOS, time).add(Kind.DDOS, 0).add(Kind.DDOS, time).add(Kind.DDOS, 30)
    fold = stream.fold(book)
    assert len(set(fold.alert_id)) == 1
    assert changes(Stream().add(Kind.BENIGN, 91).fold(book)) == [(0, "closed", "ddos", 4)]


def test_it_escalates_at_every_power_of_ten() -> None:
    stream = Stream()
    for at in range(1000):
        stream.add(Kind.ANOMALY, at / 100)
    assert [(row, count) for row, _, _, count in changes(stream.fold(AlertBook()))] == [
        (0, 1),
        (9, 10),
        (99, 100),
        (999, 1000),
    ]


def test_a_heavy_peer_is_found_among_thousands() -> None:
    stream = Stream()
    for at in range(10_000):
        stream.add(Kind.DDOS, at / 1000, peer=7 if at % 4 == 0 else 1000 + at)
    top = stream.fold(AlertBook()).events[-1].alert.top_peers
    assert len(top) == 5
    assert top[0].address == (0, 0xFFFF0A000007)
    assert 2000 <= top[0].flows <= 2500
    assert top[1].flows < 100


def test_memory_is_bounded_and_the_calmest_host_goes_first() -> None:
    book = AlertBook(capacity=2)
    stream = Stream().add(Kind.DDOS, 0, host=1).add(Kind.MALWARE, 0, host=1).add(Kind.DDOS, 1, host=2)
    stream.add(Kind.DDOS, 2, host=1).add(Kind.BENIGN, 2, host=2).add(Kind.DDOS, 3, host=3)
    fold = stream.fold(book)
    assert changes(fold)[3:] == [(5, "closed", "ddos", 1), (5, "opened", "ddos", 1)]
    assert fold.events[3].alert.key_host == (0, 0xFFFF0A000002)
    assert book.open_alerts == 3
    many = Stream()
    for host in range(500):
        many.add(Kind.DDOS, 4, host=host)
    many.fold(book)
    assert book.open_alerts == 2


def test_addresses_that_share_a_mark_are_not_confused() -> None:
    """Half of the sifting goes by 64 bits made of an address's 128; build two addresses that share them."""
    high = 0x9E3779B97F4A7C15
    hosts = np.array([[0, 5], [1, 5 ^ high], [0, 5]], dtype=np.uint64)
    kinds = np.array([Kind.DDOS, Kind.BENIGN, Kind.DDOS], dtype=np.int8)
    fold = AlertBook().fold(kinds, np.ones(3), np.array([T0, T0 + 500, T0 + 30]), hosts, hosts)
    assert fold.alert_id[0] == fold.alert_id[2]
    assert changes(fold) == [(0, "opened", "ddos", 1)]


ROWS = st.tuples(
    st.sampled_from(Kind),
    st.sampled_from([0.5, 0.9]),
    st.one_of(
        st.integers(0, 300).map(lambda at: T0 + at),
        st.sampled_from([T0 + 1e6, T0 + 1e8, np.nan]),
    ),
    st.integers(0, 5),
    st.integers(0, 40),
)


@settings(max_examples=150)
@given(
    st.lists(ROWS, max_size=60),
    st.lists(st.integers(0, 60), max_size=6),
    st.sampled_from([1, 2, 3, 100]),
    st.integers(1, 5),
)
def test_cutting_the_stream_changes_nothing(rows: list[Row], cuts: list[int], capacity: int, repeat: int) -> None:
    stream = Stream([row for row in rows for _ in range(repeat)])
    whole = stream.fold(AlertBook(capacity=capacity))
    for edges in (
        sorted({0, len(stream.rows), *(min(cut, len(stream.rows)) for cut in cuts)}),
        range(len(stream.rows) + 1),
    ):
        book = AlertBook(capacity=capacity)
        ids, events = [], []
        for first, last in zip(edges, list(edges)[1:], strict=False):
            fold = stream.fold(book, first, last)
            ids += fold.alert_id.tolist()
            events += [(first + event.row, event.change, event.alert) for event in fold.events]
        assert ids == whole.alert_id.tolist()
        assert events == [(event.row, event.change, event.alert) for event in whole.events]


@settings(max_examples=60)
@given(st.lists(ROWS, max_size=60))
def test_a_host_s_alerts_do_not_depend_on_other_hosts(rows: list[Row]) -> None:
    together = Stream(rows).fold(AlertBook()).alert_id
    for host in range(6):
        alone = Stream([row for row in rows if row[3] == host]).fold(AlertBook()).alert_id
        assert alone.tolist() == [together[place] for place, row in enumerate(rows) if row[3] == host]


@settings(max_examples=60)
@given(st.lists(ROWS, max_size=80))
def test_every_alerting_row_is_counted_in_exactly_one_alert(rows: list[Row]) -> None:
    book = AlertBook()
    fold = Stream(rows).fold(book)
    opened = {event.alert.id for event in fold.events if event.change == "opened"}
    closed = [event.alert.id for event in fold.events if event.change == "closed"]
    assert sum(event.change == "opened" for event in fold.events) == len(opened), "ids are unique"
    assert set(fold.alert_id) - {""} == opened
    assert all((alert_id != "") == (1 <= row[0] <= 3) for alert_id, row in zip(fold.alert_id, rows, strict=True))
    assert book.open_alerts == len(opened) - len(closed)
    for event in fold.events:
        if event.change == "closed":
            assert event.alert.count == (fold.alert_id == event.alert.id).sum()
