"""Compiled look-ups of trips' ends in a grid over areas, by the high bits of their coordinates.

The high bits of a coordinate leave an interval of it possible. Its scale says where that lies: `keys` (3, 4) holds
the smallest key, the number of low bits and the largest key of each column of coordinates, and `places` (3, 4) ten to
the power of its decimals (0 for float keys), and the begin and the length of the intervals in columns or rows of the
grid (a length of 0 for float keys, which have no even steps).
"""

import numba
import numpy as np

from shifts_core.tiles.area_grid import MARGIN, NEAR_EDGE
from shifts_core.tiles.format import key_of, largest_offset, shift_of, value_of
from shifts_core.tiles.kernels import high_bits_at

_BASE, _SHIFT, _LARGEST = 0, 1, 2
_POWER, _OFFSET, _STEP = 0, 1, 2


@numba.njit(cache=True, nogil=True)
def empty_scales():  # type: ignore[no-untyped-def]
    """`keys` and `places` of a leaf, to be filled."""
    return np.zeros((3, 4), np.int64), np.zeros((3, 4))


@numba.njit(cache=True, nogil=True)
def fill_scales(bounds, leaf, needed, frame, keys, places):  # type: ignore[no-untyped-def]
    """Fills the scales of those coordinates of a leaf that are needed.

    `bounds` are the smallest and largest coordinates of all leaves (k, 4), in degrees, and their decimals.
    """
    low, high, decimals = bounds
    for axis in range(4):
        if not needed[axis]:
            continue
        of_axis = decimals[leaf, axis]
        base, largest = key_of(low[leaf, axis], of_axis), key_of(high[leaf, axis], of_axis)
        shift = shift_of(largest_offset(base, largest))
        keys[_BASE, axis], keys[_SHIFT, axis], keys[_LARGEST, axis] = base, shift, largest
        scale = frame[2 + axis % 2]
        power = 10.0 ** np.int64(of_axis) if of_axis > 0 else 0.0
        places[_POWER, axis] = power
        places[_OFFSET, axis] = (low[leaf, axis] - frame[axis % 2]) * scale
        places[_STEP, axis] = 2.0**shift / power * scale if power > 0 else 0.0


@numba.njit(cache=True, nogil=True)
def interval_of(addresses, place, axis, keys, places):  # type: ignore[no-untyped-def]
    """The smallest and the largest coordinate (degrees) that the high bits of a trip leave possible."""
    shift, power = keys[_SHIFT, axis], places[_POWER, axis]
    low = keys[_BASE, axis] + (np.int64(high_bits_at(addresses[axis], place)) << shift)
    high = min(low + (np.int64(1) << shift) - 1, keys[_LARGEST, axis])
    if power > 0:
        return low / power, high / power
    return value_of(low, 0), value_of(high, 0)


@numba.njit(cache=True, nogil=True)
def cell_at(cells, x, y, axis, places):  # type: ignore[no-untyped-def]
    """The row and column of the cell in which the intervals of an end's high bits begin; `axis` is its first."""
    # What reaches beyond the grid lies outside all areas, as its first and last rows and columns do.
    column = min(max(np.int64(places[_OFFSET, axis] + places[_STEP, axis] * x), 0), cells.shape[1] - 1)
    row = min(max(np.int64(places[_OFFSET, axis + 1] + places[_STEP, axis + 1] * y), 0), cells.shape[0] - 1)
    return row, column


@numba.njit(cache=True, nogil=True)
def look_up_end(cells, frame, x, y, axis, keys, places, numbers, states):  # type: ignore[no-untyped-def]
    """Fills the states of an end of trips; returns whether their intervals are shorter than the grid's margin.

    `axis` is the first of the end's two coordinates, x and y their high bits; `numbers` is overwritten.
    """
    offset_x, step_x = places[_OFFSET, axis], places[_STEP, axis]
    offset_y, step_y = places[_OFFSET, axis + 1], places[_STEP, axis + 1]
    is_short = 0 < step_x < MARGIN / 2 and 0 < step_y < MARGIN / 2
    if is_short:
        _look_up(cells, x, y, offset_x, step_x, offset_y, step_y, numbers, states)
    else:
        _look_up_long(cells, frame, x, y, axis, keys, places, states)
    return is_short


@numba.njit(cache=True, nogil=True)
def _look_up(cells, x, y, offset_x, step_x, offset_y, step_y, numbers, states):  # type: ignore[no-untyped-def]
    """Fills the states of ends whose intervals are so short that they stay within a cell and its margin.

    `numbers` receives those of the cells: by themselves, they are computed several at a time. No grid has so many
    cells in 360 degrees that they need more than 32 bits.
    """
    rows, columns = np.int32(cells.shape[0]), np.int32(cells.shape[1])
    none, one = np.int32(0), np.int32(1)
    # What reaches beyond the grid lies outside all areas, as its first and last rows and columns do.
    for trip in range(len(x)):
        column = min(max(np.int32(offset_x + step_x * x[trip]), none), columns - one)
        row = min(max(np.int32(offset_y + step_y * y[trip]), none), rows - one)
        numbers[trip] = row * columns + column
    flat = cells.reshape(-1)
    for trip in range(len(x)):
        states[trip] = flat[np.uint32(numbers[trip])]


@numba.njit(cache=True, nogil=True)
def _look_up_long(cells, frame, x, y, axis, keys, places, states):  # type: ignore[no-untyped-def]
    """Fills the states of ends whose intervals may be long: those of trips far apart, and of float keys."""
    for trip in range(len(x)):
        west, east = _columns(x[trip], axis, keys, places, frame[0], frame[2])
        south, north = _columns(y[trip], axis + 1, keys, places, frame[1], frame[3])
        states[trip] = _state_of_cells(cells, west, east, south, north)


@numba.njit(cache=True, nogil=True)
def _columns(high_bits, axis, keys, places, origin, per_degree):  # type: ignore[no-untyped-def]
    """Where the interval of a coordinate begins and ends, in columns or rows of the grid."""
    if places[_STEP, axis] > 0.0:
        begin = places[_OFFSET, axis] + places[_STEP, axis] * high_bits
        return begin, begin + places[_STEP, axis]
    low = keys[_BASE, axis] + (np.int64(high_bits) << keys[_SHIFT, axis])
    high = min(low + (np.int64(1) << keys[_SHIFT, axis]) - 1, keys[_LARGEST, axis])
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
