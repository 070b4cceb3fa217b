"""The asset `weekly_aggregates`: what the statistics endpoint reads, one (region, week) at a time."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import dagster as dg
import psycopg

from shifts_pipeline import pictures
from shifts_pipeline.assets.raw_trips import RAW_TRIPS
from shifts_pipeline.partitions import pair_of, region_weeks
from shifts_pipeline.region_week import is_stale, read_pair, replace_layer
from shifts_pipeline.resources import TripsDatabase, WorkerLock
from shifts_pipeline.tags import ONLY_STALE
from shifts_pipeline.tile_tables import totals, write_tiles
from shifts_pipeline.tiling.tiles import build_tiles

WEEKLY_AGGREGATES = dg.AssetKey("weekly_aggregates")
TOTALS_EQUAL = "weekly_totals_equal_trips"


def weekly_aggregates(first_week: date) -> dg.AssetsDefinition:
    """The asset, for a calendar that begins with a Monday."""

    @dg.asset(
        key=WEEKLY_AGGREGATES,
        partitions_def=region_weeks(first_week),
        backfill_policy=dg.BackfillPolicy.single_run(),
        deps=[dg.AssetDep(RAW_TRIPS, partition_mapping=dg.AllPartitionMapping())],
        output_required=False,
        check_specs=[
            dg.AssetCheckSpec(
                TOTALS_EQUAL,
                asset=WEEKLY_AGGREGATES,
                description="Trips in the tiles = trips booked by the loads = trips counted one by one.",
            )
        ],
        group_name="trips",
        kinds={"postgres"},
        owners=["team:platform"],
        code_version="1",
        pool="weekly",
        description="Weekly totals and the tiles behind exact statistics of any box.",
        metadata={"dagster/table_name": "shifts_store.weekly_trip_tiles"},
    )
    def asset(
        context: dg.AssetExecutionContext, trips_database: TripsDatabase, worker_lock: WorkerLock
    ) -> Iterator[dg.AssetCheckResult]:
        del worker_lock  # held for the run, not used
        wrong: list[str] = []
        with trips_database.connect() as connection:
            for key in context.partition_keys:
                region, week = pair_of(key)
                if ONLY_STALE in context.run.tags and not is_stale(connection, "aggregates", region, week):
                    continue
                if (refreshed := _refresh(connection, region, week)) is None:
                    context.log.info("%s: no trips, or they were replaced meanwhile", key)
                    continue
                if not refreshed.tiled == refreshed.booked == refreshed.trips:
                    wrong.append(
                        f"{key}: {refreshed.tiled} in tiles, {refreshed.booked} booked, {refreshed.trips} there"
                    )
                context.log_event(_materialization(key, region, week, refreshed, connection))
        yield dg.AssetCheckResult(check_name=TOTALS_EQUAL, passed=not wrong, metadata={"wrong": wrong})

    return asset


@dataclass(frozen=True)
class _Refreshed:
    """What became of a pair; its trips are not kept while the next pair is read."""

    trips: int
    tiled: int
    booked: int
    tiles: int
    stored_bytes: int
    seconds: float


def _refresh(connection: psycopg.Connection, region: str, week: date) -> _Refreshed | None:
    """Replaces a pair's tiles; None when it never had trips, or some were taken away meanwhile: it stays stale."""
    begun = time.perf_counter()
    pair = read_pair(connection, region, week)
    if pair is None:
        return None
    tiles = list(build_tiles(pair.ends))
    found: list[tuple[int, int]] = []

    def write(connection: psycopg.Connection) -> None:
        write_tiles(pair, tiles, connection)
        # Within the transaction: right after it, a load may take trips away again.
        found.append(totals(connection, pair))

    if not replace_layer(connection, pair, "aggregates", write):
        return None
    ((tiled, booked),) = found
    stored = sum(len(tile.leaves) + len(tile.codes) + len(tile.rests) for tile in tiles)
    seconds = time.perf_counter() - begun
    return _Refreshed(len(pair.trip_ids), tiled, booked, len(tiles), stored, seconds)


def _materialization(
    key: str, region: str, week: date, refreshed: _Refreshed, connection: psycopg.Connection
) -> dg.AssetMaterialization:
    weeks = connection.execute(
        "SELECT week, trips FROM shifts.weekly WHERE region = %s ORDER BY week DESC LIMIT 52", [region]
    ).fetchall()
    connection.commit()
    weeks.reverse()
    return dg.AssetMaterialization(
        asset_key=WEEKLY_AGGREGATES,
        partition=key,
        description=f"{region} {week:%G-W%V}: {refreshed.trips:,} trips aggregated",
        metadata={
            "dagster/partition_row_count": refreshed.trips,
            "rows_per_second": round(refreshed.trips / max(refreshed.seconds, 1e-3)),
            "seconds": round(refreshed.seconds, 2),
            "tiles": refreshed.tiles,
            "bytes_a_trip": round(refreshed.stored_bytes / max(refreshed.trips, 1), 1),
            "trips_by_week": pictures.weekly_bars([w for w, _ in weeks], [n for _, n in weeks], region),
        },
    )
