"""Puts trips into k-d order, in place and compiled: leaves and tiles then hold neighbours at both ends."""

import numba
import numpy as np
from numpy.typing import NDArray

from shifts_core.tiles.format import LEAF_TRIPS, TILE_TRIPS

_SAMPLE = 65_536
"""Trips whose distribution decides along which coordinate a part is split."""
_PIVOTS = 255
"""Values among which the pivot of a large range is chosen."""
_SMALL = 2_048
"""Smaller ranges take the median of three as the pivot."""
_DIGIT_BITS = 7
"""Minutes of a week have two digits of so many bits."""


def k_d_order(ends: NDArray[np.float64], minutes: NDArray[np.uint16]) -> None:
    """Sorts trips in place, those of each leaf by their minute.

    A k-d tree over the four coordinates (J. L. Bentley, "Multidimensional binary search trees used for associative
    searching", 1975), split at multiples of `TILE_TRIPS` and `LEAF_TRIPS`. A part is split along the coordinate in
    which it spans the largest share of all trips, so that a box drawn where the trips are straddles few leaves.
    Threads may sort several arrays in parallel.

    Args:
        ends: shape (n, 4), C-contiguous, degrees.
        minutes: shape (n,): minute of the week.
    """
    if len(ends) > LEAF_TRIPS:
        sample = np.sort(np.ascontiguousarray(ends[:: max(1, len(ends) // _SAMPLE)].T), axis=1)
        _order(ends, minutes, sample)
    _sort_leaves(ends, minutes)


@numba.njit(cache=True, nogil=True)
def _order(ends, minutes, sample):  # type: ignore[no-untyped-def]
    """Splits parts until each has one leaf; `sample` has one sorted row per coordinate."""
    # Parts are halved, and the second half waits, so one entry per level is enough.
    waiting = np.empty((64, 2), np.int64)
    pivots = np.empty(_PIVOTS)
    waiting[0] = 0, len(ends)
    count = 1
    while count:
        count -= 1
        start, stop = waiting[count]
        while stop - start > LEAF_TRIPS:
            unit = TILE_TRIPS if stop - start > TILE_TRIPS else LEAF_TRIPS
            middle = start + unit * (-(-(stop - start) // unit) // 2)
            _select(ends, minutes, start, stop, middle, _widest(ends, start, stop, sample), pivots)
            waiting[count] = middle, stop
            count += 1
            stop = middle


@numba.njit(cache=True, nogil=True)
def _widest(ends, start, stop, sample):  # type: ignore[no-untyped-def]
    """The coordinate in which a part spans the largest share of the sample."""
    low, high = ends[start].copy(), ends[start].copy()
    for trip in range(start + 1, stop):
        for axis in range(4):
            low[axis] = min(low[axis], ends[trip, axis])
            high[axis] = max(high[axis], ends[trip, axis])
    widest, largest = 0, -1
    for axis in range(4):
        span = np.searchsorted(sample[axis], high[axis], "right") - np.searchsorted(sample[axis], low[axis])
        if span > largest:
            widest, largest = axis, span
    return widest


@numba.njit(cache=True, nogil=True)
def _select(ends, minutes, start, stop, middle, axis, pivots):  # type: ignore[no-untyped-def]
    """Partitions trips so that none before `middle` has a larger coordinate than any from there on.

    Quickselect (C. A. R. Hoare, "Algorithm 65: Find", 1961), with pivots close to the wanted rank (R. W. Floyd and
    R. L. Rivest, "Algorithm 489", 1975).
    """
    low, high = start, stop - 1
    state = np.uint64(stop - start)
    while low < high:
        state = _next_random(state)
        pivot = _pivot(ends, low, high, middle, axis, pivots, state)
        left, right = low, high
        while left <= right:
            while ends[left, axis] < pivot:
                left += 1
            while ends[right, axis] > pivot:
                right -= 1
            if left <= right:
                for each in range(4):
                    ends[left, each], ends[right, each] = ends[right, each], ends[left, each]
                minutes[left], minutes[right] = minutes[right], minutes[left]
                left += 1
                right -= 1
        if middle <= right:
            high = right
        elif middle >= left:
            low = left
        else:
            break


@numba.njit(cache=True, nogil=True)
def _pivot(ends, low, high, middle, axis, pivots, state):  # type: ignore[no-untyped-def]
    """A value of the range, beyond the wanted rank by little, so that the rank falls into the smaller part soon."""
    size = high - low + 1
    if size < _SMALL:
        first, second, third = ends[low, axis], ends[(low + high) // 2, axis], ends[high, axis]
        return max(min(first, second), min(max(first, second), third))
    for number in range(_PIVOTS):
        state = _next_random(state)
        pivots[number] = ends[low + np.int64((state >> np.uint64(16)) % np.uint64(size)), axis]
    pivots.sort()
    share = (middle - low) / size
    rank = np.int64(share * _PIVOTS) + (8 if share <= 0.5 else -8)
    return pivots[min(max(rank, 0), _PIVOTS - 1)]


@numba.njit(cache=True, nogil=True)
def _next_random(state):  # type: ignore[no-untyped-def]
    """The next state of a linear congruential generator (D. E. Knuth, MMIX)."""
    return state * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)


@numba.njit(cache=True, nogil=True)
def _sort_leaves(ends, minutes):  # type: ignore[no-untyped-def]
    """Sorts the trips of each leaf by their minutes: a radix sort of the places, digit by digit."""
    radix = 1 << _DIGIT_BITS
    places, sorted_places = np.empty(LEAF_TRIPS, np.int64), np.empty(LEAF_TRIPS, np.int64)
    starts = np.empty(radix + 1, np.int64)
    copied_ends, copied_minutes = np.empty((LEAF_TRIPS, 4)), np.empty(LEAF_TRIPS, np.uint16)
    for first in range(0, len(ends), LEAF_TRIPS):
        count = min(LEAF_TRIPS, len(ends) - first)
        for place in range(count):
            places[place] = place
        for shift in (0, _DIGIT_BITS):
            starts[:] = 0
            for place in range(count):
                starts[((minutes[first + place] >> shift) & (radix - 1)) + 1] += 1
            for digit in range(radix):
                starts[digit + 1] += starts[digit]
            for place in range(count):
                digit = (minutes[first + places[place]] >> shift) & (radix - 1)
                sorted_places[starts[digit]] = places[place]
                starts[digit] += 1
            places, sorted_places = sorted_places, places
        for place in range(count):
            copied_minutes[place] = minutes[first + places[place]]
            for axis in range(4):
                copied_ends[place, axis] = ends[first + places[place], axis]
        minutes[first : first + count] = copied_minutes[:count]
        ends[first : first + count] = copied_ends[:count]
