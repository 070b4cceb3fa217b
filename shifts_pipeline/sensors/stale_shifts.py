"""The sensor `stale_shifts`: requests runs that make the shifts of regions whose trips have changed."""

import uuid
from collections.abc import Sequence
from datetime import date, timedelta

import dagster as dg
import psycopg

from shifts_pipeline.jobs.asset_jobs import WEEKLY_POOL, refresh_shifts
from shifts_pipeline.jobs.run_tags import MAX_RETRIES, ONLY_STALE, RANGE_END, RANGE_START, weeks_tag
from shifts_pipeline.resources.shift_making import ShiftMaking
from shifts_pipeline.resources.trips_database import TripsDatabase
from shifts_pipeline.sensors import week_runs
from shifts_pipeline.sensors.pool_limits import workers_of
from shifts_pipeline.sensors.refresh_plan import delay_by_loads
from shifts_pipeline.sensors.week_partitions import existing_weeks
from shifts_pipeline.storage import ledger
from shifts_pipeline.storage.shifts import regions
from shifts_pipeline.storage.shifts.regions import DuePair

_MAX_FILES_COUNTED = 1_000
_SHARED_PAIRS, _SHARED_TRIPS = 400, 100_000
"""With more due pairs, or trips in these, several workers share the regions."""


@dg.sensor(
    job=refresh_shifts,
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Requests runs that make the shifts of regions in which trips were loaded or deleted, when their"
    " clusters are fresh. Makes all shifts stale when their parameters change.",
)
def stale_shifts(
    context: dg.SensorEvaluationContext, trips_database: TripsDatabase, shift_making: ShiftMaking
) -> dg.SensorResult:
    """Requests a run over the weeks that are due, and more runs if there is enough to do for several workers."""
    instance = context.instance
    with trips_database.connect(autocommit=True) as connection:
        regions.set_options(connection, shift_making.options())
        due = _due(connection)
        order = existing_weeks(instance)
        weeks = _range(order, due)
        count = _runs(connection, instance, due) if weeks else 0
    return dg.SensorResult(
        run_requests=[_request(weeks) for _ in range(count)],
        skip_reason=None
        if count
        else "shifts are fresh, wait for loads or clusters, pause after a failure, or are being made",
    )


def _due(connection: psycopg.Connection) -> list[DuePair]:
    age = timedelta(0)
    if ledger.is_any_unfinished(connection):
        arriving = ledger.unfinished(connection, _MAX_FILES_COUNTED)
        age = delay_by_loads(sum(record.size_bytes or 0 for record in arriving))
    return regions.due_pairs(connection, age)


def _range(order: Sequence[date], due: Sequence[DuePair]) -> list[date]:
    """The partitions from the first to the last week that is due, in Dagster's order."""
    places = {week: place for place, week in enumerate(order)}
    found = [places[week] for week in {pair.week for pair in due} if week in places]
    return list(order[min(found) : max(found) + 1]) if found else []


def _runs(connection: psycopg.Connection, instance: dg.DagsterInstance, due: Sequence[DuePair]) -> int:
    """How many runs to request now; a run takes the regions that no other run is refreshing."""
    unfinished = week_runs.unfinished_shift_runs(instance)
    region_ids = {pair.region_id for pair in due}
    trips = sum(regions.region_sizes(connection, sorted(region_ids)[: 2 * _SHARED_PAIRS]).values())
    is_shared = len(region_ids) > 1 and (len(due) > _SHARED_PAIRS or trips > _SHARED_TRIPS)
    wanted = min(workers_of(instance, WEEKLY_POOL), len(region_ids)) if is_shared else 1
    return max(0, wanted - unfinished)


def _request(weeks: Sequence[date]) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=uuid.uuid4().hex,
        tags={
            RANGE_START: weeks[0].isoformat(),
            RANGE_END: weeks[-1].isoformat(),
            ONLY_STALE: "true",
            **weeks_tag(min(weeks), max(weeks)),
            # This sensor requests again what stays stale; Dagster's own retry would do the work twice.
            MAX_RETRIES: "0",
        },
    )
