"""Boosted forests: what they may go by, what they learn from, and that they are judged by captures left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt
import pytest

from detection.verdict import Kind
from flows.catalogue import INDEX, NAMES
from model_registry.artifact import Artifact, artifact_to_bytes
from model_registry.scoring import raw_scores
from tests.support.datasets import capture_of, toy_flood
from training import boosting
from training.boosting import (
    BoostedRecipe,
    LeftOut,
    attacks_of,
    fit,
    make_boosted,
    score_left_out,
    under_attack,
    weights_of,
)
from training.calibration import fit_platt
from training.datasets import Dataset, Part
from training.errors import TrainingError
from training.splits import Fold, leave_captures_out, split

MORE: Final = "in_flows_10s"
LESS: Final = "packets"
FREE: Final = "in_peers_10s"
FPR: Final = 0.1
RECIPE: Final = BoostedRecipe(
    "ddos_lgbm", Kind.DDOS, fpr=FPR, features=(MORE, LESS, FREE), monotone={MORE: 1, LESS: -1}
)


@pytest.fixture(scope="module", autouse=True)
def _few_trees() -> Iterator[None]:
    """Toys need few trees and one thread; that there is one number of trees only keeps forests comparable."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(boosting, "TREES", (30,))
        patch.setattr(boosting, "MOST_TREES", 30)
        patch.setitem(boosting.PARAMETERS, "num_threads", 1)
        yield


