"""The assets `weekly_aggregates` and `trip_clusters`: computed together, so that a pair's trips are read once."""

from collections.abc import Iterator
from functools import partial
from typing import Any, TypeAlias

import dagster as dg
import psycopg
from pydantic import Field

from shifts_core.schema import tables
from shifts_pipeline.asset_keys import ASSET_OF, RAW_TRIPS, TRIP_CLUSTERS, WEEKLY_AGGREGATES
from shifts_pipeline.assets import week_metadata
from shifts_pipeline.assets.event_log import pool_connections
from shifts_pipeline.assets.failures import failure_of
from shifts_pipeline.assets.metadata import optional_metadata
from shifts_pipeline.assets.table_schemas import table_metadata
from shifts_pipeline.checks.cluster_guarantees import cluster_guarantees_specs
from shifts_pipeline.checks.partition_checks import check_of_week, check_outputs
from shifts_pipeline.checks.weekly_totals import weekly_totals_spec
from shifts_pipeline.display_text import printable
from shifts_pipeline.jobs.asset_jobs import WEEKLY_POOL
from shifts_pipeline.jobs.run_tags import FAILED_PAIRS, ONLY_STALE
from shifts_pipeline.partitions import WEEKS, week_of
from shifts_pipeline.resources.cells import CellParameters
from shifts_pipeline.resources.clustering import ClusteringParameters
from shifts_pipeline.resources.trips_database import TripsDatabase
from shifts_pipeline.resources.worker_lock import WorkerLock
from shifts_pipeline.storage.refresh_week import RefreshedWeek, RefreshRequest, refresh_week
from shifts_pipeline.storage.region_week import DerivedTable
from shifts_pipeline.storage.stale_pairs import WeekTotals, week_totals

_FILES_OF_A_WEEK = dg.SpecificPartitionsPartitionMapping([])
"""Only the ledger knows them. If a week depended on all files, Dagster would call every week unsynced after any new
or failed file, and a backfill of one file would refresh every week."""

WeekEvent: TypeAlias = dg.AssetMaterialization | dg.AssetCheckEvaluation


class WeeklyConfig(dg.Config):
    """Options of a run that is started by hand."""

    regions: list[str] = Field([], description="Refresh these regions only; all regions if empty.")


@dg.multi_asset(
    name="weekly_assets",
    specs=[
        dg.AssetSpec(
            WEEKLY_AGGREGATES,
            deps=[dg.AssetDep(RAW_TRIPS, partition_mapping=_FILES_OF_A_WEEK)],
            skippable=True,
            group_name="trips",
            kinds={"postgres"},
            owners=["team:platform"],
            code_version="1",
            description=week_metadata.AGGREGATES_DESCRIPTION,
            metadata=table_metadata(tables.weekly_trip_tiles),
        ),
        dg.AssetSpec(
            TRIP_CLUSTERS,
            deps=[dg.AssetDep(RAW_TRIPS, partition_mapping=_FILES_OF_A_WEEK)],
            skippable=True,
            group_name="trips",
            kinds={"postgres", "numba", "scikitlearn"},
            owners=["team:platform"],
            code_version="1",
            description=week_metadata.CLUSTERS_DESCRIPTION,
            metadata=table_metadata(tables.trip_clusters),
        ),
    ],
    check_specs=[weekly_totals_spec, *cluster_guarantees_specs],
    partitions_def=WEEKS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    can_subset=True,
    pool=WEEKLY_POOL,
)
def weekly_assets(
    context: dg.AssetExecutionContext,
    config: WeeklyConfig,
    trips_database: TripsDatabase,
    worker_lock: WorkerLock,
    clustering: ClusteringParameters,
    cells: CellParameters,
) -> Iterator[WeekEvent | dg.Output[Any]]:
    """Refreshes the (region, week) pairs of the run's weeks, and materializes each week whose pairs are all fresh.

    With the tag `ONLY_STALE`, only pairs that are due. A pair that fails delays no other; the run fails in the end.
    """
    del worker_lock  # held for the whole run
    pool_connections(context.instance)
    selected = [table for table, key in ASSET_OF.items() if key in context.selected_asset_keys]
    request = RefreshRequest(
        tables=selected,
        regions=config.regions,
        only_due=ONLY_STALE in context.run.tags,
        run_id=context.run.run_id,
        new_clusterer=clustering.clusterer,
        min_count=cells.min_count,
        log=context.log,
    )
    keys = list(context.partition_keys)  # each access queries Dagster's database
    failures: list[str] = []
    untouched: list[tuple[str, RefreshedWeek]] = []
    with trips_database.connect(autocommit=True) as connection:
        for key in keys:
            refreshed = refresh_week(connection, week_of(key), request)
            failures += refreshed.failures
            if refreshed.pairs:
                yield from _materializations(context, connection, key, refreshed, selected)
            else:
                untouched.append((key, refreshed))
            # Also of an untouched week: its planned evaluation would hide the last one in the Dagster UI.
            yield from (
                check_of_week(connection, check, week_of(key))
                for check in sorted(context.selected_asset_check_keys)
            )
        if failures:
            # Dagster shows planned partitions of a failed run as failed, unless they are materialized.
            for key, refreshed in untouched:
                yield from _materializations(context, connection, key, refreshed, selected)
    if config.regions and not failures and len(untouched) == len(keys):
        names = ", ".join(map(printable, config.regions))
        raise dg.Failure(f"no week of this run has trips of {names}", allow_retries=False)
    if failures:
        context.instance.add_run_tags(context.run.run_id, {FAILED_PAIRS: str(len(failures))})
        raise failure_of("pairs", failures)
    yield from check_outputs(context)


def _materializations(
    context: dg.AssetExecutionContext,
    connection: psycopg.Connection,
    key: str,
    refreshed: RefreshedWeek,
    selected: list[DerivedTable],
) -> Iterator[dg.AssetMaterialization]:
    """Materializes a week in each derived table in which none of its pairs is stale."""
    totals = week_totals(connection, week_of(key))
    for table in selected:
        if totals.trips and not totals.stale(table):
            yield materialization(context, connection, key, totals, table, refreshed)


def materialization(
    context: dg.AssetExecutionContext,
    connection: psycopg.Connection,
    key: str,
    totals: WeekTotals,
    table: DerivedTable,
    refreshed: RefreshedWeek,
) -> dg.AssetMaterialization:
    """The materialization of a week in a derived table."""
    week = week_of(key)
    metadata: dict[str, dg.MetadataValue] = {"week": dg.MetadataValue.text(f"{week:%G-W%V}")}
    parts = [partial(week_metadata.files, connection, week)]
    if table == "aggregates":
        metadata |= week_metadata.aggregates_figures(totals)
        parts.append(partial(week_metadata.trips_by_region, connection, week))
    else:
        parts.append(partial(week_metadata.clusters_figures, connection, week, totals))
        parts.append(partial(week_metadata.strongest_flows, connection, week))
    for part in parts:
        metadata |= optional_metadata(context.log, part)
    metadata |= week_metadata.refresh_figures(refreshed)
    return dg.AssetMaterialization(
        asset_key=ASSET_OF[table],
        partition=key,
        description=f"{week:%G-W%V}: {totals.trips:,} trips of {totals.regions:,} regions",
        metadata=metadata,
    )
