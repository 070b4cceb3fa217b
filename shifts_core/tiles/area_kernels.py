"""Compiled counting of trips by the areas that their ends lie in.

A trip counts in a bin, its week or its week and hour, for each area of its origin and each area of its destination;
an end in no area counts as one in the area `z`, after all others. Most ends are decided by the grid: `sets` counts
them by sets of areas (bins, s, s), and `pairs` the others (bins, z + 1, z + 1). An end that does not matter counts as
one in no area.
"""

import numba
import numpy as np

from shifts_core.tiles.area_grid import MARGIN, NEAR_EDGE, state_of_rectangle
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
from shifts_core.tiles.point_in_polygon import (
    INSIDE,
    UNDECIDED,
    point_in_area,
    rectangle_in_area,
)
from shifts_core.tiles.small_segments import is_between

BOTH, ANY, ORIGIN, DESTINATION = 0, 1, 2, 3
"""Which ends must lie in an area."""
OPEN = -2
"""State of an end of a leaf: its trips must be examined."""
_BYTES = HIGH_BITS_DTYPE.itemsize
_HOURS = 168


@numba.njit(cache=True, nogil=True)
def relate_leaves(tiles, leaves, chosen, grid, match, timed, skipped_weeks, sets):  # type: ignore[no-untyped-def]
    """Counts tiles and leaves that bounds decide; returns the others: leaf, tile, columns (5), states (2) of each."""
    tiles_low, tiles_high, tiles_trips, signs, week_of, leaf_starts = tiles
    low, high, trips = leaves
    first, stop, first_week = chosen
    size = leaf_starts[stop] - leaf_starts[first]
    found, found_tiles = np.empty(size, np.int64), np.empty(size, np.int64)
    needed, states = np.zeros((size, 5), np.bool_), np.empty((size, 2), np.int64)
    n_found = 0
    for tile in range(first, stop):
        week = week_of[tile] - first_week
        if skipped_weeks[week]:
            continue
        origin, destination, matters = _relate(tiles_low[tile], tiles_high[tile], grid, match)
        if not matters:
            continue
        if origin >= 0 and destination >= 0 and not timed:
            sets[week, origin, destination] += signs[tile] * tiles_trips[tile]
            continue
        for leaf in range(leaf_starts[tile], leaf_starts[tile + 1]):
            origin, destination, matters = _relate(low[leaf], high[leaf], grid, match)
            if not matters:
                continue
            if origin >= 0 and destination >= 0 and not timed:
                sets[week, origin, destination] += signs[tile] * trips[leaf]
                continue
            found[n_found], found_tiles[n_found] = leaf, tile
            states[n_found, 0], states[n_found, 1] = origin, destination
            needed[n_found, 0] = needed[n_found, 1] = origin == OPEN
            needed[n_found, 2] = needed[n_found, 3] = destination == OPEN
            needed[n_found, MINUTES] = timed
            n_found += 1
    return (
        found[:n_found].copy(),
        found_tiles[:n_found].copy(),
        needed[:n_found].copy(),
        states[:n_found].copy(),
    )


@numba.njit(cache=True, nogil=True)
def _relate(low, high, grid, match):  # type: ignore[no-untyped-def]
    """The states of both ends of trips within bounds, and whether any of these trips may count."""
    origin, destination = np.int64(0), np.int64(0)
    if match != DESTINATION:
        origin = _state(grid, low[0], low[1], high[0], high[1])
        if origin == 0 and match != ANY:
            return origin, destination, False
    if match != ORIGIN:
        destination = _state(grid, low[2], low[3], high[2], high[3])
        if destination == 0 and match != ANY:
            return origin, destination, False
    if match == ANY:
        if origin > 0:
            destination = np.int64(0)
        elif destination > 0:
            origin = np.int64(0)
        elif origin == 0 and destination == 0:
            return origin, destination, False
    return origin, destination, True


@numba.njit(cache=True, nogil=True)
def _state(grid, low_lon, low_lat, high_lon, high_lat):  # type: ignore[no-untyped-def]
    state = state_of_rectangle(grid, low_lon, low_lat, high_lon, high_lat)
    return np.int64(OPEN) if state == NEAR_EDGE else np.int64(state)


