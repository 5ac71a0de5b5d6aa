"""Statistics: silent within the baseline, bounded and growing beyond it; baselines as JSON, good and bad."""

from __future__ import annotations

import json
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detection.engines.math import (
    LEAST_ROWS,
    MAX_BYTES,
    STATISTICS,
    BaselinesError,
    MathEngine,
    Statistic,
    baselines_from_json,
    baselines_to_json,
    fit_baselines,
)
from detection.verdict import column
from flows.batch import FlowBatch
from flows.catalogue import INDEX, NAMES
from flows.features import FeatureExtractor
from tests.support.features import Rows, flow_row


def benign(rows: int = 3000, seed: int = 0) -> Rows:
    """Flows of busy benign hosts, half of them in, with every statistic in reach."""
    dice = np.random.default_rng(seed)
    features = np.zeros((rows, len(NAMES)), dtype=np.float32)
    for statistic in STATISTICS:
        features[:, INDEX[statistic.guard]] = 100
        values = dice.uniform(0.2, 0.6, rows) if statistic.feature == "pair_regularity" else dice.normal(10, 1, rows)
        features[:, INDEX[statistic.feature]] = values
    features[:, INDEX["initiated"]] = np.arange(rows) % 2
    features[:, INDEX["is_tcp"]] = 1
    return features


BENIGN: Final = benign()
ENGINE: Final = MathEngine(fit_baselines(BENIGN))


def busy(statistic: Statistic, value: float, **changes: float) -> Rows:
    """A flow on which one statistic can be judged, and no other."""
    known = {"initiated": float(statistic.initiated), "is_tcp": 1.0, statistic.guard: statistic.least}
    row = np.full((1, len(NAMES)), np.nan, dtype=np.float32)
    for name, number in (known | {statistic.feature: value} | changes).items():
        row[0, INDEX[name]] = number
    return row


def extreme(statistic: Statistic) -> float:
    return 0.9999 if statistic.feature == "pair_regularity" else 1e6


