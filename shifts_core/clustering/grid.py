"""A grid over origins and destinations: counts DBSCAN's neighbours of every trip up to a small number.

Cells are as wide as the radius, so a trip's neighbours are in its own cell and the 80 next to it (J. L. Bentley,
D. F. Stanat, E. H. Williams, "The complexity of finding fixed-radius near neighbors", Information Processing Letters,
1977). Only cells with trips are stored.
"""

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from shifts_core.clustering.cores import for_each, in_batches
from shifts_core.clustering.kd_tree import DAY_S
from shifts_core.clustering.ordering import bucket_rows, order_by_columns

_BITS = 15
"""Of a cell's number along each of the four axes."""
_LOW_BITS = 2 * _BITS
_BATCH_SIZE = 1 << 15
_CELL_BATCH = 1 << 10
_FEW = 48
"""Trips that are compared without looking for those of the right time."""
_TIME = 4


class Grid(NamedTuple):
    """Trips, sorted by cell and, within it, by time of day."""

    points: NDArray[np.float64]
    """(n, 5): origin x, y, destination x, y in metres, time of day in seconds."""
    rows: NDArray[np.int32]
    """(n,): row of each trip in the points that the grid was built of."""
    keys: NDArray[np.int64]
    """(cells,): number of each cell, rising."""
    starts: NDArray[np.int64]
    """(cells + 1,): index of the first trip of each cell."""
    lowest: NDArray[np.float64]
    """(4,): lower corner of the first cell, metres."""
    width_m: float


def build_grid(points: NDArray[np.float64], width_m: float) -> Grid:
    """Sort points, shape (n, 5), into cells of at least the given width."""
    trips = len(points)
    keys = np.empty(trips, np.int64)
    lowest = points[:, :4].min(axis=0, initial=np.inf)
    extent = (points[:, :4].max(axis=0, initial=-np.inf) - lowest).max()
    # Wider by more than rounding can move a trip, and wide enough for the numbers of the cells.
    width = max(width_m * (1 + 1e-9), extent / ((1 << _BITS) - 4))
    in_batches(lambda start, stop: _write_keys(points, lowest, width, keys, start, stop), trips, _BATCH_SIZE)
    rows = np.empty(trips, np.int32)
    bounds = bucket_rows(keys.astype(np.float64), rows)
    ordered, ordered_keys = np.empty((trips, 5)), np.empty(trips, np.int64)
    for_each(
        lambda bucket: _sort_bucket(
            points, keys, rows, ordered, ordered_keys, bounds[bucket], bounds[bucket + 1]
        ),
        range(len(bounds) - 1),
    )
    starts = np.flatnonzero(np.diff(ordered_keys, prepend=-1))
    return Grid(ordered, rows, ordered_keys[starts], np.append(starts, trips), lowest, width)


def count_in_cells(
    grid: Grid,
    eps_m: float,
    eps_s: float,
    queried: NDArray[np.bool_],
    counted: NDArray[np.bool_],
    enough: int,
) -> NDArray[np.int32]:
    """Count the neighbours of each queried trip, itself included, on all CPU cores; shape (n,), in the grid's order.

    Args:
        grid: its cells are at least `eps_m` wide.
        eps_m: largest distance over origin and destination together, metres in four dimensions.
        eps_s: largest difference between times of day, seconds, across midnight.
        queried: shape (n,); all other trips get 0.
        counted: shape (n,): trips that can be neighbours.
        enough: counting a trip's neighbours stops here.
    """
    counts = np.zeros(len(grid.points), np.int32)
    steps = np.array([0, -1, 1])
    offsets = np.ravel((steps[:, None, None] << 3 * _BITS) + (steps[:, None] << 2 * _BITS) + (steps << _BITS))
    # Half a day or more covers every time of day.
    reach_s = DAY_S if 2 * eps_s >= DAY_S else eps_s
    counted_before = np.concatenate([[0], np.cumsum(counted)])[grid.starts]
    in_batches(
        lambda start, stop: _count_cells(
            grid,
            offsets,
            eps_m * eps_m,
            reach_s,
            queried,
            counted,
            counted_before,
            enough,
            counts,
            start,
            stop,
        ),
        len(grid.keys),
        _CELL_BATCH,
    )
    return counts


@numba.njit(cache=True, nogil=True)
def _write_keys(points, lowest, width, keys, start, stop):  # type: ignore[no-untyped-def]
    for trip in range(start, stop):
        key = np.int64(0)
        for side in range(4):
            # From 1 on, so that a step to the next cell never changes another axis.
            key = key << _BITS | (np.int64((points[trip, side] - lowest[side]) / width) + 1)
        keys[trip] = key


