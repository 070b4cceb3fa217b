"""The sensor over started runs: when a worker's lock is free at two looks, the worker is lost."""

import json
from datetime import UTC, datetime, timedelta

import dagster as dg

from shifts_pipeline import ledger
from shifts_pipeline.jobs import HAND_STARTED, LOAD_TRIP_FILES, REFRESH_WEEKS
from shifts_pipeline.resources import TripsDatabase, lock_name

_WATCHED = {LOAD_TRIP_FILES, REFRESH_WEEKS, HAND_STARTED}
STARTING_TAKES = timedelta(seconds=15)
"""So long after its start a run may be without its lock: imports come first."""


@dg.sensor(
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Fails runs whose worker died without a word, so that their work is taken up again.",
)
def lost_workers(context: dg.SensorEvaluationContext, trips_database: TripsDatabase) -> dg.SensorResult:
    """Fails a started run whose lock was free at two looks."""
    started = [
        record
        for record in context.instance.get_run_records(
            filters=dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING])
        )
        if record.dagster_run.job_name in _WATCHED
        and record.start_time is not None
        and datetime.now(UTC) - datetime.fromtimestamp(record.start_time, UTC) > STARTING_TAKES
    ]
    suspects = set(json.loads(context.cursor or "[]"))
    free = set()
    with trips_database.connect(autocommit=True) as connection:
        for record in started:
            if not ledger.is_locked(connection, lock_name(record.dagster_run.run_id)):
                free.add(record.dagster_run.run_id)
    lost = free & suspects
    for record in started:
        if record.dagster_run.run_id in lost:
            context.instance.report_run_failed(
                record.dagster_run, "The run's worker died without a word; its work is taken up again."
            )
    return dg.SensorResult(
        cursor=json.dumps(sorted(free - lost)),
        skip_reason=f"{len(started)} runs started, {len(lost)} lost",
    )