@pytest.mark.parametrize("statistic", STATISTICS, ids=lambda statistic: statistic.name)
class TestEachStatistic:
    def test_speaks_for_its_threat_alone_beyond_its_limit(self, statistic: Statistic) -> None:
        votes = ENGINE.votes(busy(statistic, extreme(statistic)))[0]
        assert 0.5 < votes[column(statistic.threat)] <= 4.0
        assert np.count_nonzero(votes) == 1

    def test_says_nothing_about_what_is_usual(self, statistic: Statistic) -> None:
        usual = 0.4 if statistic.feature == "pair_regularity" else 10.0
        assert not ENGINE.votes(busy(statistic, usual)).any()

    def test_grows_with_the_excess(self, statistic: Statistic) -> None:
        values = np.linspace(0.5, 0.9999, 40) if statistic.feature == "pair_regularity" else np.geomspace(10, 1e6, 40)
        votes = [ENGINE.votes(busy(statistic, value))[0].max() for value in values]
        assert (np.diff(votes) >= 0).all()
        assert votes[-1] > votes[len(votes) // 2]

    def test_needs_enough_flows_in_its_window(self, statistic: Statistic) -> None:
        assert not ENGINE.votes(busy(statistic, extreme(statistic), **{statistic.guard: statistic.least - 1})).any()

    def test_judges_only_flows_in_its_direction(self, statistic: Statistic) -> None:
        assert not ENGINE.votes(busy(statistic, extreme(statistic), initiated=1 - statistic.initiated)).any()

    @pytest.mark.parametrize("unknown", [np.nan, np.inf, -np.inf])
    def test_says_nothing_about_the_unknown(self, statistic: Statistic, unknown: float) -> None:
        assert not ENGINE.votes(busy(statistic, unknown)).any()

    def test_without_a_baseline_it_says_nothing(self, statistic: Statistic) -> None:
        document = json.loads(baselines_to_json(ENGINE.baselines))
        del document["statistics"][statistic.name]
        engine = MathEngine(baselines_from_json(json.dumps(document).encode()))
        assert not engine.votes(busy(statistic, extreme(statistic))).any()

    def test_its_reading_shows_the_vote_beside_the_baseline(self, statistic: Statistic) -> None:
        row = busy(statistic, extreme(statistic))
        (reading,) = ENGINE.readings(row[0])
        assert reading.statistic is statistic
        assert reading.baseline == ENGINE.baselines.statistics[statistic.name]
        assert reading.z > reading.baseline.limit
        assert reading.vote == ENGINE.votes(row)[0].max()


def test_its_reading_of_the_usual_shows_no_vote() -> None:
    for statistic in STATISTICS:
        usual = 0.4 if statistic.feature == "pair_regularity" else 10.0
        (reading,) = ENGINE.readings(busy(statistic, usual)[0])
        assert reading.z < reading.baseline.limit
        assert reading.vote == 0.0


def test_unusually_low_entropy_counts_and_few_peers_do_not() -> None:
    by_name = {statistic.name: statistic for statistic in STATISTICS}
    assert ENGINE.votes(busy(by_name["in_port_entropy_10s_shift"], 0.0)).any()
    assert not ENGINE.votes(busy(by_name["out_peers_60s"], 0.0)).any()


def test_clocks_set_over_udp_are_no_beacons() -> None:
    beacon = next(statistic for statistic in STATISTICS if statistic.name == "beacon_regularity")
    assert not ENGINE.votes(busy(beacon, 0.9999, is_tcp=0)).any()


def test_the_flows_it_was_fitted_on_stay_within_the_stated_quantile() -> None:
    for threat in range(3):
        assert (ENGINE.votes(BENIGN)[:, threat] > 0).mean() <= 0.005 * len(STATISTICS)


def test_the_first_flows_of_a_host_trip_nothing() -> None:
    addresses = np.arange(40, dtype=np.uint64)
    batch = FlowBatch.from_columns(
        20,
        {
            "start": 1.7e9 + np.arange(20) * 0.1,
            "duration": np.full(20, 0.05),
            "src_addr": np.stack([np.zeros(20, np.uint64), np.full(20, 0xFFFF0A000001, np.uint64)], axis=1),
            "dst_addr": np.stack([np.zeros(20, np.uint64), 0xFFFF08080800 + addresses[:20]], axis=1),
            "dst_port": np.arange(20) * 7 + 1,
            "src_port": np.full(20, 40000),
            "protocol": np.full(20, 6),
            "src_bytes": np.full(20, 500.0),
            "dst_bytes": np.full(20, 500.0),
        },
    )
    assert not ENGINE.votes(FeatureExtractor().extract(batch)).any()
    assert not ENGINE.votes(flow_row()).any()


def test_calm_traffic_still_gets_the_floors() -> None:
    constant = np.repeat(BENIGN[:2], LEAST_ROWS, axis=0)
    fitted = fit_baselines(constant)
    for statistic in STATISTICS:
        baseline = fitted.statistics[statistic.name]
        assert baseline.spread == statistic.least_spread
        assert baseline.limit == statistic.least_limit
        assert baseline.rows == LEAST_ROWS


def test_a_statistic_with_too_few_benign_flows_gets_no_baseline() -> None:
    few = BENIGN.copy()
    few[:, INDEX["pair_beats"]] = 0
    assert "beacon_regularity" not in fit_baselines(few).statistics


def test_benign_traffic_without_any_past_cannot_be_fitted() -> None:
    with pytest.raises(BaselinesError, match="give more traffic"):
        fit_baselines(np.zeros((1000, len(NAMES)), dtype=np.float32))
    with pytest.raises(BaselinesError, match="shape"):
        fit_baselines(np.zeros((1000, 7), dtype=np.float32))


def test_baselines_survive_json_to_the_bit() -> None:
    text = baselines_to_json(ENGINE.baselines)
    assert baselines_from_json(text) == ENGINE.baselines
    assert baselines_to_json(baselines_from_json(text)) == text


def changed(**baseline: Any) -> bytes:
    document = json.loads(baselines_to_json(ENGINE.baselines))
    document["statistics"]["out_peers_60s"] |= baseline
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 20_000,
        b" " * (MAX_BYTES + 1),
        b'{"version": 2, "quantile": 0.9, "statistics": {}}',
        b'{"version": 1, "quantile": 0.0, "statistics": {}}',
        b'{"version": 1, "quantile": 0.9, "statistics": {}, "more": 1}',
        b'{"version": 1, "quantile": 0.9, "statistics": {"luck": {"median": 1, "spread": 1, "limit": 6, "rows": 9}}}',
        changed(limit=0.0),
        changed(limit=-1.0),
        changed(spread=0.0),
        changed(rows=0),
        changed(median="1"),
        changed(median=float("nan")),
        changed(limit=float("inf")),
        changed(mean=1.0),
        changed(median=1.0).replace(b'"median": 1.0', b'"median": 1e999'),
    ],
)
def test_bad_baselines_are_refused(data: bytes) -> None:
    with pytest.raises(BaselinesError):
        baselines_from_json(data)


@settings(max_examples=100)
@given(st.integers(0, 400), st.integers(0, 8), st.binary(max_size=4))
def test_damaged_baselines_are_read_or_refused(at: int, cut: int, put: bytes) -> None:
    text = baselines_to_json(ENGINE.baselines)
    try:
        baselines = baselines_from_json(text[:at] + put + text[at + cut :])
    except BaselinesError:
        return
    assert np.isfinite(MathEngine(baselines).votes(BENIGN[:50])).all()
