"""Dagster's runs over weeks: which weeks unfinished runs cover, and which runs have ended how."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

import dagster as dg
import psycopg

from shifts_pipeline.asset_keys import SHIFTS, TRIP_CLUSTERS, WEEKLY_AGGREGATES
from shifts_pipeline.jobs.asset_jobs import refresh_shifts, refresh_weeks
from shifts_pipeline.jobs.run_tags import (
    FAILED_PAIRS,
    ONLY_STALE,
    PARTITION,
    RANGE_END,
    RANGE_START,
    UNFINISHED,
)
from shifts_pipeline.partitions import week_of
from shifts_pipeline.sensors.refresh_plan import FinishedRun, Refresh
from shifts_pipeline.storage import stale_pairs

_ENDED_READ = 50
_LATE_COMMIT = timedelta(minutes=1)
"""A run's end may be committed this much later than it says."""
_WEEKLY_ASSETS = {WEEKLY_AGGREGATES, TRIP_CLUSTERS, SHIFTS}
_WEEKLY_JOBS = {refresh_weeks.name, refresh_shifts.name}


def unfinished_requests(instance: dg.DagsterInstance, order: Sequence[date]) -> list[Refresh]:
    """What the unfinished runs of the sensor refresh."""
    runs = instance.get_runs(filters=_of_sensor(UNFINISHED))
    return [refresh for run in runs if (refresh := _refresh(run, order))]


def unfinished_shift_runs(instance: dg.DagsterInstance) -> int:
    """How many runs of the sensor of shifts are unfinished."""
    return instance.get_runs_count(
        dg.RunsFilter(job_name=refresh_shifts.name, statuses=UNFINISHED, tags={ONLY_STALE: "true"})
    )


def weeks_in_runs(instance: dg.DagsterInstance, order: Sequence[date]) -> set[date]:
    """Weeks of all unfinished runs over weekly assets, also of those that were started by hand."""
    runs = instance.get_runs(filters=dg.RunsFilter(statuses=UNFINISHED))
    return {
        week
        for run in runs
        if _is_weekly(run) and (refresh := _refresh(run, order))
        for week in refresh.weeks
    }


def finished_requests(
    connection: psycopg.Connection, instance: dg.DagsterInstance, order: Sequence[date]
) -> list[FinishedRun]:
    """The last runs of the sensor that have ended, the latest first."""
    ended = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
    records = instance.get_run_records(filters=_of_sensor(ended), limit=_ENDED_READ)
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
        if (refresh := _refresh(record.dagster_run, order))
    ]


def weeks_of_lost_runs(
    instance: dg.DagsterInstance, order: Sequence[date], since: datetime
) -> tuple[set[date], datetime]:
    """Weeks of runs that ended without reporting what they did, and when the last of these ended.

    A worker that dies between its commit and its event leaves a fresh week that Dagster shows as failed.
    """
    records = instance.get_run_records(
        filters=dg.RunsFilter(
            statuses=[dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED],
            updated_after=since - _LATE_COMMIT,
        )
    )
    lost = [
        record
        for record in records
        if _is_weekly(record.dagster_run) and FAILED_PAIRS not in record.dagster_run.tags
    ]
    weeks = {
        week for record in lost if (refresh := _refresh(record.dagster_run, order)) for week in refresh.weeks
    }
    return weeks, max((record.update_timestamp for record in records), default=since)


def _of_sensor(statuses: Sequence[dg.DagsterRunStatus]) -> dg.RunsFilter:
    return dg.RunsFilter(job_name=refresh_weeks.name, statuses=statuses, tags={ONLY_STALE: "true"})


def _is_weekly(run: dg.DagsterRun) -> bool:
    if run.job_name in _WEEKLY_JOBS:
        return True
    return bool(run.asset_selection and not _WEEKLY_ASSETS.isdisjoint(run.asset_selection))


def _refresh(run: dg.DagsterRun, order: Sequence[date]) -> Refresh | None:
    """The weeks of a run; None if their partitions do not exist any more."""
    try:
        first, last = (week_of(key) for key in _ends(run.tags))
        return Refresh(tuple(order[order.index(first) : order.index(last) + 1]))
    except ValueError:
        return None


def _ends(tags: Mapping[str, str]) -> tuple[str, str]:
    one = tags.get(PARTITION, "")
    return tags.get(RANGE_START, one), tags.get(RANGE_END, one)
