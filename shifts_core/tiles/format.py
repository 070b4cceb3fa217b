"""The bytes of a tile, as a row of `shifts_store.weekly_trip_tiles` stores them.

The trips of a (region, week) pair stand in k-d order (`build.py`). Runs of `LEAF_TRIPS` trips are leaves, runs of
`TILE_TRIPS` trips are tiles; only the last leaf and the last tile of a pair are shorter. A tile stores four
coordinates per trip, in this order: origin longitude, origin latitude, destination longitude, destination latitude.
It stores the minute of the week in which a trip starts, from Monday 00:00 by the local clock; within a leaf, trips
are sorted by it. So the trips of a time window are a few runs of a leaf. All numbers are little-endian.

Each coordinate is stored as an integer, its *key*, which has the order of the values:

- `round(value * 10**decimals)`, if this is exact for all trips of the leaf at 5, 6 or 7 decimals;
- otherwise the 64 bits of the float64 (`float_keys`).

A key minus the smallest key of its leaf and coordinate is an *offset*. The offsets of a leaf are cut into their high
15 bits, which decide nearly every comparison with a side of a box, and the low bits that remain.

| column      | content                                                                                        |
|-------------|------------------------------------------------------------------------------------------------|
| `leaves`    | one `LEAF_DTYPE` record per leaf                                                               |
| `high_bits` | `HIGH_BITS_DTYPE` per coordinate and trip: all trips' first coordinate, then their second, ...; |
|             | then `HIGH_BITS_DTYPE` per trip: its minute. Tiles of older versions have no minutes            |
| `low_bits`  | 0 to 7 bytes per coordinate and trip, in the same order, as many as the leaf's low bits need   |
"""

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

LEAF_TRIPS = 998
"""The high bits of one coordinate of a leaf fill one chunk of PostgreSQL's TOAST storage (1,996 bytes)."""
TILE_TRIPS = 64 * LEAF_TRIPS
HIGH_BITS = 15
HIGH_BITS_DTYPE = np.dtype("<u2")
LEAF_DTYPE = np.dtype([("low", "<f8", 4), ("high", "<f8", 4), ("trips", "<u4"), ("decimals", "u1", 4)])
"""Smallest and largest coordinates (degrees), number of trips, decimals of each coordinate's keys (0: float keys)."""
COORDINATES = 4
MINUTES = 4
"""Position of the minutes among the columns of `high_bits`."""
COLUMNS = 5
DECIMALS = (5, 6, 7)
"""Numbers of decimals that are tried for a leaf, in this order."""
_ALL_BUT_SIGN = np.int64(2**63 - 1)


class OffsetScale(NamedTuple):
    """How the offsets of some coordinates of leaves are formed; the arrays have one shape."""

    base: NDArray[np.int64]
    """The key of the smallest value, whose offset is 0."""
    largest: NDArray[np.uint64]
    """The largest offset."""
    shifts: NDArray[np.int64]
    """The number of low bits: by how many bits an offset is shifted to give its high bits."""


def scale_of_bounds(
    low: NDArray[np.float64], high: NDArray[np.float64], decimals: NDArray[np.uint8]
) -> OffsetScale:
    """The scale of coordinates of leaves, from their smallest and largest values (degrees); any shape."""
    base, largest = keys(low, decimals), np.empty(low.shape, np.uint64)
    shifts = np.empty(low.shape, np.int64)
    _scale(base.ravel(), keys(high, decimals).ravel(), largest.reshape(-1), shifts.reshape(-1))
    return OffsetScale(base, largest, shifts)


def keys(values: NDArray[np.float64], decimals: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The keys of coordinates (degrees); both arguments have one shape."""
    found = np.empty(values.shape, np.int64)
    _keys(values.ravel(), decimals.ravel(), found.reshape(-1))
    return found


def values(keys: NDArray[np.int64], decimals: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The coordinates (degrees) that have these keys; both arguments have one shape."""
    bits = keys ^ ((keys >> 63) & _ALL_BUT_SIGN)
    return np.where(decimals > 0, keys / 10.0**decimals, bits.view(np.float64))


def float_keys(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Integers in the order of the values: their bits, all but the sign inverted below zero. -0.0 counts as 0.0."""
    return keys(values, np.zeros(values.shape, np.uint8))


def low_bytes(shifts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Bytes that the low bits of one offset take."""
    return (shifts + 7) // 8


@numba.njit(cache=True, nogil=True)
def key_of(value, decimals):  # type: ignore[no-untyped-def]
    """The key of one coordinate."""
    if decimals > 0:
        return np.int64(np.rint(value * 10.0 ** np.int64(decimals)))
    bits = np.float64(value + 0.0).view(np.int64)
    return bits ^ ((bits >> 63) & _ALL_BUT_SIGN)


@numba.njit(cache=True, nogil=True)
def value_of(key, decimals):  # type: ignore[no-untyped-def]
    """The coordinate of a key."""
    if decimals > 0:
        return key / 10.0 ** np.int64(decimals)
    return np.int64(key ^ ((key >> 63) & _ALL_BUT_SIGN)).view(np.float64)


@numba.njit(cache=True, nogil=True)
def largest_offset(low_key, high_key):  # type: ignore[no-untyped-def]
    """The largest offset of a leaf's coordinate; a difference of two int64 fits into uint64, to which it wraps."""
    return np.uint64(high_key) - np.uint64(low_key)


@numba.njit(cache=True, nogil=True)
def shift_of(largest):  # type: ignore[no-untyped-def]
    """The number of low bits of offsets up to the largest."""
    shift, more = np.int64(0), largest >> np.uint64(HIGH_BITS)
    while more:
        shift += 1
        more >>= np.uint64(1)
    return shift


@numba.njit(cache=True, nogil=True)
def _keys(values, decimals, found):  # type: ignore[no-untyped-def]
    for number in range(len(values)):
        found[number] = key_of(values[number], decimals[number])


@numba.njit(cache=True, nogil=True)
def _scale(low, high, largest, shifts):  # type: ignore[no-untyped-def]
    for number in range(len(low)):
        largest[number] = largest_offset(low[number], high[number])
        shifts[number] = shift_of(largest[number])
