"""Trips a week in a box of a region, exactly and as of the snapshot: the database's pieces, counted by arrays."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, LiteralString, cast

import numpy as np
import psycopg
from numpy.typing import NDArray
from sqlalchemy.ext.asyncio import AsyncConnection

from shifts_api.counting.box import Box, Match
from shifts_api.counting.pieces import Pieces
from shifts_api.counting.question import CutTiles, Question, Step

_MET = "SELECT week, tile, trips, leaves FROM shifts_store.trips_met(%s, %s, %s, %s, %s, %s, %s, %s)"
_CODES = "SELECT * FROM shifts_store.tile_codes(%s, %s::date[], %s::integer[], %s::integer[], %s::integer[])"
_RESTS = "SELECT * FROM shifts_store.tile_rests(%s, %s::date[], %s::integer[], %s::integer[], %s::integer[])"
_WORTH_A_THREAD = 1 << 18
"""Bytes that are counted in less time than a thread takes to be asked."""


@dataclass(frozen=True)
class _Source:
    """Where pieces of tiles come from."""

    cursor: psycopg.AsyncCursor[Any]
    region_id: int
    weeks: Sequence[date]
    """Of the tiles."""
    numbers: Sequence[int]

    async def fetch(self, statement: LiteralString, pieces: Pieces) -> list[bytes]:
        if not len(pieces.tiles):
            return []
        tiles = pieces.tiles.tolist()
        await self.cursor.execute(
            statement,
            [
                self.region_id,
                [self.weeks[tile] for tile in tiles],
                [self.numbers[tile] for tile in tiles],
                pieces.starts.tolist(),
                pieces.sizes.tolist(),
            ],
        )
        return [piece for (piece,) in await self.cursor.fetchall()]


async def weekly_trips(
    connection: AsyncConnection, region_id: int, box: Box, match: Match, weeks: tuple[date, date]
) -> dict[date, int]:
    """Trips by Monday, weeks without any left out.

    Args:
        connection: its snapshot is what is counted.
        region_id: whose trips.
        box: closed.
        match: which ends must lie in it.
        weeks: first and last Monday that count.
    """
    pooled = await connection.get_raw_connection()
    driver = cast("psycopg.AsyncConnection[Any]", pooled.driver_connection)
    counts: defaultdict[date, int] = defaultdict(int)
    cut = []
    async with driver.cursor(binary=True) as cursor:
        sides = (box.west, box.south, box.east, box.north)
        await cursor.execute(_MET, [region_id, *sides, match, *weeks])
        for week, tile, trips, leaves in await cursor.fetchall():
            if leaves is None:
                counts[week] += trips
            else:
                cut.append((week, tile, trips, leaves))
        if cut:
            of_weeks, numbers, trips_of, blobs = zip(*cut, strict=True)
            question = Question(box, match, CutTiles(np.array(trips_of), blobs))
            found = await _answer(question, _Source(cursor, region_id, of_weeks, numbers))
            for week, trips in zip(of_weeks, found.tolist(), strict=True):
                counts[week] += trips
    return {week: trips for week, trips in sorted(counts.items()) if trips}


async def _answer(question: Question, source: _Source) -> NDArray[np.int64]:
    """Matching trips of each tile; while one step is counted, the pieces of the next are on their way."""
    counting: asyncio.Task[None] | None = None
    try:
        for step in question.steps():
            codes = await source.fetch(_CODES, step.codes)
            if counting is not None:
                await counting
            counting = asyncio.create_task(_count(question, step, codes))
        if counting is not None:
            await counting
    finally:
        if counting is not None and not counting.done():
            await asyncio.wait([counting])
    for doubtful in question.doubtful_steps():
        rests = await source.fetch(_RESTS, doubtful.rests)
        await asyncio.to_thread(question.count_exactly, doubtful, rests)
    return question.counts


async def _count(question: Question, step: Step, codes: list[bytes]) -> None:
    if sum(map(len, codes)) < _WORTH_A_THREAD:
        question.count(step, codes)
    else:
        await asyncio.to_thread(question.count, step, codes)
