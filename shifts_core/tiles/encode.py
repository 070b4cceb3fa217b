"""Encodes the trips of a tile to bytes, compiled; `format.py` has the format, `codec.py` decodes it."""

import numba
import numpy as np
from numpy.typing import NDArray

from shifts_core.tiles.codec import Tile
from shifts_core.tiles.format import (
    COLUMNS,
    DECIMALS,
    HIGH_BITS_DTYPE,
    LEAF_DTYPE,
    LEAF_TRIPS,
    MINUTES,
    largest_offset,
    shift_of,
)

_SCALES = tuple(10.0**decimals for decimals in DECIMALS)
_MOST_LOW_BYTES = 7
_ALL_BUT_SIGN = np.int64(2**63 - 1)


def encode_tile(ends: NDArray[np.float64], minutes: NDArray[np.uint16]) -> Tile:
    """Encodes the trips of one tile.

    Args:
        ends: shape (n, 4), n > 0: origin lon, lat, destination lon, lat in k-d order; degrees.
        minutes: shape (n,): minute of the week, ascending within each leaf.
    """
    trips = len(ends)
    n_leaves = -(-trips // LEAF_TRIPS)
    low, high = np.empty((n_leaves, 4)), np.empty((n_leaves, 4))
    decimals = np.empty((n_leaves, 4), np.uint8)
    high_bits = np.empty((COLUMNS, trips), HIGH_BITS_DTYPE)
    low_bits = np.empty(4 * trips * _MOST_LOW_BYTES, np.uint8)
    size = _encode(np.ascontiguousarray(ends), low, high, decimals, high_bits, low_bits)
    high_bits[MINUTES] = minutes
    leaves = np.zeros(n_leaves, LEAF_DTYPE)
    leaves["low"], leaves["high"], leaves["decimals"] = low, high, decimals
    leaves["trips"] = LEAF_TRIPS
    leaves["trips"][-1] = trips - LEAF_TRIPS * (n_leaves - 1)
    return Tile(trips, leaves.tobytes(), high_bits.tobytes(), low_bits[:size].tobytes())


@numba.njit(cache=True, nogil=True)
def _encode(ends, low, high, decimals, high_bits, low_bits):  # type: ignore[no-untyped-def]
    """Fills bounds and decimals (leaves, 4), high bits (4, n) and low bits; returns the bytes of low bits."""
    values = np.empty(LEAF_TRIPS)
    bits = values.view(np.int64)
    keys = np.empty(LEAF_TRIPS, np.int64)
    size = 0
    for axis in range(4):
        for leaf in range(len(low)):
            start = leaf * LEAF_TRIPS
            count = min(LEAF_TRIPS, len(ends) - start)
            smallest = largest = ends[start, axis]
            for trip in range(count):
                value = ends[start + trip, axis]
                # Adding 0.0 makes -0.0 positive.
                values[trip] = value + 0.0
                smallest, largest = min(smallest, value), max(largest, value)
            low[leaf, axis], high[leaf, axis] = smallest, largest
            decimals[leaf, axis] = _decimal_keys(values, count, keys)
            if decimals[leaf, axis] == 0:
                for trip in range(count):
                    keys[trip] = bits[trip] ^ ((bits[trip] >> 63) & _ALL_BUT_SIGN)
            size = _cut(keys, count, high_bits[axis, start : start + count], low_bits, size)
    return size


@numba.njit(cache=True, nogil=True)
def _decimal_keys(values, count, keys):  # type: ignore[no-untyped-def]
    """Fills the keys of a leaf's values as decimal numbers; returns their decimals, 0 if none are exact."""
    for number in range(len(_SCALES)):
        scale = _SCALES[number]
        exact = True
        for trip in range(count):
            scaled = np.rint(values[trip] * scale)
            if scaled / scale != values[trip]:
                exact = False
                break
            keys[trip] = np.int64(scaled)
        if exact:
            return DECIMALS[number]
    return 0


@numba.njit(cache=True, nogil=True)
def _cut(keys, count, high_bits, low_bits, size):  # type: ignore[no-untyped-def]
    """Cuts a leaf's offsets into high and low bits; returns the bytes of low bits so far."""
    smallest = largest = keys[0]
    for trip in range(count):
        smallest, largest = min(smallest, keys[trip]), max(largest, keys[trip])
    base = np.uint64(smallest)
    low_bits_of_offset = shift_of(largest_offset(smallest, largest))
    width, shift = (low_bits_of_offset + 7) // 8, np.uint64(low_bits_of_offset)
    mask = (np.uint64(1) << shift) - np.uint64(1)
    for trip in range(count):
        offset = np.uint64(keys[trip]) - base
        high_bits[trip] = np.uint16(offset >> shift)
        rest = offset & mask
        for _ in range(width):
            low_bits[size] = np.uint8(rest & np.uint64(255))
            rest >>= np.uint64(8)
            size += 1
    return size
