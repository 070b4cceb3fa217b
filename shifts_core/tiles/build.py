"""Builds the tiles of a (region, week) pair: puts its trips into k-d order and encodes them."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from shifts_core.tiles.codec import Tile, encode_tile
from shifts_core.tiles.format import LEAF_TRIPS, TILE_TRIPS

_SAMPLE = 65_536
"""Trips whose distribution decides along which coordinate a part is split."""


def build_tiles(ends: NDArray[np.float64]) -> Iterator[Tile]:
    """The tiles of a pair's trips. Reorders `ends`.

    Args:
        ends: shape (n, 4): origin lon, lat, destination lon, lat; degrees.
    """
    k_d_order(ends)
    for start in range(0, len(ends), TILE_TRIPS):
        yield encode_tile(ends[start : start + TILE_TRIPS])


def k_d_order(ends: NDArray[np.float64]) -> None:
    """Sorts trips in place so that leaves and tiles hold neighbours at both ends.

    A k-d tree over the four coordinates (J. L. Bentley, "Multidimensional binary search trees used for associative
    searching", 1975), split at multiples of `TILE_TRIPS` and `LEAF_TRIPS`. A part is split along the coordinate in
    which it spans the largest share of all trips, so that a box drawn where the trips are straddles few leaves.

    Args:
        ends: shape (n, 4), degrees.
    """
    sample = np.sort(ends[:: max(1, len(ends) // _SAMPLE)], axis=0)
    parts = [(0, len(ends))]
    while parts:
        start, stop = parts.pop()
        unit = TILE_TRIPS if stop - start > TILE_TRIPS else LEAF_TRIPS
        units = -(-(stop - start) // unit)
        if units < 2:
            continue
        part = ends[start:stop]
        middle = unit * (units // 2)
        part[:] = part[np.argpartition(part[:, _widest(part, sample)], middle)]
        parts += [(start, start + middle), (start + middle, stop)]


def _widest(part: NDArray[np.float64], sample: NDArray[np.float64]) -> int:
    """The coordinate in which a part spans the largest share of the sorted sample."""
    spans = [
        np.searchsorted(column, values.max(), "right") - np.searchsorted(column, values.min())
        for column, values in zip(sample.T, part.T, strict=True)
    ]
    return int(np.argmax(spans))
