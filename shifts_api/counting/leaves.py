"""The leaves of tiles as they are stored, and what follows from their bounds: keys, shifts, places in the bytes."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LEAF = np.dtype([("low", "<f8", 4), ("high", "<f8", 4), ("trips", "<u4"), ("digits", "u1", 4)])
LEAF_TRIPS = 998
CODE_BITS = 15
_ALL_BUT_SIGN = np.int64(2**63 - 1)


class Leaves(NamedTuple):
    """Leaves of tiles, tile by tile; `n` stands for how many there are."""

    low: NDArray[np.float64]
    """Shape (n, 4): smallest origin lon, lat, destination lon, lat; degrees."""
    high: NDArray[np.float64]
    """Shape (n, 4)."""
    trips: NDArray[np.int64]
    """Shape (n,)."""
    digits: NDArray[np.uint8]
    """Shape (n, 4)."""
    base: NDArray[np.int64]
    """Shape (n, 4): the key of `low`."""
    largest: NDArray[np.uint64]
    """Shape (n, 4): largest offset."""
    shifts: NDArray[np.int64]
    """Shape (n, 4)."""
    tiles: NDArray[np.int64]
    """Shape (n,): which of the tiles each is in."""
    numbers: NDArray[np.int64]
    """Shape (n,): which leaf of its tile, from 0."""


def read_leaves(blobs: Sequence[bytes]) -> Leaves:
    """The leaves of tiles from their column `leaves`."""
    counts = np.array([len(blob) // LEAF.itemsize for blob in blobs], np.int64)
    starts = np.cumsum(counts) - counts
    stored = np.frombuffer(b"".join(blobs), LEAF)
    low, high = stored["low"].copy(), stored["high"].copy()
    digits = stored["digits"].copy()
    base = _keys(low, digits)
    # Differences of keys need 64 bits without a sign; they wrap into the right ones.
    largest = (_keys(high, digits) - base).view(np.uint64)
    return Leaves(
        low,
        high,
        stored["trips"].astype(np.int64),
        digits,
        base,
        largest,
        _shifts(largest),
        np.repeat(np.arange(len(blobs)), counts),
        np.arange(counts.sum()) - np.repeat(starts, counts),
    )


def concatenated(several: Sequence[Leaves]) -> Leaves:
    """The leaves of several, one after the other; `tiles` count anew in each."""
    if not several:
        return read_leaves([])
    return Leaves(*(np.concatenate(column) for column in zip(*several, strict=True)))


def rest_places(leaves: Leaves) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Bytes of one rest, and where those of each leaf and coordinate begin in its tile's `rests`; shapes (n, 4)."""
    widths = (leaves.shifts + 7) // 8
    sizes = widths * leaves.trips[:, None]
    before = np.cumsum(sizes, axis=0) - sizes
    first = np.flatnonzero(leaves.numbers == 0)
    of_axis = np.add.reduceat(sizes, first, axis=0)
    # First of all leaves' first coordinate, then of all leaves' second.
    starts = before - before[first][leaves.tiles] + (np.cumsum(of_axis, axis=1) - of_axis)[leaves.tiles]
    return widths, starts


def keys_of_bits(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Whole numbers in the order of doubles; -0.0 has that of 0.0."""
    bits = (values + 0.0).view(np.int64)
    keys: NDArray[np.int64] = bits ^ ((bits >> 63) & _ALL_BUT_SIGN)
    return keys


def _keys(values: NDArray[np.float64], digits: NDArray[np.uint8]) -> NDArray[np.int64]:
    decimals = np.rint(values * 10.0 ** digits.astype(np.float64))
    return np.where(digits > 0, decimals.astype(np.int64), keys_of_bits(values))


def _shifts(largest: NDArray[np.uint64]) -> NDArray[np.int64]:
    """By how many bits offsets are shifted to become codes, from the largest of a leaf."""
    length = np.zeros(largest.shape, np.int64)
    rest = largest.copy()
    for step in (32, 16, 8, 4, 2, 1):
        longer = (rest >> np.uint64(step)) > 0
        length += np.where(longer, step, 0)
        rest = np.where(longer, rest >> np.uint64(step), rest)
    return np.maximum(length + (rest > 0) - CODE_BITS, 0)
