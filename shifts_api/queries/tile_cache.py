"""The regions' tiles in memory: brought up to the snapshot that is asked in, read ahead, and kept within a budget."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator
from datetime import date
from typing import Any, cast

import numpy as np
import psycopg
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shifts_api.queries.tile_ranges import HIGH_BITS
from shifts_core.tiles.byte_ranges import ByteRanges, codes_missing
from shifts_core.tiles.decode import read_leaves
from shifts_core.tiles.region_index import Columns, RegionTileIndex, TileRow, empty_index

_READ_BYTES = 1024**2
_READ_RANGES = 250
"""Read ahead at one time, so that no question waits long behind it."""
_READ_LEAVES = 1000
"""Looked at at one time."""
_KEEP = 0.9
"""Share of the budget that eviction goes down to, so that it is not needed again at once."""
_INDEX_SHARE = 0.5
"""Share of the budget that bounds may take; beyond it whole regions are forgotten."""
_RETRY_S = 5.0
_REVISIONS = (
    "SELECT region_id, sum(tiles_revision)::bigint, (SELECT shifts_store.incarnation())"
    " FROM shifts_store.region_weeks"
    " WHERE tiles_revision > 0 AND (region_id = %(region)s OR %(region)s IS NULL) GROUP BY region_id"
)
_VERSIONS = (
    "SELECT week, tiles_revision FROM shifts_store.region_weeks WHERE region_id = %s AND tiles_revision > 0"
)
_LEAVES = (
    "SELECT week, tile, trips, leaves FROM shifts_store.weekly_trip_tiles"
    " WHERE region_id = %s AND week = ANY (%s) ORDER BY week, tile"
)
_log = logging.getLogger(__name__)


class TileCache:
    """The newest index of each region, and as many of its codes as the budget allows."""

    def __init__(self, pool: AsyncEngine, max_bytes: int) -> None:
        self._pool = pool
        self._max_bytes = max_bytes
        self._by_region: dict[int, RegionTileIndex] = {}
        self._incarnation = ""
        """Of the database that everything in memory was read from."""
        self._index_bytes = 0
        self._code_bytes = 0
        self._to_read: asyncio.Queue[int | None] = asyncio.Queue()
        """Regions with tiles that were not read yet; None for all."""
        self._waiting: set[int | None] = set()
        """Regions in the queue."""
        self.failure: str | None = None
        """The error of this process that kept tiles from being read when that was tried last."""

    @property
    def held_bytes(self) -> int:
        """Memory that bounds, codes and their bookkeeping take."""
        return self._index_bytes + self._code_bytes

    @property
    def index_bytes(self) -> int:
        """Memory of everything but codes."""
        return self._index_bytes

    @property
    def pairs_held(self) -> int:
        """How many pairs have codes in memory."""
        return sum(int(np.count_nonzero(index.held)) for index in self._by_region.values())

    async def get(
        self, cursor: psycopg.AsyncCursor[Any], region_id: int, revision: int, incarnation: str
    ) -> RegionTileIndex:
        """The region's index as the cursor's snapshot sees it; pairs that did not change keep what they have.

        Args:
            cursor: on the snapshot.
            region_id: the region.
            revision: of its tiles, in the snapshot.
            incarnation: of the database, in the snapshot. Another one means that it was restored: versions repeat,
                and nothing in memory holds any more.
        """
        if self._incarnation != incarnation:
            for each in list(self._by_region):
                self._forget(each)
            self._incarnation = incarnation
        current = self._by_region.get(region_id)
        if current is not None and current.revision == revision:
            return current
        with self._failures_noted():
            while True:
                base = current or empty_index()
                await cursor.execute(_VERSIONS, [region_id])
                versions: dict[date, int] = dict(await cursor.fetchall())
                await cursor.execute(_LEAVES, [region_id, base.unknown(versions)])
                rows = [TileRow(*row) for row in await cursor.fetchall()]
                leaves = await asyncio.to_thread(read_leaves, [row.leaves for row in rows])
                newest = self._by_region.get(region_id)
                if newest is current:
                    break
                # Another request was faster; what it read is not read twice.
                current = newest
                if current is not None and current.revision == revision:
                    return current
            index = base.updated(revision, versions, rows, leaves)
        # The other snapshot may be the later one.
        if self._incarnation == incarnation and (current is None or current.revision < revision):
            self._forget(region_id)
            self._by_region[region_id] = index
            self._index_bytes += index.own_bytes
            self._code_bytes += index.held_bytes
            self._read_later(region_id)
        return index

    async def load(
        self,
        cursor: psycopg.AsyncCursor[Any],
        region_id: int,
        index: RegionTileIndex,
        ranges: ByteRanges,
    ) -> tuple[Columns, list[bytes]]:
        """Reads codes, and keeps them if the index is the newest one; returns where they lie, and what holds them."""
        with self._failures_noted():
            await cursor.execute(HIGH_BITS, [*ranges.parameters(index), region_id])
            pieces = [piece for (piece,) in await cursor.fetchall()]
            columns = ranges.located(index, pieces)
        if self._by_region.get(region_id) is index:
            pairs = index.tiles.pairs[ranges.tiles].tolist()
            self._code_bytes += index.store(columns, pairs, pieces)
        return columns, pieces

    def evict(self) -> None:
        """Keeps to the budget: forgets what was asked about the longest time ago, codes before bounds."""
        if self.held_bytes <= self._max_bytes:
            return
        for region_id, _ in sorted(self._by_region.items(), key=lambda item: item[1].asked_at.max(initial=0)):
            if self._index_bytes <= _INDEX_SHARE * self._max_bytes:
                break
            self._forget(region_id)
        held = [(index, np.flatnonzero(index.held)) for index in self._by_region.values()]
        owners = [(index, pair) for index, pairs in held for pair in pairs.tolist()]
        asked_at = np.concatenate([[], *(index.asked_at[pairs] for index, pairs in held)])
        for place in np.argsort(asked_at, kind="stable").tolist():
            if self.held_bytes <= _KEEP * self._max_bytes:
                break
            index, pair = owners[place]
            self._code_bytes -= index.evict(pair)

    async def read_ahead(self) -> None:
        """Reads what questions will need before they are asked, as far as the budget goes; never ends."""
        self._read_later(None)
        while True:
            region_id = await self._to_read.get()
            self._waiting.discard(region_id)
            try:
                async with self._snapshot() as cursor:
                    await self._read(cursor, region_id)
            except Exception as error:  # any: one region's fault must not keep the others from being read
                # Questions read what they need themselves.
                _log.warning("tiles are not read ahead", extra={"error": type(error).__name__})
                asyncio.get_running_loop().call_later(_RETRY_S, self._read_later, region_id)

    async def _read(self, cursor: psycopg.AsyncCursor[Any], region_id: int | None) -> None:
        """Reads a region, or sees which there are."""
        await cursor.execute(_REVISIONS, {"region": region_id})
        found = await cursor.fetchall()
        if region_id is None:
            for each, *_ in found:
                self._read_later(each)
        elif found and not self._is_full:
            # What is brought up to date here is read here.
            self._waiting.add(region_id)
            try:
                index = await self.get(cursor, *found[0])
            finally:
                self._waiting.discard(region_id)
            self.evict()
            await self._read_codes(cursor, region_id, index)

    async def _read_codes(
        self, cursor: psycopg.AsyncCursor[Any], region_id: int, index: RegionTileIndex
    ) -> None:
        """Reads all codes of a region, the newest weeks first, in small parts: questions are answered between."""
        starts = index.tiles.leaf_starts[index.tile_starts]
        stop = len(index.weeks)
        while stop > 0:
            first = int(np.searchsorted(starts, starts[stop] - _READ_LEAVES, side="right")) - 1
            first = min(max(first, 0), stop - 1)
            leaves = np.arange(starts[first], starts[stop])
            for part in codes_missing(index, leaves, index.addresses[leaves] == 0).parts(
                _READ_BYTES, _READ_RANGES
            ):
                if self._is_full or self._by_region.get(region_id) is not index:
                    return
                await self.load(cursor, region_id, index, part)
            stop = first

    @property
    def _is_full(self) -> bool:
        return self.held_bytes + _READ_BYTES > _KEEP * self._max_bytes

    def _read_later(self, region_id: int | None) -> None:
        if region_id not in self._waiting:
            self._waiting.add(region_id)
            self._to_read.put_nowait(region_id)

    def _forget(self, region_id: int) -> None:
        index = self._by_region.pop(region_id, None)
        if index is not None:
            self._index_bytes -= index.own_bytes
            self._code_bytes -= index.held_bytes

    @contextlib.contextmanager
    def _failures_noted(self) -> Iterator[None]:
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
    """A cursor of the driver's own on a connection: bytes come as they are, not as hexadecimal text."""
    pooled = await connection.get_raw_connection()
    driver = cast("psycopg.AsyncConnection[Any]", pooled.driver_connection)
    async with driver.cursor(binary=True) as cursor:
        yield cursor
