"""Keeps tiles in memory: reads them from the database for a request's snapshot, or ahead of requests."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any, cast

import psycopg
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shifts_api.queries.regions import Region
from shifts_api.queries.tile_rows import decode_tiles
from shifts_api.queries.tile_source import EXACT, TileSource
from shifts_core.tiles.byte_ranges import READ_AHEAD_BYTES, ByteRanges, read_ahead_ranges
from shifts_core.tiles.region_index import Columns, RegionTileIndex, WeekRevision, empty_index
from shifts_core.tiles.region_indexes import RegionIndexes
from shifts_core.tiles.small_segments import MAX_SMALL_TRIPS

_RETRY_S = 5.0
_log = logging.getLogger(__name__)


class TileCache:
    """The newest tile index of each region, read when it is needed or ahead of that.

    Args:
        pool: connections for reading ahead.
        max_bytes: memory budget.
        source: of the tiles.
    """

    def __init__(self, pool: AsyncEngine, max_bytes: int, source: TileSource = EXACT) -> None:
        self._pool = pool
        self.source = source
        self._high_bits = source.ranges("high_bits")
        self.indexes = RegionIndexes(max_bytes)
        self._incarnation = ""
        """Of the database that the indexes were read from."""
        self._regions: dict[str, Region] = {}
        self._to_read: asyncio.Queue[int | None] = asyncio.Queue()
        """Regions to read ahead; None for all."""
        self._queued: set[int | None] = set()
        self.failure: str | None = None
        """The error of this process that prevented the last read; None after a success."""

    def region(self, name: str) -> Region | None:
        """The region in the snapshot for which its index was read; None if it was not read by name."""
        return self._regions.get(name)

    def remember(self, name: str, region: Region) -> None:
        """Keeps a region whose index `get` has just returned."""
        self._regions[name] = region

    async def get(
        self, cursor: psycopg.AsyncCursor[Any], region_id: int, revision: int, incarnation: str
    ) -> RegionTileIndex:
        """The region's index in the cursor's snapshot; reads only the bounds of weeks that changed.

        Args:
            cursor: in the snapshot.
            region_id: of the region.
            revision: of the region's tiles in the snapshot.
            incarnation: of the database in the snapshot. It changes when the database is restored; revisions then
                repeat, so all indexes are dropped.
        """
        if self._incarnation != incarnation:
            self.indexes.clear()
            self._regions.clear()
            self._incarnation = incarnation
        current = self.indexes.get(region_id)
        if current is not None and current.revision == revision:
            return current
        with self._record_failure():
            while True:
                base = current or empty_index()
                await cursor.execute(self.source.week_revisions, [region_id])
                revisions = {week: WeekRevision(*row) for week, *row in await cursor.fetchall()}
                outdated = base.outdated(revisions)
                await cursor.execute(
                    self.source.tiles, [region_id, list(outdated), list(outdated.values()), MAX_SMALL_TRIPS]
                )
                found = await cursor.fetchall()
                read = await asyncio.to_thread(decode_tiles, sorted(revisions), found)
                newest = self.indexes.get(region_id)
                if newest is current:
                    break
                # Another request has replaced the index meanwhile: start from what it read.
                current = newest
                if current is not None and current.revision == revision:
                    return current
            index = base.updated(revision, revisions, *read)
        # An index of a later snapshot stays.
        if self._incarnation == incarnation and (current is None or current.revision < revision):
            self.indexes.put(region_id, index)
            if read.rows:
                self._read_later(region_id)
        return index

    async def load(
        self, cursor: psycopg.AsyncCursor[Any], region_id: int, index: RegionTileIndex, ranges: ByteRanges
    ) -> tuple[Columns, list[bytes]]:
        """Reads high bits and stores them if the index is the newest; returns their places and their chunks."""
        with self._record_failure():
            await cursor.execute(self._high_bits, [*ranges.parameters(index), region_id])
            chunks = [chunk for (chunk,) in await cursor.fetchall()]
            columns = ranges.locate(index, chunks)
        if self.indexes.get(region_id) is index:
            weeks = index.tiles.week_of[ranges.tiles].tolist()
            self.indexes.store(region_id, columns, weeks, chunks)
        return columns, chunks

    async def read_ahead(self) -> None:
        """Reads regions into memory before they are requested, as far as the budget allows; never returns."""
        self._read_later(None)
        while True:
            region_id = await self._to_read.get()
            self._queued.discard(region_id)
            try:
                async with self._snapshot() as cursor:
                    await self._read_region(cursor, region_id)
            except (
                Exception
            ) as error:  # any: one region's error must not stop the others; requests read by themselves
                _log.warning("tiles are not read ahead", extra={"error": type(error).__name__})
                asyncio.get_running_loop().call_later(_RETRY_S, self._read_later, region_id)

    async def _read_region(self, cursor: psycopg.AsyncCursor[Any], region_id: int | None) -> None:
        """Reads all tiles of a region, or queues all regions."""
        await cursor.execute(self.source.revisions, {"region": region_id})
        found = await cursor.fetchall()
        if region_id is None:
            for each, *_ in found:
                self._read_later(each)
            return
        if not found or not self.indexes.has_room(READ_AHEAD_BYTES):
            return
        # `get` queues what it updates, which is read here already.
        self._queued.add(region_id)
        try:
            index = await self.get(cursor, *found[0])
        finally:
            self._queued.discard(region_id)
        self.indexes.evict()
        for ranges in read_ahead_ranges(index):
            if self.indexes.get(region_id) is not index or not self.indexes.has_room(READ_AHEAD_BYTES):
                return
            await self.load(cursor, region_id, index, ranges)

    def _read_later(self, region_id: int | None) -> None:
        if region_id not in self._queued:
            self._queued.add(region_id)
            self._to_read.put_nowait(region_id)

    @contextlib.contextmanager
    def _record_failure(self) -> Iterator[None]:
        try:
            yield
        except (OSError, MemoryError) as error:
            self.failure = type(error).__name__
            raise
        self.failure = None

    @contextlib.asynccontextmanager
    async def _snapshot(self) -> AsyncIterator[psycopg.AsyncCursor[Any]]:
        async with self._pool.connect() as connection:
            await connection.execution_options(isolation_level="REPEATABLE READ")
            async with binary_cursor(connection) as cursor:
                yield cursor


@contextlib.asynccontextmanager
async def binary_cursor(connection: AsyncConnection) -> AsyncIterator[psycopg.AsyncCursor[Any]]:
    """A psycopg cursor in binary mode, in which `bytea` is not sent as hexadecimal text."""
    pooled = await connection.get_raw_connection()
    driver = cast("psycopg.AsyncConnection[Any]", pooled.driver_connection)
    async with driver.cursor(binary=True) as cursor:
        yield cursor
