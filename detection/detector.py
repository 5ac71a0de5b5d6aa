"""The detector: features in, decisions out. Training, offline scoring and serving all decide through it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from detection.alerts import AlertBook
from detection.engines.math import Baselines, MathEngine, baselines_from_json
from detection.engines.ml import MODELS, MlEngine
from detection.engines.rules import RuleSet, parse_rules
from detection.ensemble import Bools, Ensemble, combine, decide, ensemble_from_json
from detection.evidence import Evidence, explain_score
from detection.verdict import MATH, ML, RULES, THREATS, Decisions, Features, Kind
from flows.catalogue import NAMES
from model_registry.artifact import Artifact
from model_registry.registry import Loaded

# ATT&CK techniques of verdicts that no rule names: Network Denial of Service, Application Layer Protocol.
_TECHNIQUES: Final[dict[Kind, str]] = {Kind.DDOS: "T1498", Kind.MALWARE: "T1071"}
_WARM_UP_ROWS: Final = 65  # more than a block of the scoring kernel, and a remainder


class Detector:
    """Rules, statistics and models, weighed by one ensemble. Pure: the same features give the same decisions."""

    def __init__(
        self,
        rules: RuleSet,
        baselines: Baselines,
        models: Mapping[str, Artifact],
        ensemble: Ensemble,
        *,
        fingerprints: Mapping[str, str] | None = None,
        manifest_version: int = 0,
    ) -> None:
        """Put the parts together; ``models`` by name, of which those in MODELS vote.

        ``fingerprints`` (SHA-256 by model) and ``manifest_version`` are what verdicts name as their source.
        """
        self.models: dict[str, Artifact] = {name: models[name] for name in MODELS if name in models}
        self.rules = rules
        self.ensemble = ensemble
        self.fingerprints: dict[str, str] = {n: f for n, f in (fingerprints or {}).items() if n in self.models}
        self.manifest_version = manifest_version
        self._math = MathEngine(baselines)
        self._ml = MlEngine(self.models)
        self._speaks: dict[str, Bools] = {
            RULES: np.full(len(THREATS), bool(rules.rules)),
            MATH: self._math.threats,
            ML: self._ml.threats,
        }

    @classmethod
    def from_registry(cls, loaded: Loaded) -> Detector:
        """Build the detector that a verified registry describes; refused models are missing from it.

        Raises:
            RulesError, BaselinesError, EnsembleError: a blob, though signed, is not what it should be.
        """
        champions = {name: loaded.content.champion(name) for name in loaded.models}
        return cls(
            parse_rules(loaded.rules),
            baselines_from_json(loaded.math),
            loaded.models,
            ensemble_from_json(loaded.ensemble),
            fingerprints={name: champion.fingerprint for name, champion in champions.items() if champion is not None},
            manifest_version=loaded.version,
        )

    @property
    def degraded(self) -> tuple[str, ...]:
        """The models that should vote and are missing or refused."""
        return tuple(name for name in MODELS if name not in self.models)

    @property
    def can_decide(self) -> bool:
        """Whether anything can speak to any threat."""
        return any(bool(speaks.any()) for speaks in self._speaks.values())

    def decide(self, features: Features) -> Decisions:
        """Decide ``n`` flows, float32[n, 120]. Raises ValueError for another shape or type."""
        if features.dtype != np.float32 or features.ndim != 2 or features.shape[1] != len(NAMES):
            raise ValueError(f"features must be float32[n, {len(NAMES)}], not {features.dtype}{list(features.shape)}")
        rule_votes, fired = self.rules.votes(features)
        ml_votes, probabilities = self._ml.votes(features)
        votes = {RULES: rule_votes, MATH: self._math.votes(features), ML: ml_votes}
        combined = combine(self.ensemble, votes, self._speaks)
        kind, confidence, reason = decide(self.ensemble, combined, rule_votes, features)
        return Decisions(kind, confidence, reason, combined.support, votes, fired, probabilities)

    def technique(self, decisions: Decisions, row: int) -> str | None:
        """The ATT&CK technique of one flow's verdict: the surest fired rule's, else the threat's; None if neither."""
        kind = Kind(decisions.kind[row])
        for rule in self.rules.named(int(decisions.rules_fired[row])):
            if rule.verdict is kind:
                return rule.technique
        return _TECHNIQUES.get(kind)

    def explain(self, features: Features, kind: Kind) -> Evidence:
        """Say what speaks to a verdict of ``kind`` on one flow, float32[120]."""
        model = self._ml.model_for(kind)
        _, fired = self.rules.votes(features[None, :])
        return Evidence(
            model=None if model is None else explain_score(model, features),
            rules=self.rules.named(int(fired[0])),
            statistics=self._math.readings(features),
        )

    def warm_up(self) -> None:
        """Run every kernel once, so that the first real batch does not wait for a compiler."""
        rows = np.zeros((_WARM_UP_ROWS, len(NAMES)), dtype=np.float32)
        self.decide(rows)
        for threat in THREATS:
            self.explain(rows[0], threat)
        addresses = np.zeros((1, 2), dtype=np.uint64)
        AlertBook().fold(np.array([Kind.DDOS], dtype=np.int8), np.ones(1), np.ones(1), addresses, addresses)
