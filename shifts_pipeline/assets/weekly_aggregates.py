"""The asset `weekly_aggregates`: what the statistics endpoint reads, one (region, week) at a time."""

import time
from collections.abc import Iterator, Sequence
from datetime import date
from functools import partial

import dagster as dg
import psycopg

from shifts_pipeline import pictures
from shifts_pipeline.assets.raw_trips import RAW_TRIPS
from shifts_pipeline.partitions import pair_of, region_weeks
from shifts_pipeline.region_week import PairTrips, is_stale, read_pair, replace_layer
from shifts_pipeline.resources import TripsDatabase, WorkerLock
from shifts_pipeline.tags import ONLY_STALE
from shifts_pipeline.tile_tables import totals, write_tiles
from shifts_pipeline.tiling.tiles import Tile, build_tiles

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
                begun = time.perf_counter()
                pair = read_pair(connection, region, week)
                if pair is None:
                    continue
                tiles = list(build_tiles(pair.ends))
                if not replace_layer(connection, pair, "aggregates", partial(write_tiles, pair, tiles)):
                    context.log.info("%s: trips were replaced meanwhile; the pair stays stale", key)
                    continue
                tiled, booked = totals(connection, pair)
                if not tiled == booked == len(pair.trip_ids):
                    wrong.append(f"{key}: {tiled} in tiles, {booked} booked, {len(pair.trip_ids)} there")
                seconds = time.perf_counter() - begun
                context.log_event(_materialization(key, pair, tiles, connection, seconds))
        yield dg.AssetCheckResult(check_name=TOTALS_EQUAL, passed=not wrong, metadata={"wrong": wrong})

    return asset


def _materialization(
    key: str, pair: PairTrips, tiles: Sequence[Tile], connection: psycopg.Connection, seconds: float
) -> dg.AssetMaterialization:
    weeks = connection.execute(
        "SELECT week, trips FROM shifts.weekly WHERE region = %s ORDER BY week DESC LIMIT 52", [pair.region]
    ).fetchall()
    connection.commit()
    weeks.reverse()
    return dg.AssetMaterialization(
        asset_key=WEEKLY_AGGREGATES,
        partition=key,
        description=f"{pair.region} {pair.week:%G-W%V}: {len(pair.trip_ids):,} trips aggregated",
        metadata={
            "dagster/partition_row_count": len(pair.trip_ids),
            "rows_per_second": round(len(pair.trip_ids) / max(seconds, 1e-3)),
            "seconds": round(seconds, 2),
            "tiles": len(tiles),
            "bytes_a_trip": round(_bytes(tiles) / max(len(pair.trip_ids), 1), 1),
            "trips_by_week": pictures.weekly_bars([w for w, _ in weeks], [n for _, n in weeks], pair.region),
        },
    )


def _bytes(tiles: Sequence[Tile]) -> int:
    return sum(len(tile.leaves) + len(tile.codes) + len(tile.rests) for tile in tiles)
