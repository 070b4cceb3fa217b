"""Compiled counting of trips by the areas that their ends lie in.

A trip counts in a bin, its week or its week and hour, for each area of its origin and each area of its destination.
Most ends are decided by the grid: `sets` counts them by sets of areas (bins, s, s), and `pairs` the others
(bins, z + 1, z + 1). An end that does not matter counts as one in no area.
"""

import numba
import numpy as np

from shifts_core.tiles.area_members import add, areas_near, areas_of_point, areas_of_set, or_none
from shifts_core.tiles.end_look_ups import cell_at, empty_scales, fill_scales, interval_of, look_up_end
from shifts_core.tiles.end_states import BOTH, DESTINATION, OPEN, ORIGIN
from shifts_core.tiles.format import (
    HIGH_BITS_DTYPE,
    LEAF_TRIPS,
    MINUTES,
    key_of,
    largest_offset,
    shift_of,
    value_of,
)
from shifts_core.tiles.kernels import high_bits_at, high_bits_of, run_of
from shifts_core.tiles.small_segments import is_between

_BYTES = HIGH_BITS_DTYPE.itemsize
_HOURS = 168


@numba.njit(cache=True, nogil=True)
def count_trips(  # type: ignore[no-untyped-def]
    grid, bounds, addresses, trips, states, needed, bins, signs, minute_ranges, match, by_hour, sets, pairs
):
    """Counts the trips of k leaves; returns the number among these, and the place, of each that is undecided.

    `bounds` are the smallest and largest coordinates (k, 4) and their decimals, `states` (k, 2) those of the ends,
    `bins` (k,) the first bin of each leaf's week.
    """
    # Taking an array out of a tuple counts its references; doing so for each trip would cost more than the rest.
    edges, frame, cells, _, set_starts, set_areas, near, near_sets, near_starts, near_areas = grid
    undecided_leaves, undecided_places = np.empty(64, np.int64), np.empty(64, np.int64)
    n_undecided = 0
    found, n_found = np.empty((2, pairs.shape[1]), np.int64), np.empty(2, np.int64)
    keys, places = empty_scales()
    of_ends, is_short = np.empty((2, LEAF_TRIPS), np.int16), np.zeros(2, np.bool_)
    numbers = np.empty(LEAF_TRIPS, np.int32)
    for leaf in range(len(trips)):
        of_leaf = addresses[leaf]
        fill_scales(bounds, leaf, needed[leaf], frame, keys, places)
        minutes = high_bits_of(of_leaf[MINUTES], trips[leaf])
        timed, sign = needed[leaf, MINUTES], signs[leaf]
        stop = 0
        for number in range(len(minute_ranges) if timed else 1):
            begin, stop = run_of(of_leaf, trips[leaf], timed, minute_ranges[number], stop)
            for end in range(2):
                if states[leaf, end] != OPEN:
                    of_ends[end, : stop - begin] = states[leaf, end]
                    continue
                axis = 2 * end
                x = high_bits_of(of_leaf[axis] + _BYTES * begin, stop - begin)
                y = high_bits_of(of_leaf[axis + 1] + _BYTES * begin, stop - begin)
                is_short[end] = look_up_end(cells, frame, x, y, axis, keys, places, numbers, of_ends[end])
            for trip in range(stop - begin):
                at = bins[leaf]
                if by_hour:
                    at += minutes[begin + trip] // 60
                origin, destination = np.int64(of_ends[0, trip]), np.int64(of_ends[1, trip])
                if origin >= 0 and destination >= 0:
                    sets[at, origin, destination] += sign
                    continue
                if match == BOTH and (origin == 0 or destination == 0):
                    continue
                place = begin + trip
                for end in range(2):
                    if of_ends[end, trip] >= 0:
                        n_found[end] = areas_of_set(set_starts, set_areas, of_ends[end, trip], found[end])
                        continue
                    axis, cell = 2 * end, np.int64(-1)
                    if is_short[end]:
                        x, y = high_bits_at(of_leaf[axis], place), high_bits_at(of_leaf[axis + 1], place)
                        row, column = cell_at(cells, x, y, axis, places)
                        cell = np.int64(near[row, column])
                    west, east = interval_of(of_leaf, place, axis, keys, places)
                    south, north = interval_of(of_leaf, place, axis + 1, keys, places)
                    n_found[end] = areas_near(
                        edges,
                        (set_starts, set_areas),
                        (near_sets, near_starts, near_areas),
                        cell,
                        west,
                        south,
                        east,
                        north,
                        found[end],
                    )
                if n_found[0] >= 0 and n_found[1] >= 0:
                    add(pairs[at], found[0, : n_found[0]], found[1, : n_found[1]], sign)
                    continue
                if n_undecided == len(undecided_leaves):
                    undecided_leaves = np.concatenate((undecided_leaves, undecided_leaves))
                    undecided_places = np.concatenate((undecided_places, undecided_places))
                undecided_leaves[n_undecided], undecided_places[n_undecided] = leaf, place
                n_undecided += 1
    return undecided_leaves[:n_undecided].copy(), undecided_places[:n_undecided].copy()


