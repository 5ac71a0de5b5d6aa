"""Learning from a share of ordinary life: each flow that stays stands for those that go, and is counted so."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detection.verdict import Kind
from flows.catalogue import NAMES
from tests.support.datasets import toy_flood
from training import boosting
from training.boosting import BoostedRecipe, fit_boosted, threshold_of, under_attack, weights_of
from training.calibration import fit_platt
from training.datasets import NO_TRUTH, Dataset, Origin, Part, kept_as, read_thinned, thinned
from training.splits import split
from training.thresholds import highest_share, threshold_at

RECIPE = BoostedRecipe("ddos_lgbm", Kind.DDOS, fpr=0.1, features=("in_flows_10s", "packets", "in_peers_10s"))


@pytest.fixture(scope="module")
def data() -> Dataset:
    parts = [toy_flood(name, seed, part=part) for seed, (name, part) in enumerate(zip("abc", Part, strict=True))]
    return Dataset.concatenate([toy_flood("d", 9), *parts])


@pytest.mark.parametrize("share", [0.5, 0.25, 0.01, 0.0001])
def test_a_share_of_ordinary_life_stands_for_all_of_it_and_the_rest_stays(data: Dataset, share: float) -> None:
    few = thinned(data, share)

    benign = (data.truth == Kind.BENIGN) & (data.part == Part.TRAIN)
    kept = (few.truth == Kind.BENIGN) & (few.part == Part.TRAIN)
    for capture in np.unique(data.capture[benign]):
        here, there = benign & (data.capture == capture), kept & (few.capture == capture)
        assert there.sum() == max(1, round(share * here.sum()))
        assert few.weight[there].sum() == pytest.approx(here.sum())
    assert few.take(~kept).digest() == data.take(~benign).digest()


def test_the_whole_is_the_whole_and_a_share_is_the_same_for_the_same_seed(data: Dataset) -> None:
    assert thinned(data, 1.0) is data
    assert thinned(data, 0.3).digest() == thinned(data, 0.3).digest()
    assert thinned(data, 0.3).digest() != thinned(data, 0.3, seed=4).digest()


@pytest.mark.parametrize("share", [0.0, -0.5, 1.5, float("nan")])
def test_what_is_no_share_is_refused(data: Dataset, share: float) -> None:
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        thinned(data, share)


def test_what_stays_of_a_capture_does_not_hang_on_what_else_there_is(data: Dataset) -> None:
    few = thinned(data, 0.3)

    for number, name in enumerate(data.origin.names):
        alone = data.take(data.capture == number)
        kept = few.take(few.capture == number)
        again = alone.take(kept_as(kept, name, alone.truth, alone.part))
        assert thinned(alone, 0.3).features.tobytes() == again.features.tobytes() == kept.features.tobytes()


@pytest.mark.parametrize("share", [1.0, 0.3, 0.001])
def test_a_share_is_read_as_it_would_be_taken_of_the_whole_but_for_flows_without_a_truth(
    data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    monkeypatch.setattr("training.datasets.parquet._ROWS", 100)  # so that it takes more than one reading
    unknown = data.truth.copy()
    unknown[::7] = NO_TRUTH
    whole = replace(data, truth=unknown)
    whole.write(tmp_path / "data.parquet")

    read = read_thinned(tmp_path / "data.parquet", share)

    few = thinned(whole, share)
    assert read.digest() == few.take(few.truth != NO_TRUTH).digest()
    assert read.weight.sum() == pytest.approx((unknown != NO_TRUTH).sum())


def test_of_a_capture_in_which_nothing_has_a_truth_nothing_is_read(data: Dataset, tmp_path: Path) -> None:
    replace(data, truth=np.full_like(data.truth, NO_TRUTH)).write(tmp_path / "data.parquet")

    assert len(read_thinned(tmp_path / "data.parquet", 0.5)) == 0


PEAK = """
import sys
from pathlib import Path
from benchmarks.subsampling import peak_memory
from training.datasets import read_thinned
before = peak_memory()
rows = len(read_thinned(Path(sys.argv[1]), float(sys.argv[2])))
print(rows, peak_memory() - before)
"""


def test_flows_that_do_not_stay_are_never_held_in_memory_together(tmp_path: Path) -> None:
    path = tmp_path / "day.parquet"
    n = 400_000
    Dataset(
        features=np.random.default_rng(1).random((n, len(NAMES)), dtype=np.float32),
        truth=np.zeros(n, np.int8),
        attack=np.full(n, ""),
        capture=np.zeros(n, np.int16),
        part=np.zeros(n, np.int8),
        weight=np.ones(n, np.float32),
        origin=Origin(("lab 2026-01-01",), "A busy day."),
    ).write(path)

    peaks = []
    for share, rows in (("1", n), ("0.01", n // 100)):
        told = subprocess.run([sys.executable, "-c", PEAK, path, share], check=True, capture_output=True, text=True)
        assert int(told.stdout.split()[0]) == rows
        peaks.append(int(told.stdout.split()[1]))

    assert peaks[1] < peaks[0] / 2


scores = st.lists(st.floats(0.01, 0.99), min_size=20, max_size=60)


@given(scores, st.data())
def test_a_weight_counts_as_so_many_rows(values: list[float], draw: st.DataObject) -> None:
    raw = np.array(values)
    weight = np.array(draw.draw(st.lists(st.integers(1, 5), min_size=len(raw), max_size=len(raw))))
    repeated = np.repeat(raw, weight)
    counts = weight.astype(np.float32)

    assert highest_share(0.1, raw, counts) == highest_share(0.1, repeated, np.ones(len(repeated), np.float32))
    assert threshold_at(0.1, raw, counts) == threshold_at(0.1, repeated)


@given(st.integers(0, 1000))
def test_without_weights_the_threshold_is_what_it_always_was(seed: int) -> None:
    benign = np.random.default_rng(seed).random(500)
    ordered = np.sort(benign)[::-1]

    assert threshold_at(0.01, benign) == np.nextafter(ordered[5], 1.0)


def test_calibration_counts_a_weight_as_so_many_rows() -> None:
    dice = np.random.default_rng(3)
    raw, positive = dice.normal(size=400), dice.random(400) < 0.3
    raw += positive
    weight = np.where(positive, 1, 4)

    once = fit_platt(raw, positive, weight.astype(np.float32))
    repeated = fit_platt(np.repeat(raw, weight), np.repeat(positive, weight))

    assert once.slope == pytest.approx(repeated.slope, rel=1e-3)
    assert once.intercept == pytest.approx(repeated.intercept, rel=1e-3)


def test_ordinary_life_counts_as_much_as_before_in_what_trees_are_fitted_to(data: Dataset) -> None:
    few = thinned(data, 0.2)

    before, after = weights_of(data, Kind.DDOS), weights_of(few, Kind.DDOS)

    for capture in np.unique(data.capture):
        share = [
            weights[rows.capture == capture].sum() / weights.sum() for rows, weights in ((data, before), (few, after))
        ]
        assert share[0] == pytest.approx(share[1], rel=0.02)


def weighed(data: Dataset, seed: int) -> tuple[Dataset, Dataset, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Benign flows that stand for one to four, the same flows so many times, and how many each."""
    count = np.random.default_rng(seed).integers(1, 5, len(data))
    count[data.truth != Kind.BENIGN] = 1
    return replace(data, weight=count.astype(np.float32)), data.take(np.repeat(np.arange(len(data)), count)), count


