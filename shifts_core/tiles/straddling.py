"""Compiled comparison of a box with bounds: what lies inside counts at once, what straddles is examined further.

Bounds are four coordinates (origin longitude and latitude, destination longitude and latitude), smallest and largest.
"""

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from shifts_core.tiles.box import Box, Match, matched_ends
from shifts_core.tiles.format import COLUMNS, MINUTES
from shifts_core.tiles.region_index import RegionTileIndex

_OUTSIDE, _INSIDE, _STRADDLING = 0, 1, 2


class StraddlingLeaves(NamedTuple):
    """The k leaves whose trips must be examined: they straddle a side of a box, or minutes decide."""

    leaves: NDArray[np.int64]
    """Shape (k,): positions in the index, ascending."""
    tiles: NDArray[np.int64]
    """Shape (k,): position of each leaf's tile."""
    axes: NDArray[np.bool_]
    """Shape (k, 5): coordinates whose values decide which trips match, and whether minutes do."""


def compare_bounds(
    index: RegionTileIndex, weeks: slice, box: Box, match: Match, skipped_weeks: NDArray[np.bool_] | None
) -> tuple[NDArray[np.int64], StraddlingLeaves]:
    """Trips of each week in tiles and leaves that lie inside the box, shape (weeks,), and the leaves that straddle.

    Args:
        index: of the region.
        weeks: positions of the weeks to count.
        box: the box.
        match: which ends must lie in it.
        skipped_weeks: shape (weeks,): weeks not to count, if minutes decide; else None.
    """
    tiles, leaves = index.tiles, index.leaves
    first, stop = int(index.tile_starts[weeks.start]), int(index.tile_starts[weeks.stop])
    inside = np.zeros(weeks.stop - weeks.start, np.int64)
    found = _compare(
        (tiles.low, tiles.high, tiles.trips, tiles.signs, tiles.week_of, tiles.leaf_starts),
        (leaves.low, leaves.high, leaves.trips),
        (first, stop, weeks.start),
        (box.west, box.south, box.east, box.north),
        matched_ends(match),
        match == "both",
        skipped_weeks is not None,
        np.zeros(len(inside), bool) if skipped_weeks is None else skipped_weeks,
        inside,
    )
    return inside, StraddlingLeaves(*found)


@numba.njit(cache=True, nogil=True)
def _compare(tiles, leaves, chosen, sides, ends, both, timed, skipped_weeks, inside):  # type: ignore[no-untyped-def]
    """Adds trips inside to `inside` and returns the fields of `StraddlingLeaves`."""
    tiles_low, tiles_high, tiles_trips, signs, week_of, leaf_starts = tiles
    low, high, trips = leaves
    first, stop, first_week = chosen
    size = leaf_starts[stop] - leaf_starts[first]
    found, found_tiles, axes = (
        np.empty(size, np.int64),
        np.empty(size, np.int64),
        np.zeros((size, COLUMNS), np.bool_),
    )
    n_found = 0
    ignored = np.zeros(4, np.bool_)
    for tile in range(first, stop):
        week, sign = week_of[tile] - first_week, signs[tile]
        if skipped_weeks[week]:
            continue
        relation = _relate(tiles_low[tile], tiles_high[tile], sides, ends, both, ignored)
        if relation == _INSIDE and not timed:
            inside[week] += sign * tiles_trips[tile]
        elif relation != _OUTSIDE:
            for leaf in range(leaf_starts[tile], leaf_starts[tile + 1]):
                of_leaf = _relate(low[leaf], high[leaf], sides, ends, both, axes[n_found])
                if of_leaf == _INSIDE and not timed:
                    inside[week] += sign * trips[leaf]
                elif of_leaf != _OUTSIDE:
                    if of_leaf == _INSIDE:
                        axes[n_found] = False
                    axes[n_found, MINUTES] = timed
                    found[n_found], found_tiles[n_found] = leaf, tile
                    n_found += 1
    return found[:n_found].copy(), found_tiles[:n_found].copy(), axes[:n_found].copy()


@numba.njit(cache=True, nogil=True)
def _relate(low, high, sides, ends, both, axes):  # type: ignore[no-untyped-def]
    """How bounds relate to the box; marks in `axes` the coordinates that decide if they straddle."""
    west, south, east, north = sides
    n_inside, n_outside = 0, 0
    for end in range(2):
        lon, lat = 2 * end, 2 * end + 1
        if west <= east:
            lon_within = low[lon] >= west and high[lon] <= east
            lon_without = high[lon] < west or low[lon] > east
        else:
            lon_within = low[lon] >= west or high[lon] <= east
            lon_without = low[lon] > east and high[lon] < west
        lat_within = low[lat] >= south and high[lat] <= north
        outside = not ends[end] or lon_without or high[lat] < south or low[lat] > north
        axes[lon], axes[lat] = not (outside or lon_within), not (outside or lat_within)
        n_outside += outside
        n_inside += ends[end] and lon_within and lat_within
    if n_inside == 2 or (n_inside == 1 and not both):
        return _INSIDE
    if n_outside == 2 or (n_outside == 1 and both):
        return _OUTSIDE
    return _STRADDLING
