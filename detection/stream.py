"""One stream of flows, from batch to verdicts and alerts: what serving and evaluation both decide through."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detection.alerts import AlertBook, AlertFold
from detection.detector import Detector
from detection.verdict import Decisions, Features
from flows.batch import FlowBatch
from flows.features import FeatureExtractor
from flows.keying import Addresses, HomeNetworks, key_hosts


@dataclass(frozen=True, slots=True)
class Decided:
    """What was decided about ``n`` flows.

    Attributes:
        decisions: of all flows.
        fold: the alerts that took them in.
        key_is_dst: bool[n], whether the destination is the key host.
        keys: uint64[n, 2], the key hosts.
    """

    decisions: Decisions
    fold: AlertFold
    key_is_dst: npt.NDArray[np.bool_]
    keys: Addresses


class Stream:
    """A stream (a partition, or a file) and what is remembered of it from batch to batch: windows and open alerts."""

    def __init__(self, detector: Detector, home: HomeNetworks) -> None:
        """Begin a stream without a past."""
        self._detector = detector
        self._home = home
        self._windows = FeatureExtractor(home)
        self._alerts = AlertBook()

    def measure(self, batch: FlowBatch) -> Features:
        """Measure the next flows, in arrival order: float32[n, 120]."""
        return self._windows.extract(batch)

    def decide(self, batch: FlowBatch, features: Features) -> Decided:
        """Decide flows as :meth:`measure` measured them, and fold their verdicts into alerts."""
        decisions = self._detector.decide(features)
        key_is_dst = self._home.key_is_dst(batch)
        keys, peers = key_hosts(batch, key_is_dst), key_hosts(batch, ~key_is_dst)
        fold = self._alerts.fold(decisions.kind, decisions.confidence, batch.start, keys, peers)
        return Decided(decisions, fold, key_is_dst, keys)
