"""Trips put in order so that neighbours in the order are neighbours on the map, at both ends."""

import numpy as np
from numpy.typing import NDArray

LEAF_TRIPS = 998
"""A column's codes of a leaf, two bytes each, fill one chunk of PostgreSQL's TOAST storage (1,996 bytes)."""
LEAVES_OF_TILE = 64
TILE_TRIPS = LEAF_TRIPS * LEAVES_OF_TILE

_SAMPLE = 65_536


def k_d_order(ends: NDArray[np.float64]) -> None:
    """Sorts trips in place into leaves of `LEAF_TRIPS`, and those into tiles of `TILE_TRIPS`; the last are shorter.

    A k-d tree (Bentley 1975) over the four coordinates, cut where its leaves and tiles end. A part is cut across
    the coordinate in which it spans the largest share of all trips: so the fewest leaves are met by the side of
    a box that is drawn where trips are.

    ends: shape (n, 4), degrees.
    """
    shares = np.sort(ends[:: max(1, len(ends) // _SAMPLE)], axis=0)
    parts = [(0, len(ends))]
    while parts:
        start, stop = parts.pop()
        unit = TILE_TRIPS if stop - start > TILE_TRIPS else LEAF_TRIPS
        units = -(-(stop - start) // unit)
        if units < 2:
            continue
        part = ends[start:stop]
        middle = unit * (units // 2)
        part[:] = part[np.argpartition(part[:, _widest(part, shares)], middle)]
        parts += [(start, start + middle), (start + middle, stop)]


def _widest(part: NDArray[np.float64], shares: NDArray[np.float64]) -> int:
    spans = [
        np.searchsorted(column, values.max(), "right") - np.searchsorted(column, values.min())
        for column, values in zip(shares.T, part.T, strict=True)
    ]
    return int(np.argmax(spans))