@numba.njit(cache=True, nogil=True)
def count_trips(  # type: ignore[no-untyped-def]
    grid, bounds, addresses, trips, states, needed, bins, signs, minute_ranges, by_hour, sets, pairs
):
    """Counts the trips of k leaves; returns the number among these, and the place, of each that is undecided.

    `bounds` are the smallest and largest coordinates (k, 4) and their decimals, `states` (k, 2) those of the ends,
    `bins` (k,) the first bin of each leaf's week.
    """
    # Taking an array out of a tuple counts its references; doing so for each trip would cost more than the rest.
    (areas, strips, points, rings), frame, cells, _, set_starts, set_areas = grid
    low, high, decimals = bounds
    undecided_leaves, undecided_places = np.empty(64, np.int64), np.empty(64, np.int64)
    n_undecided = 0
    found, n_found = np.empty((2, pairs.shape[1]), np.int64), np.empty(2, np.int64)
    bases, shifts, largest = np.zeros(4, np.int64), np.zeros(4, np.int64), np.zeros(4, np.int64)
    offsets, steps, of_ends = np.zeros(4), np.zeros(4), np.empty((2, LEAF_TRIPS), np.int16)
    for leaf in range(len(trips)):
        of_leaf, places = addresses[leaf], decimals[leaf]
        for axis in range(4):
            if needed[leaf, axis]:
                bases[axis] = key_of(low[leaf, axis], places[axis])
                largest[axis] = key_of(high[leaf, axis], places[axis])
                shifts[axis] = shift_of(largest_offset(bases[axis], largest[axis]))
                # In cells of the grid; float keys have no even steps.
                scale = frame[2 + axis % 2]
                offsets[axis] = (low[leaf, axis] - frame[axis % 2]) * scale
                is_even = places[axis] > 0
                steps[axis] = 2.0 ** shifts[axis] / 10.0 ** np.int64(places[axis]) * scale if is_even else 0.0
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
                if 0 < steps[axis] < MARGIN / 2 and 0 < steps[axis + 1] < MARGIN / 2:
                    _look_up(cells, x, y, offsets[axis:], steps[axis:], of_ends[end])
                else:
                    _look_up_long(
                        cells,
                        frame,
                        x,
                        y,
                        offsets[axis:],
                        steps[axis:],
                        bases[axis:],
                        shifts[axis:],
                        largest[axis:],
                        of_ends[end],
                    )
            for trip in range(stop - begin):
                at = bins[leaf]
                if by_hour:
                    at += minutes[begin + trip] // 60
                origin, destination = np.int64(of_ends[0, trip]), np.int64(of_ends[1, trip])
                if origin >= 0 and destination >= 0:
                    sets[at, origin, destination] += sign
                    continue
                place = begin + trip
                for end in range(2):
                    if of_ends[end, trip] >= 0:
                        n_found[end] = _areas_of_set(set_starts, set_areas, of_ends[end, trip], found[end])
                        continue
                    west, east = _interval(of_leaf, place, 2 * end, places, bases, shifts, largest)
                    south, north = _interval(of_leaf, place, 2 * end + 1, places, bases, shifts, largest)
                    n_found[end] = _areas_near(
                        areas, strips, points, rings, west, south, east, north, found[end]
                    )
                if n_found[0] >= 0 and n_found[1] >= 0:
                    _add(pairs[at], found[0, : n_found[0]], found[1, : n_found[1]], sign)
                    continue
                if n_undecided == len(undecided_leaves):
                    undecided_leaves = np.concatenate((undecided_leaves, undecided_leaves))
                    undecided_places = np.concatenate((undecided_places, undecided_places))
                undecided_leaves[n_undecided], undecided_places[n_undecided] = leaf, place
                n_undecided += 1
    return undecided_leaves[:n_undecided].copy(), undecided_places[:n_undecided].copy()


@numba.njit(cache=True, nogil=True)
def _look_up(cells, x, y, offsets, steps, states):  # type: ignore[no-untyped-def]
    """Fills the states of ends whose intervals are so short that they stay within a cell and its margin."""
    last_row, last_column = cells.shape[0] - 1, cells.shape[1] - 1
    west, south, x_step, y_step = offsets[0], offsets[1], steps[0], steps[1]
    for trip in range(len(x)):
        # What reaches beyond the grid lies outside all areas, as its first and last rows and columns do.
        column = min(max(np.int64(west + x_step * x[trip]), 0), last_column)
        row = min(max(np.int64(south + y_step * y[trip]), 0), last_row)
        states[trip] = cells[row, column]


@numba.njit(cache=True, nogil=True)
def _look_up_long(cells, frame, x, y, offsets, steps, bases, shifts, largest, states):  # type: ignore[no-untyped-def]
    """Fills the states of ends whose intervals may be long: those of trips far apart, and of float keys."""
    for trip in range(len(x)):
        west, east = _columns(
            x[trip], offsets[0], steps[0], bases[0], shifts[0], largest[0], frame[0], frame[2]
        )
        south, north = _columns(
            y[trip], offsets[1], steps[1], bases[1], shifts[1], largest[1], frame[1], frame[3]
        )
        states[trip] = _state_of_cells(cells, west, east, south, north)


@numba.njit(cache=True, nogil=True)
def _columns(high_bits, offset, step, base, shift, largest, origin, per_degree):  # type: ignore[no-untyped-def]
    """Where the interval of a coordinate begins and ends, in columns or rows of the grid."""
    if step > 0.0:
        begin = offset + step * high_bits
        return begin, begin + step
    low = base + (np.int64(high_bits) << shift)
    high = min(low + (np.int64(1) << shift) - 1, largest)
    return (value_of(low, 0) - origin) * per_degree, (value_of(high, 0) - origin) * per_degree


