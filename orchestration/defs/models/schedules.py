"""When the page about the models is written anew."""

import dagster as dg

from orchestration.automation import SCHEDULES
from orchestration.defs.models.jobs import report

weekly_evaluation = dg.ScheduleDefinition(
    name="weekly_evaluation",
    job=report,
    cron_schedule="0 5 * * 1",
    description="Writes the page about the models, with baseline models fitted beside them, every Monday.",
    default_status=SCHEDULES,
)
