"""The ensemble: three engines' votes to one decision per flow, or to an abstention that says why.

The support of a threat is a weighted sum of the engines' log-odds. An engine that cannot speak to a threat (its model
is missing) is not counted, and the others' weights are scaled up in its place, so that support keeps its meaning.
A threat with positive support is decided; of several the best supported wins; with none the flow is benign.

Nothing is decided, for the first of these reasons that holds:

* *nothing to decide by*: no engine can speak to any threat;
* *too few features*: the share of features that are unknown is above a limit;
* *engines disagree*: one engine is strongly for a threat, another strongly against, their sum is near zero, and no
  undisputed threat is decided;
* *too little history*: an anomaly would be decided, no rule names it, and the host has hardly been seen, so that the
  windows the other engines read have not filled; or only the anomaly model speaks for one, and that model was not
  fitted on enough flows of the site itself to have a say.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from detection.verdict import ENGINES, ML, THREATS, Features, Floats, Kind, Reason, column, sigmoid
from flows.catalogue import INDEX
from flows.errors import TidegateError

MAX_BYTES: Final = 65_536
MIN_SITE_FLOWS: Final = 1000
_NEWTON_STEPS: Final = 100

Bools = npt.NDArray[np.bool_]


class EnsembleError(TidegateError):
    """An ensemble is not in the form that it must have, or its confidence cannot be fitted."""


class PerThreat(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One number for each threat."""

    ddos: float
    malware: float
    anomaly: float

    def array(self) -> Floats:
        """The numbers in the order of THREATS, float64[3]."""
        return np.array([getattr(self, threat.label) for threat in THREATS])


