"""The sensor `stale_weeks`: requests runs that refresh the weeks in which loads have changed (region, week) pairs."""

import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import psycopg

from shifts_pipeline.jobs.asset_jobs import WEEKLY_POOL, refresh_weeks
from shifts_pipeline.jobs.run_tags import MAX_RETRIES, ONLY_STALE, RANGE_END, RANGE_START, weeks_tag
from shifts_pipeline.resources.cells import CellParameters
from shifts_pipeline.resources.trips_database import TripsDatabase
from shifts_pipeline.sensors import week_runs
from shifts_pipeline.sensors.pool_limits import workers_of
from shifts_pipeline.sensors.refresh_plan import (
    MAX_PAIRS_PER_RUN,
    MAX_UNFINISHED_RUNS,
    DueWeek,
    Refresh,
    delay_by_loads,
    paused_weeks,
    plan,
)
from shifts_pipeline.sensors.waiting import wait_for_work
from shifts_pipeline.sensors.week_partitions import existing_weeks, match_partitions, report_fresh
from shifts_pipeline.storage import ledger, stale_pairs

_MAX_FILES_COUNTED = 1_000
_MAX_PAIRS_COUNTED = MAX_UNFINISHED_RUNS * MAX_PAIRS_PER_RUN


@dg.sensor(
    job=refresh_weeks,
    minimum_interval_seconds=2,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Requests runs that refresh the weekly assets of weeks in which trips were loaded or deleted."
    " Adds and deletes the partitions of weeks as their trips come and go.",
)
def stale_weeks(
    context: dg.SensorEvaluationContext, trips_database: TripsDatabase, cells: CellParameters
) -> dg.SensorResult:
    """Keeps the partitions of weeks, and requests runs for a limited number of due weeks, oldest first."""
    instance = context.instance
    since = datetime.fromisoformat(context.cursor) if context.cursor else datetime.now(UTC)
    with trips_database.connect(autocommit=True) as connection:
        stale_pairs.adopt_min_count(connection, cells.min_count)
        order = _match_partitions(connection, instance)
        lost, last = week_runs.weeks_of_lost_runs(instance, order, since)
        report_fresh(connection, instance, sorted(lost))
        due = wait_for_work(connection, "shifts_weeks", lambda: _due(connection, instance, order) or None)
        requests = _requests(connection, instance, due) if due else []
    return dg.SensorResult(
        run_requests=requests,
        skip_reason=None
        if requests
        else "every pair is fresh, waits for loads to end, pauses after a failure, or is being refreshed",
        cursor=last.isoformat(),
    )


def _match_partitions(connection: psycopg.Connection, instance: dg.DagsterInstance) -> list[date]:
    stale = stale_pairs.weeks_with_stale_pairs(connection)
    in_runs = week_runs.weeks_in_runs(instance, existing_weeks(instance))
    return match_partitions(connection, instance, stale, in_runs)


def _due(
    connection: psycopg.Connection, instance: dg.DagsterInstance, order: Sequence[date]
) -> list[DueWeek]:
    """The weeks with the oldest due pairs that do not pause, as many as the runs of a tick may refresh."""
    age = timedelta(0)
    if ledger.is_any_unfinished(connection):
        arriving = ledger.unfinished(connection, _MAX_FILES_COUNTED)
        age = delay_by_loads(sum(record.size_bytes or 0 for record in arriving))
    latest = datetime.now(UTC) - age
    due: list[DueWeek] = []
    counted = 0
    stale = stale_pairs.weeks_with_stale_pairs(connection)
    if not stale:
        return []
    paused = paused_weeks(week_runs.finished_requests(connection, instance, order), datetime.now(UTC))
    for week, since in sorted(stale.items(), key=lambda item: item[1]):
        if since > latest or counted > _MAX_PAIRS_COUNTED:
            break
        if week not in paused and (pairs := stale_pairs.due_pairs(connection, week, age)):
            due.append(DueWeek(week, len(pairs), sum(pair.trips for pair in pairs), since))
            counted += len(pairs)
    return due


def _requests(
    connection: psycopg.Connection, instance: dg.DagsterInstance, due: Sequence[DueWeek]
) -> list[dg.RunRequest]:
    order = _match_partitions(connection, instance)
    unfinished = week_runs.unfinished_requests(instance, order)
    refreshes = plan(due, order, unfinished, workers=workers_of(instance, WEEKLY_POOL))
    return [_request(refresh) for refresh in refreshes]


def _request(refresh: Refresh) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=uuid.uuid4().hex,
        tags={
            RANGE_START: refresh.weeks[0].isoformat(),
            RANGE_END: refresh.weeks[-1].isoformat(),
            ONLY_STALE: "true",
            **weeks_tag(min(refresh.weeks), max(refresh.weeks)),
            # This sensor requests again what stays stale; Dagster's own retry would do the work twice.
            MAX_RETRIES: "0",
        },
    )
