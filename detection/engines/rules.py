"""The rules engine: what people know about attacks, written down as thresholds.

A rule set is a YAML list; each rule is a mapping of ``id``, ``title``, ``verdict`` (a threat), ``technique`` (an ATT&CK
id), ``confidence`` (0.5 to 1) and ``when``, a list of terms ``feature op number`` that must all hold. A feature that is
NaN makes its term false. A rule that fires votes the log-odds of its confidence for its threat; of several, the
strongest counts. A rule that does not fire says nothing: the absence of one known sign is no sign of innocence.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import yaml

from detection.verdict import STRONGEST_VOTE, THREATS, Features, Floats, Kind, column, logit, no_votes
from flows.catalogue import INDEX
from flows.errors import TidegateError

MAX_RULES: Final = 63  # one bit each in an unsigned 64-bit mask, with one to spare
MAX_TERMS: Final = 16
MAX_BYTES: Final = 65_536
_MAX_DEPTH: Final = 4  # list of rules, rule, list of terms; one more gets a clearer message later

_OPERATORS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_FIELDS: Final = ("id", "title", "verdict", "technique", "confidence", "when")
_ID: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_TECHNIQUE: Final = re.compile(r"T[0-9]{4}(\.[0-9]{3})?")
_NUMBER: Final = re.compile(r"[-+]?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]{1,3})?")
_LARGEST: Final = float(np.finfo(np.float32).max)  # features are float32

_OPENERS: Final = (
    yaml.BlockSequenceStartToken,
    yaml.BlockMappingStartToken,
    yaml.FlowSequenceStartToken,
    yaml.FlowMappingStartToken,
)
_CLOSERS: Final = (yaml.BlockEndToken, yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken)


class RulesError(TidegateError):
    """A rule set is not in the form that rules must have; the message names the rule and the term."""


@dataclass(frozen=True, slots=True)
class Term:
    """One comparison of a feature with a number."""

    feature: str
    op: str
    value: float

    def holds(self, features: Features) -> npt.NDArray[np.bool_]:
        """Tell for each row of float32[n, 120] whether the term holds: bool[n]; false where the feature is NaN."""
        measured = features[:, INDEX[self.feature]]
        held: npt.NDArray[np.bool_] = _OPERATORS[self.op](measured, np.float32(self.value))
        return held & ~np.isnan(measured) if self.op == "!=" else held

    def __str__(self) -> str:
        return f"{self.feature} {self.op} {self.value:g}"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: it fires on a flow when all of its terms hold."""

    id: str
    title: str
    verdict: Kind
    technique: str
    confidence: float
    when: tuple[Term, ...]

    @property
    def log_odds(self) -> float:
        """What the rule votes for its threat when it fires."""
        return min(STRONGEST_VOTE, float(logit(self.confidence)))


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Rules in their order; a rule's position is its bit in the mask of fired rules."""

    rules: tuple[Rule, ...]

    def votes(self, features: Features) -> tuple[Floats, npt.NDArray[np.uint64]]:
        """Judge float32[n, 120]: votes float64[n, 3], and the mask of fired rules uint64[n]."""
        votes = no_votes(len(features))
        fired = np.zeros(len(features), dtype=np.uint64)
        known: dict[Term, npt.NDArray[np.bool_]] = {}
        for position, rule in enumerate(self.rules):
            fires = np.ones(len(features), dtype=np.bool_)
            for term in rule.when:
                if term not in known:
                    known[term] = term.holds(features)
                fires &= known[term]
            fired |= fires.astype(np.uint64) << np.uint64(position)
            threat = votes[:, column(rule.verdict)]
            np.maximum(threat, fires * rule.log_odds, out=threat)
        return votes, fired

    def named(self, mask: int) -> tuple[Rule, ...]:
        """The rules whose bits are set in a mask, strongest first."""
        rules = [rule for position, rule in enumerate(self.rules) if mask >> position & 1]
        return tuple(sorted(rules, key=lambda rule: -rule.confidence))


def default_rules() -> bytes:
    """The shipped rules, as the YAML text that training publishes."""
    return resources.files("detection").joinpath("default_rules.yaml").read_bytes()


