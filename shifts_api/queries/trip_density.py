"""What a region looks like: its extent, and pictures of where its trips begin and end, from tiles in memory."""

import asyncio

from sqlalchemy.ext.asyncio import AsyncConnection

from shifts_api.queries.leaf_counts import complete
from shifts_api.queries.regions import Region
from shifts_api.queries.tile_cache import TileCache, binary_cursor
from shifts_core.png import encode_opacity
from shifts_core.tiles.density import EndDensity, Mercator, brightness, extent, newest_weeks


async def draw_density(
    connection: AsyncConnection, tiles: TileCache, region: Region, square: Mercator
) -> bytes:
    """A picture as PNG; trips that are in no tile yet are not shown.

    Args:
        connection: in a snapshot.
        tiles: the tiles in memory.
        region: found in the same snapshot.
        square: the part of the map.
    """
    async with binary_cursor(connection) as cursor:
        index = await tiles.get(cursor, region.region_id, region.tiles_revision, region.incarnation)
        weeks = newest_weeks(index)
        density = EndDensity(index, weeks, square)
        await complete(density, tiles, cursor, region.region_id)
        tiles.indexes.evict()
    trips = int(index.tiles.trips[slice(*index.tile_starts[[weeks.start, weeks.stop]])].sum())
    # Compressing a picture takes some tens of milliseconds.
    return await asyncio.to_thread(lambda: encode_opacity(brightness(density.pixels, square.zoom, trips)))


async def find_extent(
    connection: AsyncConnection, tiles: TileCache, region: Region
) -> tuple[float, float, float, float] | None:
    """The box that holds nearly all ends of a region's trips; None if none are in tiles."""
    async with binary_cursor(connection) as cursor:
        index = await tiles.get(cursor, region.region_id, region.tiles_revision, region.incarnation)
    return extent(index)
