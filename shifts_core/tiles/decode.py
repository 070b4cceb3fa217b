"""The leaves of tiles as they are stored, and what follows from their bounds: keys, offsets, shifts."""

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


class Scales(NamedTuple):
    """How the offsets of coordinates follow from their bounds; all of one shape."""

    base: NDArray[np.int64]
    """The key of the smallest value."""
    largest: NDArray[np.uint64]
    """Largest offset."""
    shifts: NDArray[np.int64]
    """By how many bits offsets are shifted to become codes."""


def read_leaves(blobs: Sequence[bytes]) -> Leaves:
    """The leaves of tiles from their column `leaves`."""
    stored = np.frombuffer(b"".join(blobs), LEAF)
    return Leaves(
        stored["low"].copy(), stored["high"].copy(), stored["trips"].astype(np.int64), stored["digits"].copy()
    )


def scales(low: NDArray[np.float64], high: NDArray[np.float64], digits: NDArray[np.uint8]) -> Scales:
    """The scales of coordinates from their bounds and digits, all of one shape."""
    base = _keys(low, digits)
    # Differences of keys need 64 bits without a sign; they wrap into the right ones.
    largest = (_keys(high, digits) - base).view(np.uint64)
    return Scales(base, largest, _shifts(largest))


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
