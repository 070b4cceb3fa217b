"""Compiled look-ups of the areas that a point, a rectangle or a cell's state lies in, and counts by pairs of them.

The last area stands for none: an end in no area counts as one in the area `z`, after all others.
"""

import numba
import numpy as np

from shifts_core.tiles.area_grid import NEAR_EDGE, state_of_rectangle
from shifts_core.tiles.point_in_polygon import INSIDE, UNDECIDED, point_in_area, rectangle_in_area


@numba.njit(cache=True, nogil=True)
def areas_of_point(grid, lon, lat, found):  # type: ignore[no-untyped-def]
    """Fills the areas of a point and returns their number; the last area stands for none."""
    state = state_of_rectangle(grid[1], grid[2], grid[3], lon, lat, lon, lat)
    if state != NEAR_EDGE:
        return areas_of_set(grid[4], grid[5], state, found)
    areas, strips, points, rings = grid[0]
    count = 0
    for area in range(len(areas)):
        if point_in_area(areas, strips, points, rings, area, lon, lat):
            found[count] = area
            count += 1
    return or_none(found, count)


@numba.njit(cache=True, nogil=True)
def areas_near(edges, sets, near, cell, west, south, east, north, found):  # type: ignore[no-untyped-def]
    """Fills the areas of a rectangle and returns their number, -1 if it does not decide; the last stands for none.

    `cell` is the number of the near cell that the rectangle lies in with its margin, or -1. `edges`, `sets` and
    `near` are the arrays of the grid.
    """
    areas, strips, points, rings = edges
    near_sets, near_starts, near_areas = near
    count, first, stop = 0, 0, len(areas)
    if cell >= 0:
        set_starts, set_areas = sets
        for at in range(set_starts[near_sets[cell]], set_starts[near_sets[cell] + 1]):
            found[count] = set_areas[at]
            count += 1
        first, stop = near_starts[cell], near_starts[cell + 1]
    for at in range(first, stop):
        area = near_areas[at] if cell >= 0 else at
        relation = rectangle_in_area(areas, strips, points, rings, area, west, south, east, north)
        if relation == UNDECIDED:
            return -1
        if relation == INSIDE:
            found[count] = area
            count += 1
    return or_none(found, count)


@numba.njit(cache=True, nogil=True)
def areas_of_set(set_starts, set_areas, state, found):  # type: ignore[no-untyped-def]
    """Fills the areas of a state and returns their number."""
    first, stop = set_starts[state], set_starts[state + 1]
    found[: stop - first] = set_areas[first:stop]
    return or_none(found, stop - first)


@numba.njit(cache=True, nogil=True)
def or_none(found, count):  # type: ignore[no-untyped-def]
    """Fills in that there is no area if `count` is 0; returns the number of entries."""
    if count == 0:
        found[0] = len(found) - 1
        return 1
    return count


@numba.njit(cache=True, nogil=True)
def add(pairs, origins, destinations, sign):  # type: ignore[no-untyped-def]
    """Adds a number of trips for each area of their origins and each area of their destinations."""
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
            n_origin = areas_of_set(grid[4], grid[5], origin, of_origin)
            for destination in range(sets.shape[1]):
                if sets[at, origin, destination] != 0:
                    n_destination = areas_of_set(grid[4], grid[5], destination, of_destination)
                    add(
                        pairs[at],
                        of_origin[:n_origin],
                        of_destination[:n_destination],
                        sets[at, origin, destination],
                    )
