"""Trips a week in a box of a region, exactly and as of the snapshot, from tiles that are kept in memory."""

import asyncio
import bisect
import os
from collections import defaultdict
from datetime import date, datetime
from itertools import islice
from typing import Any, NamedTuple

import psycopg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shifts_api.atlases import Atlases, binary_cursor, places
from shifts_api.counting.box import Box, Match
from shifts_api.counting.question import Question

_RESTS = "SELECT * FROM shifts_store.tile_rests(%s, %s::date[], %s::integer[], %s::integer[], %s::integer[])"
_FETCH_BYTES = 6 * 1024**2
_WORTH_A_THREAD = 500
"""So many leaves are counted in a millisecond or two, in which others can wait."""
_CORES = os.cpu_count() or 1
_FIND = text(
    "SELECT region_id, first_at, last_at, tiles_state, is_pending, now() AS as_of"
    " FROM shifts_store.find_region(:name)"
)
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
    tiles_state: int
    is_pending: bool
    as_of: datetime


async def find_region(connection: AsyncConnection, name: str) -> Region | None:
    """The region of a name, if it ever had trips."""
    row = (await connection.execute(_FIND, {"name": name})).one_or_none()
    return None if row is None else Region(*row)


async def weekly_trips(
    connection: AsyncConnection,
    atlases: Atlases,
    region: Region,
    box: Box,
    match: Match,
    weeks: tuple[date, date],
) -> dict[date, int]:
    """Trips by Monday, weeks without any left out.

    Args:
        connection: its snapshot is what is counted.
        atlases: what is in memory.
        region: found in the same snapshot.
        box: closed.
        match: which ends must lie in it.
        weeks: first and last Monday that count.
    """
    counts: defaultdict[date, int] = defaultdict(int)
    async with binary_cursor(connection) as cursor:
        atlas = await atlases.of(cursor, region.region_id, region.tiles_state)
        asked = slice(bisect.bisect_left(atlas.weeks, weeks[0]), bisect.bisect_right(atlas.weeks, weeks[1]))
        if asked.start < asked.stop:
            question = Question(atlas, asked, box, match)
            if await _fill(question, atlases, cursor, region.region_id):
                atlases.trim()
            await _count(question)
            await _settle(question, cursor, region.region_id)
            counts |= zip(atlas.weeks[asked], question.counts.tolist(), strict=True)
    if region.is_pending:
        values = {"region_id": region.region_id, **vars(box), "match": match}
        pending = await connection.execute(_PENDING, {**values, "first": weeks[0], "last": weeks[1]})
        for week, trips in pending:
            counts[week] += trips
    return {week: trips for week, trips in sorted(counts.items()) if trips}


async def _fill(
    question: Question, atlases: Atlases, cursor: psycopg.AsyncCursor[Any], region_id: int
) -> bool:
    """Brings the codes that are not in memory; whether there were any."""
    filled = False
    for needed in question.missing():
        for pieces in needed.cut(_FETCH_BYTES):
            await atlases.fill(cursor, region_id, pieces)
            filled = True
    return filled


async def _count(question: Question) -> None:
    threads = min(question.cut_leaves // _WORTH_A_THREAD, _CORES)
    if threads == 0:
        question.count()
    else:
        await asyncio.gather(*(asyncio.to_thread(question.count, part, threads) for part in range(threads)))


async def _settle(question: Question, cursor: psycopg.AsyncCursor[Any], region_id: int) -> None:
    """Counts the trips that codes do not decide."""
    doubts = list(question.doubts())
    if not doubts:
        return
    await cursor.execute(_RESTS, places(region_id, [pieces for _, pieces in doubts]))
    rests = iter(await cursor.fetchall())
    for doubtful, pieces in doubts:
        question.settle(doubtful, [rest for (rest,) in islice(rests, len(pieces.tiles))])
