"""Failures are told."""

import dagster as dg

from orchestration.automation import SENSORS
from orchestration.notifying import Notifier


@dg.run_failure_sensor(
    name="tell_of_failures",
    description="Tells the log and the webhook of every run that failed, with the step and its reason.",
    default_status=SENSORS,
)
def tell_of_failures(context: dg.RunFailureSensorContext, notifier: Notifier) -> None:
    """Say which job failed, in which steps, and why."""
    run = context.dagster_run
    reasons = []
    for event in context.get_step_failure_events():
        error = event.step_failure_data.error
        while error is not None and error.cause is not None:
            error = error.cause
        reasons.append(f"{event.step_key}: {error.message.strip() if error else 'no reason given'}")
    told = "; ".join(reasons) or context.failure_event.message or "no reason given"
    notifier.say(f"Tidegate: the run {run.run_id[:8]} of {run.job_name} failed: {told}")
