"""The leaves of tiles as they are stored, and what follows from their bounds: keys, shifts, places in the bytes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEAF = np.dtype([("low", "<f8", 4), ("high", "<f8", 4), ("trips", "<u4"), ("digits", "u1", 4)])
LEAF_TRIPS = 998
CODE_BITS = 15
_ALL_BUT_SIGN = np.int64(2**63 - 1)


@dataclass(frozen=True)
class Leaves:
    """The leaves of some tiles, tile by tile."""

    known: NDArray[np.void]
    """Shape (n,), dtype `LEAF`."""
    tiles: NDArray[np.int64]
    """Shape (n,): which of the tiles each is in."""
    numbers: NDArray[np.int64]
    """Shape (n,): which leaf of its tile, from 0."""

    def keys(
        self, leaves: NDArray[np.int64], axes: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
        """The key of the smallest value of some coordinates of leaves, and the largest offset; shapes (k,)."""
        digits = self.known["digits"][leaves, axes]
        low, high = (_keys(self.known[side][leaves, axes], digits) for side in ("low", "high"))
        return low, (high - low).view(np.uint64)


def read_leaves(blobs: Sequence[bytes]) -> Leaves:
    """The leaves of tiles from their column `leaves`."""
    counts = np.array([len(blob) // LEAF.itemsize for blob in blobs], np.int64)
    starts = np.cumsum(counts) - counts
    return Leaves(
        np.frombuffer(b"".join(blobs), LEAF),
        np.repeat(np.arange(len(blobs)), counts),
        np.arange(counts.sum()) - np.repeat(starts, counts),
    )


def rest_places(
    leaves: Leaves, wanted: NDArray[np.int64], axes: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Bytes of one rest, and where those of a leaf begin in its tile's `rests`; shapes (k,).

    Args:
        leaves: all of the tiles.
        wanted: shape (k,), numbers among them.
        axes: shape (k,), of which coordinate.
    """
    every = np.flatnonzero(np.isin(leaves.tiles, leaves.tiles[wanted]))
    widths = np.empty((len(every), 4), np.int64)
    for axis in range(4):
        widths[:, axis] = (shifts_of(leaves.keys(every, np.full(len(every), axis))[1]) + 7) // 8
    sizes = widths * leaves.known["trips"][every].astype(np.int64)[:, None]
    first = np.flatnonzero(leaves.numbers[every] == 0)
    tile = np.cumsum(leaves.numbers[every] == 0) - 1
    before = np.cumsum(sizes, axis=0) - sizes
    of_axis = np.add.reduceat(sizes, first, axis=0)
    starts = before - before[first][tile] + (np.cumsum(of_axis, axis=1) - of_axis)[tile]
    at = np.searchsorted(every, wanted)
    return widths[at, axes], starts[at, axes]


def shifts_of(largest: NDArray[np.uint64]) -> NDArray[np.int64]:
    """By how many bits offsets are shifted to become codes, from the largest of a leaf."""
    length = np.zeros(largest.shape, np.int64)
    rest = largest.copy()
    for step in (32, 16, 8, 4, 2, 1):
        longer = (rest >> np.uint64(step)) > 0
        length += np.where(longer, step, 0)
        rest = np.where(longer, rest >> np.uint64(step), rest)
    return np.maximum(length + (rest > 0) - CODE_BITS, 0)


def _keys(values: NDArray[np.float64], digits: NDArray[np.uint8]) -> NDArray[np.int64]:
    decimals = np.rint(values * 10.0 ** digits.astype(np.float64))
    return np.where(digits > 0, decimals.astype(np.int64), keys_of_bits(values))


def keys_of_bits(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Whole numbers in the order of doubles; -0.0 has that of 0.0."""
    bits = (values + 0.0).view(np.int64)
    keys: NDArray[np.int64] = bits ^ ((bits >> 63) & _ALL_BUT_SIGN)
    return keys
