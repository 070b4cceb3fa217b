"""Trips per week in a box of a region: exact, from tiles in memory.

Trips that an older version loaded and that no refresh has put into tiles since the upgrade are counted one by one.
So are those in tiles without minutes if minutes decide.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

import psycopg
from sqlalchemy import ARRAY, Date, Integer, func, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from shifts_api.queries.regions import Region
from shifts_api.queries.shared_reads import LowBits, SharedReads
from shifts_api.queries.tile_cache import TileCache, binary_cursor
from shifts_api.queries.tile_ranges import LOW_BITS
from shifts_core.schema.tables import file_week_counts
from shifts_core.tiles.box_count import BoxCount
from shifts_core.tiles.region_index import RegionTileIndex
from shifts_core.time_filter import ANY_TIME, WEEKDAYS
from shifts_core.weekly_statistics import WeeklyQuery, WeeklyStatistics

_FETCH_BYTES = 6 * 1024**2
_FETCH_RANGES = 2000
_LEAVES_PER_THREAD = 2000
"""Fewer leaves are counted within 2 ms, which may block the event loop."""
_CORES = os.cpu_count() or 1
_PENDING_TIMEOUT_S = 120


class CountedTrips(NamedTuple):
    """An answer, and the region in the snapshot that it was counted in."""

    statistics: WeeklyStatistics
    region: Region


async def weekly_trips(
    connection: AsyncConnection,
    tiles: TileCache,
    region: Region,
    query: WeeklyQuery,
    weeks: tuple[date, date],
    max_pending: float,
) -> dict[date, int] | None:
    """Matching trips by Monday, in order; weeks without matching trips are left out.

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
    counts: Counter[date] = Counter()
    async with binary_cursor(connection) as cursor:
        index = await tiles.get(cursor, region.region_id, region.tiles_revision, region.incarnation)
        chosen = index.weeks_between(*weeks)
        # All trips of these weeks are counted one by one.
        whole = _whole_weeks(index, chosen, query)
        if await _count_pending(connection, region, weeks, whole) > max_pending:
            return None
        if chosen.start < chosen.stop:
            box_count = _start_count(index, chosen, query)
            for ranges in box_count.missing_high_bits().parts(_FETCH_BYTES, _FETCH_RANGES):
                box_count.load(*await tiles.load(cursor, region.region_id, index, ranges))
            await _count(box_count)
            await _resolve(box_count, cursor, region.region_id)
            counts.update(_by_monday(box_count))
        tiles.indexes.evict()
    if region.is_pending or whole:
        # The time depends on the number of pending trips, not on the request.
        timeout = func.set_config("statement_timeout", f"{_PENDING_TIMEOUT_S}s", True)
        await connection.execute(select(timeout))
        pending = func.shifts_store.count_pending(
            region.region_id, *_sql_filter(query), *weeks, literal(whole, ARRAY(Date))
        )
        result = await connection.execute(select(pending.table_valued("week", "hour", "trips")))
        for week, _, trips in result.tuples():
            counts[week] += trips
    return {week: trips for week, trips in sorted(counts.items()) if trips}


async def _count_pending(
    connection: AsyncConnection, region: Region, weeks: tuple[date, date], whole: Sequence[date]
) -> int:
    """Trips that are counted one by one: those that are in no tile, and those of the weeks `whole`."""
    if not region.is_pending and not whole:
        return 0
    column = file_week_counts.c
    statement = select(func.coalesce(func.sum(column.trips), 0)).where(
        column.region_id == region.region_id,
        or_(~column.aggregated, column.week.in_(whole)),
        column.week.between(*weeks),
    )
    return int((await connection.execute(statement)).scalar_one())


def _start_count(index: RegionTileIndex, weeks: slice, query: WeeklyQuery) -> BoxCount:
    minute_ranges = None if query.times == ANY_TIME else query.times.minute_ranges()
    return BoxCount(index, weeks, query.box, query.match, minute_ranges)


def _whole_weeks(index: RegionTileIndex, weeks: slice, query: WeeklyQuery) -> list[date]:
    """Mondays of the weeks whose tiles cannot answer, as older versions wrote them."""
    if query.times == ANY_TIME:
        return []
    found: list[date] = index.weeks[weeks][index.without_minutes(weeks)].tolist()
    return found


def _sql_filter(query: WeeklyQuery) -> list[Any]:
    """The filter as parameters of `shifts_store.count_pending`."""
    box, (weekdays, window) = query.box, query.times
    numbers = None if weekdays is None else [WEEKDAYS.index(day) + 1 for day in weekdays]
    return [
        None,
        *(box.west, box.south, box.east, box.north),
        query.match,
        literal(numbers, ARRAY(Integer)),
        *(window or (None, None)),
    ]


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
    box_count = _start_count(index, weeks, query)
    if known.is_pending or _whole_weeks(index, weeks, query) or len(box_count.missing_high_bits().tiles):
        return None
    await _count(box_count)
    ranges = box_count.missing_low_bits()
    low_bits = None if ranges is None else LowBits(known.region_id, ranges.parameters(index))
    region, chunks = await reads.read(query.region, low_bits)
    if region is None or not region.has_same_trips(known):
        return None
    box_count.resolve(chunks)
    return CountedTrips(query.statistics(_by_monday(box_count), region.span, region.as_of), region)


async def _count(box_count: BoxCount) -> None:
    """Counts by high bits, in threads if there are many leaves."""
    threads = min(box_count.n_straddling // _LEAVES_PER_THREAD, _CORES)
    if threads == 0:
        box_count.count()
    else:
        await asyncio.gather(*(asyncio.to_thread(box_count.count, part, threads) for part in range(threads)))


async def _resolve(box_count: BoxCount, cursor: psycopg.AsyncCursor[Any], region_id: int) -> None:
    """Reads the low bits of the trips that high bits do not decide, and counts these trips."""
    ranges = box_count.missing_low_bits()
    if ranges is not None:
        await cursor.execute(LOW_BITS, [*ranges.parameters(box_count.index), region_id])
        box_count.resolve([chunk for (chunk,) in await cursor.fetchall()])


def _by_monday(box_count: BoxCount) -> dict[date, int]:
    """Matching trips by Monday, without weeks that have none."""
    weeks = box_count.index.weeks[box_count.weeks].tolist()
    return {week: trips for week, trips in zip(weeks, box_count.counts.tolist(), strict=True) if trips}
