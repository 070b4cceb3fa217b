"""Trips between zones, from tiles in memory and in one snapshot, in blocks of weeks."""

import asyncio
from collections import defaultdict
from datetime import date
from functools import lru_cache

import numpy as np
import shapely
from numpy.typing import NDArray
from sqlalchemy import ARRAY, Date, LargeBinary, func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from shifts_api.queries.leaf_counts import complete
from shifts_api.queries.pending_trips import allow_slow_count, count_pending, sql_times, whole_weeks
from shifts_api.queries.regions import Region
from shifts_api.queries.tile_cache import TileCache, binary_cursor
from shifts_core.matrix import MatrixCounts, MatrixQuery
from shifts_core.polygons import Area
from shifts_core.tiles.area_count import AreaCount
from shifts_core.tiles.area_grid import AreaGrid, grid_of
from shifts_core.time_filter import ANY_TIME

_MAX_BLOCK_COUNTS = 4_000_000
"""Counts of a block of weeks: 32 MB, for each thread."""


async def count_matrix(
    connection: AsyncConnection,
    tiles: TileCache,
    region: Region,
    query: MatrixQuery,
    weeks: tuple[date, date],
    max_pending: float,
) -> MatrixCounts | None:
    """Counts the trips of each pair of zones.

    Args:
        connection: in the snapshot that is counted.
        tiles: the tiles in memory.
        region: found in the same snapshot.
        query: which zones and trips.
        weeks: first and last Monday.
        max_pending: how many trips may be counted one by one.

    Returns:
        None, with nothing counted, if more trips than `max_pending` are in no tile that can answer.
    """
    minute_ranges = None if query.times == ANY_TIME else query.times.minute_ranges()
    grid = await asyncio.to_thread(_grid_of, query.areas)
    zones = len(query.areas)
    block = max(1, _MAX_BLOCK_COUNTS // max(zones + 1, len(grid.set_starts)) ** 2)
    counts = MatrixCounts.zeros(zones)
    async with binary_cursor(connection) as cursor:
        index = await tiles.get(cursor, region.region_id, region.tiles_revision, region.incarnation)
        chosen = index.weeks_between(*weeks)
        whole = whole_weeks(index, chosen, needs_minutes=query.needs_minutes)
        if await count_pending(connection, region, weeks, whole) > max_pending:
            return None
        pending: dict[date, NDArray[np.int64]] = {}
        if region.is_pending or whole:
            pending = await _pending(connection, region, query, weeks, whole)
        for first in range(chosen.start, chosen.stop, block):
            of_block = slice(first, min(first + block, chosen.stop))
            count = await asyncio.to_thread(AreaCount, index, of_block, grid, "both", minute_ranges)
            await complete(count, tiles, cursor, region.region_id)
            pairs = count.pairs[:, 0, :-1, :-1].copy()
            for number, week in enumerate(index.weeks[of_block].tolist()):
                pairs[number] += pending.pop(week, 0)
            await asyncio.to_thread(counts.add, pairs)
        tiles.indexes.evict()
    for trips in pending.values():
        counts.add(trips[None])
    return counts


@lru_cache(maxsize=2)
def _grid_of(areas: tuple[Area, ...]) -> AreaGrid:
    return grid_of(areas)


async def _pending(
    connection: AsyncConnection,
    region: Region,
    query: MatrixQuery,
    weeks: tuple[date, date],
    whole: list[date],
) -> dict[date, NDArray[np.int64]]:
    """Trips that are counted one by one, by Monday."""
    await allow_slow_count(connection)
    polygons = literal([shapely.to_wkb(area) for area in query.areas], ARRAY(LargeBinary))
    function = func.shifts_store.matrix_pending(
        region.region_id, polygons, *sql_times(query.times), *weeks, literal(whole, ARRAY(Date))
    )
    result = await connection.execute(select(function.table_valued("week", "origin", "destination", "trips")))
    zones = len(query.areas)
    found: dict[date, NDArray[np.int64]] = defaultdict(lambda: np.zeros((zones, zones), np.int64))
    for week, origin, destination, trips in result.tuples():
        found[week][origin - 1, destination - 1] += trips
    return found
