"""Compiled counting of trips by whether their ends lie in one area, which is what most questions ask.

The grid says of an end whether it is inside, outside, or near an edge (`INSIDE`, `OUTSIDE`, `NEAR_EDGE`). That fits
into a byte, so the trips of a leaf are combined many at a time; only those near an edge are examined one by one.
"""

import numba
import numpy as np

from shifts_core.tiles.area_grid import NEAR_EDGE
from shifts_core.tiles.end_look_ups import empty_scales, fill_scales, interval_of, look_up_end
from shifts_core.tiles.end_states import ANY, DESTINATION, OPEN, ORIGIN
from shifts_core.tiles.format import (
    HIGH_BITS_DTYPE,
    LEAF_TRIPS,
    MINUTES,
)
from shifts_core.tiles.kernels import high_bits_of, run_of
from shifts_core.tiles.point_in_polygon import INSIDE, OUTSIDE, UNDECIDED, rectangle_in_area

_BYTES = HIGH_BITS_DTYPE.itemsize


@numba.njit(cache=True, nogil=True)
def count_in_area(  # type: ignore[no-untyped-def]
    edges,
    frame,
    cells,
    bounds,
    addresses,
    trips,
    states,
    needed,
    bins,
    signs,
    minute_ranges,
    match,
    by_hour,
    counts,
):
    """Adds the trips of k leaves that match to `counts` (bins,); returns what `count_trips` returns.

    `edges` and `frame` are those of the grid of the area, and `cells` its states in one byte each; `bounds`, `states`
    and `bins` are those of `count_trips`.
    """
    areas, strips, points, rings = edges
    undecided_leaves, undecided_places = np.empty(64, np.int64), np.empty(64, np.int64)
    n_undecided = 0
    keys, places = empty_scales()
    of_ends = np.empty((2, LEAF_TRIPS), np.int8)
    combined, near = np.empty(LEAF_TRIPS, np.int8), np.empty(LEAF_TRIPS, np.int64)
    numbers = np.empty(LEAF_TRIPS, np.int32)
    for leaf in range(len(trips)):
        of_leaf = addresses[leaf]
        fill_scales(bounds, leaf, needed[leaf], frame, keys, places)
        minutes = high_bits_of(of_leaf[MINUTES], trips[leaf])
        timed, sign, stop = needed[leaf, MINUTES], signs[leaf], 0
        for number in range(len(minute_ranges) if timed else 1):
            begin, stop = run_of(of_leaf, trips[leaf], timed, minute_ranges[number], stop)
            count = stop - begin
            for end in range(2):
                if states[leaf, end] != OPEN:
                    # An end that does not matter is inside.
                    ignored = match == (DESTINATION if end == 0 else ORIGIN)
                    of_ends[end, :count] = INSIDE if ignored or states[leaf, end] > 0 else OUTSIDE
                    continue
                axis = 2 * end
                x = high_bits_of(of_leaf[axis] + _BYTES * begin, count)
                y = high_bits_of(of_leaf[axis + 1] + _BYTES * begin, count)
                look_up_end(cells, frame, x, y, axis, keys, places, numbers, of_ends[end])
            _combine(of_ends[0, :count], of_ends[1, :count], match == ANY, combined)
            n_inside, n_near = _find_near(combined[:count], near)
            if not by_hour:
                counts[bins[leaf]] += sign * n_inside
            elif n_inside:
                _count_hours(minutes[begin:stop], combined[:count], sign, counts[bins[leaf] :])
            for trip in near[:n_near]:
                place, relation = begin + trip, OUTSIDE if match == ANY else INSIDE
                for end in range(2):
                    of_end = np.int64(of_ends[end, trip])
                    if of_end == NEAR_EDGE:
                        west, east = interval_of(of_leaf, place, 2 * end, keys, places)
                        south, north = interval_of(of_leaf, place, 2 * end + 1, keys, places)
                        of_end = rectangle_in_area(areas, strips, points, rings, 0, west, south, east, north)
                    relation = _join(relation, of_end, match == ANY)
                if relation == INSIDE:
                    counts[bins[leaf] + (minutes[place] // 60 if by_hour else 0)] += sign
                elif relation == UNDECIDED:
                    if n_undecided == len(undecided_leaves):
                        undecided_leaves = np.concatenate((undecided_leaves, undecided_leaves))
                        undecided_places = np.concatenate((undecided_places, undecided_places))
                    undecided_leaves[n_undecided], undecided_places[n_undecided] = leaf, place
                    n_undecided += 1
    return undecided_leaves[:n_undecided].copy(), undecided_places[:n_undecided].copy()


@numba.njit(cache=True, nogil=True)
def _combine(origins, destinations, is_any, combined):  # type: ignore[no-untyped-def]
    """Fills whether trips match: `INSIDE`, `OUTSIDE`, or `NEAR_EDGE` if an end near an edge decides."""
    for trip in range(len(origins)):
        origin, destination = origins[trip], destinations[trip]
        lower, upper = min(origin, destination), max(origin, destination)
        if is_any:
            combined[trip] = INSIDE if upper == INSIDE else lower
        else:
            outside = OUTSIDE in (origin, destination)
            combined[trip] = OUTSIDE if outside else lower


@numba.njit(cache=True, nogil=True)
def _find_near(combined, near):  # type: ignore[no-untyped-def]
    """Returns the number of trips inside and of those near an edge, whose places it writes to `near`."""
    n_inside, n_near = 0, 0
    for trip in range(len(combined)):
        n_inside += combined[trip] == INSIDE
        near[n_near] = trip
        n_near += combined[trip] == NEAR_EDGE
    return n_inside, n_near


@numba.njit(cache=True, nogil=True)
def _count_hours(minutes, combined, sign, counts):  # type: ignore[no-untyped-def]
    """Adds the trips inside to their hours."""
    for trip in range(len(minutes)):
        counts[np.uint16(minutes[trip] // np.uint16(60))] += sign * (combined[trip] == INSIDE)


@numba.njit(cache=True, nogil=True)
def _join(one, other, is_any):  # type: ignore[no-untyped-def]
    """The relation of a trip by those of its ends."""
    decisive = INSIDE if is_any else OUTSIDE
    if decisive in (one, other):
        return decisive
    return max(one, other)