class Weights(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a vote of each engine counts, per threat; at least 0."""

    rules: PerThreat
    math: PerThreat
    ml: PerThreat


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the ensemble abstains.

    Attributes:
        strong: a weighted vote of this size, for or against, is a strong one (log-odds).
        near_zero: support below this size, either way, is near zero (log-odds).
        min_history: flows of the host below which an anomaly needs a rule.
        min_site_flows: flows of the site's own past below which the anomaly model has no say.
        max_missing_share: largest share of unknown features in a flow that is decided.
    """

    strong: Annotated[float, msgspec.Meta(gt=0)]
    near_zero: Annotated[float, msgspec.Meta(ge=0)]
    min_history: Annotated[float, msgspec.Meta(ge=0)]
    min_site_flows: Annotated[int, msgspec.Meta(ge=0)]
    max_missing_share: Annotated[float, msgspec.Meta(ge=0, le=1)]


class Ensemble(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How votes are combined.

    Attributes:
        version: of this form.
        weights: of the engines' votes.
        bias: added to the support of each threat (log-odds).
        slope, intercept: of the final confidence in each threat.
        limits: where nothing is decided.
        site_flows: flows of the site's own past that the anomaly model was fitted on; 0: on other networks' flows.
    """

    version: Literal[1]
    weights: Weights
    bias: PerThreat
    slope: PerThreat
    intercept: PerThreat
    limits: Limits
    site_flows: Annotated[int, msgspec.Meta(ge=0)]

    @property
    def knows_site(self) -> bool:
        """Whether the anomaly model was fitted on enough of the site's own past to have a say."""
        return self.site_flows >= self.limits.min_site_flows


def _each(value: float) -> PerThreat:
    return PerThreat(value, value, value)


def default_ensemble(site_flows: int = 0) -> Ensemble:
    """The ensemble to start from, before training has calibrated the confidence; ``site_flows`` as in Ensemble.

    Models count in full: their log-odds are calibrated, and zero lies at a stated false-positive rate. Rules count in
    full: their confidence is stated, and a rule of 0.9 (2.2) outvotes a model that is mildly against but not one that
    is sure (-4). Math counts by half: its statistics read the same windows as the models do, so a full vote would count
    one observation twice. The bias is 0, so that a model's alarm stands where the others say nothing. A strong vote is
    2 (0.88); sums within 1 (0.27 to 0.73) are too close to call between strong ones. One-way NetFlow leaves up to 0.69
    of the features unknown (ICMP; TCP 0.52) and Argus 0.50; tables without times and addresses leave 0.84.
    How many flows of a site its anomaly model needs was measured (docs/evaluation.md).
    """
    return Ensemble(
        version=1,
        weights=Weights(rules=_each(1.0), math=_each(0.5), ml=_each(1.0)),
        bias=_each(0.0),
        slope=_each(1.0),
        intercept=_each(0.0),
        limits=Limits(
            strong=2.0, near_zero=1.0, min_history=8.0, min_site_flows=MIN_SITE_FLOWS, max_missing_share=0.75
        ),
        site_flows=site_flows,
    )


def ensemble_to_json(ensemble: Ensemble) -> bytes:
    """Write an ensemble as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(ensemble), indent=2)


def ensemble_from_json(data: bytes) -> Ensemble:
    """Read an ensemble from JSON.

    Raises:
        EnsembleError: too large, not JSON, unknown or missing fields, a number out of range.
    """
    if len(data) > MAX_BYTES:
        raise EnsembleError(f"the ensemble is {len(data)} bytes; at most {MAX_BYTES} are allowed")
    try:
        ensemble = msgspec.json.decode(data, type=Ensemble)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise EnsembleError(f"the ensemble is not what `tidegate train` writes: {error}") from None
    for engine in ENGINES:
        for threat, weight in msgspec.structs.asdict(getattr(ensemble.weights, engine)).items():
            if not 0.0 <= weight < math.inf:
                raise EnsembleError(
                    f"the ensemble's weight of {engine} for {threat} is {weight:g}; at least 0 is needed"
                )
    if not (ensemble.slope.array() > 0.0).all():
        raise EnsembleError("a slope of the ensemble's confidence is not above 0; support must raise confidence")
    numbers = np.concatenate([ensemble.bias.array(), ensemble.slope.array(), ensemble.intercept.array()])
    limits = np.array(msgspec.structs.astuple(ensemble.limits))
    if not (np.isfinite(numbers).all() and np.isfinite(limits).all()):
        raise EnsembleError("the ensemble holds a number that is not finite")
    return ensemble


@dataclass(frozen=True, slots=True)
class Combined:
    """The votes of ``n`` flows, weighed.

    Attributes:
        support: float64[n, 3], log-odds; 0 for a threat that no engine can speak to.
        strongest: float64[n, 3], the largest weighted vote for each threat.
        weakest: float64[n, 3], the smallest.
        spoken: bool[3], whether any engine can speak to the threat.
        unheard: bool[n], whether a model that has no say yet would have made it an anomaly, and the others do not.
    """

    support: Floats
    strongest: Floats
    weakest: Floats
    spoken: Bools
    unheard: Bools


def combine(ensemble: Ensemble, votes: Mapping[str, Floats], speaks: Mapping[str, Bools]) -> Combined:
    """Weigh the engines' votes. An anomaly model that does not know the site is not counted.

    Args:
        votes: per engine float64[n, 3], log-odds.
        speaks: per engine bool[3], the threats that it can speak to.
    """
    everybody = _weigh(ensemble, votes, speaks)
    if ensemble.knows_site:
        return everybody
    anomaly = column(Kind.ANOMALY)
    heard = speaks[ML].copy()
    heard[anomaly] = False
    combined = _weigh(ensemble, votes, {**speaks, ML: heard})
    claimed = (everybody.support[:, anomaly] > 0.0) & (combined.support[:, anomaly] <= 0.0)
    return replace(combined, unheard=claimed)


def _weigh(ensemble: Ensemble, votes: Mapping[str, Floats], speaks: Mapping[str, Bools]) -> Combined:
    weights = {engine: getattr(ensemble.weights, engine).array() for engine in ENGINES}
    counted = {engine: weights[engine] * speaks[engine] for engine in ENGINES}
    present = sum(counted.values(), np.zeros(len(THREATS)))
    spoken = present > 0.0
    scale = np.where(spoken, sum(weights.values(), np.zeros(len(THREATS))) / np.where(spoken, present, 1.0), 0.0)
    weighed = np.stack([votes[engine] * (counted[engine] * scale) for engine in ENGINES])
    return Combined(
        support=weighed.sum(axis=0) + ensemble.bias.array() * spoken,
        strongest=weighed.max(axis=0),
        weakest=weighed.min(axis=0),
        spoken=spoken,
        unheard=np.zeros(weighed.shape[1], dtype=np.bool_),
    )


def decide(
    ensemble: Ensemble, combined: Combined, rule_votes: Floats, features: Features
) -> tuple[npt.NDArray[np.int8], Floats, npt.NDArray[np.int8]]:
    """Decide ``n`` flows: kind int8[n], confidence float64[n], reason int8[n], as Decisions has them."""
    n = len(features)
    kind = np.full(n, Kind.BENIGN, dtype=np.int8)
    reason = np.full(n, Reason.NONE, dtype=np.int8)
    if not combined.spoken.any():
        kind[:], reason[:] = Kind.ABSTAIN, Reason.NOTHING_TO_DECIDE_BY
        return kind, np.zeros(n), reason

    limits, support = ensemble.limits, combined.support
    disputed = (combined.strongest >= limits.strong) & (combined.weakest <= -limits.strong)
    disputed &= np.abs(support) < limits.near_zero
    decided = (support > 0.0) & ~disputed
    any_decided = decided.any(axis=1)
    winner = np.where(decided, support, -np.inf).argmax(axis=1)
    kind[any_decided] = (winner[any_decided] + THREATS[0]).astype(np.int8)

    anomaly = column(Kind.ANOMALY)
    seen_enough = features[:, INDEX["host_flows"]] >= limits.min_history
    reason[(kind == Kind.ANOMALY) & ~seen_enough & (rule_votes[:, anomaly] <= 0.0)] = Reason.TOO_LITTLE_HISTORY
    reason[~any_decided & combined.unheard] = Reason.TOO_LITTLE_HISTORY
    reason[~any_decided & disputed.any(axis=1)] = Reason.ENGINES_DISAGREE
    reason[np.isnan(features).mean(axis=1) > limits.max_missing_share] = Reason.TOO_FEW_FEATURES
    kind[reason != Reason.NONE] = Kind.ABSTAIN

    likely = sigmoid(ensemble.slope.array() * support + ensemble.intercept.array()) * combined.spoken
    likeliest = likely.max(axis=1)
    threat = (kind != Kind.BENIGN) & (kind != Kind.ABSTAIN)
    confidence = np.where(kind == Kind.BENIGN, 1.0 - likeliest, likeliest)
    confidence[threat] = likely[threat, winner[threat]]
    return kind, confidence, reason


def fit_confidence(support: Floats, truth: Bools) -> tuple[float, float]:
    """Fit (slope, intercept) so that sigmoid(slope * support + intercept) is the chance that a flow is the threat.

    Platt's scaling (1999) with his smoothed targets, by Newton's method with backtracking (Lin, Lin and Weng 2007).

    Args:
        support: float64[n], finite; log-odds of one threat.
        truth: bool[n], whether the flow is that threat.

    Raises:
        EnsembleError: only one of the two classes is there, or support does not rise with the truth.
    """
    positives = int(truth.sum())
    negatives = len(truth) - positives
    if positives == 0 or negatives == 0:
        raise EnsembleError(f"confidence needs flows of both classes; here are {positives} and {negatives}")
    target = np.where(truth, (positives + 1.0) / (positives + 2.0), 1.0 / (negatives + 2.0))
    x = np.stack([support, np.ones(len(support))], axis=1)
    theta = np.array([0.0, math.log((positives + 1.0) / (negatives + 1.0))])
    loss = _cross_entropy(x @ theta, target)
    for _ in range(_NEWTON_STEPS):
        p = sigmoid(x @ theta)
        gradient = x.T @ (p - target)
        hessian = (x.T * (p * (1.0 - p))) @ x + 1e-9 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        size = 1.0
        while (better := _cross_entropy(x @ (theta - size * step), target)) > loss and size > 1e-10:
            size /= 2.0
        theta = theta - size * step
        if loss - better < 1e-12 * len(support):
            break
        loss = better
    slope, intercept = (float(value) for value in theta)
    if not slope > 0.0:
        raise EnsembleError("support does not rise with the truth, so no confidence can be read from it")
    return slope, intercept


def _cross_entropy(log_odds: Floats, target: Floats) -> float:
    return float((np.logaddexp(0.0, log_odds) - target * log_odds).sum())
