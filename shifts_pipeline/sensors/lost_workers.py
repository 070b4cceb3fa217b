"""The sensor over runs at work: fails those whose worker process is gone."""

import json
from datetime import UTC, datetime, timedelta

import dagster as dg

from shifts_pipeline.jobs.names import HAND_STARTED, LOAD_TRIP_FILES, REFRESH_WEEKS
from shifts_pipeline.resources import TripsDatabase, lock_name
from shifts_pipeline.storage import ledger
from shifts_pipeline.worker_processes import WorkerProcesses

_WATCHED = {LOAD_TRIP_FILES, REFRESH_WEEKS, HAND_STARTED}
LAUNCH_TIMEOUT = timedelta(seconds=40)
"""How long a run may be without a process that anybody knows: it is requested before the code server starts it."""


@dg.sensor(
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Fails runs whose worker process is gone, so that their work is retried.",
)
def lost_workers(context: dg.SensorEvaluationContext, trips_database: TripsDatabase) -> dg.SensorResult:
    """Fails a run that had neither its lock nor a living process at two looks.

    A worker that holds its lock lives. One that does not may still be starting, or have lost its connection: then the
    code server that started it knows. Launchers that check their workers' health, as in Kubernetes, are left to
    Dagster's run monitoring.
    """
    if context.instance.run_launcher.supports_check_run_worker_health:
        return dg.SensorResult(skip_reason="The run launcher checks its workers itself")
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
        if record.dagster_run.job_name in _WATCHED
    ]
    processes = WorkerProcesses(context.instance)
    suspects = set(json.loads(context.cursor or "[]"))
    gone = set()
    with trips_database.connect(autocommit=True) as connection:
        for record in at_work:
            run = record.dagster_run
            if not ledger.is_locked(connection, lock_name(run.run_id)) and _is_gone(record, processes):
                gone.add(run.run_id)
    lost = gone & suspects
    for record in at_work:
        if record.dagster_run.run_id in lost:
            context.instance.report_run_failed(
                record.dagster_run, "The run's worker process is gone; its work is retried."
            )
    return dg.SensorResult(
        cursor=json.dumps(sorted(gone - lost)),
        skip_reason=f"{len(at_work)} runs at work, {len(lost)} lost",
    )


def _is_gone(record: dg.RunRecord, processes: WorkerProcesses) -> bool:
    """Whether a run without its lock has no process."""
    run = record.dagster_run
    has_code_server = processes.has_code_server(run)
    if has_code_server and processes.may_live(run):
        return False
    if has_code_server and run.status != dg.DagsterRunStatus.STARTING:
        return True
    # Its process was not requested yet, or no code server started it. A worker that starts after its run has failed
    # does nothing.
    return datetime.now(UTC) - record.update_timestamp > LAUNCH_TIMEOUT
