"""Builds the tiles of a (region, week) pair: puts its trips into k-d order and encodes them."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from shifts_core.tiles.codec import Tile
from shifts_core.tiles.encode import encode_tile
from shifts_core.tiles.format import TILE_TRIPS
from shifts_core.tiles.k_d_order import k_d_order


def build_tiles(ends: NDArray[np.float64], minutes: NDArray[np.uint16]) -> Iterator[Tile]:
    """The tiles of a pair's trips. Reorders both arrays.

    Args:
        ends: shape (n, 4), C-contiguous: origin lon, lat, destination lon, lat; degrees.
        minutes: shape (n,): minute of the week in which each trip starts, from Monday 00:00.
    """
    k_d_order(ends, minutes)
    for start in range(0, len(ends), TILE_TRIPS):
        yield encode_tile(ends[start : start + TILE_TRIPS], minutes[start : start + TILE_TRIPS])
