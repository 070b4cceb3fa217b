"""The asset `weekly_aggregates`: what the statistics endpoint reads, one (region, week) at a time."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import dagster as dg
import psycopg

from shifts_core.tiles.build import build_tiles
from shifts_pipeline.assets import plots as pictures
from shifts_pipeline.assets.decoration import optional_metadata, printable
from shifts_pipeline.assets.raw_trips import RAW_TRIPS
from shifts_pipeline.assets.refresh import PairEvent, refresh_pairs
from shifts_pipeline.partitions import region_weeks
from shifts_pipeline.resources import TripsDatabase, WorkerLock
from shifts_pipeline.storage.region_week import read_pair, replace_layer
from shifts_pipeline.storage.tile_tables import totals, write_tiles
from shifts_pipeline.tags import PRIORITY

WEEKLY_AGGREGATES = dg.AssetKey("weekly_aggregates")
TOTALS_EQUAL = "weekly_totals_equal_trips"
PAIRS_WITH_PICTURES = 30


def weekly_aggregates(first_week: date) -> dg.AssetsDefinition:
    """The asset, for a calendar that begins with a Monday."""

    partitions = region_weeks(first_week)

    @dg.asset(
        key=WEEKLY_AGGREGATES,
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        deps=[dg.AssetDep(RAW_TRIPS, partition_mapping=dg.AllPartitionMapping())],
        output_required=False,
        check_specs=[
            dg.AssetCheckSpec(
                TOTALS_EQUAL,
                asset=WEEKLY_AGGREGATES,
                partitions_def=partitions,
                description="Trips in the tiles = trips booked by the loads = trips counted one by one.",
            )
        ],
        group_name="trips",
        kinds={"postgres"},
        owners=["team:platform"],
        code_version="1",
        pool="weekly_aggregates",
        # In a run that computes both weekly assets, statistics come first.
        op_tags={PRIORITY: "1"},
        description="Weekly totals and the tiles behind exact statistics of any box.",
        metadata={"dagster/table_name": "shifts_store.weekly_trip_tiles"},
    )
    def asset(
        context: dg.AssetExecutionContext, trips_database: TripsDatabase, worker_lock: WorkerLock
    ) -> Iterator[PairEvent | dg.Output[Any]]:
        del worker_lock  # held for the run, not used
        pictures_left = PAIRS_WITH_PICTURES
        with trips_database.connect() as connection:

            def refresh(key: str, region: str, week: date) -> Sequence[PairEvent]:
                nonlocal pictures_left
                if (refreshed := _refresh(connection, region, week)) is None:
                    context.log.info("%s: no trips, or they were replaced meanwhile", key)
                    return ()
                metadata = refreshed.metadata()
                if pictures_left > 0:
                    pictures_left -= 1
                    metadata |= optional_metadata(context.log, lambda: _picture(trips_database, region))
                return (
                    dg.AssetMaterialization(
                        asset_key=WEEKLY_AGGREGATES,
                        partition=key,
                        description=f"{printable(region)} {week:%G-W%V}: {refreshed.trips:,} trips aggregated",
                        metadata=metadata,
                    ),
                    refreshed.check(key),
                )

            yield from refresh_pairs(context, connection, "aggregates", refresh)

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

    def metadata(self) -> dict[str, dg.MetadataValue]:
        return {
            "dagster/partition_row_count": dg.MetadataValue.int(self.trips),
            "rows_per_second": dg.MetadataValue.int(round(self.trips / max(self.seconds, 1e-3))),
            "seconds": dg.MetadataValue.float(round(self.seconds, 2)),
            "tiles": dg.MetadataValue.int(self.tiles),
            "bytes_a_trip": dg.MetadataValue.float(round(self.stored_bytes / max(self.trips, 1), 1)),
        }

    def check(self, key: str) -> dg.AssetCheckEvaluation:
        return dg.AssetCheckEvaluation(
            asset_key=WEEKLY_AGGREGATES,
            check_name=TOTALS_EQUAL,
            passed=self.tiled == self.booked == self.trips,
            metadata={"in_tiles": self.tiled, "booked": self.booked, "counted": self.trips},
            partition=key,
        )


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


def _picture(database: TripsDatabase, region: str) -> dict[str, dg.MetadataValue]:
    with database.connect() as connection:
        weeks = connection.execute(
            "SELECT week, trips FROM shifts.weekly WHERE region = %s ORDER BY week DESC LIMIT 52", [region]
        ).fetchall()
    weeks.reverse()
    return {"trips_by_week": pictures.weekly_bars([w for w, _ in weeks], [n for _, n in weeks], region)}
