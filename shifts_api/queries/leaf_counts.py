"""The steps of a count of leaves: missing high bits are read, threads count, low bits decide the rest."""

import asyncio
import os
from typing import Any

import psycopg

from shifts_api.queries.tile_cache import TileCache
from shifts_core.tiles.leaf_count import LeafCount

_FETCH_BYTES = 6 * 1024**2
_FETCH_RANGES = 2000
_CORES = os.cpu_count() or 1


async def complete(
    count: LeafCount, tiles: TileCache, cursor: psycopg.AsyncCursor[Any], region_id: int
) -> None:
    """Takes all steps of a count.

    Args:
        count: has compared bounds.
        tiles: the tiles in memory.
        cursor: in the snapshot of the count's index.
        region_id: of the region.
    """
    for ranges in count.missing_high_bits().parts(_FETCH_BYTES, _FETCH_RANGES):
        count.load(*await tiles.load(cursor, region_id, count.index, ranges))
    await count_leaves(count)
    low_bits = count.missing_low_bits()
    if low_bits is not None:
        await cursor.execute(tiles.source.ranges("low_bits"), [*low_bits.parameters(count.index), region_id])
        count.resolve([chunk for (chunk,) in await cursor.fetchall()])


async def count_leaves(count: LeafCount) -> None:
    """Counts by high bits, in threads if there are many leaves."""
    threads = min(count.n_straddling // count.LEAVES_PER_THREAD, _CORES)
    if threads == 0:
        count.count()
    else:
        await asyncio.gather(*(asyncio.to_thread(count.count, part, threads) for part in range(threads)))