@numba.njit(cache=True, nogil=True)
def count_small(grid, trips, minute_ranges, weeks, skipped_weeks, match, by_hour, pairs):  # type: ignore[no-untyped-def]
    """Counts the trips of small segments."""
    week_of, signs, minutes, ends = trips
    n_areas = pairs.shape[1] - 1
    of_origin, of_destination = np.empty(n_areas + 1, np.int64), np.empty(n_areas + 1, np.int64)
    for trip in range(len(week_of)):
        week = week_of[trip] - weeks[0]
        if week_of[trip] < weeks[0] or week_of[trip] >= weeks[1] or skipped_weeks[week]:
            continue
        if not is_between(minutes[trip], minute_ranges):
            continue
        n_origin, n_destination = or_none(of_origin, 0), or_none(of_destination, 0)
        if match != DESTINATION:
            n_origin = areas_of_point(grid, ends[trip, 0], ends[trip, 1], of_origin)
        if match != ORIGIN:
            n_destination = areas_of_point(grid, ends[trip, 2], ends[trip, 3], of_destination)
        at = week * _HOURS + minutes[trip] // 60 if by_hour else week
        add(pairs[at], of_origin[:n_origin], of_destination[:n_destination], signs[trip])


@numba.njit(cache=True, nogil=True)
def resolve_trips(  # type: ignore[no-untyped-def]
    grid,
    bounds,
    addresses,
    states,
    bins,
    signs,
    by_hour,
    undecided_leaves,
    undecided_places,
    starts,
    low_bits,
    pairs,
):
    """Counts undecided trips; `starts` (k, 4) is where the low bits of each column begin in `low_bits`."""
    low, high, decimals = bounds
    n_areas = pairs.shape[1] - 1
    of_origin, of_destination = np.empty(n_areas + 1, np.int64), np.empty(n_areas + 1, np.int64)
    point = np.zeros(4)
    for trip in range(len(undecided_leaves)):
        leaf, place = undecided_leaves[trip], undecided_places[trip]
        for axis in range(4):
            if states[leaf, axis // 2] != OPEN:
                continue
            base = key_of(low[leaf, axis], decimals[leaf, axis])
            shift = shift_of(largest_offset(base, key_of(high[leaf, axis], decimals[leaf, axis])))
            offset = np.uint64(high_bits_at(addresses[leaf, axis], place)) << np.uint64(shift)
            width = (shift + 7) // 8
            at = starts[leaf, axis] + place * width
            for byte in range(width):
                offset |= np.uint64(low_bits[at + byte]) << np.uint64(8 * byte)
            point[axis] = value_of(base + np.int64(offset), decimals[leaf, axis])
        at = bins[leaf]
        if by_hour:
            at += high_bits_at(addresses[leaf, MINUTES], place) // 60
        if states[leaf, 0] == OPEN:
            n_origin = areas_of_point(grid, point[0], point[1], of_origin)
        else:
            n_origin = areas_of_set(grid[4], grid[5], states[leaf, 0], of_origin)
        if states[leaf, 1] == OPEN:
            n_destination = areas_of_point(grid, point[2], point[3], of_destination)
        else:
            n_destination = areas_of_set(grid[4], grid[5], states[leaf, 1], of_destination)
        add(pairs[at], of_origin[:n_origin], of_destination[:n_destination], signs[leaf])
