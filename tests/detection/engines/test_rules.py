"""Rules: the shipped ones fire where they say and nowhere else; a text that is no rule set is refused by name."""

from __future__ import annotations

import contextlib
from typing import Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detection.engines.rules import (
    MAX_BYTES,
    MAX_RULES,
    MAX_TERMS,
    Rule,
    RulesError,
    RuleSet,
    Term,
    default_rules,
    parse_rules,
)
from detection.verdict import Kind
from flows.catalogue import NAMES
from flows.features import FeatureExtractor
from flows.simulator import Capture, FlashCrowd, Scenario, simulate
from tests.support.features import Rows, calm_row, flow_row

SHIPPED: Final = parse_rules(default_rules())
GOOD: Final = """
- id: one
  title: The first
  verdict: ddos
  technique: T1498.001
  confidence: 0.9
  when: ["in_flows_10s > 200", "failed == 1"]
"""


def inside(term: Term) -> float:
    """A value near the term's number for which it holds."""
    step = 0.01 * max(1.0, abs(term.value))
    return term.value + {"<": -step, "<=": 0.0, ">": step, ">=": 0.0, "==": 0.0, "!=": step}[term.op]


def outside(term: Term) -> float:
    """A value near the term's number for which it does not hold."""
    step = 0.01 * max(1.0, abs(term.value))
    return term.value + {"<": 0.0, "<=": step, ">": 0.0, ">=": -step, "==": 1.0, "!=": 0.0}[term.op]


def fires(rule: Rule, row: Rows) -> bool:
    _, fired = RuleSet((rule,)).votes(row)
    return bool(fired[0])


@pytest.mark.parametrize("rule", SHIPPED.rules, ids=lambda rule: rule.id)
def test_a_shipped_rule_fires_when_all_its_terms_hold_and_not_when_any_fails(rule: Rule) -> None:
    within = {term.feature: inside(term) for term in rule.when}
    assert fires(rule, flow_row(**within))
    for term in rule.when:
        assert not fires(rule, flow_row(**(within | {term.feature: outside(term)}))), str(term)
        assert not fires(rule, flow_row(**(within | {term.feature: np.nan}))), f"{term} of an unknown feature"


def test_the_shipped_rules_cover_every_threat() -> None:
    assert {rule.verdict for rule in SHIPPED.rules} == {Kind.DDOS, Kind.MALWARE, Kind.ANOMALY}
    assert 10 <= len(SHIPPED.rules) <= 20


def test_a_calm_flow_and_one_of_which_nothing_is_known_fire_nothing() -> None:
    rows = np.concatenate([calm_row(), np.full((1, len(NAMES)), np.nan, dtype=np.float32), np.zeros((1, 120), "f4")])
    votes, fired = SHIPPED.votes(rows)
    assert not fired.any()
    assert not votes.any()


def test_a_benign_flash_crowd_fires_nothing() -> None:
    crowd = FlashCrowd(at=30.0, duration=30.0, visitors=600)
    capture = Capture(at=0.0, duration=90.0, subnet="10.3.0.0/24", clients=20, attacks=(crowd,))
    traffic = simulate(Scenario(seed=5, start=1.7e9, captures=(capture,)))
    assert (traffic.attack == "flash_crowd").sum() > 1000
    _, fired = SHIPPED.votes(FeatureExtractor().extract(traffic.batch))
    assert not fired.any()


def test_a_fired_rule_votes_its_log_odds_and_the_strongest_counts() -> None:
    rules = parse_rules(
        (
            GOOD + GOOD.replace("one", "two").replace("0.9", "0.7") + GOOD.replace("one", "three").replace("0.9", "1")
        ).encode()
    )
    both, none = flow_row(in_flows_10s=201, failed=1), flow_row(in_flows_10s=200, failed=1)
    votes, fired = RuleSet(rules.rules[:2]).votes(np.concatenate([both, none]))
    np.testing.assert_allclose(votes, [[np.log(9.0), 0, 0], [0, 0, 0]])
    assert fired.tolist() == [0b11, 0]
    assert [rule.id for rule in rules.named(0b11)] == ["one", "two"]
    certain, _ = rules.votes(both)
    assert certain[0, 0] == 4.0, "certainty is bounded"


def test_an_unequal_term_is_false_where_the_feature_is_unknown() -> None:
    (rule,) = parse_rules(GOOD.replace("failed == 1", "failed != 1").encode()).rules
    assert fires(rule, flow_row(in_flows_10s=300, failed=0))
    assert not fires(rule, flow_row(in_flows_10s=300, failed=1))
    assert not fires(rule, flow_row(in_flows_10s=300, failed=np.nan))


def test_numbers_compare_as_float32_as_the_features_are() -> None:
    (rule,) = parse_rules(GOOD.replace("failed == 1", "in_syn_only_share_10s >= 0.9").encode()).rules
    assert fires(rule, flow_row(in_flows_10s=300, in_syn_only_share_10s=0.9))


