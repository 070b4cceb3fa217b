"""The sensor `lost_workers`: fails runs whose worker process is gone, so that their work is retried.

docs/decisions/lost-workers.md explains why this is a sensor and not the health check of Dagster's run monitoring.
"""

import json
from datetime import UTC, datetime, timedelta

import dagster as dg

from shifts_pipeline.jobs.asset_jobs import (
    backtest_shifts,
    load_stops,
    load_trip_files,
    load_zones,
    refresh_shifts,
    refresh_weeks,
)
from shifts_pipeline.jobs.deletion import delete_files
from shifts_pipeline.jobs.retention import retention_job
from shifts_pipeline.resources.trips_database import TripsDatabase
from shifts_pipeline.sensors.worker_processes import WorkerProcesses
from shifts_pipeline.storage import locks

LOCKED_JOBS = {
    job.name
    for job in (
        load_trip_files,
        refresh_weeks,
        refresh_shifts,
        load_stops,
        load_zones,
        backtest_shifts,
        delete_files,
        retention_job,
    )
} | {"__ASSET_JOB"}
"""Whose runs hold the lock `worker_lock`. `__ASSET_JOB` is the job of assets that are materialized by hand in the
Dagster UI."""
LAUNCH_TIMEOUT = timedelta(seconds=40)
"""How long a run may have no process: Dagster sets its status before the code server starts the process."""


@dg.sensor(
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Fails runs whose worker process is gone; the other sensors request their work again.",
)
def lost_workers(context: dg.SensorEvaluationContext, trips_database: TripsDatabase) -> dg.SensorResult:
    """Fails a run that had neither its lock nor a live process in two ticks in a row.

    A worker that holds its lock is alive. A worker without it may still be starting, or have lost its connection:
    then the code server that started it decides. Run launchers that check the health of their workers, such as
    the one for Kubernetes, are left to Dagster's run monitoring.
    """
    if context.instance.run_launcher.supports_check_run_worker_health:
        return dg.SensorResult(skip_reason="The run launcher checks the health of its workers itself")
    in_progress = [
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
        if record.dagster_run.job_name in LOCKED_JOBS
    ]
    processes = WorkerProcesses(context.instance)
    suspects = set(json.loads(context.cursor or "[]"))
    with trips_database.connect(autocommit=True) as connection:
        gone = {
            record.dagster_run.run_id
            for record in in_progress
            if not locks.is_run_locked(connection, record.dagster_run.run_id) and _is_gone(record, processes)
        }
    lost = gone & suspects
    for record in in_progress:
        if record.dagster_run.run_id in lost:
            context.instance.report_run_failed(
                record.dagster_run, "The run's worker process is gone; its work will be retried."
            )
    return dg.SensorResult(
        cursor=json.dumps(sorted(gone - lost)),
        skip_reason=f"{len(in_progress)} runs in progress, {len(lost)} lost",
    )


def _is_gone(record: dg.RunRecord, processes: WorkerProcesses) -> bool:
    """Whether a run without its lock has no process."""
    run = record.dagster_run
    has_code_server = processes.has_code_server(run)
    if has_code_server and processes.may_be_alive(run):
        return False
    if has_code_server and run.status != dg.DagsterRunStatus.STARTING:
        return True
    # The process is not requested yet, or no code server started it. A worker that starts after its run has failed
    # ends at once.
    return datetime.now(UTC) - record.update_timestamp > LAUNCH_TIMEOUT
