"""The boxes of cells: halves of halves of the whole world and the whole week, the same for all data.

A box spans six axes: longitude and latitude of the origin, those of the destination, the weekday and the time of day.
The position of a trip on each axis is a code of some bits. Its key is the bits of all its codes in a fixed order,
similar to a Morton order (G. M. Morton, 1966). A box holds the trips whose keys begin with the same bits; their
number is the depth of the box.
"""

import numba
import numpy as np
from numpy.typing import NDArray

from shifts_core.time_filter import MINUTES_OF_DAY

PLACE_BITS = 20
"""The smallest boxes have sides of 360° / 2^20: 38 m from south to north."""
_DAY_BITS, TIME_BITS = 3, 6
"""The smallest boxes span a weekday and 22.5 minutes."""
DAY, TIME = 4, 5
"""Axes after the four coordinates."""
_CIRCLE = 360.0
PLACES = 1 << PLACE_BITS
DAY_CODES = np.array([0, 1, 2, 3, 4, 6, 7])
"""By weekday from Monday: Monday to Thursday are one half, Friday a quarter, the weekend another one."""
_DAYS = np.array([0, 1, 2, 3, 4, 4, 5, 6])
"""The weekday of each code; code 5 has none, and stands for Friday in its centre."""
_TIME_AXES = {10: (TIME,), 11: (TIME,), 12: (TIME,), 13: (TIME, DAY), 14: (TIME, DAY), 15: (TIME, DAY)}
"""What is halved after each halving of the four coordinates, from boxes of 20 km to those of a kilometre.

A compromise, chosen among eight orders on one generated week of 180,000 trips: halving times later makes areas more
exact and windows of the day less.
"""
AXES = np.array([axis for level in range(PLACE_BITS) for axis in (0, 1, 2, 3, *_TIME_AXES.get(level, ()))])
"""The axis of each bit of a key."""
DEPTH = len(AXES)
"""Bits of a key."""
_WORD = 64
"""Bits in the first word of a key; the second one has the others."""
_CHUNK_BITS = 10
DECIMALS = 5
"""Of the centres of boxes: a metre, far less than the side of a box."""


def _bits_by_depth() -> NDArray[np.int64]:
    bits = np.zeros((DEPTH + 1, 6), np.int64)
    for depth, axis in enumerate(AXES):
        bits[depth + 1] = bits[depth]
        bits[depth + 1, axis] += 1
    return bits


BITS = _bits_by_depth()
"""Shape (DEPTH + 1, 6): how many bits of each axis boxes of a depth have in common."""
_SIZES = BITS[DEPTH]
_SIZES_OF_AXES = tuple(_SIZES.tolist())
assert _SIZES_OF_AXES == (PLACE_BITS,) * 4 + (_DAY_BITS, TIME_BITS)


def _spread() -> NDArray[np.uint64]:
    """Shape (6, 2, 1024, 2): the two words of a key, from the lower and the upper bits of an axis' code."""
    tables = np.zeros((6, 2, 1 << _CHUNK_BITS, 2), np.uint64)
    values = np.arange(1 << _CHUNK_BITS, dtype=np.uint64)
    for depth, axis in enumerate(AXES):
        chunk, bit = divmod(int(_SIZES[axis] - 1 - BITS[depth, axis]), _CHUNK_BITS)
        word, place = divmod(depth, _WORD)
        tables[axis, chunk, :, word] |= ((values >> np.uint64(bit)) & np.uint64(1)) << np.uint64(63 - place)
    return tables


_SPREAD = _spread()


def codes_of(ends: NDArray[np.float64], minutes: NDArray[np.uint16]) -> NDArray[np.int64]:
    """The codes of trips on each axis; shape (n, 6).

    Args:
        ends: shape (n, 4): origin lon, lat, destination lon, lat; degrees.
        minutes: shape (n,): minute of the week.
    """
    codes = np.empty((len(ends), 6), np.int64)
    places = (ends + _CIRCLE / 2) * (PLACES / _CIRCLE)
    codes[:, :4] = np.clip(np.floor(places), 0, PLACES - 1)
    days, of_day = np.divmod(minutes.astype(np.int64), MINUTES_OF_DAY)
    codes[:, DAY] = DAY_CODES[days]
    codes[:, TIME] = (of_day << TIME_BITS) // MINUTES_OF_DAY
    return codes


def keys_of(ends: NDArray[np.float64], minutes: NDArray[np.uint16]) -> NDArray[np.uint64]:
    """The keys of trips, as two words from the first bit; shape (2, n)."""
    keys = np.empty((2, len(ends)), np.uint64)
    # In parts, whose codes stay in the processor's cache.
    for start in range(0, len(ends), 1 << 14):
        part = slice(start, start + (1 << 14))
        _keys(codes_of(ends[part], minutes[part]), _SPREAD, keys[:, part])
    return keys


@numba.njit(cache=True, nogil=True)
def _keys(codes, spread, keys):  # type: ignore[no-untyped-def]
    for trip in range(len(codes)):
        first, second = np.uint64(0), np.uint64(0)
        for axis in range(6):
            for chunk in range(2):
                bits = (codes[trip, axis] >> (10 * chunk)) & 1023
                first |= spread[axis, chunk, bits, 0]
                second |= spread[axis, chunk, bits, 1]
        keys[0, trip], keys[1, trip] = first, second


def bounds_of(
    codes: NDArray[np.int64], depths: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The lowest and the highest codes of the boxes of some depths that contain these codes; each of shape (n, 6)."""
    free = _SIZES - BITS[depths]
    low = (codes >> free) << free
    return low, low + (np.int64(1) << free) - 1


def centres_of(
    codes: NDArray[np.int64], depths: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.uint16]]:
    """The ends (degrees) and minutes of the centres of the boxes of some depths that contain these codes."""
    low, high = bounds_of(codes, depths)
    middle = (low + high + 1) / 2
    ends = np.round(middle[:, :4] * (_CIRCLE / PLACES) - _CIRCLE / 2, DECIMALS)
    # Boxes at the poles reach beyond them.
    ends[:, 1::2] = np.clip(ends[:, 1::2], -90, 90)
    days = _DAYS[(low[:, DAY] + high[:, DAY] + 1) // 2]
    of_day = (middle[:, TIME] * (MINUTES_OF_DAY / (1 << TIME_BITS))).astype(np.int64)
    return ends, (days * MINUTES_OF_DAY + of_day).astype(np.uint16)