def test_the_mask_holds_as_many_rules_as_are_allowed() -> None:
    many = "".join(GOOD.replace("one", f"rule_{n}") for n in range(MAX_RULES))
    rules = parse_rules(many.encode())
    _, fired = rules.votes(flow_row(in_flows_10s=300, failed=1))
    assert len(rules.named(int(fired[0]))) == MAX_RULES
    with pytest.raises(RulesError, match="at most 63"):
        parse_rules((many + GOOD).encode())


def test_no_rules_and_no_flows_are_fine() -> None:
    none = parse_rules(b"[]")
    votes, fired = none.votes(calm_row())
    assert not votes.any()
    assert not fired.any()
    votes, fired = SHIPPED.votes(np.empty((0, len(NAMES)), dtype=np.float32))
    assert votes.shape == (0, 3)
    assert fired.shape == (0,)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("in_flows_10s", "in_flows_11s", "rule 'one', term 1 .*unknown feature"),
        ("failed == 1", "failed = 1", "rule 'one', term 2 .*unknown comparison"),
        ("failed == 1", "failed == yes", "rule 'one', term 2 .*not a number"),
        ("failed == 1", "failed == nan", "not a number"),
        ("failed == 1", "failed == 1e39", "not a number"),
        ("failed == 1", "failed == 1_0", "not a number"),
        ("failed == 1", "failed==1", "feature op number"),
        ("failed == 1", "failed == 1 and 2", "feature op number"),
        ("id: one", "id: One rule", "lower-case"),
        ("id: one", "id: [one]", "plain text"),
        ("title: The first", "title: ''", "rule 'one': the title"),
        ("ddos", "benign", "rule 'one': the verdict 'benign'"),
        ("T1498.001", "T14", "ATT&CK"),
        ("T1498.001", "T1498.0010", "ATT&CK"),
        ("0.9", "0.4", "rule 'one': the confidence"),
        ("0.9", "1.1", "between 0.5 and 1"),
        ("0.9", "high", "rule 'one': confidence: 'high'"),
        ("  confidence: 0.9\n", "", "'confidence' is missing"),
        ("  confidence: 0.9\n", "  confidence: 0.9\n  confidence: 0.8\n", "twice"),
        ("  confidence: 0.9\n", "  confidence: 0.9\n  severity: 3\n", "unknown field 'severity'"),
        ('when: ["in_flows_10s > 200", "failed == 1"]', "when: failed == 1", "list of 1 to"),
        ('when: ["in_flows_10s > 200", "failed == 1"]', "when: []", "list of 1 to"),
        ('when: ["in_flows_10s > 200", "failed == 1"]', f"when: {['failed == 1'] * (MAX_TERMS + 1)}", "list of 1 to"),
        ('"failed == 1"', "{failed: 1}", "term 2 must be plain text"),
        ("title: The first", "title: &name The first", "YAML anchor on line 3"),
        ("title: The first", "title: *name", "YAML alias on line 3"),
        ("title: The first", "title: !!str The first", "YAML tag on line 3"),
        ("title: The first", "title: [[[[[[]]]]]]", "nested too deeply"),
        ("- id: one", "%YAML 1.1\n---\n- id: one", "YAML directive"),
        ("- id: one", "---\n[]\n---\n- id: one", "not YAML"),
        ("title: The first", "title: 'The first", "not YAML"),
        ("title: The first", 'title: "\\UFFFFFFFF"', "not YAML"),
        (GOOD, GOOD + GOOD, "rule 2 .line 9.: the id 'one' is taken"),
        (GOOD, "", "must be a YAML list"),
        (GOOD, "rules: []", "must be a YAML list"),
        (GOOD, "- one", "rule 1 .line 1.: a rule must be a mapping"),
    ],
)
def test_a_bad_rule_set_is_refused_with_its_place(old: str, new: str, says: str) -> None:
    assert old in GOOD
    with pytest.raises(RulesError, match=says):
        parse_rules(GOOD.replace(old, new).encode())


def test_text_that_is_too_large_or_not_utf8_is_refused() -> None:
    with pytest.raises(RulesError, match="at most 65536"):
        parse_rules(b" " * (MAX_BYTES + 1))
    with pytest.raises(RulesError, match="not UTF-8 text"):
        parse_rules(b"\xff\xfe")
    with pytest.raises(RulesError, match="nested too deeply"):
        parse_rules(b"[" * MAX_BYTES)


def parses_or_is_refused(data: bytes) -> None:
    with contextlib.suppress(RulesError):
        parse_rules(data)


@settings(max_examples=150)
@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace"))))
def test_any_bytes_parse_or_are_refused(data: bytes) -> None:
    parses_or_is_refused(data)


@settings(max_examples=150)
@given(
    st.integers(0, len(GOOD)),
    st.integers(0, 12),
    st.text(st.sampled_from("-:[]{}&*!%|>'\"#\\\n\t 0a\U0001f30a"), max_size=6),
)
def test_a_damaged_rule_set_parses_or_is_refused(at: int, cut: int, put: str) -> None:
    parses_or_is_refused((GOOD[:at] + put + GOOD[at + cut :]).encode())
