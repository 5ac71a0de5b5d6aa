"""Leaving in good order, within a time."""

from __future__ import annotations

import threading
import time
from typing import Final

# Kubernetes and people wait 10 s: this much for the batch at hand, the rest for saying goodbye to Kafka.
DRAIN_S: Final = 5.0
LEAVE_S: Final = 9.0


class Stop:
    """A request to leave, which any thread (or a signal's handler) may make, once and for all."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._requested_at = 0.0

    def request(self) -> None:
        """Ask to leave."""
        if not self._event.is_set():
            self._requested_at = time.monotonic()
            self._event.set()

    @property
    def requested(self) -> bool:
        """Whether somebody asked."""
        return self._event.is_set()

    def wait(self, seconds: float | None = None) -> bool:
        """Sleep, but no longer than until somebody asks; True when somebody did."""
        return self._event.wait(seconds)

    def overdue(self) -> bool:
        """Whether the time for the batch at hand is over."""
        return self.requested and time.monotonic() - self._requested_at > DRAIN_S

    def remaining(self) -> float:
        """Seconds until the process must be gone."""
        return max(0.0, self._requested_at + LEAVE_S - time.monotonic())
