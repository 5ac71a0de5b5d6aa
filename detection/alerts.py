"""Alerts: verdicts of one kind for one key host, folded into one.

An alert is open until 60 s of traffic time pass without another verdict of its kind. Traffic time is the key host's
own: the latest flow start seen among its flows (a bad date moves it by ten minutes at most), so that alerts depend
neither on which other hosts share the partition nor on how the stream is cut into batches. So an alert's end is noticed
at the next flow of its host, whatever that flow is. An alert escalates when its count reaches 10, 100, 1000 and so on.
Abstentions and benign flows open nothing.

Memory is bounded: when there is no room for another host with alerts, the one whose last alerting flow is longest ago
goes, and its open alerts are closed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from detection.folding import COUNTERS, count_peers, trace
from detection.verdict import THREATS, Floats, Kind
from flows.addresses import format_address

Change = Literal["opened", "escalated", "closed"]
Address = tuple[int, int]
Addresses = npt.NDArray[np.uint64]
Indices = npt.NDArray[np.int64]

TOP_PEERS: Final = 5
_RANK: Final[dict[Change, int]] = {"closed": 0, "opened": 1, "escalated": 2}
_NEW_HOST: Final = np.array([np.nan, 0.0] + [np.nan] * len(THREATS))  # clock, leaps, last verdicts


@dataclass(frozen=True, slots=True)
class TopPeer:
    """A peer and how many of the alert's flows were with it, at least."""

    address: Address
    flows: int


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert as it stood at one moment.

    Attributes:
        id: kind, key host and time of the first verdict, as text.
        key_host: address halves.
        first, last: traffic time (s since 1970) of the first and the latest verdict; 0 before the host has had a time.
        count: verdicts so far.
        confidence: the largest among them.
        top_peers: at most five, most frequent first; counted in 32 counters.
    """

    id: str
    kind: Kind
    key_host: Address
    first: float
    last: float
    count: int
    confidence: float
    top_peers: tuple[TopPeer, ...]


@dataclass(frozen=True, slots=True)
class AlertEvent:
    """A change of an alert at one row of the batch. A closing row need not belong to the alert."""

    row: int
    alert: Alert
    change: Change


@dataclass(frozen=True, slots=True)
class AlertFold:
    """What folding ``n`` verdicts gave: object[n] of alert ids ("" = none), and the events in the order of rows."""

    alert_id: npt.NDArray[Any]
    events: list[AlertEvent]


@dataclass(slots=True)
class _Open:
    """An alert that is still growing."""

    id: str
    kind: Kind
    key_host: Address
    first: float
    last: float
    count: int = 0
    confidence: float = 0.0
    peers: Addresses = field(default_factory=lambda: np.zeros((COUNTERS, 2), dtype=np.uint64))
    peer_counts: Indices = field(default_factory=lambda: np.zeros((COUNTERS, 2), dtype=np.int64))

    def snapshot(self) -> Alert:
        at_least = (self.peer_counts[:, 0] - self.peer_counts[:, 1]).tolist()
        peers = [TopPeer((high, low), n) for (high, low), n in zip(self.peers.tolist(), at_least, strict=True) if n]
        top = tuple(sorted(peers, key=lambda peer: (-peer.flows, peer.address))[:TOP_PEERS])
        return Alert(self.id, self.kind, self.key_host, self.first, self.last, self.count, self.confidence, top)


@dataclass(frozen=True, slots=True)
class _Verdicts:
    """The columns of one batch, contiguous."""

    kinds: npt.NDArray[np.int8]
    confidence: Floats
    times: Floats
    key_addr: Addresses
    peer_addr: Addresses


class AlertBook:
    """The open alerts of one partition."""

    def __init__(self, gap_s: float = 60.0, capacity: int = 4096) -> None:
        """Start empty. ``gap_s``: traffic time without a verdict that ends an alert; ``capacity``: hosts remembered."""
        self._gap = gap_s
        self._slots: dict[Address, int] = {}  # in the order of the hosts' last alerting flows
        self._free = list(range(capacity))
        self._marks = np.zeros(capacity, dtype=np.uint64)
        self._numbers = np.tile(_NEW_HOST, (capacity, 1))
        self._open: dict[tuple[int, Kind], _Open] = {}

    @property
    def open_alerts(self) -> int:
        """How many alerts are open: at most three for each host remembered."""
        return len(self._open)

    def fold(
        self,
        kinds: npt.NDArray[np.int8],
        confidence: Floats,
        times: Floats,
        key_addr: Addresses,
        peer_addr: Addresses,
    ) -> AlertFold:
        """Fold the next ``n`` verdicts in arrival order.

        Args:
            kinds: int8[n], a Kind.
            confidence: float64[n].
            times: float64[n], flow starts, s since 1970; one that is not a time counts, but moves no clock.
            key_addr: uint64[n, 2], the flow's key host.
            peer_addr: uint64[n, 2], its other endpoint.
        """
        result = AlertFold(np.full(len(kinds), "", dtype=object), [])
        alerting = (kinds >= THREATS[0]) & (kinds <= THREATS[-1])
        if not alerting.any() and not self._slots:
            return result
        marks = _mark(key_addr)
        known = self._marks[list(self._slots.values())]
        concerned = np.flatnonzero(np.isin(marks, np.concatenate([known, np.unique(marks[alerting])])))
        batch = _Verdicts(kinds, confidence, times, key_addr, peer_addr)
        parts = [concerned]
        while parts:
            part = parts.pop()
            hosts, host_of_row = _group(key_addr[part])
            new = [hosts[host] for host in np.unique(host_of_row[alerting[part]]) if hosts[host] not in self._slots]
            if len(new) > len(self._free) and len(part) > 1:
                # Somebody has to go, and who depends on the order of the flows: take fewer at a time.
                middle = len(part) // 2
                parts += [part[middle:], part[:middle]]
                continue
            for host in new:
                self._remember(host, int(part[0]), result)
            slots = np.array([self._slots.get(host, -1) for host in hosts], dtype=np.int64)[host_of_row]
            remembered = slots >= 0
            self._fold_rows(batch, part[remembered], slots[remembered], result)
            self._reorder(hosts, host_of_row, alerting[part])
        result.events.sort(key=lambda event: (event.row, _RANK[event.change], event.alert.kind))
        return result

    def _remember(self, host: Address, row: int, result: AlertFold) -> None:
        """Find room for a host; when there is none, the one that has been calm longest goes at this row."""
        if not self._free:
            slot = self._slots.pop(next(iter(self._slots)))
            for kind in THREATS:
                self._close(slot, kind, row, result)
            self._free.append(slot)
        slot = self._slots[host] = self._free.pop()
        self._numbers[slot] = _NEW_HOST
        self._marks[slot] = _mark(np.array([host], dtype=np.uint64))[0]

    def _reorder(self, hosts: list[Address], host_of_row: Indices, alerting: npt.NDArray[np.bool_]) -> None:
        """Move the hosts that alerted to the end of the order, by their last alerting rows."""
        rows = np.flatnonzero(alerting)
        last_row = np.full(len(hosts), -1, dtype=np.int64)
        last_row[host_of_row[rows]] = rows  # of several for one host, numpy leaves the last
        for host in np.argsort(last_row)[np.count_nonzero(last_row < 0) :].tolist():
            self._slots[hosts[host]] = self._slots.pop(hosts[host])

    def _fold_rows(self, batch: _Verdicts, rows: Indices, slots: Indices, result: AlertFold) -> None:
        """Fold rows of remembered hosts, given the slot of each."""
        kinds = batch.kinds[rows]
        clocks = np.zeros(len(rows))
        opens = np.zeros(len(rows), dtype=np.bool_)
        closes = np.zeros(len(rows), dtype=np.int8)
        trace(self._numbers, self._gap, slots, kinds, batch.times[rows], clocks, opens, closes)

        # What happens, in the order of rows: an alert closes, or a run of verdicts joins one.
        steps: list[tuple[int, int, int, Indices | None]] = []
        for position in np.flatnonzero(closes).tolist():
            steps += [
                (position, int(slots[position]), kind, None) for kind in THREATS if closes[position] >> (kind - 1) & 1
            ]
        steps += [(int(run[0]), int(slots[run[0]]), int(kinds[run[0]]), run) for run in _runs(slots, kinds, opens)]
        steps.sort(key=lambda step: (step[0], step[3] is not None, step[2]))
        for position, slot, kind, run in steps:
            if run is None:
                self._close(slot, Kind(kind), int(rows[position]), result)
            else:
                self._join(slot, Kind(kind), rows[run], clocks[run], batch, result)

    def _close(self, slot: int, kind: Kind, row: int, result: AlertFold) -> None:
        alert = self._open.pop((slot, kind), None)
        if alert is not None:
            result.events.append(AlertEvent(row, alert.snapshot(), "closed"))

    def _join(self, slot: int, kind: Kind, rows: Indices, clocks: Floats, batch: _Verdicts, result: AlertFold) -> None:
        """Fold a run of verdicts into the open alert of a host and kind, opening it if there is none."""
        alert = self._open.get((slot, kind))
        if alert is None:
            high, low = batch.key_addr[rows[0]].tolist()
            first = float(clocks[0])
            name = f"{kind.label}-{format_address(high, low)}-{first:.6f}"
            alert = self._open[slot, kind] = _Open(name, kind, (high, low), first, first)
        result.alert_id[rows] = alert.id
        done = 0
        while done < len(rows):
            # As far as the next count that is worth an event: 1, 10, 100, ...
            worth = 1 if alert.count == 0 else 10 ** len(str(alert.count))
            upto = min(len(rows), done + worth - alert.count)
            some = rows[done:upto]
            alert.count += len(some)
            alert.last = float(clocks[upto - 1])
            alert.confidence = max(alert.confidence, float(batch.confidence[some].max()))
            count_peers(alert.peers, alert.peer_counts, batch.peer_addr[some])
            if alert.count == worth:
                change: Change = "opened" if worth == 1 else "escalated"
                result.events.append(AlertEvent(int(some[-1]), alert.snapshot(), change))
            done = upto


def _mark(addresses: Addresses) -> npt.NDArray[np.uint64]:
    """One number for each address, to sift rows by: different addresses may share one."""
    marks: npt.NDArray[np.uint64] = addresses[:, 0] * np.uint64(0x9E3779B97F4A7C15) ^ addresses[:, 1]
    return marks


def _group(addresses: Addresses) -> tuple[list[Address], Indices]:
    """The distinct addresses, and for each row the place of its address among them: int64[n]."""
    order = np.lexsort((addresses[:, 1], addresses[:, 0]))
    ordered = addresses[order]
    first = np.ones(len(order), dtype=np.bool_)
    first[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    group = np.empty(len(order), dtype=np.int64)
    group[order] = np.cumsum(first) - 1
    return [(high, low) for high, low in ordered[first].tolist()], group


def _runs(slots: Indices, kinds: npt.NDArray[np.int8], opens: npt.NDArray[np.bool_]) -> list[Indices]:
    """Cut the alerting rows into runs that join one alert: positions, ascending, of one host, kind and opening."""
    alerting = np.flatnonzero((kinds >= THREATS[0]) & (kinds <= THREATS[-1]))
    key = slots[alerting] * len(Kind) + kinds[alerting]
    order = np.argsort(key, kind="stable")
    alerting, key = alerting[order], key[order]
    cuts = np.flatnonzero((key[1:] != key[:-1]) | opens[alerting][1:]) + 1
    return [run for run in np.split(alerting, cuts) if len(run)]
