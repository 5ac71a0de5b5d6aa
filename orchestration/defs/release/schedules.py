"""When the models are trained again, and the manifest is signed again."""

import dagster as dg

from orchestration.automation import SCHEDULES
from orchestration.defs.release.jobs import refresh_manifest, train

nightly_retraining = dg.ScheduleDefinition(
    name="nightly_retraining",
    job=train,
    cron_schedule="30 2 * * *",
    description="Trains, tests and publishes every night.",
    default_status=SCHEDULES,
)

daily_refresh = dg.ScheduleDefinition(
    name="daily_refresh",
    job=refresh_manifest,
    cron_schedule="0 6 * * *",
    description="Signs the manifest again before it expires.",
    default_status=SCHEDULES,
)
