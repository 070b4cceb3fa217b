"""The asset `weekly_aggregates`: the tiles that statistics are counted from, one (region, week) pair at a time."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import dagster as dg
import psycopg

from shifts_core.tiles.build import build_tiles
from shifts_pipeline.asset_keys import RAW_TRIPS, WEEKLY_AGGREGATES
from shifts_pipeline.assets import plots
from shifts_pipeline.assets.metadata import optional_metadata
from shifts_pipeline.assets.refresh import PairEvent, refresh_pairs
from shifts_pipeline.checks.weekly_totals import weekly_totals, weekly_totals_spec
from shifts_pipeline.display_text import printable
from shifts_pipeline.jobs.run_tags import PRIORITY
from shifts_pipeline.partitions import region_weeks
from shifts_pipeline.resources.trips_database import TripsDatabase
from shifts_pipeline.resources.worker_lock import WorkerLock
from shifts_pipeline.storage.region_week import read_pair, replace_derived
from shifts_pipeline.storage.tile_tables import totals, write_tiles

MAX_PAIRS_WITH_PLOTS = 30
_MAX_WEEKS_PLOTTED = 52


def weekly_aggregates(first_week: date) -> dg.AssetsDefinition:
    """Builds the asset; `first_week` is the Monday of its first partition."""

    partitions = region_weeks(first_week)

    @dg.asset(
        key=WEEKLY_AGGREGATES,
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        deps=[dg.AssetDep(RAW_TRIPS, partition_mapping=dg.AllPartitionMapping())],
        output_required=False,
        check_specs=[weekly_totals_spec(partitions)],
        group_name="trips",
        kinds={"postgres"},
        owners=["team:platform"],
        code_version="1",
        pool="weekly_aggregates",
        # In a run over both weekly assets, statistics are computed first.
        op_tags={PRIORITY: "1"},
        description="Weekly totals and the tiles behind exact statistics of any box.",
        metadata={"dagster/table_name": "shifts_store.weekly_trip_tiles"},
    )
    def asset(
        context: dg.AssetExecutionContext, trips_database: TripsDatabase, worker_lock: WorkerLock
    ) -> Iterator[PairEvent | dg.Output[Any]]:
        del worker_lock  # held for the whole run
        plots_left = MAX_PAIRS_WITH_PLOTS
        with trips_database.connect() as connection:

            def refresh(key: str, region: str, week: date) -> Sequence[PairEvent]:
                nonlocal plots_left
                if (refreshed := _refresh(connection, region, week)) is None:
                    context.log.info("%s: no trips, or a load has deleted some of them meanwhile", key)
                    return ()
                metadata = refreshed.metadata()
                if plots_left > 0:
                    plots_left -= 1
                    metadata |= optional_metadata(context.log, lambda: _weekly_bars(trips_database, region))
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
    """The numbers of a refreshed pair; its trips are not kept while the next pair is read."""

    trips: int
    tiled: int
    recorded: int
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
        return weekly_totals(key, tiled=self.tiled, recorded=self.recorded, counted=self.trips)


def _refresh(connection: psycopg.Connection, region: str, week: date) -> _Refreshed | None:
    """Replaces a pair's tiles.

    Returns:
        None if the pair never had trips, or if a load deleted some of them meanwhile: the pair stays stale.
    """
    begun = time.perf_counter()
    pair = read_pair(connection, region, week)
    if pair is None:
        return None
    tiles = list(build_tiles(pair.ends))
    found: list[tuple[int, int]] = []

    def write(connection: psycopg.Connection) -> None:
        write_tiles(pair, tiles, connection)
        # Counted in the same transaction: a load may delete trips right after it.
        found.append(totals(connection, pair))

    if not replace_derived(connection, pair, "aggregates", write):
        return None
    ((tiled, recorded),) = found
    stored = sum(len(tile.leaves) + len(tile.high_bits) + len(tile.low_bits) for tile in tiles)
    seconds = time.perf_counter() - begun
    return _Refreshed(len(pair.trip_ids), tiled, recorded, len(tiles), stored, seconds)


def _weekly_bars(database: TripsDatabase, region: str) -> dict[str, dg.MetadataValue]:
    with database.connect() as connection:
        weeks = connection.execute(
            "SELECT week, trips FROM shifts.weekly WHERE region = %s ORDER BY week DESC LIMIT %s",
            [region, _MAX_WEEKS_PLOTTED],
        ).fetchall()
    weeks.reverse()
    return {"trips_by_week": plots.weekly_bars([w for w, _ in weeks], [n for _, n in weeks], region)}
