"""Trips per week, or per hour of each week, in an area of a region: exact, from tiles in memory.

Trips that an older version loaded and that no refresh has put into tiles since the upgrade are counted one by one.
So are those in tiles without minutes if minutes decide.
"""

import asyncio
from collections import defaultdict
from dataclasses import astuple
from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ARRAY, Date, func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from shifts_api.queries.leaf_counts import complete, count_leaves
from shifts_api.queries.pending_trips import (
    allow_slow_count,
    count_pending,
    sql_polygon,
    sql_times,
    whole_weeks,
)
from shifts_api.queries.regions import Region
from shifts_api.queries.shared_reads import LowBits, SharedReads
from shifts_api.queries.tile_cache import TileCache, binary_cursor
from shifts_core.polygons import Area
from shifts_core.tiles.area_count import HOURS, AreaCount
from shifts_core.tiles.area_grid import AreaGrid, grid_of
from shifts_core.tiles.box import polygon_of
from shifts_core.tiles.box_count import BoxCount
from shifts_core.tiles.leaf_count import LeafCount
from shifts_core.tiles.region_index import RegionTileIndex
from shifts_core.time_filter import ANY_TIME
from shifts_core.weekly_statistics import WeeklyQuery

Trips: TypeAlias = dict[date, NDArray[np.int64]]
"""Matching trips by Monday, in order, without weeks that have none: of the week, or of each of its 168 hours."""


class CountedTrips(NamedTuple):
    """Counts, and the region in the snapshot that they were counted in."""

    trips: Trips
    region: Region


async def weekly_trips(
    connection: AsyncConnection,
    tiles: TileCache,
    region: Region,
    query: WeeklyQuery,
    weeks: tuple[date, date],
    max_pending: float,
) -> Trips | None:
    """Counts trips in a snapshot.

    Args:
        connection: in the snapshot that is counted.
        tiles: the tiles in memory.
        region: found in the same snapshot.
        query: which trips match.
        weeks: first and last Monday.
        max_pending: how many trips may be counted one by one.

    Returns:
        None, with nothing counted, if more trips than `max_pending` are in no tile that can answer.
    """
    hours = HOURS if query.by_hour else 1
    counts: Trips = defaultdict(lambda: np.zeros(hours, np.int64))
    async with binary_cursor(connection) as cursor:
        index = await tiles.get(cursor, region.region_id, region.tiles_revision, region.incarnation)
        chosen = index.weeks_between(*weeks)
        # All trips of these weeks are counted one by one.
        whole = whole_weeks(index, chosen, needs_minutes=query.needs_minutes)
        if await count_pending(connection, region, weeks, whole) > max_pending:
            return None
        if chosen.start < chosen.stop:
            trip_count = await _start_count(index, chosen, query)
            await complete(trip_count, tiles, cursor, region.region_id)
            counts.update(_by_monday(trip_count))
        tiles.indexes.evict()
    if region.is_pending or whole:
        await allow_slow_count(connection)
        pending = func.shifts_store.count_pending(
            region.region_id, *_sql_filter(query), *weeks, literal(whole, ARRAY(Date))
        )
        result = await connection.execute(select(pending.table_valued("week", "hour", "trips")))
        for week, hour, trips in result.tuples():
            counts[week][hour if query.by_hour else 0] += trips
    return {week: trips for week, trips in sorted(counts.items()) if trips.any()}


async def _start_count(index: RegionTileIndex, weeks: slice, query: WeeklyQuery) -> LeafCount:
    """A count that has compared bounds."""
    minute_ranges = None if query.times == ANY_TIME else query.times.minute_ranges()
    if query.box is not None and not query.by_hour:
        return BoxCount(index, weeks, query.box, query.match, minute_ranges)
    area = query.polygon if query.box is None else polygon_of(query.box)
    assert area is not None

    def start() -> LeafCount:
        return AreaCount(index, weeks, _grid_of(area), query.match, minute_ranges, by_hour=query.by_hour)

    # The grid of a long polygon, and many leaves, take longer than other requests should wait.
    return await asyncio.to_thread(start)


@lru_cache(maxsize=32)
def _grid_of(area: Area) -> AreaGrid:
    return grid_of([area])


def _sql_filter(query: WeeklyQuery) -> list[Any]:
    """The filter as parameters of `shifts_store.count_pending`."""
    sides = (None,) * 4 if query.box is None else astuple(query.box)
    return [sql_polygon(query.polygon), *sides, query.match, *sql_times(query.times)]


async def count_in_memory(reads: SharedReads, tiles: TileCache, query: WeeklyQuery) -> CountedTrips | None:
    """The answer, counted from tiles in memory that are the newest in a snapshot of the database.

    The count goes ahead of that snapshot; it is dropped if the region has changed since its tiles were read.

    Returns:
        None if a snapshot must be counted: tiles in memory are missing or outdated, or trips are in no tile.

    Raises:
        SQLAlchemyError, psycopg.Error: the database does not answer.
    """
    known = tiles.region(query.region)
    index = None if known is None else tiles.indexes.get(known.region_id)
    limits = None if known is None else query.limits(known.span)
    if known is None or index is None or limits is None or index.revision != known.tiles_revision:
        return None
    weeks = index.weeks_between(*limits)
    trip_count = await _start_count(index, weeks, query)
    whole = whole_weeks(index, weeks, needs_minutes=query.needs_minutes)
    if known.is_pending or whole or len(trip_count.missing_high_bits().tiles):
        return None
    await count_leaves(trip_count)
    ranges = trip_count.missing_low_bits()
    low_bits = None if ranges is None else LowBits(known.region_id, ranges.parameters(index))
    region, chunks = await reads.read(query.region, low_bits)
    if region is None or not region.has_same_trips(known):
        return None
    trip_count.resolve(chunks)
    return CountedTrips(_by_monday(trip_count), region)


def _by_monday(trip_count: LeafCount) -> Trips:
    weeks = trip_count.index.weeks[trip_count.weeks].tolist()
    return {week: trips for week, trips in zip(weeks, trip_count.counts, strict=True) if trips.any()}
