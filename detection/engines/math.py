"""The math engine: how far a host's recent past has moved from what is usual on benign networks.

Four kinds of statistic, each with one threat that it supports:

* entropy shift: the entropies of ports, sizes and peers move when a flood or a scan takes a window over;
* CUSUM of the arrival rate (Page 1954, computed by the windows): a flood;
* fan-out and fan-in: distinct peers and ports within a minute;
* beacon regularity of a pair, in bits: -log2(1 - regularity), so that 0.99 is as far from 0.9 as 0.9 is from 0.

Entropies are measured as they are; the CUSUM and the counts, which grow without bound, by log2(1 + x), so that distance
means "how many times the usual".

Each is judged by its robust z, |x - median| / spread, with spread = 1.4826 x the median absolute deviation (Iglewicz
and Hoaglin 1993), against a limit; all three numbers are the baseline, fitted on benign flows. Beyond the limit the
vote is 4 x (1 - limit / z): 0 at the limit, 2 at twice the limit, never above 4. Of several statistics for one threat
the strongest counts. Within the limit the engine says nothing, as it does where the window holds too few flows to
judge, so the first flows of a host trip nothing; and a statistic judges only flows in the direction that it measures.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from detection.verdict import STRONGEST_VOTE, Features, Floats, Kind, column, no_votes
from flows.catalogue import INDEX
from flows.errors import TidegateError

QUANTILE: Final = 0.995  # of the benign z: the limit
LEAST_ROWS: Final = 200  # benign flows a baseline must rest on
MAX_BYTES: Final = 65_536
_MAD_TO_SIGMA: Final = 1.4826


class BaselinesError(TidegateError):
    """Baselines cannot be fitted, or the text of them is not in the form that they must have."""


def _as_is(values: Floats) -> Floats:
    return values


def _bits(values: Floats) -> Floats:
    return np.log2(1.0 + values)


def _bits_of_regularity(values: Floats) -> Floats:
    return -np.log2(np.maximum(1.0 - values, 2.0**-10))


@dataclass(frozen=True, slots=True)
class Statistic:
    """One measure of strangeness.

    Attributes:
        threat: what it supports beyond its limit.
        initiated: the direction it judges: 1 flows that the key host began, 0 flows that the peer began.
        guard, least: it judges only where the feature ``guard`` is at least ``least``.
        least_spread, least_limit: floors of the baseline's spread (in the measure's unit) and limit (of z), should the
            benign traffic be very calm.
        two_sided: whether unusually small counts as well.
        tcp_only: whether it judges only TCP flows.
    """

    name: str
    feature: str
    threat: Kind
    initiated: Literal[0, 1]
    guard: str
    least: float
    least_spread: float
    two_sided: bool = False
    tcp_only: bool = False
    least_limit: float = 6.0
    measure: Callable[[Floats], Floats] = _as_is

    def values(self, features: Features) -> Floats:
        """The measure for float32[n, 120], float64[n]; NaN where it cannot be judged."""
        judged = features[:, INDEX["initiated"]] == self.initiated
        judged &= features[:, INDEX[self.guard]] >= self.least
        if self.tcp_only:
            judged &= features[:, INDEX["is_tcp"]] == 1.0
        values = np.where(judged, features[:, INDEX[self.feature]], np.nan).astype(np.float64)
        return self.measure(np.where(np.isfinite(values), values, np.nan))

    def z(self, values: Floats, median: float, spread: float) -> Floats:
        """The robust z of measured values, float64[n]; 0 where they cannot be judged."""
        distance = (values - median) / spread
        return np.nan_to_num(np.abs(distance) if self.two_sided else np.maximum(distance, 0.0), nan=0.0)


def _shift(feature: str, threat: Kind, initiated: Literal[0, 1], guard: str, least: float) -> Statistic:
    return Statistic(f"{feature}_shift", feature, threat, initiated, guard, least, 0.25, two_sided=True)


def _count(feature: str, threat: Kind, initiated: Literal[0, 1], guard: str) -> Statistic:
    return Statistic(feature, feature, threat, initiated, guard, 50, 0.75, measure=_bits)


STATISTICS: Final = (
    _shift("in_port_entropy_10s", Kind.DDOS, 0, "in_flows_10s", 50),
    _shift("in_size_entropy_10s", Kind.DDOS, 0, "in_flows_10s", 50),
    _shift("peer_entropy", Kind.DDOS, 0, "in_flows_10s", 64),
    _shift("out_port_entropy_10s", Kind.ANOMALY, 1, "out_flows_10s", 50),
    _count("arrival_cusum", Kind.DDOS, 0, "in_flows_10s"),
    _count("in_peers_60s", Kind.DDOS, 0, "in_flows_60s"),
    _count("in_ports_60s", Kind.ANOMALY, 0, "in_flows_60s"),
    _count("out_peers_60s", Kind.ANOMALY, 1, "out_flows_60s"),
    _count("out_ports_60s", Kind.ANOMALY, 1, "out_flows_60s"),
    Statistic(
        "beacon_regularity",
        "pair_regularity",
        Kind.MALWARE,
        1,
        "pair_beats",
        8,
        0.25,
        tcp_only=True,  # clocks are set over UDP, with a regularity that no beacon reaches
        least_limit=3.0,  # regularity is bounded, and ordinary pairs spread over most of its range
        measure=_bits_of_regularity,
    ),
)
_BY_NAME: Final = {statistic.name: statistic for statistic in STATISTICS}


class Baseline(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is usual for one statistic, in its unit, and the limit of its z; ``rows``: benign flows behind it."""

    median: float
    spread: float
    limit: float
    rows: int


