"""Whether schedules and sensors run by themselves, and what is enough for sensors to act.

They run where TIDEGATE_AUTOMATION is on, else once somebody starts them.
"""

from __future__ import annotations

import os
from typing import Final

import dagster as dg
from pydantic import Field

from flows.errors import UsageError


def wanted(setting: str) -> bool:
    """Read TIDEGATE_AUTOMATION. Raises UsageError for anything but on and off."""
    if setting not in ("on", "off"):
        raise UsageError(f"TIDEGATE_AUTOMATION is {setting!r}; it may be on or off")
    return setting == "on"


_ON: Final = wanted(os.environ.get("TIDEGATE_AUTOMATION", "off"))
SCHEDULES: Final = dg.DefaultScheduleStatus.RUNNING if _ON else dg.DefaultScheduleStatus.STOPPED
SENSORS: Final = dg.DefaultSensorStatus.RUNNING if _ON else dg.DefaultSensorStatus.STOPPED


class Thresholds(dg.ConfigurableResource):  # type: ignore[type-arg]  # the base's parameter is its own subject
    """What is enough for a sensor to ask for new models."""

    labels: int = Field(default=200, ge=1, description="Verdicts and alerts with a new label.")
    precision: float = Field(default=0.8, gt=0.0, lt=1.0, description="The least share of alarms that are right.")
    fewest: int = Field(default=20, ge=1, description="Labels of alarms of a kind, before their precision counts.")
