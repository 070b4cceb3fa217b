"""Refreshes a (region, week) pair: reads its trips once, and replaces each derived table that is due."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import psycopg

from shifts_core.tiles.build import build_tiles
from shifts_core.tiles.codec import Tile
from shifts_core.time_filter import minutes_of_week
from shifts_pipeline.storage.cell_tables import build_cells, write_cells
from shifts_pipeline.storage.cluster_tables import cluster_pair, write_clusters
from shifts_pipeline.storage.cluster_violations import check_clusters
from shifts_pipeline.storage.pair_checks import record_failure
from shifts_pipeline.storage.region_week import DerivedTable, PairTrips, read_pair, replace_derived
from shifts_pipeline.storage.stale_pairs import Pair
from shifts_pipeline.storage.tile_tables import merge_segments, totals

if TYPE_CHECKING:
    from shifts_core.clustering.estimator import TripClusterer

TOTALS_EQUAL_TRIPS = "weekly_totals_equal_trips"


def refresh_pair(
    connection: psycopg.Connection,
    pair: Pair,
    tables: Sequence[DerivedTable],
    new_clusterer: Callable[[], "TripClusterer"],
    on_done: Callable[[DerivedTable], None],
    min_count: int | None = None,
) -> int:
    """Replaces derived tables of a pair, each in a transaction of its own. Aggregates come first.

    A table that a load has changed trips of meanwhile stays stale.

    Args:
        connection: in autocommit mode.
        pair: the pair, which the caller has locked.
        tables: the tables to replace.
        new_clusterer: makes the estimator; called only if clusters are due.
        on_done: called after each table that was replaced or turned out to have nothing to replace.
        min_count: least number of trips of a cell; None for no cells.

    Returns:
        The number of trips that were read.
    """
    with_cells = min_count is not None and "aggregates" in tables
    trips = read_pair(connection, pair.region, pair.week, with_files=with_cells)
    if trips is None:
        for table in tables:
            on_done(table)
        return 0
    if "aggregates" in tables:
        _replace_aggregates(connection, trips, min_count, keep_order="clusters" in tables)
        on_done("aggregates")
    if "clusters" in tables:
        _replace_clusters(connection, trips, new_clusterer())
        on_done("clusters")
    return len(trips.trip_ids)


def _replace_aggregates(
    connection: psycopg.Connection, trips: PairTrips, min_count: int | None, *, keep_order: bool
) -> None:
    # Before tiles are built, which reorders the trips.
    cells = None if min_count is None else build_cells(trips, min_count)
    tiles: list[Tile] = []
    if trips.unmerged is None:
        tiles += build_tiles(trips.ends.copy() if keep_order else trips.ends, minutes_of_week(trips.moments))

    def write(connection: psycopg.Connection) -> None:
        merge_segments(trips, tiles, connection)
        write_cells(trips, cells, min_count, connection)
        # By now there may be segments of later loads and deletions: what was read is compared with what was recorded
        # at that time.
        tiled, recorded = totals(connection, trips)
        counted = len(trips.trip_ids)
        if tiled != recorded or counted != trips.recorded:
            details = {"in_tiles": tiled, "recorded": recorded, "counted": counted}
            record_failure(connection, trips.region_id, trips.week, "aggregates", TOTALS_EQUAL_TRIPS, details)

    replace_derived(connection, trips, "aggregates", write)


def _replace_clusters(connection: psycopg.Connection, trips: PairTrips, clusterer: "TripClusterer") -> None:
    clusters = cluster_pair(trips, clusterer)
    if replace_derived(connection, trips, "clusters", partial(write_clusters, [clusters])):
        check_clusters(connection, [trips], clusterer)