class Baselines(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The baselines by statistic. A statistic without one, for want of benign flows to judge, says nothing."""

    version: Literal[1]
    quantile: float
    statistics: dict[str, Baseline]


@dataclass(frozen=True, slots=True)
class Reading:
    """One statistic of one flow beside its baseline; ``value``, ``median`` and ``spread`` in the measure's unit."""

    statistic: Statistic
    value: float
    baseline: Baseline
    z: float
    vote: float


def fit_baselines(benign: Features, quantile: float = QUANTILE) -> Baselines:
    """Fit the baselines on benign flows, float32[n, 120]; the limit is the given quantile of their z, or its floor.

    Raises:
        BaselinesError: the matrix has another shape, or no statistic finds enough benign flows to judge.
    """
    if benign.ndim != 2 or benign.shape[1] != len(INDEX):
        raise BaselinesError(f"benign features have shape {benign.shape}; (n, {len(INDEX)}) is needed")
    fitted: dict[str, Baseline] = {}
    for statistic in STATISTICS:
        values = statistic.values(benign)
        values = values[~np.isnan(values)]
        if len(values) < LEAST_ROWS:
            continue
        median = float(np.median(values))
        spread = max(_MAD_TO_SIGMA * float(np.median(np.abs(values - median))), statistic.least_spread)
        limit = float(np.quantile(statistic.z(values, median, spread), quantile, method="higher"))
        fitted[statistic.name] = Baseline(median, spread, max(limit, statistic.least_limit), len(values))
    if not fitted:
        raise BaselinesError(
            f"none of the {len(benign)} benign flows comes with enough of a past to judge by; give more traffic"
        )
    return Baselines(1, quantile, fitted)


def baselines_to_json(baselines: Baselines) -> bytes:
    """Write baselines as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(baselines), indent=2)


def baselines_from_json(data: bytes) -> Baselines:
    """Read baselines from JSON.

    Raises:
        BaselinesError: too large, not JSON, unknown or missing fields, an unknown statistic, a number out of range.
    """
    if len(data) > MAX_BYTES:
        raise BaselinesError(f"the baselines are {len(data)} bytes; at most {MAX_BYTES} are allowed")
    try:
        baselines = msgspec.json.decode(data, type=Baselines)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BaselinesError(f"the baselines are not what `tidegate train` writes: {error}") from None
    if not 0.0 < baselines.quantile <= 1.0:
        raise BaselinesError(f"the baselines' quantile {baselines.quantile:g} is not between 0 and 1")
    for name, baseline in baselines.statistics.items():
        if name not in _BY_NAME:
            raise BaselinesError(f"the baselines name an unknown statistic {name[:80]!r}")
        finite = all(map(math.isfinite, (baseline.median, baseline.spread, baseline.limit)))
        if not finite or baseline.spread <= 0.0 or baseline.limit <= 0.0 or baseline.rows < 1:
            raise BaselinesError(f"the baseline of {name} has a number out of range: {baseline}")
    return baselines


@dataclass(frozen=True, slots=True)
class MathEngine:
    """The statistics that have a baseline, ready to vote."""

    baselines: Baselines

    @property
    def threats(self) -> npt.NDArray[np.bool_]:
        """Which threats at least one statistic can speak to: bool[3]."""
        spoken = np.zeros(3, dtype=np.bool_)
        for name in self.baselines.statistics:
            spoken[column(_BY_NAME[name].threat)] = True
        return spoken

    def votes(self, features: Features) -> Floats:
        """Judge float32[n, 120]: votes float64[n, 3]."""
        votes = no_votes(len(features))
        for name, baseline in self.baselines.statistics.items():
            statistic = _BY_NAME[name]
            z = statistic.z(statistic.values(features), baseline.median, baseline.spread)
            threat = votes[:, column(statistic.threat)]
            np.maximum(threat, _vote(z, baseline.limit), out=threat)
        return votes

    def readings(self, row: Features) -> tuple[Reading, ...]:
        """Every statistic that can judge one flow, float32[120], strongest vote first."""
        readings = []
        for name, baseline in self.baselines.statistics.items():
            statistic = _BY_NAME[name]
            values = statistic.values(row[None, :])
            if np.isnan(values[0]):
                continue
            z = statistic.z(values, baseline.median, baseline.spread)
            vote = float(_vote(z, baseline.limit)[0])
            readings.append(Reading(statistic, float(values[0]), baseline, float(z[0]), vote))
        return tuple(sorted(readings, key=lambda reading: -reading.vote))


def _vote(z: Floats, limit: float) -> Floats:
    return STRONGEST_VOTE * (1.0 - limit / np.maximum(z, limit))
