"""The demo's judge: what holds, and every way in which it may not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from demo.judge import ATTACKS, CROWD, MODELS, Seen, judge
from detection.verdict import THREATS, Kind
from flows.simulator import SimulatedTraffic, live_scenario, simulate

KINDS = {kind.label: kind for kind in Kind}


@pytest.fixture(scope="module")
def traffic() -> SimulatedTraffic:
    return simulate(live_scenario())


@pytest.fixture
def perfect(traffic: SimulatedTraffic) -> Seen:
    """What a detector that knows the truth would say."""
    seen = Seen.nothing(len(traffic.batch))
    for row, label in enumerate(traffic.labels):
        seen.add(row, label, tuple(1.0 if threat.label == label else -1.0 for threat in THREATS))
    for name in ATTACKS:
        row = int(np.flatnonzero(traffic.attack == name)[0])
        seen.opened.append((row, KINDS[traffic.labels[row]]))
    return seen


def test_the_truth_holds(traffic: SimulatedTraffic, perfect: Seen) -> None:
    outcome = judge(traffic, perfect)
    assert outcome.broken == []
    assert set(outcome.attacks) == set(ATTACKS)
    assert all(attack["found"] and attack["recall"] == 1.0 for attack in outcome.attacks.values())
    assert all(attack["first_alert_s"] >= 0 for attack in outcome.attacks.values())
    assert all(model["recall"] == 1.0 and model["fpr"] == 0.0 for model in outcome.models.values())
    assert outcome.benign_alerts == 0


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_without_an_alert_breaks_the_promise(traffic: SimulatedTraffic, perfect: Seen, name: str) -> None:
    perfect.opened = [(row, kind) for row, kind in perfect.opened if traffic.attack[row] != name]
    assert any(name in line for line in judge(traffic, perfect).broken)


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_called_by_another_name_is_not_found(traffic: SimulatedTraffic, perfect: Seen, name: str) -> None:
    rows = traffic.attack == name
    right = KINDS[traffic.labels[rows][0]]
    wrong = Kind.DDOS if right is not Kind.DDOS else Kind.MALWARE
    perfect.verdict[rows] = wrong
    perfect.opened = [(row, wrong if rows[row] else kind) for row, kind in perfect.opened]
    outcome = judge(traffic, perfect)
    assert not outcome.attacks[name]["found"]
    assert outcome.attacks[name]["recall"] == 0.0
    assert outcome.broken


def test_verdicts_on_over_a_hundredth_of_the_crowd_break_the_promise(traffic: SimulatedTraffic, perfect: Seen) -> None:
    crowd = np.flatnonzero(traffic.attack == CROWD)
    perfect.verdict[crowd[: len(crowd) // 100]] = Kind.DDOS
    assert not judge(traffic, perfect).broken
    perfect.verdict[crowd[: len(crowd) // 100 + 1]] = Kind.DDOS
    assert any(CROWD in line for line in judge(traffic, perfect).broken)


def test_abstaining_on_the_crowd_is_no_alarm(traffic: SimulatedTraffic, perfect: Seen) -> None:
    perfect.verdict[np.flatnonzero(traffic.attack == CROWD)[7]] = Kind.ABSTAIN
    assert judge(traffic, perfect).broken == []


def test_a_flow_without_a_verdict_breaks_the_promise(traffic: SimulatedTraffic, perfect: Seen) -> None:
    perfect.verdict[11] = -1
    assert any("1 of" in line and "no verdict" in line for line in judge(traffic, perfect).broken)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_that_says_nothing_breaks_the_promise(traffic: SimulatedTraffic, perfect: Seen, name: str) -> None:
    perfect.votes[:, THREATS.index(MODELS[name])] = 0.0
    assert any(name in line for line in judge(traffic, perfect).broken)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_that_says_yes_to_all_breaks_the_promise(traffic: SimulatedTraffic, perfect: Seen, name: str) -> None:
    perfect.votes[:, THREATS.index(MODELS[name])] = 4.0
    assert any(name in line for line in judge(traffic, perfect).broken)


def test_many_false_verdicts_break_the_promise(traffic: SimulatedTraffic, perfect: Seen) -> None:
    life = np.flatnonzero((traffic.labels == "benign") & (traffic.attack == ""))
    perfect.verdict[life[: len(life) // 10]] = Kind.MALWARE
    assert any("benign flows were flagged" in line for line in judge(traffic, perfect).broken)


def test_a_packet_without_duration_still_has_a_time(traffic: SimulatedTraffic, perfect: Seen) -> None:
    batch = replace(traffic.batch, duration=np.full(len(traffic.batch), np.nan))
    outcome = judge(replace(traffic, batch=batch), perfect)
    assert all(np.isfinite(attack["first_alert_s"]) for attack in outcome.attacks.values())
