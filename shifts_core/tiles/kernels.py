"""Which trips of cut leaves match, compiled: coordinate by coordinate, for certain and perhaps, in one pass.

A code lies between two sides for certain if all offsets that it stands for do, and perhaps if any does. `sides`
holds for each leaf and coordinate the first code and the number of codes that do for certain, then of those that
perhaps do; see intervals.py. For a box across the antimeridian what lies between two longitudes is outside.
"""

import numba
import numpy as np
from numba.core import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from shifts_core.tiles.decode import LEAF_TRIPS

_LON = 2
"""Every second coordinate is a longitude."""


@intrinsic
def _as_pointer(_, __):  # type: ignore[no-untyped-def]
    """The pointer to uint16 that an int64 holds."""
    pointer = types.CPointer(types.uint16)  # type: ignore[attr-defined]

    def build(context, builder, ___, arguments):  # type: ignore[no-untyped-def]
        return builder.inttoptr(arguments[0], context.get_value_type(pointer))

    return pointer(types.int64), build


@numba.njit(cache=True, nogil=True)
def _column(address, count):  # type: ignore[no-untyped-def]
    """The codes of a coordinate of a leaf."""
    return numba.carray(_as_pointer(address), (count,), np.uint16)


@numba.njit(cache=True, nogil=True)
def count_leaves(addresses, trips, cut, sides, inverted, any_end, certain, possible):  # type: ignore[no-untyped-def]
    """Puts how many trips of each leaf match for certain into `certain`, and how many may into `possible`.

    `addresses` (k, 4) says where the codes of each cut leaf lie in memory, whoever calls keeps them there; `trips`
    (k,) how many trips it has; `cut` (k, 4) the coordinates that decide, whose addresses must be known; `sides`
    (k, 4, 4); `any_end` says that one end in the box is enough.
    """
    sure, may = np.empty((2, LEAF_TRIPS), np.uint8), np.empty((2, LEAF_TRIPS), np.uint8)
    for leaf in range(trips.size):
        count = trips[leaf]
        _match(addresses[leaf], count, cut[leaf], sides[leaf], inverted, any_end, sure, may)
        certain[leaf], possible[leaf] = _sum(sure[0], count), _sum(may[0], count)


@numba.njit(cache=True, nogil=True)
def _match(addresses, count, cut, sides, inverted, any_end, sure, may):  # type: ignore[no-untyped-def]
    """Marks in the first row of `sure` which trips of a leaf match for certain, and in that of `may` which may."""
    ends = 0
    for end in (0, 2):
        fresh = True
        for axis in (end, end + 1):
            if cut[axis]:
                turned = inverted and axis % _LON == 0
                _mark(
                    _column(addresses[axis], count), count, sides[axis], turned, fresh, sure[ends], may[ends]
                )
                fresh = False
        # An end that decides nothing is inside, or outside where one end is enough.
        ends += not fresh
    if ends == 2:
        _join(sure[0], sure[1], count, any_end)
        _join(may[0], may[1], count, any_end)


@numba.njit(cache=True, nogil=True)
def _mark(codes, count, sides, turned, fresh, sure, may):  # type: ignore[no-untyped-def]
    """Whether each code lies between the sides, joined with what was marked before unless `fresh`."""
    # What is outside for certain does not lie between even perhaps.
    first, number, first_may, number_may = sides[0], sides[1], sides[2], sides[3]
    if turned:
        first, number, first_may, number_may = first_may, number_may, first, number
    turn = np.uint8(turned)
    # Below the first code the difference wraps to something large.
    if fresh:
        for trip in range(count):
            sure[trip] = np.uint8(np.uint16(codes[trip] - first) < number) ^ turn
            may[trip] = np.uint8(np.uint16(codes[trip] - first_may) < number_may) ^ turn
    else:
        for trip in range(count):
            sure[trip] &= np.uint8(np.uint16(codes[trip] - first) < number) ^ turn
            may[trip] &= np.uint8(np.uint16(codes[trip] - first_may) < number_may) ^ turn


@numba.njit(cache=True, nogil=True)
def _join(one, other, count, any_end):  # type: ignore[no-untyped-def]
    if any_end:
        for trip in range(count):
            one[trip] |= other[trip]
    else:
        for trip in range(count):
            one[trip] &= other[trip]


@numba.njit(cache=True, nogil=True)
def _sum(marks, count):  # type: ignore[no-untyped-def]
    total = 0
    for trip in range(count):
        total += marks[trip]
    return total


@numba.njit(cache=True, nogil=True)
def find_open(  # type: ignore[no-untyped-def]
    addresses, trips, cut, sides, inverted, any_end, wanted, leaves, places, between, open_
):
    """Finds the trips of the leaves `wanted` that may match but not for certain.

    Puts the leaf and the trip's number into `leaves` and `places` (m,), the coordinates that lie between for
    certain into `between` (m, 4), and those that perhaps do into `open_` (m, 4).
    """
    found = 0
    sure, may = np.empty((2, LEAF_TRIPS), np.uint8), np.empty((2, LEAF_TRIPS), np.uint8)
    for leaf in wanted:
        count = trips[leaf]
        _match(addresses[leaf], count, cut[leaf], sides[leaf], inverted, any_end, sure, may)
        for trip in range(count):
            if sure[0, trip] == may[0, trip]:
                continue
            leaves[found], places[found] = leaf, trip
            for axis in range(4):
                if not cut[leaf, axis]:
                    between[found, axis] = open_[found, axis] = False
                    continue
                side, code = sides[leaf, axis], _column(addresses[leaf, axis], count)[trip]
                within = np.uint16(code - side[0]) < side[1]
                perhaps = np.uint16(code - side[2]) < side[3]
                if inverted and axis % _LON == 0:
                    within, perhaps = not perhaps, not within
                between[found, axis] = within
                open_[found, axis] = perhaps and not within
            found += 1


@numba.njit(cache=True, nogil=True)
def _decide(between, cut, any_end):  # type: ignore[no-untyped-def]
    origin = (between[0] or not cut[0]) and (between[1] or not cut[1])
    destination = (between[2] or not cut[2]) and (between[3] or not cut[3])
    if any_end:
        return (origin and (cut[0] or cut[1])) or (destination and (cut[2] or cut[3]))
    return origin and destination


@numba.njit(cache=True, nogil=True)
def _decide_all(between, cut, any_end, match):  # type: ignore[no-untyped-def]
    for trip in range(len(between)):
        match[trip] = _decide(between[trip], cut[trip], any_end)


def decide(between: NDArray[np.bool_], cut: NDArray[np.bool_], any_end: bool) -> NDArray[np.bool_]:
    """Whether single trips match; shape (trips,).

    Args:
        between: shape (trips, 4): whether each coordinate lies between the sides.
        cut: shape (trips, 4): the coordinates that decide.
        any_end: whether one end in the box is enough.
    """
    match = np.empty(len(between), bool)
    _decide_all(between, cut, any_end, match)
    return match


@numba.njit(cache=True, nogil=True)
def _read_codes(addresses, trips, codes):  # type: ignore[no-untyped-def]
    for number in range(addresses.size):
        codes[number] = _column(addresses[number], trips[number] + 1)[trips[number]]


def read_codes(addresses: NDArray[np.int64], trips: NDArray[np.int64]) -> NDArray[np.uint16]:
    """Single codes: that of the trip of each number in the column at each address; shapes (k,)."""
    codes = np.empty(len(addresses), np.uint16)
    _read_codes(addresses, trips, codes)
    return codes
