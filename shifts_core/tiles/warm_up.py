"""Compiles the kernels that count, and those that build tiles, before the first request."""

from datetime import date

import numpy as np
import shapely

from shifts_core.tiles.area_count import AreaCount
from shifts_core.tiles.area_grid import grid_of
from shifts_core.tiles.bounds import TileRow
from shifts_core.tiles.box import Box
from shifts_core.tiles.box_count import BoxCount
from shifts_core.tiles.build import build_tiles
from shifts_core.tiles.codec import decode_leaves
from shifts_core.tiles.density import EndDensity, Mercator
from shifts_core.tiles.format import HIGH_BITS_DTYPE, LEAF_DTYPE, LEAF_TRIPS
from shifts_core.tiles.region_index import RegionTileIndex, WeekRevision, empty_index
from shifts_core.tiles.small_segments import SmallSegments

_SIDE = 0.20001
_HIGH_BITS_OF_SIDE = 20001 >> 2
"""Offsets up to 100,000, one degree at five decimals, have 17 bits; these high bits do not decide."""


def compile_counting() -> None:
    """Counts a box, a polygon, two polygons and the pixels of a picture.

    numba caches the code beside its source, or in NUMBA_CACHE_DIR.
    """
    index, square = _index_of_one_trip(), shapely.box(_SIDE, _SIDE, 0.5, 0.5)
    for count in (
        BoxCount(index, slice(0, 1), Box(_SIDE, _SIDE, 0.5, 0.5), "both"),
        AreaCount(index, slice(0, 1), grid_of([square]), "both"),
        AreaCount(index, slice(0, 1), grid_of([square, square]), "both"),
    ):
        missing = count.missing_high_bits()
        chunks = [np.full(size // 2, _HIGH_BITS_OF_SIDE, HIGH_BITS_DTYPE).tobytes() for size in missing.sizes]
        count.load(missing.locate(index, chunks), chunks)
        count.count()
        low_bits = count.missing_low_bits()
        assert low_bits is not None
        count.resolve([b"\1" * size for size in low_bits.sizes])
        assert count.counts.tolist() == [[2]]
    density = EndDensity(index, slice(0, 1), Mercator(0, 0, 0))
    missing = density.missing_high_bits()
    chunks = [bytes(size) for size in missing.sizes]
    density.load(missing.locate(index, chunks), chunks)
    density.count()
    assert density.pixels.sum() == 4


def compile_building() -> None:
    """Builds tiles with every kernel."""
    list(build_tiles(np.zeros((LEAF_TRIPS + 1, 4)), np.zeros(LEAF_TRIPS + 1, np.uint16)))


def _index_of_one_trip() -> RegionTileIndex:
    """One trip in a tile, and one in a small segment."""
    leaves = np.zeros(1, LEAF_DTYPE)
    leaves["high"], leaves["trips"], leaves["decimals"] = 1.0, 1, 5
    monday, blob = date(2018, 5, 28), leaves.tobytes()
    one = np.ones(1, np.int64)
    small = SmallSegments(one - 1, one, one, np.full((1, 4), 0.3))
    row = TileRow(monday, 1, 0, 1, 1, True, blob)
    return empty_index().updated(1, {monday: WeekRevision(1, 1)}, [row], decode_leaves([blob]), small)