@pytest.fixture(scope="module")
def known() -> Dataset:
    """Three captures that are no kin; the last quarter of each is for validation."""
    parts = [
        toy_flood(name, seed, ordinary=size, flood=size // 4, part=part, drawn_from=(name,))
        for seed, (name, part, size) in enumerate(
            (name, part, size) for name in "abc" for part, size in ((Part.TRAIN, 900), (Part.VALIDATION, 300))
        )
    ]
    pairs = [Dataset.concatenate(parts[place : place + 2]) for place in (0, 2, 4)]
    streams = [
        replace(pair, capture=np.zeros_like(pair.capture), origin=parts[2 * place].origin)
        for place, pair in enumerate(pairs)
    ]
    return Dataset.concatenate(streams)


@pytest.fixture(scope="module")
def nothing_more(known: Dataset) -> Dataset:
    return known.take(np.empty(0, dtype=np.int64))


@pytest.fixture(scope="module")
def artifact(known: Dataset, nothing_more: Dataset) -> Artifact:
    return make_boosted(RECIPE, split(known), nothing_more)


def left_out_of(recipe: BoostedRecipe, known: Dataset) -> LeftOut:
    """What the model of these flows was calibrated by."""
    parts = split(known)
    return score_left_out(recipe, list(leave_captures_out(Dataset.concatenate([parts.train, parts.validation]))))


def swept(data: Dataset, feature: str) -> npt.NDArray[np.float32]:
    """Scattered rows, float32[40, 60, 120], each with sixty ascending values of a feature."""
    rows = np.repeat(data.features[:: len(data) // 40][:40, None], 60, axis=1)
    rows[:, :, INDEX[feature]] = np.quantile(data.features[:, INDEX[feature]], np.linspace(0, 1, 60))
    return rows


def rises(artifact: Artifact, rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    scores = raw_scores(artifact.forest, rows.reshape(-1, len(NAMES))).reshape(rows.shape[:2])
    return np.diff(scores, axis=1)


def test_more_of_a_monotone_feature_never_makes_the_threat_less_likely(artifact: Artifact, known: Dataset) -> None:
    more, less = rises(artifact, swept(known, MORE)), rises(artifact, swept(known, LESS))
    assert more.min() >= -1e-9
    assert more.max() > 0.1
    assert less.max() <= 1e-9
    assert less.min() < -0.1


def test_without_the_constraint_the_same_flows_teach_otherwise(known: Dataset, nothing_more: Dataset) -> None:
    free = make_boosted(replace(RECIPE, monotone={}), split(known), nothing_more)
    assert rises(free, swept(known, MORE)).min() < -0.1


def test_what_is_not_used_never_changes_a_score(artifact: Artifact, known: Dataset) -> None:
    rng = np.random.default_rng(1)
    rows = known.features[:500].copy()
    others = [INDEX[name] for name in RECIPE.unused]
    assert len(others) == len(NAMES) - 3
    rows[:, others] = rng.choice([np.nan, np.inf, -np.inf, 0.0, 1.0, 1e6], (len(rows), len(others)))

    assert raw_scores(artifact.forest, rows).tolist() == raw_scores(artifact.forest, known.features[:500]).tolist()


def test_what_an_unused_feature_would_give_away_is_not_learned(known: Dataset) -> None:
    features = known.features.copy()
    features[:, INDEX["port_dns"]] = known.truth == Kind.DDOS
    given_away = replace(known, features=features)

    assert fit(RECIPE, given_away, 5).model_to_string() == fit(RECIPE, known, 5).model_to_string()


def test_weights_have_mean_one_and_half_is_in_each_class() -> None:
    data = Dataset.concatenate(
        [
            capture_of("long", [Kind.BENIGN] * 400 + [Kind.DDOS] * 100),
            capture_of("short", [Kind.BENIGN] * 100 + [Kind.DDOS] * 25 + [Kind.MALWARE] * 16),
        ]
    )
    positive = data.truth == Kind.DDOS

    weights = weights_of(data, Kind.DDOS)

    assert weights.mean() == pytest.approx(1.0)
    assert weights[positive].sum() == pytest.approx(weights[~positive].sum()) == pytest.approx(len(data) / 2)
    assert (weights > 0).all()


def test_a_group_counts_as_the_square_root_of_its_flows() -> None:
    data = Dataset.concatenate(
        [
            capture_of("long", [Kind.BENIGN] * 400 + [Kind.DDOS] * 100),
            capture_of("short", [Kind.BENIGN] * 100 + [Kind.DDOS] * 25 + [Kind.MALWARE] * 16),
        ]
    )
    weights = weights_of(data, Kind.DDOS)

    def weight(capture: int, kind: Kind) -> float:
        return float(weights[(data.capture == capture) & (data.truth == kind)].sum())

    assert weight(0, Kind.DDOS) == pytest.approx(2 * weight(1, Kind.DDOS))  # 10 to 5
    assert weight(0, Kind.BENIGN) == pytest.approx(2 * weight(1, Kind.BENIGN))  # 20 to 10
    assert weight(1, Kind.BENIGN) == pytest.approx(2.5 * weight(1, Kind.MALWARE))  # 10 to 4


def test_two_attacks_of_one_capture_are_two_groups() -> None:
    data = capture_of("one", [Kind.BENIGN] * 10 + [Kind.DDOS] * 20)
    data.attack[10:14] = "more"

    weights = weights_of(data, Kind.DDOS)

    assert weights[10:14].sum() / weights[14:].sum() == pytest.approx(2 / 4)
    assert attacks_of(data.take(data.truth == Kind.DDOS)).tolist() == [1] * 4 + [0] * 16


def test_weights_of_one_class_alone_are_half_of_it() -> None:
    assert weights_of(capture_of("calm", [Kind.BENIGN] * 8), Kind.DDOS).tolist() == pytest.approx([0.5] * 8)


WHILE: Final = replace(RECIPE, while_under={"in_flows_60s": 60.0})


def attacked_rows() -> Dataset:
    """Every other flow from 100 to 199 of 1,000 is an attack's; much comes in from 50 to 499."""
    truth = np.full(1000, Kind.BENIGN)
    truth[100:200:2] = Kind.DDOS
    busy = np.where((np.arange(1000) >= 50) & (np.arange(1000) < 500), 80.0, 5.0)
    return capture_of("attacked", truth, in_flows_60s=busy)


def test_flows_of_a_host_are_under_attack_while_it_lasts_and_a_little_longer() -> None:
    under = under_attack(WHILE, attacked_rows())

    assert under[101:199:2].all()
    assert not under[100:200:2].any()  # the attack itself
    assert under[200:245].all()  # a twentieth of 1,000 flows
    assert not under[255:].any()
    assert not under[:100].any()  # busy before it began


def test_a_host_that_does_not_show_it_is_not_under_attack() -> None:
    rows = attacked_rows()
    rows.features[120:140, INDEX["in_flows_60s"]] = 59.0
    rows.features[140:160, INDEX["in_flows_60s"]] = np.nan

    under = under_attack(WHILE, rows)

    assert not under[120:160].any()
    assert under[101:120:2].all()
    assert under[161:199:2].all()
    assert not under_attack(RECIPE, rows).any(), "nothing is said to show it"


def test_between_two_attacks_and_in_another_capture_there_is_peace() -> None:
    rows = attacked_rows()
    rows.truth[420:440:2] = Kind.DDOS
    rows.attack[420:440:2] = "more"
    calm = capture_of("calm", [Kind.BENIGN] * 300, in_flows_60s=80.0)

    under = under_attack(WHILE, Dataset.concatenate([rows, calm]))

    assert not under[260:420].any()
    assert under[421:439:2].all()
    assert not under[1000:].any()
    assert not under_attack(WHILE, calm).any()


def test_where_the_attack_lasts_all_along_the_flows_under_it_are_all_there_is_to_go_by() -> None:
    truth = np.where(np.arange(1000) % 2 == 0, Kind.DDOS, Kind.BENIGN)
    assert not under_attack(WHILE, capture_of("all along", truth, in_flows_60s=80.0)).any()
    # With enough in peace beside it, its flows count as under attack again.
    peace = capture_of("calm", [Kind.BENIGN] * 100)
    both = Dataset.concatenate([capture_of("all along", truth, in_flows_60s=80.0), peace])
    assert under_attack(WHILE, both)[1:999:2].all()


def test_each_row_is_scored_by_a_forest_that_has_not_seen_its_capture(known: Dataset) -> None:
    """Lies about one capture change what the others' rows get, and not what its own get."""
    liar = known.capture == 1
    lies = np.where(known.truth == Kind.DDOS, Kind.BENIGN, Kind.DDOS)
    poisoned = replace(known, truth=np.where(liar, lies, known.truth).astype(np.int8))

    honest = score_left_out(RECIPE, list(leave_captures_out(known)))
    misled = score_left_out(RECIPE, list(leave_captures_out(poisoned)))

    own = honest.rows.capture == 1
    assert own.sum() == liar.sum()
    assert len(honest.rows) == len(known)
    assert honest.rows.features.tobytes() == misled.rows.features.tobytes()
    assert honest.raw[own].tolist() == misled.raw[own].tolist()
    for other in (0, 2):
        theirs = honest.rows.capture == other
        assert (np.abs(honest.raw - misled.raw)[theirs] > 0.01).mean() > 0.5, other


def test_no_flow_of_a_class_held_out_is_refused(known: Dataset) -> None:
    calm = known.of(Kind.BENIGN)
    with pytest.raises(TrainingError, match=r"ddos_lgbm: 0 of \d+ rows are ddos; both classes are needed"):
        score_left_out(RECIPE, [Fold(known, calm)])
    with pytest.raises(TrainingError, match="ddos_lgbm: no flow to set the threshold by is benign or ddos"):
        score_left_out(RECIPE, [Fold(known, known.of(Kind.MALWARE))])


def shows(data: Dataset) -> npt.NDArray[np.bool_]:
    return (data.column(MORE) >= 30.0) | (data.column(FREE) >= 60.0)


def test_an_attack_is_not_learned_from_before_it_shows(known: Dataset) -> None:
    recipe = replace(RECIPE, apparent=shows)
    value = known.features[:, INDEX[MORE]], known.features[:, INDEX[FREE]]
    hidden = (known.truth == Kind.DDOS) & (value[0] < 30.0) & (value[1] < 60.0)
    unknown = known.features.copy()
    unknown[np.flatnonzero(hidden)[::2], INDEX[MORE]] = np.nan
    assert 10 < hidden.sum() < 0.9 * (known.truth == Kind.DDOS).sum()

    learned = fit(recipe, known, 5).model_to_string()

    assert learned == fit(recipe, known.take(~hidden), 5).model_to_string()
    assert learned == fit(recipe, replace(known, features=unknown), 5).model_to_string()
    assert learned != fit(RECIPE, known, 5).model_to_string()
    assert learned != fit(recipe, known.take((known.truth == Kind.DDOS) | (value[0] >= 30.0)), 5).model_to_string()


def test_the_other_threat_is_learned_as_what_it_is_not_and_an_anomaly_is_not_learned(known: Dataset) -> None:
    n = 200
    bots = capture_of("bots", [Kind.MALWARE] * n, in_flows_10s=5000.0, in_peers_10s=200.0, packets=1.0)
    scans = replace(bots, truth=np.full(n, Kind.ANOMALY, dtype=np.int8))
    alone = fit(RECIPE, known, 20)

    beside = fit(RECIPE, Dataset.concatenate([known, bots]), 20)

    assert beside.predict(bots.features[:1])[0] < alone.predict(bots.features[:1])[0]
    assert fit(RECIPE, Dataset.concatenate([known, scans]), 20).model_to_string() == alone.model_to_string()


def test_the_model_is_calibrated_by_the_captures_left_out(artifact: Artifact, known: Dataset) -> None:
    left_out = left_out_of(RECIPE, known)
    assert artifact.calibration == fit_platt(left_out.raw, left_out.rows.truth == Kind.DDOS)


def test_an_attack_is_not_calibrated_by_before_it_shows(known: Dataset, nothing_more: Dataset) -> None:
    recipe = replace(RECIPE, apparent=shows)
    left_out = left_out_of(recipe, known)
    positive = left_out.rows.truth == Kind.DDOS
    told = ~positive | shows(left_out.rows)
    assert 10 < (~told).sum() < 0.9 * positive.sum()

    made = make_boosted(recipe, split(known), nothing_more)

    assert made.calibration == fit_platt(left_out.raw[told], positive[told])
    assert made.calibration != fit_platt(left_out.raw, positive)


@pytest.mark.parametrize("fpr", [0.01, 0.02, FPR])
def test_the_threshold_keeps_its_rate_on_the_captures_left_out(
    known: Dataset, nothing_more: Dataset, fpr: float
) -> None:
    recipe = replace(RECIPE, fpr=fpr)
    made = make_boosted(recipe, split(known), nothing_more)
    left_out = left_out_of(recipe, known)
    positive = left_out.rows.truth == Kind.DDOS
    flagged = made.calibration.probability(left_out.raw) >= made.threshold

    assert flagged[~positive].mean() <= fpr
    assert flagged[positive].mean() > (0.5 if fpr == FPR else fpr)  # the busiest are like a flood


def test_flows_of_hosts_under_attack_may_be_flagged_more_often_but_not_without_limit(
    known: Dataset, nothing_more: Dataset
) -> None:
    recipe = replace(RECIPE, fpr=0.01, while_under={"in_flows_60s": 60.0})
    made = make_boosted(recipe, split(known), nothing_more)
    left_out = left_out_of(recipe, known)
    positive, under = left_out.rows.truth == Kind.DDOS, under_attack(recipe, left_out.rows)
    flagged = made.calibration.probability(left_out.raw) >= made.threshold

    assert under.any()
    assert flagged[~positive & ~under].mean() <= 0.01
    assert flagged[~positive].mean() <= boosting.BYSTANDERS * 0.01


def test_nothing_of_the_test_part_is_looked_at(artifact: Artifact, known: Dataset, nothing_more: Dataset) -> None:
    parts = split(known)
    lies = toy_flood("d", 9)
    test = replace(lies, truth=np.where(lies.truth == Kind.DDOS, Kind.BENIGN, Kind.DDOS).astype(np.int8))

    made = make_boosted(RECIPE, replace(parts, test=test), nothing_more)

    assert artifact_to_bytes(made) == artifact_to_bytes(artifact)


def test_what_is_only_learned_from_is_learned_from(artifact: Artifact, known: Dataset) -> None:
    made = make_boosted(RECIPE, split(known), toy_flood("more", 11))
    assert raw_scores(made.forest, known.features).tolist() != raw_scores(artifact.forest, known.features).tolist()


@pytest.mark.parametrize("kind", [Kind.BENIGN, Kind.DDOS])
def test_a_class_that_is_missing_is_refused_in_words(known: Dataset, nothing_more: Dataset, kind: Kind) -> None:
    some = known.of(kind)
    attacks = len(some.of(Kind.DDOS).take(some.of(Kind.DDOS).part == Part.TRAIN))
    with pytest.raises(TrainingError, match=rf"ddos_lgbm: {attacks} of \d+ flows to learn from are attacks"):
        make_boosted(RECIPE, split(some), nothing_more)


@pytest.mark.parametrize("captures", ["one alone", "attacks in one only"])
def test_where_leaving_a_capture_out_leaves_no_class_later_flows_tell(
    known: Dataset, nothing_more: Dataset, captures: str
) -> None:
    here = known.capture == 0
    some = known.take(here if captures == "one alone" else here | (known.truth == Kind.BENIGN))
    parts = split(some)
    more = toy_flood("more", 11) if captures == "one alone" else nothing_more

    made = make_boosted(RECIPE, parts, more)

    later = score_left_out(RECIPE, [Fold(Dataset.concatenate([parts.train, more]), parts.validation)])
    assert len(later.rows) == len(parts.validation) > 0
    assert made.calibration == fit_platt(later.raw, later.rows.truth == Kind.DDOS)
