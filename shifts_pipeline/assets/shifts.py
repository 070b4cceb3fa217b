"""The asset `shifts`: departures that stand from week to week, made for each region and week."""

import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import dagster as dg
import psycopg

from shifts_core.schema import tables
from shifts_pipeline.asset_keys import SHIFTS, STOPS, TRIP_CLUSTERS
from shifts_pipeline.assets import shift_metadata
from shifts_pipeline.assets.event_log import pool_connections
from shifts_pipeline.assets.failures import failure_of
from shifts_pipeline.assets.metadata import optional_metadata
from shifts_pipeline.assets.table_schemas import table_metadata
from shifts_pipeline.assets.weekly_assets import WeekEvent, WeeklyConfig
from shifts_pipeline.checks.partition_checks import check_of_week, check_outputs
from shifts_pipeline.checks.shift_guarantees import shift_guarantees_specs
from shifts_pipeline.jobs.asset_jobs import WEEKLY_POOL
from shifts_pipeline.jobs.run_tags import FAILED_PAIRS, ONLY_STALE
from shifts_pipeline.partitions import WEEKS, week_of
from shifts_pipeline.resources.shift_making import ShiftMaking
from shifts_pipeline.resources.trips_database import TripsDatabase
from shifts_pipeline.resources.worker_lock import WorkerLock
from shifts_pipeline.storage.shifts.summary import shift_totals

_MAX_WEEKS_WITH_MAPS = 10
"""Drawing takes longer than making the shifts of a small week: the last weeks of a run have maps."""
_MAX_S = 60.0
"""After so many seconds a run that a sensor requested leaves the rest to the next one: clusters may be waiting."""


@dg.multi_asset(
    name="shifts",
    specs=[
        dg.AssetSpec(
            SHIFTS,
            # The database knows what is stale: clusters of a week may be computed again with the same result.
            deps=[
                dg.AssetDep(TRIP_CLUSTERS, partition_mapping=dg.SpecificPartitionsPartitionMapping([])),
                STOPS,
            ],
            skippable=True,
            group_name="trips",
            kinds={"postgres", "numba"},
            owners=["team:platform"],
            code_version="1",
            description=shift_metadata.DESCRIPTION,
            metadata=table_metadata(tables.shifts),
        )
    ],
    check_specs=shift_guarantees_specs,
    partitions_def=WEEKS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    can_subset=True,
    pool=WEEKLY_POOL,
)
def shifts(
    context: dg.AssetExecutionContext,
    config: WeeklyConfig,
    trips_database: TripsDatabase,
    worker_lock: WorkerLock,
    shift_making: ShiftMaking,
) -> Iterator[WeekEvent | dg.Output[Any]]:
    """Makes the shifts of the run's weeks, and of other weeks that follow from them; materializes the fresh weeks.

    With the tag `ONLY_STALE`, those of the regions that are due. A region that fails delays no other; the run fails
    in the end.
    """
    # Imported by runs that need it: scipy and the compiled search take a second.
    from shifts_pipeline.storage.shifts.run import ShiftRequest, refresh_shifts  # noqa: PLC0415

    del worker_lock  # held for the whole run
    pool_connections(context.instance)
    keys = list(context.partition_keys)  # each access queries Dagster's database
    request = ShiftRequest(
        options=shift_making.options(),
        weeks=[week_of(key) for key in keys],
        regions=config.regions,
        only_due=ONLY_STALE in context.run.tags,
        max_s=_MAX_S,
        run_id=context.run.run_id,
        log=context.log,
    )
    begun = time.monotonic()
    with trips_database.connect(autocommit=True) as connection:
        done = refresh_shifts(connection, request)
        seconds = time.monotonic() - begun
        existing = set(context.instance.get_dynamic_partitions(str(WEEKS.name)))
        # Later weeks than those of the run may have been named again.
        touched = {week.isoformat() for week in done.weeks} & existing
        maps = sorted(touched)[-_MAX_WEEKS_WITH_MAPS:]
        for key in sorted({*keys, *touched}):
            if key in touched or done.failures:
                yield from _materialization(
                    context, connection, key, done.weeks[week_of(key)], seconds, with_map=key in maps
                )
            # Also of an untouched week: its planned evaluation would hide the last one in the Dagster UI.
            yield from (
                check_of_week(connection, check, week_of(key))
                for check in sorted(context.selected_asset_check_keys)
            )
    if done.failures:
        context.instance.add_run_tags(context.run.run_id, {FAILED_PAIRS: str(len(done.failures))})
        raise failure_of("regions", done.failures)
    yield from check_outputs(context)


def _materialization(
    context: dg.AssetExecutionContext,
    connection: psycopg.Connection,
    key: str,
    regions: int,
    seconds: float,
    *,
    with_map: bool,
) -> Iterator[dg.AssetMaterialization]:
    """The materialization of a week, if it is fresh."""
    week = week_of(key)
    totals = shift_totals(connection, week)
    if totals.stale_pairs or not totals.regions:
        return
    metadata: dict[str, dg.MetadataValue] = {"week": dg.MetadataValue.text(f"{week:%G-W%V}")}
    parts = [partial(shift_metadata.figures, connection, week, totals)]
    if with_map:
        parts.append(partial(shift_metadata.best_places, connection, week))
    for part in parts:
        metadata |= optional_metadata(context.log, part)
    yield dg.AssetMaterialization(
        asset_key=SHIFTS,
        partition=key,
        description=f"{week:%G-W%V}: {totals.shifts:,} shifts of {totals.regions:,} regions",
        metadata=metadata
        | {
            "regions_refreshed": dg.MetadataValue.int(regions),
            "run_seconds": dg.MetadataValue.float(round(seconds, 2)),
        },
    )
