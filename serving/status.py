"""What the process says about itself: fit for traffic or not, and why; what it decides by; what it has counted.

Written by the pipeline's thread, read by the HTTP threads. Readers take a lock for microseconds at most, and never
wait for a batch.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from typing import Any, Final

from serving.metrics import Metrics

_RATE_WINDOW_S: Final = 10.0


class Status:
    """Readiness as a set of named obstacles: ready means that there is none."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._lock = threading.Lock()
        self._obstacles: dict[str, str] = {}
        self._degraded: dict[str, str] = {}
        self._models: dict[str, Any] = {"manifest_version": None, "models": {}, "refused": {}}
        self.stats = Stats()
        metrics.ready.set(1)

    def block(self, part: str, reason: str) -> bool:
        """Say that ``part`` keeps the process from being ready; True when that is news."""
        with self._lock:
            news = self._obstacles.get(part) != reason
            self._obstacles[part] = reason
            self._metrics.ready.set(0)
        return news

    def clear(self, part: str) -> bool:
        """Say that ``part`` is in order; True when that is news."""
        with self._lock:
            news = self._obstacles.pop(part, None) is not None
            self._metrics.ready.set(0 if self._obstacles else 1)
        return news

    def serve_models(self, models: dict[str, Any], degraded: Mapping[str, str]) -> None:
        """Publish what is decided by: the ``/models`` document, and why each model that is not served is not."""
        with self._lock:
            self._models = models
            self._degraded = dict(degraded)

    def ready(self) -> tuple[bool, dict[str, Any]]:
        """Whether the process is fit for traffic, and the ``/ready`` document that says so."""
        with self._lock:
            ready = not self._obstacles
            document = {
                "ready": ready,
                "reasons": [{"part": part, "reason": reason} for part, reason in self._obstacles.items()],
                "degraded": [{"model": model, "reason": reason} for model, reason in self._degraded.items()],
            }
        return ready, document

    def models(self) -> dict[str, Any]:
        """The ``/models`` document."""
        with self._lock:
            return self._models


class Stats:
    """Counts since the process started, and the present rate of flows."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._started = time.time()
        self._flows = 0
        self._dead_letters = 0
        self._verdicts: Counter[str] = Counter()
        self._models: Counter[str] = Counter()
        self._alerts: Counter[str] = Counter()
        self._recent: deque[tuple[float, int]] = deque()

    def add(
        self, verdicts: Mapping[str, int], models: Mapping[str, int], alerts: Mapping[str, int], dead_letters: int
    ) -> None:
        """Count one batch: flows by verdict, detections by model, alerts opened by verdict, dead letters."""
        flows = sum(verdicts.values())
        now = time.monotonic()
        with self._lock:
            self._flows += flows
            self._dead_letters += dead_letters
            self._verdicts.update(verdicts)
            self._models.update(models)
            self._alerts.update(alerts)
            self._recent.append((now, flows))
            self._forget(now)

    def document(self) -> dict[str, Any]:
        """The ``/detections/stats`` document."""
        now = time.monotonic()
        with self._lock:
            self._forget(now)
            recent = sum(flows for _, flows in self._recent)
            return {
                "since": self._started,
                "flows": self._flows,
                "flows_per_s": round(recent / _RATE_WINDOW_S, 1),
                "verdicts": dict(self._verdicts),
                "models": dict(self._models),
                "alerts_opened": dict(self._alerts),
                "dead_letters": self._dead_letters,
            }

    def _forget(self, now: float) -> None:
        while self._recent and self._recent[0][0] < now - _RATE_WINDOW_S:
            self._recent.popleft()
