"""Days, and what sources of flows are listed as."""

import os

import dagster as dg

DAYS = dg.DailyPartitionsDefinition(start_date=os.environ.get("TIDEGATE_RECORDED_SINCE", "2026-01-01"))
SOURCES_NAME = "source"
