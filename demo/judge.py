"""What was found, held against the truth of the simulated traffic. Pure: arrays in, an outcome out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from detection.verdict import THREATS, Kind
from flows.simulator import SimulatedTraffic

ATTACKS: Final = ("syn_flood", "udp_amplification", "http_flood", "beacon", "port_scan", "strange")
CROWD: Final = "flash_crowd"  # benign, and must raise next to nothing
LARGEST_CROWD_SHARE: Final = 0.01  # of its flows
LEAST_ATTACK_RECALL: Final = 0.7
# What each model finds by itself, whatever rules and statistics say.
MODELS: Final[dict[str, Kind]] = {
    "ddos_lgbm": Kind.DDOS,
    "malware_lgbm": Kind.MALWARE,
    "anomaly_iforest": Kind.ANOMALY,
}
LEAST_MODEL_RECALL: Final = 0.7
LARGEST_MODEL_FPR: Final = 0.01
LARGEST_FALSE_SHARE: Final = 0.02  # of benign flows, by the final verdict

_KINDS: Final = {kind.label: kind for kind in Kind}


@dataclass(slots=True)
class Seen:
    """What serving said about ``n`` flows, in the order of the traffic; -1 and NaN until it has spoken.

    Attributes:
        verdict: int8[n], a Kind.
        votes: float64[n, 3], what the models said, log-odds over their thresholds in the order of THREATS.
        opened: the row of the flow whose verdict opened each alert, and the alert's kind.
    """

    verdict: npt.NDArray[np.int8]
    votes: npt.NDArray[np.float64]
    opened: list[tuple[int, Kind]]

    @classmethod
    def nothing(cls, n: int) -> Seen:
        """Nothing has been said yet."""
        return cls(np.full(n, -1, dtype=np.int8), np.full((n, len(THREATS)), np.nan), [])

    def add(self, row: int, verdict: str, model_votes: tuple[float, ...]) -> None:
        """Take note of one verdict document; ``model_votes`` in the order of THREATS."""
        self.verdict[row] = _KINDS[verdict]
        self.votes[row] = model_votes


@dataclass(frozen=True, slots=True)
class Outcome:
    """The figures, and every promise that did not hold, in words."""

    attacks: dict[str, dict[str, Any]]
    models: dict[str, dict[str, Any]]
    benign_alerts: int
    benign_flagged: int
    broken: list[str]


def judge(traffic: SimulatedTraffic, seen: Seen) -> Outcome:
    """Compare what was said with what is true.

    An attack is found when a verdict of its own kind opened an alert with one of its flows; its recall is the share
    of its flows with that verdict. A model's figures are its own: flows over its threshold, of the attacks of its kind
    and of all benign flows.
    """
    truth = np.array([_KINDS[label] for label in traffic.labels], dtype=np.int8)
    ends = traffic.batch.start + np.nan_to_num(traffic.batch.duration)  # one packet has no duration
    broken = []
    silent = int((seen.verdict < 0).sum())
    if silent:
        broken.append(f"{silent} of {len(truth)} flows got no verdict")
    attacks = {}
    for name in ATTACKS:
        rows = traffic.attack == name
        kind = Kind(truth[rows][0])
        hits = rows & (seen.verdict == kind)
        alerts = [row for row, opened in seen.opened if opened is kind and rows[row]]
        recall = float(hits.sum() / rows.sum())
        first = float(ends[min(alerts)] - traffic.batch.start[rows].min()) if alerts else None
        attacks[name] = {"found": bool(alerts), "first_alert_s": first, "recall": recall, "verdict": kind.label}
        if not alerts:
            broken.append(f"{name}: no {kind.label} alert")
        elif recall < LEAST_ATTACK_RECALL:
            broken.append(f"{name}: recall {recall:.3f}, at least {LEAST_ATTACK_RECALL} expected")
    flagged = np.isin(seen.verdict, THREATS)
    crowd = int((flagged & (traffic.attack == CROWD)).sum())
    visits = int((traffic.attack == CROWD).sum())
    if crowd > LARGEST_CROWD_SHARE * visits:
        broken.append(f"the benign {CROWD} raised {crowd} verdicts in {visits} flows")
    models = _models(truth, seen, broken)
    benign = truth == Kind.BENIGN
    benign_flagged = int((flagged & benign).sum())
    if benign_flagged > LARGEST_FALSE_SHARE * benign.sum():
        broken.append(f"{benign_flagged} of {int(benign.sum())} benign flows were flagged")
    benign_alerts = sum(1 for row, _ in seen.opened if benign[row])
    return Outcome(attacks, models, benign_alerts, benign_flagged, broken)


def _models(truth: npt.NDArray[np.int8], seen: Seen, broken: list[str]) -> dict[str, dict[str, Any]]:
    models = {}
    for name, kind in MODELS.items():
        yes = seen.votes[:, THREATS.index(kind)] > 0.0
        positives, negatives = truth == kind, truth == Kind.BENIGN
        recall = float(yes[positives].mean())
        fpr = float(yes[negatives].mean())
        models[name] = {
            "rows": int(positives.sum() + negatives.sum()),
            "positives": int(positives.sum()),
            "recall": recall,
            "fpr": fpr,
        }
        if recall < LEAST_MODEL_RECALL or fpr > LARGEST_MODEL_FPR:
            broken.append(
                f"{name} by itself: recall {recall:.3f} (at least {LEAST_MODEL_RECALL}), "
                f"false-positive rate {fpr:.4f} (at most {LARGEST_MODEL_FPR})"
            )
    return models
