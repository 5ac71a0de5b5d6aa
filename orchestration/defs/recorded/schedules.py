"""When a day is read: once it has ended."""

from datetime import timedelta

import dagster as dg

from orchestration.automation import SCHEDULES
from orchestration.defs.recorded.jobs import record_day


@dg.schedule(
    job=record_day,
    cron_schedule="20 0 * * *",
    description="Reads the day that has ended from Kafka.",
    default_status=SCHEDULES,
)
def daily_recording(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Ask for the day before the tick's, in UTC."""
    day = context.scheduled_execution_time.date() - timedelta(days=1)
    return dg.RunRequest(run_key=str(day), partition_key=str(day))
