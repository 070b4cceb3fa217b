"""The regions' tiles in memory: brought up to the snapshot that is asked in, read ahead, and kept within a budget."""

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from datetime import date
from typing import Any, cast

import numpy as np
import psycopg
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shifts_api.counting.atlas import Atlas, read_pair
from shifts_api.counting.pieces import Pieces, codes_missing

_READ_BYTES = 2 * 1024**2
"""Read ahead at one time, so that no question waits long behind it."""
_STATES = (
    "SELECT region_id, sum(tiles_version)::bigint FROM shifts_store.region_weeks"
    " WHERE tiles_version > 0 AND (region_id = %(region)s OR %(region)s IS NULL) GROUP BY region_id"
)
_VERSIONS = (
    "SELECT week, tiles_version FROM shifts_store.region_weeks WHERE region_id = %s AND tiles_version > 0"
)
_LEAVES = (
    "SELECT week, tile, trips, leaves FROM shifts_store.weekly_trip_tiles"
    " WHERE region_id = %s AND week = ANY (%s) ORDER BY week, tile"
)
_CODES = "SELECT * FROM shifts_store.tile_codes(%s, %s::date[], %s::integer[], %s::integer[], %s::integer[])"
_log = logging.getLogger(__name__)


class Atlases:
    """The newest atlas of each region. What a version of a pair holds never changes, so sharing it is safe."""

    def __init__(self, pool: AsyncEngine, max_bytes: int) -> None:
        self._pool = pool
        self._max_bytes = max_bytes
        self._by_region: dict[int, Atlas] = {}
        self._changed: asyncio.Queue[int | None] = asyncio.Queue()
        """Regions with tiles that were not read yet; None for all."""

    async def of(self, cursor: psycopg.AsyncCursor[Any], region_id: int, state: int) -> Atlas:
        """The region's atlas as the cursor's snapshot sees it; pairs that did not change keep what they have."""
        before = self._by_region.get(region_id)
        if before is not None and before.state == state:
            return before
        known = {(pair.week, pair.version): pair for pair in before.pairs} if before is not None else {}
        await cursor.execute(_VERSIONS, [region_id])
        versions: dict[date, int] = dict(await cursor.fetchall())
        new = [week for week, version in versions.items() if (week, version) not in known]
        rows: defaultdict[date, list[tuple[int, int, bytes]]] = defaultdict(list)
        await cursor.execute(_LEAVES, [region_id, new])
        for week, *tile in await cursor.fetchall():
            rows[week].append(tuple(tile))
        pairs = [
            known.get((week, version)) or read_pair(week, version, rows[week])
            for week, version in versions.items()
        ]
        atlas = Atlas(state, [pair for pair in pairs if len(pair.leaves.trips)])
        newest = self._by_region.get(region_id)
        # Another request may have seen a later snapshot meanwhile.
        if newest is None or newest.state < state:
            self._by_region[region_id] = atlas
            self._changed.put_nowait(region_id)
        return atlas

    async def fill(self, cursor: psycopg.AsyncCursor[Any], region_id: int, pieces: Pieces) -> None:
        """Brings pieces of codes into their pair."""
        await cursor.execute(_CODES, places(region_id, [pieces]))
        codes = await cursor.fetchall()
        for axis, leaf, (piece,) in zip(pieces.axes.tolist(), pieces.leaves.tolist(), codes, strict=True):
            pieces.pair.fill(axis, leaf, piece)

    def trim(self) -> None:
        """Keeps to the budget: forgets the codes of the pairs that were asked about the longest time ago."""
        total = self.held_bytes
        if total <= self._max_bytes:
            return
        pairs = [
            (pair.asked_at, atlas, place)
            for atlas in self._by_region.values()
            for place, pair in enumerate(atlas.pairs)
        ]
        for _, atlas, place in sorted(pairs, key=lambda pair: pair[0]):
            total -= atlas.pairs[place].held_bytes
            # Questions that are being answered keep the old one.
            atlas.pairs[place] = atlas.pairs[place].emptied()
            if total <= self._max_bytes:
                return

    async def read_ahead(self) -> None:
        """Reads what questions will need before they are asked, as far as the budget goes; never ends."""
        self._changed.put_nowait(None)
        while True:
            region_id = await self._changed.get()
            try:
                async with self._snapshot() as cursor:
                    await cursor.execute(_STATES, {"region": region_id})
                    for found, state in await cursor.fetchall():
                        await self._read_region(cursor, found, await self.of(cursor, found, state))
            except (SQLAlchemyError, psycopg.Error) as error:
                # Questions read what they need themselves.
                _log.warning("tiles are not read ahead", extra={"error": type(error).__name__})

    async def _read_region(self, cursor: psycopg.AsyncCursor[Any], region_id: int, atlas: Atlas) -> None:
        for pair in reversed(atlas.pairs):
            leaves = np.arange(len(pair.leaves.trips))
            for pieces in codes_missing(pair, np.ones((len(leaves), 4), bool), leaves).cut(_READ_BYTES):
                if self.held_bytes + int(pieces.sizes.sum()) > self._max_bytes:
                    return
                await self.fill(cursor, region_id, pieces)

    @property
    def held_bytes(self) -> int:
        """Memory that codes take."""
        return sum(atlas.held_bytes for atlas in self._by_region.values())

    @contextlib.asynccontextmanager
    async def _snapshot(self) -> AsyncIterator[psycopg.AsyncCursor[Any]]:
        async with self._pool.connect() as connection:
            await connection.execution_options(isolation_level="REPEATABLE READ")
            async with binary_cursor(connection) as cursor:
                yield cursor


@contextlib.asynccontextmanager
async def binary_cursor(connection: AsyncConnection) -> AsyncIterator[psycopg.AsyncCursor[Any]]:
    """A cursor of the driver's own on a connection: bytes come as they are, not as hexadecimal text."""
    pooled = await connection.get_raw_connection()
    driver = cast("psycopg.AsyncConnection[Any]", pooled.driver_connection)
    async with driver.cursor(binary=True) as cursor:
        yield cursor


def places(region_id: int, several: Sequence[Pieces]) -> list[Any]:
    """Pieces as the functions of sql/trips_db/functions/tiles.sql want them."""
    weeks = [pieces.pair.week for pieces in several for _ in range(len(pieces.tiles))]
    columns = zip(*((pieces.tiles, pieces.starts, pieces.sizes) for pieces in several), strict=True)
    return [region_id, weeks, *(np.concatenate(column).tolist() for column in columns)]
