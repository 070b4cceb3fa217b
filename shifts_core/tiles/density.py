"""Where trips begin and end, as pictures: ends per pixel of a map tile, counted from high bits.

High bits place an end within a 32,768th of its leaf, which is less than a pixel at every zoom that is served. So no
low bits are read, and the counts are for looking at only.
"""

import math
import threading
from collections.abc import Sequence
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from shifts_core.tiles.byte_ranges import ByteRanges
from shifts_core.tiles.format import COLUMNS, scale_of_bounds, value_of
from shifts_core.tiles.kernels import high_bits_of
from shifts_core.tiles.leaf_count import LeafCount
from shifts_core.tiles.region_index import RegionTileIndex

PIXELS = 512
"""On each side of a picture."""
MAX_ZOOM = 16
MAX_TRIPS = 3_000_000
"""Pictures show the newest weeks of a region with together about so many trips, so that their cost is bounded."""
_ROWS = 8192
"""Steps of latitude for which the pixel is looked up: within a picture, 16 of them a pixel."""
_TYPICAL_PART = 0.93
"""Share of the leaves that count for a side of the extent: a few stray trips must not widen it."""
_MARGIN = 0.05
"""Of the extent's size, for the rest."""
_TYPICAL_SHARE = 7e-6
"""Share of a city's ends in a pixel at `_TYPICAL_ZOOM`: a city of 100 km²."""
_TYPICAL_ZOOM = 12
_BRIGHTEST = 300
"""Times the typical density."""


class Mercator(NamedTuple):
    """A square of the Web Mercator map, as map tiles are numbered."""

    zoom: int
    x: int
    y: int

    @property
    def longitudes(self) -> tuple[float, float]:
        """West and east side in degrees."""
        west, east = (360 * (self.x + side) / 2**self.zoom - 180 for side in (0, 1))
        return west, east

    def latitude(self, down: float) -> float:
        """Degrees at a share of its height, from the top."""
        return math.degrees(math.atan(math.sinh(math.pi * (1 - 2 * (self.y + down) / 2**self.zoom))))

    def rows(self) -> NDArray[np.int64]:
        """The pixel row of each of `_ROWS` equal steps of latitude, from the south."""
        south, north = self.latitude(1), self.latitude(0)
        latitudes = np.radians(south + (np.arange(_ROWS) + 0.5) * (north - south) / _ROWS)
        down = (1 - np.arcsinh(np.tan(latitudes)) / math.pi) / 2 * 2**self.zoom - self.y
        rows: NDArray[np.int64] = np.clip(down * PIXELS, 0, PIXELS - 1).astype(np.int64)
        return rows


def newest_weeks(index: RegionTileIndex, max_trips: int = MAX_TRIPS) -> slice:
    """Positions of the newest weeks with at most so many trips; at least the newest week."""
    of_weeks = np.bincount(index.tiles.week_of, index.tiles.trips, len(index.weeks))
    of_weeks += np.bincount(index.small.week_of, minlength=len(index.weeks))
    total = np.cumsum(of_weeks[::-1])
    count = max(int(np.searchsorted(total, max_trips, side="right")), min(1, len(total)))
    return slice(len(index.weeks) - count, len(index.weeks))


def extent(index: RegionTileIndex) -> tuple[float, float, float, float] | None:
    """West, south, east and north side of a box that holds nearly all ends of a region, in degrees.

    It is estimated from the bounds of leaves. None if the region has no trips in tiles.
    """
    leaves, small = index.leaves, index.small
    if len(leaves.trips) + len(small.ends) == 0:
        return None
    low = np.concatenate([leaves.low, small.ends]).reshape(-1, 2)
    high = np.concatenate([leaves.high, small.ends]).reshape(-1, 2)
    weights = np.repeat(np.concatenate([leaves.trips, np.ones(len(small.ends), np.int64)]), 2)
    southwest = np.array([_quantile(low[:, axis], weights, 1 - _TYPICAL_PART) for axis in (0, 1)])
    northeast = np.array([_quantile(high[:, axis], weights, _TYPICAL_PART) for axis in (0, 1)])
    margin = _MARGIN * (northeast - southwest)
    west, south = np.maximum(southwest - margin, (-180, -90)).tolist()
    east, north = np.minimum(northeast + margin, (180, 90)).tolist()
    return west, south, east, north


def _quantile(values: NDArray[np.float64], weights: NDArray[np.int64], share: float) -> float:
    order = np.argsort(values, kind="stable")
    place = np.searchsorted(np.cumsum(weights[order]), share * weights.sum())
    return float(values[order[min(int(place), len(order) - 1)]])


