"""Compiled look-ups of ends in a grid over areas by the bounds of tiles and leaves; some decide all their trips."""

import numba
import numpy as np

from shifts_core.tiles.area_grid import NEAR_EDGE, state_of_rectangle
from shifts_core.tiles.format import MINUTES

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
