"""The sensor `stale_weeks`: requests runs that refresh the (region, week) pairs that loads have changed."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import psycopg

from shifts_core.calendar import WEEKS_AHEAD, DateRange
from shifts_pipeline.asset_keys import TRIP_CLUSTERS, WEEKLY_AGGREGATES
from shifts_pipeline.jobs.asset_jobs import refresh_weeks
from shifts_pipeline.jobs.run_tags import (
    FAILED_PAIRS,
    MAX_RETRIES,
    ONLY_STALE,
    PRIORITY,
    RANGE_END,
    RANGE_START,
    UNFINISHED,
)
from shifts_pipeline.partitions import REGIONS, pair_of, to_key
from shifts_pipeline.resources.load_limits import LoadLimits
from shifts_pipeline.resources.trips_database import TripsDatabase
from shifts_pipeline.sensors.new_partitions import with_new_partitions
from shifts_pipeline.sensors.refresh_plan import (
    BOTH,
    MAX_PAIRS_PER_TICK,
    BlockedPairs,
    DuePair,
    FinishedRun,
    Rectangle,
    Refresh,
    plan,
)
from shifts_pipeline.sensors.waiting import wait_for_work
from shifts_pipeline.storage import ledger, stale_pairs
from shifts_pipeline.storage.region_week import DerivedTable
from shifts_pipeline.storage.stale_pairs import StalePair

MAX_DELAY_BY_LOADS = timedelta(minutes=2)
"""How long a pair waits while files are being loaded: the next file will very likely change it again."""
MAX_REGION_KEY_BYTES = 2000
"""Dagster indexes partition keys and tags, and an index entry has a maximal size."""
ASSETS: dict[DerivedTable, dg.AssetKey] = {
    "aggregates": WEEKLY_AGGREGATES,
    "clusters": TRIP_CLUSTERS,
}
_FINISHED_RUNS_READ = 50


@dg.sensor(
    job=refresh_weeks,
    minimum_interval_seconds=2,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Requests runs that refresh aggregates and clusters of the weeks that loads have changed.",
)
def stale_weeks(
    context: dg.SensorEvaluationContext, trips_database: TripsDatabase, load_limits: LoadLimits
) -> dg.SensorResult:
    """Requests runs for a limited number of due pairs that no run is refreshing, oldest first."""
    weeks = DateRange.starting(date.fromisoformat(load_limits.first_week), datetime.now(UTC).date())
    with trips_database.connect(autocommit=True) as connection:
        is_due = wait_for_work(connection, "shifts_weeks", lambda: _is_any_due(connection, weeks) or None)
        if not is_due:
            return dg.SensorResult(skip_reason=_skip_reason(connection, weeks))
        requests = _requests(connection, context.instance, weeks)
        return dg.SensorResult(
            run_requests=requests, skip_reason=None if requests else _skip_reason(connection, weeks)
        )


def _is_any_due(connection: psycopg.Connection, weeks: DateRange) -> bool:
    age = _min_age(connection)
    return any(stale_pairs.due_pairs(connection, table, weeks, min_age=age, limit=1) for table in ASSETS)


def _min_age(connection: psycopg.Connection) -> timedelta:
    return MAX_DELAY_BY_LOADS if ledger.is_any_unfinished(connection) else timedelta(0)


def _skip_reason(connection: psycopg.Connection, weeks: DateRange) -> str:
    reason = "every pair is fresh, waits for loads to end, pauses after a failure, or is being refreshed"
    if outside := stale_pairs.outside(connection, weeks):
        reason += (
            f"; {outside:,} stale pairs are skipped because their weeks have no partition: they are before"
            f" SHIFTS_FIRST_WEEK ({weeks.first}) or more than {WEEKS_AHEAD} weeks ahead"
        )
    return reason


def _requests(
    connection: psycopg.Connection, instance: dg.DagsterInstance, weeks: DateRange
) -> list[dg.RunRequest]:
    regions = instance.get_dynamic_partitions(str(REGIONS.name))
    position = {key: place for place, key in enumerate(regions)}
    unfinished, finished = _unfinished(instance, position), _finished(connection, instance, position)
    now = datetime.now(UTC)
    blocked = {table: BlockedPairs(table, unfinished, finished, now) for table in ASSETS}
    age = _min_age(connection)
    stale: dict[DerivedTable, list[StalePair]] = {
        table: _with_a_key(
            connection,
            table,
            stale_pairs.due_pairs(
                connection, table, weeks, min_age=age, limit=MAX_PAIRS_PER_TICK + blocked[table].count
            ),
        )
        for table in ASSETS
    }
    regions = with_new_partitions(
        instance, REGIONS, regions, (to_key(pair.region) for pairs in stale.values() for pair in pairs)
    )
    position = {key: place for place, key in enumerate(regions)}
    due: dict[DerivedTable, list[DuePair]] = {}
    for table, pairs in stale.items():
        placed = (DuePair(position[to_key(pair.region)], pair.week, pair.stale_since) for pair in pairs)
        due[table] = [pair for pair in placed if pair not in blocked[table]][:MAX_PAIRS_PER_TICK]
    waiting = stale_pairs.waiting_trips(connection)
    return [_request(refresh, regions) for refresh in plan(due, unfinished, now, waiting_trips=waiting)]


def _with_a_key(
    connection: psycopg.Connection, table: DerivedTable, pairs: Sequence[StalePair]
) -> list[StalePair]:
    """The pairs whose region can be a partition key; the others are recorded as failed and pause."""
    good: list[StalePair] = []
    for pair in pairs:
        if len(to_key(pair.region).encode()) <= MAX_REGION_KEY_BYTES:
            good.append(pair)
            continue
        stale_pairs.begin(connection, table, pair.region, pair.week, "")
        reason = f"the region's name is too long: {MAX_REGION_KEY_BYTES} bytes as a partition key at most"
        stale_pairs.fail(connection, table, pair.region, pair.week, reason)
    return good


def _request(refresh: Refresh, regions: Sequence[str]) -> dg.RunRequest:
    area = refresh.area
    return dg.RunRequest(
        run_key=uuid.uuid4().hex,
        asset_selection=[ASSETS[table] for table in sorted(refresh.tables)],
        tags={
            RANGE_START: f"{regions[area.first_region]}|{area.first_week}",
            RANGE_END: f"{regions[area.last_region]}|{area.last_week}",
            ONLY_STALE: "true",
            PRIORITY: "1" if "aggregates" in refresh.tables else "0",
            # This sensor requests again what stays stale; Dagster's own retry would do the work twice.
            MAX_RETRIES: "0",
        },
    )


def _unfinished(instance: dg.DagsterInstance, position: Mapping[str, int]) -> list[Refresh]:
    """What the unfinished runs of this sensor refresh."""
    runs = instance.get_runs(
        filters=dg.RunsFilter(job_name=refresh_weeks.name, statuses=UNFINISHED, tags={ONLY_STALE: "true"})
    )
    return [refresh for run in runs if (refresh := _refresh(run, position)) is not None]


def _finished(
    connection: psycopg.Connection, instance: dg.DagsterInstance, position: Mapping[str, int]
) -> list[FinishedRun]:
    """The last runs of this sensor that have ended, the latest first."""
    ended = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
    records = instance.get_run_records(
        filters=dg.RunsFilter(job_name=refresh_weeks.name, statuses=ended, tags={ONLY_STALE: "true"}),
        limit=_FINISHED_RUNS_READ,
    )
    failed = {
        record.dagster_run.run_id
        for record in records
        if record.dagster_run.status == dg.DagsterRunStatus.FAILURE
        and FAILED_PAIRS not in record.dagster_run.tags
    }
    # The worker of such a run died while it refreshed a pair: that pair pauses, and not its neighbours.
    failed -= stale_pairs.runs_with_failures(connection, failed)
    return [
        FinishedRun(refresh, record.update_timestamp, record.dagster_run.run_id in failed)
        for record in records
        if (refresh := _refresh(record.dagster_run, position)) is not None
    ]


def _refresh(run: dg.DagsterRun, position: Mapping[str, int]) -> Refresh | None:
    """What a run was requested to refresh; None if the partitions of its regions were deleted."""
    if RANGE_START not in run.tags or RANGE_END not in run.tags:
        return None
    first_region, first_week = pair_of(run.tags[RANGE_START])
    last_region, last_week = pair_of(run.tags[RANGE_END])
    if not {to_key(first_region), to_key(last_region)} <= position.keys():
        return None
    area = Rectangle(position[to_key(first_region)], position[to_key(last_region)], first_week, last_week)
    selected = run.asset_selection
    tables = frozenset(table for table, key in ASSETS.items() if selected is None or key in selected)
    return Refresh(area, tables or BOTH)
