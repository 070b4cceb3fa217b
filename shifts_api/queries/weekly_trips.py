"""Trips a week in a box of a region, exactly and as of the snapshot, from tiles that are kept in memory."""

import asyncio
import os
from collections import defaultdict
from datetime import date, datetime
from typing import Any, NamedTuple

import numpy as np
import psycopg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shifts_api.queries.tile_cache import TileCache, binary_cursor
from shifts_api.queries.tile_ranges import LOW_BITS
from shifts_core.tiles.box import Box, Match
from shifts_core.tiles.box_count import BoxCount

_FETCH_BYTES = 6 * 1024**2
_FETCH_RANGES = 2000
_WORTH_A_THREAD = 500
"""So many leaves are counted in a millisecond or two, in which others can wait."""
_CORES = os.cpu_count() or 1
_FIND = text(
    "SELECT region_id, first_at, last_at, tiles_revision, is_pending, now() AS as_of,"
    " shifts_store.incarnation() AS incarnation"
    " FROM shifts_store.find_region(:name)"
)
_PENDING_TRIPS = text(
    "SELECT coalesce(sum(trips), 0)::bigint FROM shifts_store.file_week_counts"
    " WHERE region_id = :region_id AND NOT aggregated AND week BETWEEN :first AND :last"
)
_PENDING_TIMEOUT = text("SELECT set_config('statement_timeout', :milliseconds, true)")
_PENDING_TIMEOUT_S = 120
_PENDING = text(
    "SELECT week, trips FROM shifts_store.count_pending"
    "(:region_id, :west, :south, :east, :north, :match, :first, :last)"
)


class Region(NamedTuple):
    """A region at the moment of the snapshot."""

    region_id: int
    first_at: datetime | None
    """Of its trips; None when all were taken away again."""
    last_at: datetime | None
    tiles_revision: int
    is_pending: bool
    as_of: datetime
    incarnation: str
    """Of the database."""

    @property
    def span(self) -> tuple[datetime, datetime] | None:
        """First and last trip."""
        return (self.first_at, self.last_at) if self.first_at and self.last_at else None


async def find_region(connection: AsyncConnection, name: str) -> Region | None:
    """The region of a name, if it ever had trips."""
    row = (await connection.execute(_FIND, {"name": name})).one_or_none()
    return None if row is None else Region(*row)


async def pending_trips(connection: AsyncConnection, region: Region, weeks: tuple[date, date]) -> int:
    """Trips of the weeks, first and last Monday, that are in no tile yet: each of them has to be looked at."""
    if not region.is_pending:
        return 0
    values = {"region_id": region.region_id, "first": weeks[0], "last": weeks[1]}
    return int((await connection.execute(_PENDING_TRIPS, values)).scalar_one())


async def weekly_trips(
    connection: AsyncConnection,
    tiles: TileCache,
    region: Region,
    box: Box,
    match: Match,
    weeks: tuple[date, date],
) -> dict[date, int]:
    """Trips by Monday, weeks without any left out.

    Args:
        connection: its snapshot is what is counted.
        tiles: what is in memory.
        region: found in the same snapshot.
        box: closed.
        match: which ends must lie in it.
        weeks: first and last Monday that count.
    """
    counts: defaultdict[date, int] = defaultdict(int)
    async with binary_cursor(connection) as cursor:
        index = await tiles.get(cursor, region.region_id, region.tiles_revision, region.incarnation)
        first, last = np.array(weeks, "datetime64[D]")
        asked = slice(
            int(np.searchsorted(index.weeks, first)), int(np.searchsorted(index.weeks, last, side="right"))
        )
        if asked.start < asked.stop:
            box_count = BoxCount(index, asked, box, match)
            for ranges in box_count.missing().parts(_FETCH_BYTES, _FETCH_RANGES):
                box_count.load(*await tiles.load(cursor, region.region_id, index, ranges))
            await _count(box_count)
            await _resolve(box_count, cursor, region.region_id)
            counts |= zip(index.weeks[asked].tolist(), box_count.counts.tolist(), strict=True)
        tiles.evict()
    if region.is_pending:
        values = {"region_id": region.region_id, **vars(box), "match": match}
        # How long this takes depends on the trips that wait, and not on what is asked.
        await connection.execute(_PENDING_TIMEOUT, {"milliseconds": str(1000 * _PENDING_TIMEOUT_S)})
        pending = await connection.execute(_PENDING, {**values, "first": weeks[0], "last": weeks[1]})
        for week, trips in pending:
            counts[week] += trips
    return {week: trips for week, trips in sorted(counts.items()) if trips}


async def _count(box_count: BoxCount) -> None:
    threads = min(box_count.cut_leaves // _WORTH_A_THREAD, _CORES)
    if threads == 0:
        box_count.count()
    else:
        await asyncio.gather(*(asyncio.to_thread(box_count.count, part, threads) for part in range(threads)))


async def _resolve(box_count: BoxCount, cursor: psycopg.AsyncCursor[Any], region_id: int) -> None:
    """Counts the trips that codes do not decide."""
    ranges = box_count.rests()
    if ranges is not None:
        await cursor.execute(LOW_BITS, [*ranges.parameters(box_count.index), region_id])
        box_count.resolve([rest for (rest,) in await cursor.fetchall()])
