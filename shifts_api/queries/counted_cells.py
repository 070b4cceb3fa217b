"""Reads the cells that a question counts, to draw them."""

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.ext.asyncio import AsyncConnection

from shifts_api.queries.regions import Region
from shifts_api.queries.tile_cache import TileCache, binary_cursor
from shifts_api.web.errors import ApiError
from shifts_core.cells.boxes import CountedBox, as_answer, counted_boxes, join
from shifts_core.cells.generalise import GeneralisedTrips
from shifts_core.tiles.box import matched_ends, polygon_of
from shifts_core.tiles.codec import Tile, decode_tile
from shifts_core.tiles.region_index import RegionTileIndex
from shifts_core.weekly_statistics import WeeklyQuery

MAX_BOXES = 10_000
_MAX_TRIPS = 4_000_000
"""In tiles that must be decoded, which takes a second for a million."""
_TILES = """
SELECT t.trips, t.leaves, t.high_bits, t.low_bits
FROM unnest(%s::date[], %s::bigint[], %s::integer[]) AS u (week, segment, tile)
JOIN shifts_store.cell_tiles t
    ON t.region_id = %s AND t.week = u.week AND t.segment = u.segment AND t.tile = u.tile
"""


async def find_counted_cells(
    connection: AsyncConnection, tiles: TileCache, region: Region, query: WeeklyQuery
) -> list[CountedBox]:
    """The boxes of the cells that a question counts, those with the most trips first.

    Args:
        connection: in the snapshot that is counted.
        tiles: of cells.
        region: found in the same snapshot.
        query: which trips match.

    Raises:
        ApiError: 400, there are too many.
    """
    limits = query.limits(region.span)
    if limits is None:
        return []
    async with binary_cursor(connection) as cursor:
        index = await tiles.get(cursor, region.region_id, region.tiles_revision, region.incarnation)
        chosen = _candidates(index, index.weeks_between(*limits), query)
        if index.tiles.trips[chosen].sum() > _MAX_TRIPS:
            raise ApiError(
                400, "cells: too many trips lie near the area; ask for fewer weeks or a smaller area"
            )
        keys = (
            index.weeks[index.tiles.week_of[chosen]],
            index.tiles.segments[chosen],
            index.tiles.numbers[chosen],
        )
        await cursor.execute(_TILES, [*(key.tolist() for key in keys), region.region_id])
        found = await cursor.fetchall()
    boxes = await asyncio.to_thread(_boxes, found, query)
    if len(boxes) > MAX_BOXES:
        raise ApiError(400, f"cells: {len(boxes):,} boxes, more than {MAX_BOXES:,}; ask for a smaller area")
    return boxes


def _candidates(index: RegionTileIndex, weeks: slice, query: WeeklyQuery) -> NDArray[np.int64]:
    """Tiles of some weeks whose bounds meet those of the area, at one end that matters at least."""
    area = query.polygon if query.box is None else polygon_of(query.box)
    assert area is not None
    west, south, east, north = area.bounds
    tiles = index.tiles
    chosen = np.arange(index.tile_starts[weeks.start], index.tile_starts[weeks.stop])
    meets = np.zeros(len(chosen), bool)
    for end, matters in enumerate(matched_ends(query.match)):
        if matters:
            low, high = (each[chosen, 2 * end : 2 * end + 2] for each in (tiles.low, tiles.high))
            meets |= ((low <= (east, north)) & (high >= (west, south))).all(axis=1)
    return chosen[meets]


def _boxes(found: Sequence[tuple[Any, ...]], query: WeeklyQuery) -> list[CountedBox]:
    parts = [counted_boxes(GeneralisedTrips(*decode_tile(Tile(*row))), query) for row in found]
    return as_answer(join(parts))