def parse_rules(data: bytes) -> RuleSet:
    """Parse a rule set from YAML text.

    Raises:
        RulesError: too large, not UTF-8, not YAML, anchors, aliases or tags, an unknown or missing or repeated field,
            a bad value; the message names the rule and the term.
    """
    if len(data) > MAX_BYTES:
        raise RulesError(f"the rules are {len(data)} bytes; at most {MAX_BYTES} are allowed")
    try:
        text = data.decode("utf-8")
        _refuse_tricks(text)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except UnicodeDecodeError as error:
        raise RulesError(f"the rules are not UTF-8 text: {error.reason} at byte {error.start}") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # the last two: escapes beyond Unicode
        raise RulesError(f"the rules are not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(root, yaml.SequenceNode):
        raise RulesError("the rules must be a YAML list of rules, `[]` for none")
    if len(root.value) > MAX_RULES:
        raise RulesError(f"there are {len(root.value)} rules; at most {MAX_RULES} are allowed")
    rules: dict[str, Rule] = {}
    for number, node in enumerate(root.value, start=1):
        rule = _parse_rule(node, f"rule {number} (line {node.start_mark.line + 1})")
        if rule.id in rules:
            raise RulesError(f"rule {number} (line {node.start_mark.line + 1}): the id {rule.id!r} is taken already")
        rules[rule.id] = rule
    return RuleSet(tuple(rules.values()))


def _refuse_tricks(text: str) -> None:
    """Refuse what a list of rules never needs, before anything is built from it."""
    depth = 0
    for token in yaml.scan(text, Loader=yaml.SafeLoader):
        if isinstance(token, yaml.AnchorToken | yaml.AliasToken | yaml.TagToken | yaml.DirectiveToken):
            kind = type(token).__name__.removesuffix("Token").lower()
            line = token.start_mark.line + 1
            raise RulesError(f"the rules hold a YAML {kind} on line {line}; write the text out instead")
        depth += isinstance(token, _OPENERS) - isinstance(token, _CLOSERS)
        if depth > _MAX_DEPTH:
            raise RulesError(f"the rules are nested too deeply on line {token.start_mark.line + 1}")


def _parse_rule(node: yaml.Node, where: str) -> Rule:
    fields = _fields(node, where)
    identifier = _scalar(fields["id"], f"{where}: id")
    if not _ID.fullmatch(identifier):
        raise RulesError(f"{where}: the id {identifier[:80]!r} must be lower-case letters, digits and underscores")
    where = f"rule {identifier!r}"
    title = _scalar(fields["title"], f"{where}: title")
    if not 0 < len(title) <= 200:
        raise RulesError(f"{where}: the title must have 1 to 200 characters")
    verdict = _scalar(fields["verdict"], f"{where}: verdict")
    threats = {threat.label: threat for threat in THREATS}
    if verdict not in threats:
        raise RulesError(f"{where}: the verdict {verdict[:80]!r} is none of {', '.join(threats)}")
    technique = _scalar(fields["technique"], f"{where}: technique")
    if not _TECHNIQUE.fullmatch(technique):
        raise RulesError(f"{where}: {technique[:80]!r} is no ATT&CK technique id; write it like T1498 or T1498.001")
    confidence = _number(_scalar(fields["confidence"], f"{where}: confidence"), f"{where}: confidence")
    if not 0.5 <= confidence <= 1.0:
        raise RulesError(f"{where}: the confidence {confidence:g} is not between 0.5 and 1")
    when = fields["when"]
    if not isinstance(when, yaml.SequenceNode) or not 0 < len(when.value) <= MAX_TERMS:
        raise RulesError(f"{where}: `when` must be a list of 1 to {MAX_TERMS} terms")
    return Rule(identifier, title, threats[verdict], technique, confidence, _terms(when.value, where))


def _fields(node: yaml.Node, where: str) -> dict[str, yaml.Node]:
    if not isinstance(node, yaml.MappingNode):
        raise RulesError(f"{where}: a rule must be a mapping with the fields {', '.join(_FIELDS)}")
    fields: dict[str, yaml.Node] = {}
    for key, value in node.value:
        name = _scalar(key, f"{where}: a field's name")
        if name not in _FIELDS:
            raise RulesError(f"{where}: unknown field {name[:80]!r}; a rule has {', '.join(_FIELDS)}")
        if name in fields:
            raise RulesError(f"{where}: the field {name!r} stands there twice")
        fields[name] = value
    for name in _FIELDS:
        if name not in fields:
            raise RulesError(f"{where}: the field {name!r} is missing")
    return fields


def _terms(nodes: list[yaml.Node], where: str) -> tuple[Term, ...]:
    terms = []
    for number, node in enumerate(nodes, start=1):
        here = f"{where}, term {number}"
        text = _scalar(node, here)
        here = f"{here} ({text[:80]!r})"
        parts = text.split()
        if len(parts) != 3:
            raise RulesError(f"{here}: a term is written `feature op number`, with spaces between")
        feature, op, number_text = parts
        if feature not in INDEX:
            raise RulesError(f"{here}: unknown feature; `tidegate features` lists them")
        if op not in _OPERATORS:
            raise RulesError(f"{here}: unknown comparison; use one of {' '.join(_OPERATORS)}")
        terms.append(Term(feature, op, _number(number_text, here)))
    return tuple(terms)


def _scalar(node: yaml.Node, where: str) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise RulesError(f"{where} must be plain text or a number")
    return str(node.value)


def _number(text: str, where: str) -> float:
    value = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not abs(value) <= _LARGEST:
        raise RulesError(f"{where}: {text[:80]!r} is not a number; write it like 200 or 0.9")
    return value
