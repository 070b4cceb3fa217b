"""Ends of trips by pixel, beside a count of their coordinates, and the extent of a region."""

import math
from datetime import date

import numpy as np
import pytest
from numpy.typing import NDArray

from shifts_core.tiles.codec import decode_leaves
from shifts_core.tiles.density import (
    PIXELS,
    EndDensity,
    Mercator,
    brightness,
    extent,
    newest_weeks,
)
from shifts_core.tiles.region_index import RegionTileIndex, WeekRevision, empty_index
from shifts_core.tiles.small_segments import SmallSegments
from tests.unit.core.tiles.counting import load_all, tile_rows, to_index
from tests.unit.core.tiles.random_trips import tiles_of

MONDAY = date(2018, 5, 28)


def trips_around(lon: float, lat: float, trips: int, decimals: int = 5) -> NDArray[np.float64]:
    random = np.random.default_rng(1)
    return np.round(random.normal([lon, lat, lon, lat], 0.03, (trips, 4)), decimals)


def index_of(ends: NDArray[np.float64]) -> RegionTileIndex:
    tiles = {MONDAY: tiles_of(ends)}
    index = to_index(tiles)
    load_all(index, tiles)
    return index


def pixels_of(index: RegionTileIndex, square: Mercator) -> NDArray[np.int64]:
    density = EndDensity(index, newest_weeks(index), square)
    assert len(density.missing_high_bits().sizes) == 0
    for part in range(3):
        density.count(part, 3)
    return density.pixels


def square_at(lon: float, lat: float, zoom: int) -> Mercator:
    down = (1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2
    return Mercator(zoom, int((lon + 180) / 360 * 2**zoom), int(down * 2**zoom))


def counted_one_by_one(ends: NDArray[np.float64], square: Mercator) -> NDArray[np.int64]:
    points = ends.reshape(-1, 2)
    column = ((points[:, 0] + 180) / 360 * 2**square.zoom - square.x) * PIXELS
    down = (1 - np.arcsinh(np.tan(np.radians(points[:, 1]))) / math.pi) / 2
    row = (down * 2**square.zoom - square.y) * PIXELS
    inside = (column >= 0) & (column < PIXELS) & (row >= 0) & (row < PIXELS)
    found = np.zeros((PIXELS, PIXELS), np.int64)
    np.add.at(found, (row[inside].astype(int), column[inside].astype(int)), 1)
    return found


@pytest.mark.parametrize("decimals", [5, 15])
@pytest.mark.parametrize("zoom", [0, 9, 12])
def test_pixels_are_those_of_the_coordinates(zoom: int, decimals: int) -> None:
    ends = trips_around(7.68, 45.07, 6000, decimals)
    square = square_at(7.68, 45.07, zoom)
    found, expected = pixels_of(index_of(ends), square), counted_one_by_one(ends, square)
    assert expected.sum() > 50
    # An end on the side of a pixel may fall into the next one.
    assert abs(int(found.sum()) - int(expected.sum())) <= 0.01 * expected.sum()
    shifted = [np.roll(expected, step, (0, 1)) for step in ((0, 0), (0, 1), (1, 0), (0, -1), (-1, 0))]
    assert (np.minimum(found, np.maximum.reduce(shifted)).sum()) >= 0.97 * expected.sum()


def test_the_world_shows_every_end_once() -> None:
    assert pixels_of(index_of(trips_around(-122.4, 37.7, 3000)), Mercator(0, 0, 0)).sum() == 6000


def test_a_place_without_trips_is_empty() -> None:
    assert pixels_of(index_of(trips_around(7.68, 45.07, 3000)), square_at(-122.4, 37.7, 10)).sum() == 0


def test_deleted_trips_and_small_segments_count() -> None:
    ends = trips_around(7.68, 45.07, 2000)
    tiles = tiles_of(ends)
    rows = [*tile_rows(MONDAY, tiles), *tile_rows(MONDAY, tiles, segment=1, sign=-1)]
    one = np.ones(1, np.int64)
    small = SmallSegments(0 * one, one, 5 * one, np.array([[7.6, 45.0, 7.7, 45.1]]))
    leaves = decode_leaves([row.leaves for row in rows])
    index = empty_index().updated(1, {MONDAY: WeekRevision(1, 1)}, rows, leaves, small)
    density = EndDensity(index, slice(0, 1), Mercator(0, 0, 0))
    for part in density.missing_high_bits().parts(10**6, 1000):
        chunks = [
            tiles[tile].high_bits[start : start + size]
            for _, _, tile, start, size in zip(*part.parameters(index), strict=True)
        ]
        density.load(part.locate(index, chunks), chunks)
    density.count()
    assert density.pixels.sum() == 2


def test_only_the_newest_weeks_are_shown() -> None:
    weeks = [date(2018, 5, 14), date(2018, 5, 21), MONDAY]
    index = to_index({week: tiles_of(trips_around(7.68, 45.07, 1000)) for week in weeks})
    assert newest_weeks(index, 2500) == slice(1, 3)
    assert newest_weeks(index, 10) == slice(2, 3)
    assert newest_weeks(empty_index()) == slice(0, 0)


def test_a_few_stray_trips_do_not_widen_the_extent() -> None:
    ends = trips_around(7.68, 45.07, 20_000)
    stray = np.tile([[100.0, -30.0, 100.0, -30.0]], (20, 1))
    found = extent(index_of(np.concatenate([ends, stray])))
    assert found is not None
    west, south, east, north = found
    assert 7.4 < west < 7.64
    assert 7.72 < east < 7.95
    assert 44.8 < south < 45.03
    assert 45.11 < north < 45.35
    assert extent(empty_index()) is None


def test_the_extent_of_a_few_trips_holds_all_of_them() -> None:
    ends = trips_around(7.68, 45.07, 300)
    found = extent(index_of(ends))
    assert found is not None
    west, south, east, north = found
    lons, lats = ends[:, ::2], ends[:, 1::2]
    assert west <= lons.min() < lons.max() <= east
    assert south <= lats.min() < lats.max() <= north


def test_more_ends_are_brighter_up_to_a_limit() -> None:
    shown = brightness(np.array([0, 1, 10, 10**9]), 12, 30_000).tolist()
    assert shown[0] == 0
    assert 0 < shown[1] < shown[2] < 255
    assert shown[3] == 255
