"""Not worse than the champion: the same flows, the same resamples, and a gate that does notice."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.champion import ALLOWED, Difference, Rows, differences, not_worse

N = 4000
CAPTURE = np.repeat([0, 1], N // 2)
POSITIVE = np.arange(N) % 4 == 0


def scorer(recall: float, fpr: float, seed: int = 1) -> Rows:
    """A scorer that flags each row by a throw of the dice, the same throw for the same seed."""
    dice = np.random.default_rng(seed).random(N)
    flagged = dice < np.where(POSITIVE, recall, fpr)
    return Rows(np.where(flagged, 0.9, 0.1) + dice / 100, flagged)


def test_a_model_is_not_worse_than_itself() -> None:
    one = scorer(0.9, 0.001)

    found = differences(one, one, POSITIVE, CAPTURE, attack=np.arange(POSITIVE.sum()) // 100, ranks=True)

    assert found.keys() == ALLOWED.keys()
    assert all((each.low, each.high) == (0.0, 0.0) for each in found.values())
    assert not_worse({"model": found}).passed


@pytest.mark.parametrize(
    ("recall", "fpr", "figure"), [(0.85, 0.001, "recall"), (0.9, 0.01, "false-positive rate"), (0.6, 0.2, "ROC area")]
)
def test_a_model_that_is_plainly_worse_does_not_pass(recall: float, fpr: float, figure: str) -> None:
    found = differences(scorer(recall, fpr), scorer(0.9, 0.001), POSITIVE, CAPTURE, ranks=True)

    result = not_worse({"model": {figure: found[figure]}})

    assert not result.passed
    assert result.detail.startswith("worse than the champion on the same flows (its figure, 95 % interval")
    assert f": model {figure} " in result.detail


def test_a_better_model_passes_and_every_figure_is_told() -> None:
    found = differences(scorer(0.95, 0.0005), scorer(0.9, 0.001), POSITIVE, CAPTURE)

    result = not_worse({"model": found})

    assert result.passed
    assert "model recall 0.9" in result.detail
    assert "model false-positive rate 0.0" in result.detail


def test_pairing_sees_what_two_separate_intervals_would_not() -> None:
    champion = scorer(0.6, 0.001)
    lost = champion.flagged & ~(POSITIVE & (np.arange(N) % 40 == 0))
    candidate = Rows(champion.score, lost)

    recall = differences(candidate, champion, POSITIVE, CAPTURE)["recall"]

    assert recall.high < -ALLOWED["recall"].trifle
    assert recall.high - recall.low < 0.05  # a single recall of 0.6 over 1,000 rows has 0.06


def test_where_flows_are_few_a_large_loss_does_not_pass_for_want_of_certainty() -> None:
    positive = np.arange(40) < 4
    champion = Rows(np.ones(40), positive.copy())
    candidate = Rows(np.ones(40), positive & (np.arange(40) != 0))

    found = differences(candidate, champion, positive, np.zeros(40, dtype=np.int64))

    assert found["recall"].high == 0.0
    assert not not_worse({"model": found}).passed


def test_figures_that_rows_cannot_tell_are_left_out_and_nothing_compared_is_not_passed() -> None:
    nothing = np.zeros(N, dtype=np.bool_)
    one = scorer(0.9, 0.001)

    assert differences(one, one, nothing, CAPTURE, ranks=True).keys() == {"false-positive rate"}
    assert differences(one, one, ~nothing, CAPTURE, ranks=True).keys() == {"recall"}
    assert not not_worse({}).passed
    assert not not_worse({"model": {}}).passed


@given(st.floats(-1, 1), st.floats(0, 0.2), st.sampled_from(sorted(ALLOWED)))
def test_the_rule_is_what_its_limits_say(difference: float, half: float, figure: str) -> None:
    allowed = ALLOWED[figure]
    one = Difference(0.5 + difference / 2, 0.5 - difference / 2, difference - half, difference + half)
    harm = -allowed.sign * difference
    sure = harm - half > allowed.trifle
    large = -allowed.sign * (one.candidate - one.champion) > allowed.margin

    assert not_worse({"model": {figure: one}}).passed == (not sure and not large)


def test_exchanging_the_two_turns_every_difference_round() -> None:
    one, other = scorer(0.9, 0.001), scorer(0.8, 0.01, seed=2)
    attack = np.arange(POSITIVE.sum()) // 100

    there = differences(one, other, POSITIVE, CAPTURE, attack=attack, ranks=True)
    back = differences(other, one, POSITIVE, CAPTURE, attack=attack, ranks=True)

    for figure, difference in there.items():
        turned = back[figure]
        assert (turned.candidate, turned.champion) == (difference.champion, difference.candidate)
        assert (turned.low, turned.high) == pytest.approx((-difference.high, -difference.low)), figure


def test_what_captures_are_called_makes_no_difference() -> None:
    one, other = scorer(0.9, 0.001), scorer(0.8, 0.01, seed=2)

    found = differences(one, other, POSITIVE, CAPTURE, ranks=True)

    assert found == differences(one, other, POSITIVE, CAPTURE * 7 + 3, ranks=True)


def test_the_loss_of_a_short_attack_does_not_drown_in_a_long_flood() -> None:
    """Half of 40 flows are missed now, beside 4,000 that are found: half a percent of all flows, a quarter of two."""
    attack = np.repeat([0, 1], [4000, 40])
    positive = np.arange(8000) < len(attack)
    champion = Rows(np.ones(8000), positive.copy())
    lost = positive.copy()
    lost[4000:4020] = False
    capture = np.zeros(8000, dtype=np.int64)

    found = differences(Rows(np.ones(8000), lost), champion, positive, capture, attack=attack)

    assert not_worse({"verdict": {"recall": found["recall"]}}).passed
    mean = found["mean recall of attacks"]
    assert mean.candidate == pytest.approx(0.75)
    assert mean.champion == pytest.approx(1.0)
    assert not not_worse({"verdict": {"mean recall of attacks": mean}}).passed


BENIGN, FLOODS, RUN = 3800, 4400, 20  # about what the smallest test part holds; flows are missed in runs
TRIES = 100


def misses(dice: np.random.Generator, share: float, hard: npt.NDArray[np.float64]) -> Rows:
    """A scorer that misses such a share of floods, in runs: most of them the hardest ones, the others its own."""
    own = dice.random(len(hard))
    lost = np.where(dice.random(len(hard)) < 0.6, hard, own) < share
    flagged = np.concatenate([dice.random(BENIGN) < 0.001, np.repeat(~lost, RUN)])
    return Rows(flagged.astype(np.float64), flagged)


@pytest.mark.parametrize(("loss", "fewest", "most"), [(0.0, 0.9, 1.0), (0.1, 0.0, 0.05)])
def test_as_good_a_model_nearly_always_passes_and_a_plainly_worse_one_nearly_never(
    loss: float, fewest: float, most: float
) -> None:
    dice = np.random.default_rng(11)
    positive = np.arange(BENIGN + FLOODS) >= BENIGN
    capture = np.zeros(len(positive), dtype=np.int64)
    passed = 0
    for _ in range(TRIES):
        hard = dice.random(FLOODS // RUN)
        champion, candidate = misses(dice, 0.05, hard), misses(dice, 0.05 + loss, hard)
        passed += not_worse({"model": differences(candidate, champion, positive, capture)}).passed

    assert fewest <= passed / TRIES <= most
