"""A grid over polygons that decides most points by a look-up: cells that no edge comes near lie in known areas.

Cells are numbered by row (from south) and column (from west). The state of a cell is the number of a set of areas,
all of which contain the whole cell and a margin around it; near an edge it is `NEAR_EDGE`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from shifts_core.polygons import Area
from shifts_core.tiles.point_in_polygon import Edges, edges_of, is_ignored, point_in_area, strip_of

NEAR_EDGE = -1
MARGIN = 0.1
"""Cells whose surroundings up to so many cells hold an edge are near it."""
_CELLS_OF_ONE, _CELLS_OF_MANY = 512, 1024
"""Rows and columns of the grid of one area, and of several."""
_SMALLEST_CELL = 1e-6
"""Degrees: rounding must stay far below the margin."""
_MAX_SETS = 1024
"""Cells in rarer combinations of areas count as near an edge."""


class AreaGrid(NamedTuple):
    """The grid of z areas."""

    edges: Edges
    origin: NDArray[np.float64]
    """West and south of the grid, then columns and rows per degree; shape (4,)."""
    states: NDArray[np.int32]
    """Shape (rows, columns)."""
    changes: NDArray[np.int32]
    """Shape (3, rows + 1, columns + 1): sums over all cells south-west: of cells near an edge, of cells whose state
    is not that of their western neighbour, and not that of their southern one."""
    set_starts: NDArray[np.int64]
    """Shape (sets + 1,): position of the first area of each set; set 0 is empty."""
    set_areas: NDArray[np.int64]
    """The areas of all sets."""
    near: NDArray[np.int32]
    """Shape (rows, columns): number of each cell near an edge, else -1."""
    near_sets: NDArray[np.int64]
    """Shape (near cells,): the set of areas that contain the whole cell and its margin."""
    near_starts: NDArray[np.int64]
    """Shape (near cells + 1,): position of the first area with an edge near each cell."""
    near_areas: NDArray[np.int64]
    """The areas with an edge near, of all near cells."""


def grid_of(areas: Sequence[Area]) -> AreaGrid:
    """The grid of valid areas, at least one."""
    edges = edges_of(areas)
    west, south = edges.areas[:, :2].min(axis=0)
    east, north = edges.areas[:, 2:4].max(axis=0)
    cells = _CELLS_OF_ONE if len(areas) == 1 else _CELLS_OF_MANY
    width, height = (max(side / (cells - 5), _SMALLEST_CELL) for side in (east - west, north - south))
    # The outer cells on each side lie outside all areas.
    origin = np.array([west - 2 * width, south - 2 * height, 1 / width, 1 / height])
    columns = int((east - west) / width) + 5
    rows = int((north - south) / height) + 5
    states = np.zeros((rows, columns), np.int32)
    near_cells: list[NDArray[np.int64]] = []
    numbers: dict[tuple[int, ...], int] = {(): 0}
    for area in range(len(areas)):
        # Cells of the area's bounds, and a cell around them.
        first = (edges.areas[area, :2] - origin[:2]) * origin[2:] - 1
        last = (edges.areas[area, 2:4] - origin[:2]) * origin[2:] + 2
        row, column = int(first[1]), int(first[0])
        at = slice(row, int(last[1])), slice(column, int(last[0]))
        inside, is_near = np.zeros((2, *states[at].shape), np.bool_)
        _rasterize(*edges, area, origin, row, column, inside, is_near)
        _join(states[at], inside, area, numbers)
        near_rows, near_columns = np.nonzero(is_near)
        near_cells.append((near_rows + row) * columns + near_columns + column)
    sets = list(numbers)[:_MAX_SETS]
    near_areas = np.repeat(np.arange(len(areas)), [len(cells) for cells in near_cells])
    all_near = np.concatenate(near_cells)
    order = np.argsort(all_near, kind="stable")
    distinct, near_starts = np.unique(all_near[order], return_index=True)
    near = np.full((rows, columns), -1, np.int32)
    near_sets = states.reshape(-1)[distinct].astype(np.int64)
    near.reshape(-1)[distinct] = np.where(near_sets < _MAX_SETS, np.arange(len(distinct)), -1)
    states[states >= _MAX_SETS] = NEAR_EDGE
    states.reshape(-1)[distinct] = NEAR_EDGE
    return AreaGrid(
        edges,
        origin,
        states,
        _sum_changes(states),
        np.cumsum([0, *map(len, sets)]),
        np.array([area for of_set in sets for area in of_set], np.int64),
        near,
        near_sets,
        np.append(near_starts, len(all_near)),
        near_areas[order],
    )


def _join(
    states: NDArray[np.int32], inside: NDArray[np.bool_], area: int, numbers: dict[tuple[int, ...], int]
) -> None:
    """Adds an area to the sets of the cells inside; `numbers` has the number of each set."""
    before = states[inside]
    present = np.bincount(before, minlength=len(numbers))
    sets, after = list(numbers), np.zeros(len(numbers), np.int32)
    for number in present.nonzero()[0].tolist():
        after[number] = numbers.setdefault((*sets[number], area), len(numbers))
    states[inside] = after[before]


@numba.njit(cache=True, nogil=True)
def _sum_changes(states):  # type: ignore[no-untyped-def]
    """`AreaGrid.changes`."""
    rows, columns = states.shape
    sums = np.zeros((3, rows + 1, columns + 1), np.int32)
    for row in range(rows):
        near = western = southern = 0
        for column in range(columns):
            state = states[row, column]
            near += state == NEAR_EDGE
            western += column > 0 and state != states[row, column - 1]
            southern += row > 0 and state != states[row - 1, column]
            sums[0, row + 1, column + 1] = sums[0, row, column + 1] + near
            sums[1, row + 1, column + 1] = sums[1, row, column + 1] + western
            sums[2, row + 1, column + 1] = sums[2, row, column + 1] + southern
    return sums


@numba.njit(cache=True, nogil=True)
def _rasterize(  # type: ignore[no-untyped-def]
    areas, starts, points, rings, area, origin, first_row, first_column, inside, near
):
    """Marks the cells near an edge of an area, and of the others those inside; a part of the grid."""
    west, south, per_lon, per_lat = origin
    rows, columns = near.shape
    first, n_strips = np.int64(areas[area, 4]), np.int64(areas[area, 5])
    for edge in range(starts[first], starts[first + n_strips]):
        x1, y1, x2, y2 = points[edge, 0], points[edge, 1], points[edge, 2], points[edge, 3]
        strip = first + strip_of(min(y1, y2), areas[area, 1], areas[area, 6], n_strips)
        if not starts[strip] <= edge < starts[strip + 1]:
            continue  # stands in a strip before
        is_short = is_ignored(x1, y1, x2, y2)
        x1, x2 = (x1 - west) * per_lon - first_column, (x2 - west) * per_lon - first_column
        y1, y2 = (y1 - south) * per_lat - first_row, (y2 - south) * per_lat - first_row
        if y1 > y2:
            x1, y1, x2, y2 = x2, y2, x1, y1
        bottom = max(int(y1 - MARGIN), 0)
        top = min(int(y2 + MARGIN) + 1, rows)
        for row in range(bottom, top):
            # The part of the edge in the row and its margin.
            low, high = x1, x2
            if y2 > y1:
                down = min(max((row - MARGIN - y1) / (y2 - y1), 0.0), 1.0)
                up = min(max((row + 1 + MARGIN - y1) / (y2 - y1), 0.0), 1.0)
                low, high = x1 + down * (x2 - x1), x1 + up * (x2 - x1)
            if low > high:
                low, high = high, low
            if is_short:
                low, high = 0.0, np.float64(columns)
            left, right = np.int64(low - MARGIN - 1e-6), np.int64(high + MARGIN + 1e-6)
            near[row, max(left, 0) : right + 1] = True
    for row in range(rows):
        lat = south + (first_row + row + 0.5) / per_lat
        known, is_inside = False, False
        for column in range(columns):
            if near[row, column]:
                known = False
                continue
            if not known:
                known = True
                lon = west + (first_column + column + 0.5) / per_lon
                is_inside = point_in_area(areas, starts, points, rings, area, lon, lat)
            inside[row, column] = is_inside


@numba.njit(cache=True, nogil=True)
def state_of_rectangle(frame, states, changes, low_lon, low_lat, high_lon, high_lat):  # type: ignore[no-untyped-def]
    """The state of all points of a rectangle; `NEAR_EDGE` if they may differ.

    `frame`, `states` and `changes` are those of the grid, `frame` is its origin.
    """
    rows, columns = states.shape
    x1, x2 = (low_lon - frame[0]) * frame[2], (high_lon - frame[0]) * frame[2]
    y1, y2 = (low_lat - frame[1]) * frame[3], (high_lat - frame[1]) * frame[3]
    if x2 < 1.0 or y2 < 1.0 or x1 > columns - 1 or y1 > rows - 1:
        return 0
    # What reaches beyond the grid lies outside all areas, as its first and last rows and columns do.
    left, right = np.int64(max(x1, 0.0)), np.int64(min(x2, columns - 0.5))
    bottom, top = np.int64(max(y1, 0.0)), np.int64(min(y2, rows - 0.5))
    if _sum(changes, 0, bottom, left, top, right) or _sum(changes, 1, bottom, left + 1, top, right):
        return NEAR_EDGE
    if _sum(changes, 2, bottom + 1, left, top, right):
        return NEAR_EDGE
    return np.int64(states[bottom, left])


@numba.njit(cache=True, nogil=True)
def _sum(sums, kind, bottom, left, top, right):  # type: ignore[no-untyped-def]
    top, right = top + 1, right + 1
    return (
        sums[kind, top, right] - sums[kind, bottom, right] - sums[kind, top, left] + sums[kind, bottom, left]
    )
