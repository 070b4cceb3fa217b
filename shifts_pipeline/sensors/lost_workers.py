"""The sensor over runs at work: when a worker's lock is free at two looks, the worker is lost."""

import json
from datetime import UTC, datetime, timedelta

import dagster as dg

from shifts_pipeline import ledger
from shifts_pipeline.jobs import HAND_STARTED, LOAD_TRIP_FILES, REFRESH_WEEKS
from shifts_pipeline.resources import TripsDatabase, lock_name

_WATCHED = {LOAD_TRIP_FILES, REFRESH_WEEKS, HAND_STARTED}
STARTING_TAKES = timedelta(seconds=15)
"""So long after its start a run may be without its lock: its resources come first."""
LAUNCHING_TAKES = timedelta(seconds=30)
"""So long after its launch a process of this machine may be importing. Where launching is another matter (a pod
waits for its node) Dagster's own, longer patience holds."""


@dg.sensor(
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Fails runs whose worker died without a word, so that their work is taken up again.",
)
def lost_workers(context: dg.SensorEvaluationContext, trips_database: TripsDatabase) -> dg.SensorResult:
    """Fails a run at work whose lock was free at two looks."""
    at_work = [
        record
        for record in context.instance.get_run_records(
            filters=dg.RunsFilter(
                statuses=[
                    dg.DagsterRunStatus.STARTING,
                    dg.DagsterRunStatus.STARTED,
                    dg.DagsterRunStatus.CANCELING,
                ]
            )
        )
        if record.dagster_run.job_name in _WATCHED and _must_have_its_lock(record, context.instance)
    ]
    suspects = set(json.loads(context.cursor or "[]"))
    free = set()
    with trips_database.connect(autocommit=True) as connection:
        for record in at_work:
            if not ledger.is_locked(connection, lock_name(record.dagster_run.run_id)):
                free.add(record.dagster_run.run_id)
    lost = free & suspects
    for record in at_work:
        if record.dagster_run.run_id in lost:
            context.instance.report_run_failed(
                record.dagster_run, "The run's worker died without a word; its work is taken up again."
            )
    return dg.SensorResult(
        cursor=json.dumps(sorted(free - lost)),
        skip_reason=f"{len(at_work)} runs at work, {len(lost)} lost",
    )


def _must_have_its_lock(record: dg.RunRecord, instance: dg.DagsterInstance) -> bool:
    now = datetime.now(UTC)
    if record.start_time is not None:
        return now - datetime.fromtimestamp(record.start_time, UTC) > STARTING_TAKES
    launched_here = isinstance(instance.run_launcher, dg.DefaultRunLauncher)
    return launched_here and now - record.update_timestamp > LAUNCHING_TAKES
