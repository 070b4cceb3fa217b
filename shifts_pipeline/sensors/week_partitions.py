"""Keeps the partitions of weeks equal to the weeks that have trips."""

from collections.abc import Collection
from datetime import date

import dagster as dg
import psycopg

from shifts_pipeline.asset_keys import TRIP_CLUSTERS, WEEKLY_AGGREGATES
from shifts_pipeline.partitions import WEEKS, week_of
from shifts_pipeline.storage import stale_pairs


def match_partitions(
    connection: psycopg.Connection,
    instance: dg.DagsterInstance,
    stale: Collection[date],
    in_runs: Collection[date],
) -> list[date]:
    """Adds partitions of weeks that have trips or stale pairs, and deletes those of other weeks.

    Args:
        connection: to the trips database, in autocommit mode.
        instance: whose partitions are changed.
        stale: weeks with stale pairs.
        in_runs: weeks of unfinished runs; they keep their partitions, because Dagster fails a run without them.

    Returns:
        All weeks in the order of their partitions.
    """
    name = str(WEEKS.name)
    known = [week_of(key) for key in instance.get_dynamic_partitions(name)]
    wanted = {*stale_pairs.weeks_with_trips(connection), *stale}
    if new := sorted(wanted.difference(known)):
        instance.add_dynamic_partitions(name, [week.isoformat() for week in new])
        for week in new:
            if week not in stale:
                report_fresh(connection, instance, week)
    gone = set(known) - wanted - set(in_runs)
    for week in gone:
        instance.delete_dynamic_partition(name, week.isoformat())
    return [week for week in known if week not in gone] + new


def report_fresh(connection: psycopg.Connection, instance: dg.DagsterInstance, week: date) -> None:
    """Materializes a week in its fresh tables where no run could: it died, or belonged to another instance."""
    totals = stale_pairs.week_totals(connection, week)
    for asset_key, stale in (
        (WEEKLY_AGGREGATES, totals.stale_aggregates),
        (TRIP_CLUSTERS, totals.stale_clusters),
    ):
        if totals.trips and not stale:
            instance.report_runless_asset_event(
                dg.AssetMaterialization(
                    asset_key,
                    partition=week.isoformat(),
                    description=f"{week:%G-W%V}: {totals.trips:,} trips of {totals.regions:,} regions, found fresh",
                )
            )