@given(st.integers(0, 1000))
def test_trees_see_a_weight_as_so_many_rows_and_are_held_back_no_more(seed: int) -> None:
    once, repeated, count = weighed(toy_flood("d", 9), seed)

    weights = weights_of(once, Kind.DDOS)

    np.testing.assert_allclose(np.repeat(weights / count, count), weights_of(repeated, Kind.DDOS), rtol=1e-6)
    assert weights.sum() == pytest.approx(len(repeated))


def besieged(seed: int) -> Dataset:
    """A flood in the first third of a capture, and ordinary life all the time."""
    data = toy_flood("d", seed)
    place = np.random.default_rng(seed).random(len(data))
    return data.take(np.argsort(np.where(data.truth == Kind.DDOS, place / 3.0, place)))


@given(st.integers(0, 1000))
def test_what_comes_after_an_attack_is_told_by_weight(seed: int) -> None:
    recipe = replace(RECIPE, while_under={"packets": 0.0})
    once, repeated, count = weighed(besieged(9), seed)

    after, whole = under_attack(recipe, once), under_attack(recipe, repeated)

    # The flow in which the time after the attack ends is one of several: it counts as its first.
    first = np.cumsum(count) - count
    assert after.any()
    assert after.tolist() == whole[first].tolist()


def test_flows_at_peace_that_are_too_few_for_a_threshold_are_not_made_enough_by_their_weight() -> None:
    one = besieged(9)
    recipe = replace(RECIPE, while_under={"packets": 0.0})
    benign = int((one.truth == Kind.BENIGN).sum())
    peace = benign - int(under_attack(recipe, one).sum())
    rarer = replace(recipe, fpr=1.1 / benign)
    heavy = replace(one, weight=np.where(one.truth == Kind.BENIGN, 30, 1).astype(np.float32))
    probability = np.random.default_rng(1).random(len(one))

    assert peace * rarer.fpr < 1.0
    assert not under_attack(rarer, heavy).any()
    assert 0.0 < threshold_of(rarer, heavy, probability) < 1.0


def test_a_model_of_a_quarter_finds_about_what_the_whole_one_does(
    data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boosting, "TREES", (30,))
    monkeypatch.setattr(boosting, "MOST_TREES", 30)
    nothing = data.take(np.arange(0))
    test = split(data).test
    found = []
    for rows in (data, thinned(data, 0.25)):
        fitted = fit_boosted(RECIPE, split(rows), nothing)
        raw = np.asarray(fitted.model.predict(test.features, raw_score=True))  # type: ignore[union-attr]  # a booster
        flagged = fitted.calibration.probability(raw) >= fitted.threshold
        found.append(flagged[test.truth == Kind.DDOS].mean())

    assert abs(found[0] - found[1]) < 0.05