@numba.njit(cache=True, nogil=True)
def _sort_bucket(points, keys, rows, ordered, ordered_keys, start, stop):  # type: ignore[no-untyped-def]
    unsorted = rows[start:stop].copy()
    columns = np.empty((unsorted.size, 3))
    for at, row in enumerate(unsorted):
        columns[at, 0] = keys[row] >> _LOW_BITS
        columns[at, 1] = keys[row] & ((1 << _LOW_BITS) - 1)
        columns[at, 2] = points[row, _TIME]
    for place, at in enumerate(order_by_columns(columns, unsorted.astype(np.int64))):
        row = unsorted[at]
        rows[start + place] = row
        ordered_keys[start + place] = keys[row]
        for side in range(5):
            ordered[start + place, side] = points[row, side]


@numba.njit(cache=True, nogil=True)
def _count_cells(  # type: ignore[no-untyped-def]
    grid, offsets, limit, reach_s, queried, counted, counted_before, enough, counts, start, stop
):
    """Count the neighbours of the trips of cells; the cells next to them move on with them, as both are sorted."""
    begins, ends = np.empty(offsets.size, np.int64), np.empty(offsets.size, np.int64)
    for line in range(offsets.size):
        begins[line] = np.searchsorted(grid.keys, grid.keys[start] + offsets[line] - 1)
        ends[line] = begins[line]
    shifts, gaps = np.array([0.0, DAY_S, -DAY_S]), np.zeros((3, 3))
    for cell in range(start, stop):
        for line in range(offsets.size):
            first = grid.keys[cell] + offsets[line] - 1
            while begins[line] < grid.keys.size and grid.keys[begins[line]] < first:
                begins[line] += 1
            ends[line] = max(ends[line], begins[line])
            while ends[line] < grid.keys.size and grid.keys[ends[line]] <= first + 2:
                ends[line] += 1
        for trip in range(grid.starts[cell], grid.starts[cell + 1]):
            if not queried[trip]:
                continue
            time = grid.points[trip, _TIME]
            _write_gaps(grid, trip, gaps)
            found = 0
            for shift in shifts:
                if shift > 0 and (time - reach_s >= 0 or reach_s == DAY_S):
                    continue
                if shift < 0 and (time + reach_s < DAY_S or reach_s == DAY_S):
                    continue
                for line in range(offsets.size):
                    if found >= enough:
                        break
                    if gaps[0, line // 9] + gaps[1, line // 3 % 3] + gaps[2, line % 3] > limit:
                        continue
                    if counted_before[begins[line]] == counted_before[ends[line]]:
                        continue
                    first, last = grid.starts[begins[line]], grid.starts[ends[line]]
                    if last - first <= _FEW:
                        found += _count_few(
                            grid.points, counted, trip, time + shift, limit, reach_s, first, last
                        )
                        continue
                    for other in range(begins[line], ends[line]):
                        found += _count_in_cell(
                            grid, counted, trip, time + shift, limit, reach_s, enough - found, other
                        )
            counts[trip] = found


@numba.njit(cache=True, nogil=True)
def _write_gaps(grid, trip, gaps):  # type: ignore[no-untyped-def]
    """Write the squared distances along three axes to the own cell (0), the one before and the one after."""
    for side in range(3):
        place = (grid.points[trip, side] - grid.lowest[side]) / grid.width_m
        beyond = (place - np.int64(place)) * grid.width_m
        # Rounding must not exclude a trip at the limit.
        gaps[side, 1] = max(beyond - 1e-6, 0.0) ** 2
        gaps[side, 2] = max(grid.width_m - beyond - 1e-6, 0.0) ** 2


@numba.njit(cache=True, nogil=True)
def _count_few(points, counted, trip, time, limit, reach_s, start, stop):  # type: ignore[no-untyped-def]
    """Count without branches, which would be mispredicted for most trips."""
    x, y, u, v = points[trip, 0], points[trip, 1], points[trip, 2], points[trip, 3]
    found = 0
    for other in range(start, stop):
        origin = (points[other, 0] - x) ** 2 + (points[other, 1] - y) ** 2
        destination = (points[other, 2] - u) ** 2 + (points[other, 3] - v) ** 2
        near = (origin + destination <= limit) & (abs(points[other, _TIME] - time) <= reach_s)
        found += near & counted[other]
    return found


@numba.njit(cache=True, nogil=True)
def _count_in_cell(grid, counted, trip, time, limit, reach_s, enough, cell):  # type: ignore[no-untyped-def]
    points = grid.points
    start, stop = grid.starts[cell], grid.starts[cell + 1]
    if stop - start > _FEW:
        high = stop
        while start < high:
            middle = (start + high) // 2
            if points[middle, _TIME] - time < -reach_s:
                start = middle + 1
            else:
                high = middle
    found = 0
    for other in range(start, stop):
        apart = points[other, _TIME] - time
        if apart > reach_s or found >= enough:
            break
        if apart < -reach_s or not counted[other]:
            continue
        origin = (points[other, 0] - points[trip, 0]) ** 2 + (points[other, 1] - points[trip, 1]) ** 2
        destination = (points[other, 2] - points[trip, 2]) ** 2 + (points[other, 3] - points[trip, 3]) ** 2
        found += origin + destination <= limit
    return found
