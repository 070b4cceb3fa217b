"""Keeps the partitions of weeks equal to the weeks that have trips."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import date

import dagster as dg
import psycopg

from shifts_pipeline.asset_keys import ASSET_OF, SHIFTS
from shifts_pipeline.partitions import WEEKS, week_of
from shifts_pipeline.storage import stale_pairs
from shifts_pipeline.storage.shifts.summary import shift_totals

_ADDED_AT_ONCE = 50
"""A tick that is stopped for its length has added some of many fresh weeks, and the next tick continues."""


def existing_weeks(instance: dg.DagsterInstance) -> list[date]:
    """The weeks in the order of their partitions, without keys of another form that somebody added by hand."""
    weeks: list[date] = []
    for key in instance.get_dynamic_partitions(str(WEEKS.name)):
        with suppress(ValueError):
            weeks.append(week_of(key))
    return weeks


def match_partitions(
    connection: psycopg.Connection,
    instance: dg.DagsterInstance,
    stale: Collection[date],
    in_runs: Collection[date],
) -> list[date]:
    """Adds partitions of weeks that have trips or stale pairs, and deletes all others.

    Args:
        connection: to the trips database, in autocommit mode.
        instance: whose partitions are changed.
        stale: weeks with stale pairs.
        in_runs: weeks of unfinished runs; they keep their partitions, because Dagster fails a run without them.

    Returns:
        All weeks in the order of their partitions.
    """
    name = str(WEEKS.name)
    known = existing_weeks(instance)
    wanted = {*stale_pairs.weeks_with_trips(connection), *stale}
    new = sorted(wanted.difference(known))
    for first in range(0, len(new), _ADDED_AT_ONCE):
        weeks = new[first : first + _ADDED_AT_ONCE]
        # First the events: a week whose partition exists counts as reported.
        report_fresh(connection, instance, [week for week in weeks if week not in stale])
        instance.add_dynamic_partitions(name, [week.isoformat() for week in weeks])
    kept = {*wanted, *in_runs}
    kept_keys = {week.isoformat() for week in kept}
    for key in instance.get_dynamic_partitions(name):
        if key not in kept_keys:
            instance.delete_dynamic_partition(name, key)
    return [week for week in known if week in kept] + new


def report_fresh(connection: psycopg.Connection, instance: dg.DagsterInstance, weeks: Sequence[date]) -> None:
    """Materializes weeks in their fresh tables where no run did: it died, or belonged to another instance."""
    if not weeks:
        return
    totals = {week: stale_pairs.week_totals(connection, week) for week in weeks}
    report_fresh_shifts(connection, instance, weeks)
    for table, asset_key in ASSET_OF.items():
        statuses = (
            instance.get_status_by_partition(asset_key, [week.isoformat() for week in weeks], WEEKS) or {}
        )
        for week, found in totals.items():
            is_known = statuses.get(week.isoformat()) == dg.AssetPartitionStatus.MATERIALIZED
            if found.trips and not found.stale(table) and not is_known:
                instance.report_runless_asset_event(
                    dg.AssetMaterialization(
                        asset_key,
                        partition=week.isoformat(),
                        description=f"{week:%G-W%V}: {found.trips:,} trips of {found.regions:,} regions, found fresh",
                    )
                )


def report_fresh_shifts(
    connection: psycopg.Connection, instance: dg.DagsterInstance, weeks: Sequence[date]
) -> None:
    """Materializes the shifts of weeks, likewise."""
    statuses = instance.get_status_by_partition(SHIFTS, [week.isoformat() for week in weeks], WEEKS) or {}
    for week in weeks:
        if statuses.get(week.isoformat()) == dg.AssetPartitionStatus.MATERIALIZED:
            continue
        found = shift_totals(connection, week)
        if found.regions and not found.stale_pairs:
            instance.report_runless_asset_event(
                dg.AssetMaterialization(
                    SHIFTS,
                    partition=week.isoformat(),
                    description=f"{week:%G-W%V}: {found.shifts:,} shifts of {found.regions:,} regions, found fresh",
                )
            )
