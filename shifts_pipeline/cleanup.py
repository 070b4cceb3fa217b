"""The cleanup job: Dagster keeps every run and event for ever, and so would the feed's outbox."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from shifts_pipeline import database
from shifts_pipeline.resources import Feed

RUNS_KEPT = timedelta(days=30)
EVENTS_KEPT = timedelta(days=7)
"""How long a listener may be away and still resume."""
RUNS_A_PAGE = 200


@dg.op(description="Deletes finished runs, with their events, that are older than a month.")
def delete_old_runs(context: dg.OpExecutionContext) -> int:
    """Returns how many runs were deleted."""
    old = dg.RunsFilter(
        statuses=[dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED],
        created_before=datetime.now(UTC) - RUNS_KEPT,
    )
    deleted = 0
    while runs := context.instance.get_runs(filters=old, limit=RUNS_A_PAGE):
        for run in runs:
            context.instance.delete_run(run.run_id)
        deleted += len(runs)
    context.add_output_metadata({"runs": deleted})
    return deleted


@dg.op(description="Deletes events of the feed that are older than a week.")
def delete_old_events(context: dg.OpExecutionContext, feed: Feed) -> int:
    """Returns how many events were deleted."""
    with database.connect(feed.url) as connection:
        deleted = connection.execute(
            "DELETE FROM shifts_feed.events WHERE occurred_at < now() - %s", [EVENTS_KEPT]
        ).rowcount
    context.add_output_metadata({"events": deleted})
    return deleted


@dg.job(description="Forgets old runs and old events of the feed.")
def cleanup() -> None:
    """Both deletions, in either order."""
    delete_old_runs()
    delete_old_events()


nightly_cleanup = dg.ScheduleDefinition(
    name="nightly_cleanup",
    job=cleanup,
    cron_schedule="17 3 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
