"""Compiled look-ups of ends in a grid over areas: of those of tiles and leaves by their bounds, then of trips."""

import numba
import numpy as np

from shifts_core.tiles.area_grid import NEAR_EDGE, state_of_rectangle
from shifts_core.tiles.format import MINUTES, value_of

BOTH, ANY, ORIGIN, DESTINATION = 0, 1, 2, 3
"""Which ends must lie in an area."""
OPEN = -2
"""State of an end of a leaf: its trips must be examined."""


@numba.njit(cache=True, nogil=True)
def relate_leaves(tiles, leaves, chosen, grid, match, timed, skipped_weeks, sets):  # type: ignore[no-untyped-def]
    """Counts tiles and leaves that bounds decide; returns the others: leaf, tile, columns (5), states (2) of each."""
    # Taking an array out of a tuple counts its references; doing so for each leaf would cost as much as the rest.
    frame, cells, changes = grid[1], grid[2], grid[3]
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
        origin, destination, matters = _relate(
            tiles_low[tile], tiles_high[tile], frame, cells, changes, match
        )
        if not matters:
            continue
        if origin >= 0 and destination >= 0 and not timed:
            sets[week, origin, destination] += signs[tile] * tiles_trips[tile]
            continue
        for leaf in range(leaf_starts[tile], leaf_starts[tile + 1]):
            origin, destination, matters = _relate(low[leaf], high[leaf], frame, cells, changes, match)
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
def _relate(low, high, frame, cells, changes, match):  # type: ignore[no-untyped-def]
    """The states of both ends of trips within bounds, and whether any of these trips may count."""
    origin, destination = np.int64(0), np.int64(0)
    if match != DESTINATION:
        origin = _state(frame, cells, changes, low[0], low[1], high[0], high[1])
        if origin == 0 and match != ANY:
            return origin, destination, False
    if match != ORIGIN:
        destination = _state(frame, cells, changes, low[2], low[3], high[2], high[3])
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
def _state(frame, cells, changes, low_lon, low_lat, high_lon, high_lat):  # type: ignore[no-untyped-def]
    state = state_of_rectangle(frame, cells, changes, low_lon, low_lat, high_lon, high_lat)
    return np.int64(OPEN) if state == NEAR_EDGE else np.int64(state)


@numba.njit(cache=True, nogil=True)
def cell_at(cells, x, y, offsets, steps):  # type: ignore[no-untyped-def]
    """The row and column of the cell in which the interval of high bits begins."""
    # What reaches beyond the grid lies outside all areas, as its first and last rows and columns do.
    column = min(max(np.int64(offsets[0] + steps[0] * x), 0), cells.shape[1] - 1)
    row = min(max(np.int64(offsets[1] + steps[1] * y), 0), cells.shape[0] - 1)
    return row, column


@numba.njit(cache=True, nogil=True)
def look_up(cells, x, y, offsets, steps, numbers, states):  # type: ignore[no-untyped-def]
    """Fills the states of ends whose intervals are so short that they stay within a cell and its margin.

    `numbers` receives those of the cells: by themselves, they are computed several at a time. No grid has so many
    cells in 360 degrees that they need more than 32 bits.
    """
    lon, per_x, lat, per_y = offsets[0], steps[0], offsets[1], steps[1]
    rows, columns = np.int32(cells.shape[0]), np.int32(cells.shape[1])
    none, one = np.int32(0), np.int32(1)
    # What reaches beyond the grid lies outside all areas, as its first and last rows and columns do.
    for trip in range(len(x)):
        column = min(max(np.int32(lon + per_x * x[trip]), none), columns - one)
        row = min(max(np.int32(lat + per_y * y[trip]), none), rows - one)
        numbers[trip] = row * columns + column
    flat = cells.reshape(-1)
    for trip in range(len(x)):
        states[trip] = flat[np.uint32(numbers[trip])]


@numba.njit(cache=True, nogil=True)
def look_up_long(cells, frame, x, y, offsets, steps, bases, shifts, largest, states):  # type: ignore[no-untyped-def]
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