@numba.njit(cache=True, nogil=True)
def _state_of_cells(cells, west, east, south, north):  # type: ignore[no-untyped-def]
    """The state of a rectangle of up to four cells; `NEAR_EDGE` if it is larger or its cells differ."""
    rows, columns = cells.shape
    if east < 0 or north < 0 or west >= columns or south >= rows:
        return np.int64(0)
    if west < 0 or south < 0 or east >= columns or north >= rows or east - west > 1 or north - south > 1:
        return np.int64(NEAR_EDGE)
    left, right, bottom, top = np.int64(west), np.int64(east), np.int64(south), np.int64(north)
    state = np.int64(cells[bottom, left])
    if (left != right or bottom != top) and (
        cells[bottom, right] != state or cells[top, left] != state or cells[top, right] != state
    ):
        return np.int64(NEAR_EDGE)
    return state


@numba.njit(cache=True, nogil=True)
def _interval(addresses, place, axis, decimals, bases, shifts, largest):  # type: ignore[no-untyped-def]
    """The smallest and the largest coordinate that the high bits of a trip leave possible."""
    low = bases[axis] + (np.int64(high_bits_at(addresses[axis], place)) << shifts[axis])
    high = min(low + (np.int64(1) << shifts[axis]) - 1, largest[axis])
    return value_of(low, decimals[axis]), value_of(high, decimals[axis])


@numba.njit(cache=True, nogil=True)
def _areas_near(areas, strips, points, rings, west, south, east, north, found):  # type: ignore[no-untyped-def]
    """Fills the areas of a rectangle and returns their number, -1 if it does not decide; the last stands for none."""
    count = 0
    for area in range(len(areas)):
        relation = rectangle_in_area(areas, strips, points, rings, area, west, south, east, north)
        if relation == UNDECIDED:
            return -1
        if relation == INSIDE:
            found[count] = area
            count += 1
    return _or_none(found, count)


@numba.njit(cache=True, nogil=True)
def _areas_of_set(set_starts, set_areas, state, found):  # type: ignore[no-untyped-def]
    """Fills the areas of a state and returns their number."""
    first, stop = set_starts[state], set_starts[state + 1]
    found[: stop - first] = set_areas[first:stop]
    return _or_none(found, stop - first)


@numba.njit(cache=True, nogil=True)
def areas_of_point(grid, lon, lat, found):  # type: ignore[no-untyped-def]
    """Fills the areas of a point and returns their number; the last area stands for none."""
    state = state_of_rectangle(grid, lon, lat, lon, lat)
    if state != NEAR_EDGE:
        return _areas_of_set(grid[4], grid[5], state, found)
    areas, strips, points, rings = grid[0]
    count = 0
    for area in range(len(areas)):
        if point_in_area(areas, strips, points, rings, area, lon, lat):
            found[count] = area
            count += 1
    return _or_none(found, count)


@numba.njit(cache=True, nogil=True)
def _or_none(found, count):  # type: ignore[no-untyped-def]
    if count == 0:
        found[0] = len(found) - 1
        return 1
    return count


@numba.njit(cache=True, nogil=True)
def _add(pairs, origins, destinations, sign):  # type: ignore[no-untyped-def]
    for origin in origins:
        for destination in destinations:
            pairs[origin, destination] += sign


@numba.njit(cache=True, nogil=True)
def add_sets(grid, sets, pairs):  # type: ignore[no-untyped-def]
    """Adds the counts by sets of areas to those by areas."""
    n_areas = pairs.shape[1] - 1
    of_origin, of_destination = np.empty(n_areas + 1, np.int64), np.empty(n_areas + 1, np.int64)
    for at in range(len(sets)):
        for origin in range(sets.shape[1]):
            n_origin = _areas_of_set(grid[4], grid[5], origin, of_origin)
            for destination in range(sets.shape[1]):
                if sets[at, origin, destination] != 0:
                    n_destination = _areas_of_set(grid[4], grid[5], destination, of_destination)
                    _add(
                        pairs[at],
                        of_origin[:n_origin],
                        of_destination[:n_destination],
                        sets[at, origin, destination],
                    )


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
        n_origin, n_destination = _or_none(of_origin, 0), _or_none(of_destination, 0)
        if match != DESTINATION:
            n_origin = areas_of_point(grid, ends[trip, 0], ends[trip, 1], of_origin)
        if match != ORIGIN:
            n_destination = areas_of_point(grid, ends[trip, 2], ends[trip, 3], of_destination)
        at = week * _HOURS + minutes[trip] // 60 if by_hour else week
        _add(pairs[at], of_origin[:n_origin], of_destination[:n_destination], signs[trip])


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
            n_origin = _areas_of_set(grid[4], grid[5], states[leaf, 0], of_origin)
        if states[leaf, 1] == OPEN:
            n_destination = areas_of_point(grid, point[2], point[3], of_destination)
        else:
            n_destination = _areas_of_set(grid[4], grid[5], states[leaf, 1], of_destination)
        _add(pairs[at], of_origin[:n_origin], of_destination[:n_destination], signs[leaf])