class EndDensity(LeafCount):
    """Counts ends of trips by pixel: `pixels`, after the steps of `LeafCount`.

    Args:
        index: of the region.
        weeks: positions of the weeks.
        square: the part of the map.
    """

    LEAVES_PER_THREAD = 500

    def __init__(self, index: RegionTileIndex, weeks: slice, square: Mercator) -> None:
        (west, east), south, north = square.longitudes, square.latitude(1), square.latitude(0)
        self._sides = (west, south, east, north)
        self._rows = square.rows()
        first, stop = index.tiles.leaf_starts[index.tile_starts[[weeks.start, weeks.stop]]]
        low, high = index.leaves.low[first:stop], index.leaves.high[first:stop]
        needed = np.zeros((stop - first, COLUMNS), bool)
        for lon in (0, 2):
            is_near = (high[:, lon] >= west) & (low[:, lon] < east)
            is_near &= (high[:, lon + 1] >= south) & (low[:, lon + 1] <= north)
            needed[:, lon] = needed[:, lon + 1] = is_near
        chosen = np.flatnonzero(needed.any(axis=1))
        leaves = first + chosen
        super().__init__(index, weeks, leaves, needed[chosen])
        tiles = np.searchsorted(index.tiles.leaf_starts, leaves, side="right") - 1
        self._signs = index.tiles.signs[tiles]
        self._decimals = index.leaves.decimals[leaves]
        self._scale = scale_of_bounds(index.leaves.low[leaves], index.leaves.high[leaves], self._decimals)
        self._lock = threading.Lock()
        self.pixels = np.zeros((PIXELS, PIXELS), np.int64)
        """Ends in each pixel, rows from the north."""
        small = index.small
        is_chosen = (small.week_of >= weeks.start) & (small.week_of < weeks.stop)
        for ends in (small.ends[is_chosen, :2], small.ends[is_chosen, 2:]):
            _count_points(ends, small.signs[is_chosen], self._sides, self._rows, self.pixels)

    def missing_low_bits(self) -> ByteRanges | None:
        """None: pixels need none."""
        return None

    def resolve(self, chunks: Sequence[bytes | None]) -> None:
        """Does nothing."""

    def _count(self, chosen: slice) -> None:
        pixels = np.zeros((PIXELS, PIXELS), np.int64)
        _count_leaves(
            self._addresses[chosen],
            self._trips[chosen],
            self._signs[chosen],
            self._needed[chosen],
            (self._scale.base[chosen], self._scale.shifts[chosen], self._decimals[chosen]),
            self._sides,
            self._rows,
            pixels,
        )
        with self._lock:
            self.pixels += pixels


def brightness(pixels: NDArray[np.int64], zoom: int, trips: int) -> NDArray[np.uint8]:
    """How bright the pixels of a picture are, on a logarithmic scale that is the same for all pictures of a zoom.

    Args:
        pixels: ends in each pixel; any shape.
        zoom: of the picture.
        trips: of the weeks that are shown.
    """
    # A picture has pixels half as wide as those of a tile of 256 pixels.
    area = 4.0 ** (_TYPICAL_ZOOM - zoom - PIXELS.bit_length() + 9)
    typical = _TYPICAL_SHARE * area * 2 * max(trips, 1)
    shown = np.log1p(np.maximum(pixels, 0) / typical) / math.log1p(_BRIGHTEST)
    levels: NDArray[np.uint8] = np.rint(255 * np.minimum(shown, 1)).astype(np.uint8)
    return levels


@numba.njit(cache=True, nogil=True)
def _degrees(key, decimals, unit):  # type: ignore[no-untyped-def]
    # A product, not the exact quotient of `value_of`, which takes several times as long.
    return key * unit if decimals > 0 else value_of(key, decimals)


@numba.njit(cache=True, nogil=True)
def _pixel(lon, lat, sides, rows):  # type: ignore[no-untyped-def]
    """Column and row of a point; -1 outside."""
    west, south, east, north = sides
    if lon < west or lon >= east or lat < south or lat > north:
        return -1, -1
    column = int((lon - west) / (east - west) * PIXELS)
    step = min(int((lat - south) / (north - south) * _ROWS), _ROWS - 1)
    return min(column, PIXELS - 1), rows[step]


@numba.njit(cache=True, nogil=True)
def _count_points(points, signs, sides, rows, pixels):  # type: ignore[no-untyped-def]
    for number in range(len(points)):
        column, row = _pixel(points[number, 0], points[number, 1], sides, rows)
        if column >= 0:
            pixels[row, column] += signs[number]


@numba.njit(cache=True, nogil=True)
def _count_leaves(addresses, trips, signs, needed, scale, sides, rows, pixels):  # type: ignore[no-untyped-def]
    base, shifts, decimals = scale
    for leaf in range(len(trips)):
        for lon in (0, 2):
            if not needed[leaf, lon]:
                continue
            lat = lon + 1
            lon_bits = high_bits_of(addresses[leaf, lon], trips[leaf])
            lat_bits = high_bits_of(addresses[leaf, lat], trips[leaf])
            lon_shift, lat_shift = shifts[leaf, lon], shifts[leaf, lat]
            lon_decimals, lat_decimals = np.int64(decimals[leaf, lon]), np.int64(decimals[leaf, lat])
            lon_unit, lat_unit = 10.0**-lon_decimals, 10.0**-lat_decimals
            # The middle of the values that have the same high bits.
            lon_base = base[leaf, lon] + ((1 << lon_shift) >> 1)
            lat_base = base[leaf, lat] + ((1 << lat_shift) >> 1)
            for trip in range(trips[leaf]):
                lon_key = lon_base + (np.int64(lon_bits[trip]) << lon_shift)
                lat_key = lat_base + (np.int64(lat_bits[trip]) << lat_shift)
                column, row = _pixel(
                    _degrees(lon_key, lon_decimals, lon_unit),
                    _degrees(lat_key, lat_decimals, lat_unit),
                    sides,
                    rows,
                )
                if column >= 0:
                    pixels[row, column] += signs[leaf]
