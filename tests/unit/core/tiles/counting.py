"""Counting from tiles without a database: the pipeline's bytes, read piece by piece as the service asks for them."""

from datetime import date

import numpy as np
from numpy.typing import NDArray

from shifts_core.tiles.box import Box, Match
from shifts_core.tiles.box_count import BoxCount
from shifts_core.tiles.build import Tile, build_tiles
from shifts_core.tiles.byte_ranges import ByteRanges
from shifts_core.tiles.decode import read_leaves
from shifts_core.tiles.region_index import RegionTileIndex, TileRow, empty_index


def count_by_tiles(ends: NDArray[np.float64], box: Box, match: Match) -> int:
    """Trips that match, from the tiles of `ends`."""
    return count_in(list(build_tiles(ends.copy())), box, match)


def count_in(tiles: list[Tile], box: Box, match: Match) -> int:
    """Trips of some tiles that match."""
    if not tiles:
        return 0
    of_weeks = {date(2018, 5, 28): tiles}
    return int(answer(to_index(of_weeks), of_weeks, box, match).sum())


def to_index(tiles: dict[date, list[Tile]], before: RegionTileIndex | None = None) -> RegionTileIndex:
    """Tiles as the service reads them, all in version 1; `before` is what it knew already."""
    before = before or empty_index()
    versions = dict.fromkeys(tiles, 1)
    rows = [
        TileRow(week, number, tile.trips, tile.leaves)
        for week in before.unknown(versions)
        for number, tile in enumerate(tiles[week])
    ]
    return before.updated(before.revision + 1, versions, rows, read_leaves([row.leaves for row in rows]))


def answer(
    index: RegionTileIndex, tiles: dict[date, list[Tile]], box: Box, match: Match
) -> NDArray[np.int64]:
    """Matching trips of each pair; whatever is asked for is taken from `tiles`."""
    box_count = BoxCount(index, slice(0, len(index.weeks)), box, match)
    for part in box_count.missing().parts(100_000, 100):
        pieces = read(part, index, tiles, "codes")
        columns = part.located(index, pieces)
        index.store(columns, index.tiles.pairs[part.tiles].tolist(), pieces)
        box_count.load(columns, pieces)
    assert len(box_count.missing().sizes) == 0
    box_count.count()
    rests = box_count.rests()
    if rests is not None:
        box_count.resolve(read(rests, index, tiles, "rests"))
    return box_count.counts


def read(
    ranges: ByteRanges, index: RegionTileIndex, tiles: dict[date, list[Tile]], column: str
) -> list[bytes]:
    """The bytes of ranges, copies as the database gives them."""
    return [
        bytes(bytearray(getattr(tiles[week][tile], column))[start : start + size])
        for week, tile, start, size in zip(*ranges.parameters(index), strict=True)
    ]


def count_one_by_one(ends: NDArray[np.float64], box: Box, match: Match) -> int:
    """The same from the coordinates themselves."""
    lon, lat = ends[:, ::2], ends[:, 1::2]
    above, below = lon >= box.west, lon <= box.east
    across = (above & below) if box.west <= box.east else (above | below)
    inside = across & (lat >= box.south) & (lat <= box.north)
    chosen = {
        "both": inside.all(axis=1),
        "any": inside.any(axis=1),
        "origin": inside[:, 0],
        "destination": inside[:, 1],
    }
    return int(chosen[match].sum())
