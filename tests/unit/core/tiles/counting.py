"""Counts from tiles without a database: encoded tiles, read range by range as the API reads them."""

from datetime import date

import numpy as np
from numpy.typing import NDArray

from shifts_core.tiles.bounds import TileRow
from shifts_core.tiles.box import Box, Match
from shifts_core.tiles.box_count import BoxCount
from shifts_core.tiles.byte_ranges import ByteRanges, read_ahead_ranges
from shifts_core.tiles.codec import Tile, decode_leaves
from shifts_core.tiles.region_index import RegionTileIndex, WeekRevision, empty_index, no_small_segments
from tests.unit.core.tiles.random_trips import tiles_of


def count_by_tiles(
    ends: NDArray[np.float64], box: Box, match: Match, minute_ranges: NDArray[np.int64] | None = None
) -> int:
    """Matching trips, counted from the tiles of `ends`."""
    return count_in(tiles_of(ends), box, match, minute_ranges)


def count_in(
    tiles: list[Tile], box: Box, match: Match, minute_ranges: NDArray[np.int64] | None = None
) -> int:
    """Matching trips of some tiles."""
    if not tiles:
        return 0
    by_week = {date(2018, 5, 28): tiles}
    return int(count_weeks(to_index(by_week), by_week, box, match, minute_ranges).sum())


def to_index(tiles: dict[date, list[Tile]], before: RegionTileIndex | None = None) -> RegionTileIndex:
    """The index of tiles, all weeks at revision 1; updates `before` if it is given."""
    before = before or empty_index()
    revisions = dict.fromkeys(tiles, WeekRevision(1, 1))
    rows = [row for week in before.outdated(revisions) for row in tile_rows(week, tiles[week])]
    leaves = decode_leaves([row.leaves for row in rows])
    return before.updated(before.revision + 1, revisions, rows, leaves, no_small_segments())


def tile_rows(week: date, tiles: list[Tile], segment: int = 0, sign: int = 1) -> list[TileRow]:
    """The rows of a segment."""
    return [
        TileRow(week, segment, number, sign, tile.trips, len(tile.high_bits) > 8 * tile.trips, tile.leaves)
        for number, tile in enumerate(tiles)
    ]


def load_all(index: RegionTileIndex, tiles: dict[date, list[Tile]]) -> None:
    """Loads all high bits, as the API does ahead of requests."""
    for ranges in read_ahead_ranges(index):
        chunks = read(ranges, index, tiles, "high_bits")
        index.store(ranges.locate(index, chunks), index.tiles.week_of[ranges.tiles].tolist(), chunks)


def count_weeks(
    index: RegionTileIndex,
    tiles: dict[date, list[Tile]],
    box: Box,
    match: Match,
    minute_ranges: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:
    """Matching trips of each week; reads from `tiles` what is not in memory."""
    box_count = BoxCount(index, slice(0, len(index.weeks)), box, match, minute_ranges)
    for part in box_count.missing_high_bits().parts(100_000, 100):
        chunks = read(part, index, tiles, "high_bits")
        columns = part.locate(index, chunks)
        index.store(columns, index.tiles.week_of[part.tiles].tolist(), chunks)
        box_count.load(columns, chunks)
    assert len(box_count.missing_high_bits().sizes) == 0
    box_count.count()
    resolve(box_count, tiles)
    return box_count.counts[:, 0]


def resolve(box_count: BoxCount, tiles: dict[date, list[Tile]]) -> None:
    """Counts the trips that high bits do not decide."""
    ranges = box_count.missing_low_bits()
    if ranges is not None:
        box_count.resolve(read(ranges, box_count.index, tiles, "low_bits"))


def read(
    ranges: ByteRanges, index: RegionTileIndex, tiles: dict[date, list[Tile]], column: str
) -> list[bytes]:
    """The bytes of ranges, as copies, like those that come from the database."""
    return [
        bytes(bytearray(getattr(tiles[week][tile], column))[start : start + size])
        for week, _, tile, start, size in zip(*ranges.parameters(index), strict=True)
    ]


def matches_one_by_one(ends: NDArray[np.float64], box: Box, match: Match) -> NDArray[np.bool_]:
    """Which trips match, by their coordinates."""
    lon, lat = ends[:, ::2], ends[:, 1::2]
    above, below = lon >= box.west, lon <= box.east
    across = (above & below) if box.west <= box.east else (above | below)
    inside = across & (lat >= box.south) & (lat <= box.north)
    chosen: dict[Match, NDArray[np.bool_]] = {
        "both": inside[:, 0] & inside[:, 1],
        "any": inside[:, 0] | inside[:, 1],
        "origin": inside[:, 0],
        "destination": inside[:, 1],
    }
    return chosen[match]


def count_one_by_one(ends: NDArray[np.float64], box: Box, match: Match) -> int:
    """Matching trips, counted from their coordinates."""
    return int(matches_one_by_one(ends, box, match).sum())
