"""When the models are trained again."""

import dagster as dg

from orchestration.defs.release.jobs import train

nightly_retraining = dg.ScheduleDefinition(
    name="nightly_retraining",
    job=train,
    cron_schedule="30 2 * * *",
    description="Trains, tests and publishes every night; stopped until someone starts it.",
    default_status=dg.DefaultScheduleStatus.STOPPED,
)
