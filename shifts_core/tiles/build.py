"""A pair's trips as tiles, ready to be stored."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shifts_core.tiles.encode import LEAF, encode
from shifts_core.tiles.split import LEAF_TRIPS, TILE_TRIPS, k_d_order


@dataclass(frozen=True)
class Tile:
    """Some tens of thousands of neighbouring trips; the bytes as the package documentation describes them."""

    trips: int
    leaves: bytes
    codes: bytes
    rests: bytes


def build_tiles(ends: NDArray[np.float64]) -> Iterator[Tile]:
    """The tiles of a pair's trips; shape (n, 4): origin lon, lat, destination lon, lat; degrees. Reorders `ends`."""
    k_d_order(ends)
    for start in range(0, len(ends), TILE_TRIPS):
        yield _tile(ends[start : start + TILE_TRIPS])


def _tile(ends: NDArray[np.float64]) -> Tile:
    whole = len(ends) // LEAF_TRIPS * LEAF_TRIPS
    # The last leaf of a pair may be shorter than the others.
    parts = [
        part.reshape(-1, size, 4)
        for part, size in ((ends[:whole], LEAF_TRIPS), (ends[whole:], len(ends) - whole))
        if len(part)
    ]
    leaves = np.concatenate([_describe(part) for part in parts])
    codes, rests = [], []
    for axis in range(4):
        encoded = [encode(np.ascontiguousarray(part[:, :, axis])) for part in parts]
        leaves["digits"][:, axis] = np.concatenate([of_part.digits for of_part in encoded])
        codes += [of_part.codes for of_part in encoded]
        rests += [of_part.rests for of_part in encoded]
    return Tile(
        trips=len(ends),
        leaves=leaves.tobytes(),
        codes=b"".join(codes),
        rests=b"".join(rests),
    )


def _describe(part: NDArray[np.float64]) -> NDArray[np.void]:
    """Bounds and counts of leaves; shape (leaves, trips, 4) to (leaves,)."""
    leaves = np.zeros(len(part), LEAF)
    leaves["low"] = part.min(axis=1)
    leaves["high"] = part.max(axis=1)
    leaves["trips"] = part.shape[1]
    return leaves
