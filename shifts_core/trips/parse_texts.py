"""Compiled loops over a column of texts as Arrow stores it: a dictionary of texts, and the number of each row's text.

Text n is data[offsets[n]:offsets[n + 1]]; the number -1 stands for null, which counts as an empty text.
"""

import numba
import numpy as np

from shifts_core.trips.name_table import NO_ROOM, find_or_add
from shifts_core.trips.parse_values import UNSURE, parse_point, parse_timestamp
from shifts_core.trips.rules import MAX_FIELD_BYTES


@numba.njit(cache=True, nogil=True)
def _copy(data, offsets, number, scratch):  # type: ignore[no-untyped-def]
    """Copies a text and puts a zero after it, so that its parser stops there; its size, UNSURE if it is too long."""
    if number < 0:
        return UNSURE
    begin = offsets[number]
    size = offsets[number + 1] - begin
    if size > MAX_FIELD_BYTES:
        return UNSURE
    for offset in range(size):
        scratch[offset] = data[begin + offset]
    scratch[size] = 0
    return size


@numba.njit(cache=True, nogil=True)
def parse_points(data, offsets, numbers, points, parsed):  # type: ignore[no-untyped-def]
    """Parses the WKT of each row into `points`, (rows, 2); clears `parsed` for rows that are left to slower code."""
    scratch = np.zeros(MAX_FIELD_BYTES + 1, np.uint8)
    for row in range(numbers.size):
        size = _copy(data, offsets, numbers[row], scratch)
        if size >= 0:
            points[row, 0], points[row, 1], end = parse_point(scratch, 0)
            parsed[row] &= end == size
        else:
            parsed[row] = False


@numba.njit(cache=True, nogil=True)
def parse_timestamps(data, offsets, numbers, first, last, started_at, parsed):  # type: ignore[no-untyped-def]
    """Parses the timestamp of each row; clears `parsed` also for those before `first` or not before `last`."""
    scratch = np.zeros(MAX_FIELD_BYTES + 1, np.uint8)
    for row in range(numbers.size):
        size = _copy(data, offsets, numbers[row], scratch)
        if size >= 0:
            started_at[row], end = parse_timestamp(scratch, 0, size)
            parsed[row] &= end == size and first <= started_at[row] < last
        else:
            parsed[row] = False


@numba.njit(cache=True, nogil=True)
def number_names(data, offsets, numbers, begin, names, name_numbers, parsed):  # type: ignore[no-untyped-def]
    """Numbers the name of each row by a NameTable, from row `begin` on; clears `parsed` for names that are too long.

    Returns the row at which the table was full, or the number of rows.
    """
    for row in range(begin, numbers.size):
        start = stop = 0
        if numbers[row] >= 0:
            start, stop = offsets[numbers[row]], offsets[numbers[row] + 1]
        if stop - start > MAX_FIELD_BYTES:
            parsed[row] = False
            continue
        name_numbers[row] = find_or_add(data, start, stop, names)
        if name_numbers[row] == NO_ROOM:
            return row
    return numbers.size
