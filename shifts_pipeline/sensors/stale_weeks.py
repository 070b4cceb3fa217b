"""The sensor over stale (region, week) pairs: what loads have changed is grouped and aggregated anew."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import dagster as dg
import psycopg
from psycopg.rows import class_row

from shifts_pipeline import ledger
from shifts_pipeline.jobs import REFRESH_WEEKS
from shifts_pipeline.partitions import REGIONS, pair_of, to_key
from shifts_pipeline.resources import TripsDatabase
from shifts_pipeline.sensors.refresh_plan import FinishedRun, Rectangle, StalePair, due, is_paused, rectangles
from shifts_pipeline.sensors.waiting import wait_for_work
from shifts_pipeline.tags import MAX_RETRIES, ONLY_STALE, RANGE_END, RANGE_START

UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
_RUNS_REMEMBERED = 50


@dg.sensor(
    job_name=REFRESH_WEEKS,
    minimum_interval_seconds=2,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Refreshes groups and aggregates of the weeks that loads have changed.",
)
def stale_weeks(context: dg.SensorEvaluationContext, trips_database: TripsDatabase) -> dg.SensorResult:
    """Requests one run for each rectangle of stale pairs that no run is at."""
    with trips_database.connect(autocommit=True) as connection:
        wanted = wait_for_work(connection, "shifts_weeks", lambda: _due(connection))
    if wanted is None:
        return dg.SensorResult(skip_reason="every pair is fresh, or waits for loads to end")
    known = context.instance.get_dynamic_partitions(str(REGIONS.name))
    new = sorted({key for pair in wanted if (key := to_key(pair.region)) not in set(known)})
    regions = [*known, *new]
    position = {key: place for place, key in enumerate(regions)}
    running, finished = _running(context.instance, position), _finished(context.instance, position)
    places = [(position[to_key(pair.region)], pair.week) for pair in wanted]
    open_pairs = {
        (region, week)
        for region, week in places
        if not any(area.covers(region, week) for area in running)
        and not is_paused(region, week, finished, datetime.now(UTC))
    }
    return dg.SensorResult(
        run_requests=[_request(area, regions) for area in rectangles(open_pairs)],
        dynamic_partitions_requests=[REGIONS.build_add_request(new)] if new else None,
    )


def _due(connection: psycopg.Connection) -> list[StalePair] | None:
    with connection.cursor(row_factory=class_row(StalePair)) as cursor:
        pairs = cursor.execute(
            "SELECT region, week, stale_since FROM shifts_store.stale_weeks ORDER BY region, week"
        ).fetchall()
    return due(pairs, loading=bool(ledger.unfinished(connection)), now=datetime.now(UTC)) or None


def _request(area: Rectangle, regions: Sequence[str]) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=uuid.uuid4().hex,
        tags={
            RANGE_START: f"{regions[area.first_region]}|{area.first_week}",
            RANGE_END: f"{regions[area.last_region]}|{area.last_week}",
            ONLY_STALE: "true",
            # What stays stale is requested again; a retry beside that would do the work twice.
            MAX_RETRIES: "0",
        },
    )


def _running(instance: dg.DagsterInstance, position: Mapping[str, int]) -> list[Rectangle]:
    """The areas that unfinished runs are at."""
    runs = instance.get_runs(filters=dg.RunsFilter(job_name=REFRESH_WEEKS, statuses=UNFINISHED))
    return [area for run in runs if (area := _area(run, position)) is not None]


def _finished(instance: dg.DagsterInstance, position: Mapping[str, int]) -> list[FinishedRun]:
    """The last runs that are over, the latest first."""
    over = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
    records = instance.get_run_records(
        filters=dg.RunsFilter(job_name=REFRESH_WEEKS, statuses=over), limit=_RUNS_REMEMBERED
    )
    return [
        FinishedRun(area, record.update_timestamp, record.dagster_run.status == dg.DagsterRunStatus.FAILURE)
        for record in records
        if (area := _area(record.dagster_run, position)) is not None
    ]


def _area(run: dg.DagsterRun, position: Mapping[str, int]) -> Rectangle | None:
    """What a run was asked to refresh; None if a person asked, or for regions that are no more."""
    if RANGE_START not in run.tags or RANGE_END not in run.tags:
        return None
    first_region, first_week = pair_of(run.tags[RANGE_START])
    last_region, last_week = pair_of(run.tags[RANGE_END])
    if not {to_key(first_region), to_key(last_region)} <= position.keys():
        return None
    return Rectangle(position[to_key(first_region)], position[to_key(last_region)], first_week, last_week)
