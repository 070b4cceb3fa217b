"""The sensor `queued_files`: requests a run for each open file of the ledger, and another if its worker died."""

import uuid
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from itertools import islice

import dagster as dg
import psycopg

from shifts_pipeline.jobs.asset_jobs import LOADING_POOL, load_trip_files
from shifts_pipeline.jobs.run_tags import (
    MAX_RETRIES,
    RANGE_END,
    RANGE_START,
    RUN_REQUEST_ID,
    UNFINISHED,
    files_tag,
    task_id_tags,
)
from shifts_pipeline.partitions import to_key
from shifts_pipeline.resources.feed import Feed
from shifts_pipeline.resources.trips_database import TripsDatabase
from shifts_pipeline.sensors import file_partitions
from shifts_pipeline.sensors.load_plan import MAX_FILES_PER_RUN, LoadPlan, group_into_runs, plan
from shifts_pipeline.sensors.pool_limits import workers_of
from shifts_pipeline.sensors.waiting import wait_for_work
from shifts_pipeline.storage import ledger, locks, transitions
from shifts_pipeline.storage.file_events import publish_file_event
from shifts_pipeline.storage.ledger import FileRecord

MAX_FILES_PER_TICK = 2000
"""Files without a request, and as many with one: Dagster ends a tick after 60 seconds."""
MAX_NAMES_REQUESTED_PER_TICK = MAX_FILES_PER_RUN
"""Dagster records each file of a run before the tick ends, which takes about a second for so many."""
MAX_RUNS_PER_TICK = 10
MAX_UNFINISHED_RUNS = 20
"""Queued or in progress: further runs would only wait."""
MAX_EVENTS_PER_TICK = 500


@dg.sensor(
    job=load_trip_files,
    minimum_interval_seconds=1,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Requests runs that load the files waiting in the ledger, dropped or posted, and requests another run"
    " if a worker died.",
)
def queued_files(
    context: dg.SensorEvaluationContext, trips_database: TripsDatabase, feed: Feed
) -> dg.SensorResult:
    """Requests runs for open files, and fails files whose workers died again and again."""
    with trips_database.connect(autocommit=True) as connection:
        _publish_lost_events(connection, feed)
        file_partitions.retire_excess(context.instance, connection)
        decided = wait_for_work(connection, "shifts_files", lambda: _plan(connection, context.instance))
        if decided is None:
            return dg.SensorResult(skip_reason="no file is waiting for a run")
        for record, reason in decided.fail:
            transitions.fail(connection, [record.file_id], reason)
        requests = []
        if free_runs := _free_runs(context.instance):
            wanted = list(dict.fromkeys(to_key(record.name) for record in decided.request))
            position = file_partitions.add(
                context.instance, connection, wanted[:MAX_NAMES_REQUESTED_PER_TICK]
            )
            workers = workers_of(context.instance, LOADING_POOL)
            groups = group_into_runs(decided.request, position, workers=workers)
            for group in islice(groups, free_runs):
                requests.append(request := _run_request(group))
                transitions.request_run(
                    connection, [record.file_id for record in group], str(request.run_key)
                )
    return dg.SensorResult(run_requests=requests)


def _free_runs(instance: dg.DagsterInstance) -> int:
    unfinished = instance.get_runs_count(dg.RunsFilter(job_name=load_trip_files.name, statuses=UNFINISHED))
    return max(0, min(MAX_RUNS_PER_TICK, MAX_UNFINISHED_RUNS - unfinished))


def _plan(connection: psycopg.Connection, instance: dg.DagsterInstance) -> LoadPlan | None:
    open_files = ledger.unfinished(connection, MAX_FILES_PER_TICK)
    loading = {record.name for record in open_files if record.status == "loading"}
    decided = plan(
        open_files,
        locked=locks.locked_files(connection, list(loading)),
        runs=_runs(instance, {record.run_request_id for record in open_files if record.run_request_id}),
        now=datetime.now(UTC),
    )
    return decided if decided.request or decided.fail else None


def _publish_lost_events(connection: psycopg.Connection, feed: Feed) -> None:
    """Publishes the ends of files whose worker died between its commit and its event, or that this sensor failed."""
    if records := ledger.unpublished(connection, MAX_EVENTS_PER_TICK):
        with feed.outbox() as outbox:
            for record in records:
                publish_file_event(outbox, connection, record, record.run_id or "")


def _run_request(group: Sequence[FileRecord]) -> dg.RunRequest:
    run_request_id = f"{group[0].file_id}-{uuid.uuid4().hex[:12]}"
    return dg.RunRequest(
        run_key=run_request_id,
        tags={
            RUN_REQUEST_ID: run_request_id,
            **files_tag(list(dict.fromkeys(record.name for record in group))),
            **task_id_tags([record.task_id for record in group]),
            RANGE_START: to_key(group[0].name),
            RANGE_END: to_key(group[-1].name),
            # This sensor retries the files of a failed run; Dagster's own retry would load them twice at a time.
            MAX_RETRIES: "0",
        },
    )


def _runs(instance: dg.DagsterInstance, run_request_ids: Collection[str]) -> dict[str, bool]:
    """Run request id → whether the run has ended, for the requests that became runs."""
    if not run_request_ids:
        return {}
    found = instance.get_runs(filters=dg.RunsFilter(tags={RUN_REQUEST_ID: list(run_request_ids)}))
    return {run.tags[RUN_REQUEST_ID]: run.is_finished for run in found}
